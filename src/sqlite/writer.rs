//! The one thread that writes.
//!
//! It takes every write that is waiting, runs each in a savepoint of one transaction, commits, and
//! only then tells the callers. A write that fails is rolled back alone.

use std::{
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
};

use rusqlite::Connection;
use tokio::sync::oneshot;
use tracing::error;

use super::{Error, Tx};

/// How many writes share a commit at most; bounds how long the first of them waits.
const BATCH: usize = 256;

/// A write that has run: called with the result of the commit, tells its caller.
type Ran = Box<dyn FnOnce(Result<(), &rusqlite::Error>) + Send>;
/// A write that waits: called with the open transaction, or with why none could be opened.
type Job = Box<dyn FnOnce(Result<&Connection, &rusqlite::Error>) -> Ran + Send>;

pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Self {
        let (jobs, queue) = channel();
        let thread = std::thread::Builder::new().name("sqlite-writer".into()).spawn(move || run(&connection, &queue));
        Self { jobs: Some(jobs), thread: Mutex::new(thread.ok()) }
    }

    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Tx) -> Result<T, Error> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        self.send(Box::new(move |began| {
            let outcome = in_savepoint(began, work);
            Box::new(move |committed| {
                let outcome = match (outcome, committed) {
                    (Ok(value), Ok(())) => Ok(value),
                    (Ok(_), Err(failure)) => Err(Error::Sqlite(copy_of(failure))),
                    (Err(error), _) => Err(error),
                };
                // The caller may have gone away; its write is kept all the same.
                let _ = answer.send(outcome);
            })
        }))?;
        result.await.map_err(|_| Error::Closed)?
    }

    pub(super) fn write_later<F>(&self, work: F)
    where
        F: FnOnce(&Tx) -> Result<(), Error> + Send + 'static,
    {
        let sent = self.send(Box::new(move |began| {
            let outcome = in_savepoint(began, work);
            Box::new(move |committed| {
                if let Err(failure) = outcome {
                    error!("A write failed: {failure}");
                } else if let Err(failure) = committed {
                    error!("A commit failed: {failure}");
                }
            })
        }));
        if let Err(closed) = sent {
            error!("A write was lost: {closed}");
        }
    }

    fn send(&self, job: Job) -> Result<(), Error> {
        self.jobs.as_ref().ok_or(Error::Closed)?.send(job).map_err(|_| Error::Closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            // Waits for the last commit; a panic of the thread was already printed.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, queue: &Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let batch = std::iter::once(first).chain(queue.try_iter().take(BATCH - 1));
        commit(connection, batch);
    }
}

fn commit(connection: &Connection, batch: impl Iterator<Item = Job>) {
    let began = connection.execute_batch("BEGIN IMMEDIATE");
    let ran: Vec<Ran> = batch.map(|job| job(began.as_ref().map(|()| connection))).collect();
    let committed = began.and_then(|()| connection.execute_batch("COMMIT"));
    if committed.is_err() && !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    for tell in ran {
        tell(match &committed {
            Ok(()) => Ok(()),
            Err(failure) => Err(failure),
        });
    }
}

fn in_savepoint<T>(
    began: Result<&Connection, &rusqlite::Error>,
    work: impl FnOnce(&Tx) -> Result<T, Error>,
) -> Result<T, Error> {
    let connection = began.map_err(|failure| Error::Sqlite(copy_of(failure)))?;
    connection.prepare_cached("SAVEPOINT one")?.execute([])?;
    let result = work(connection);
    let end = if result.is_ok() { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
    connection.execute_batch(end)?;
    result
}

/// rusqlite's error is not `Clone`; several callers may have to hear of the same failed commit.
fn copy_of(error: &rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, message) => rusqlite::Error::SqliteFailure(*code, message.clone()),
        other => rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR),
            Some(other.to_string()),
        ),
    }
}
