//! Lines of ours in a build's log, after its script has ended.
//!
//! Writing a log may block (its last writer must let go of it first), so one blocking task writes
//! what it is told until the diary is closed. Its room is bounded: lines that find none are left out.

use std::{io, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};
use tracing::warn;

use super::journal::LiveJournal;
use crate::{
    logs::{LogWriter, Logs},
    model::BuildId,
    runner::{Journal, Progress},
};

const ROOM: usize = 64;

/// Writes to the log of one build.
pub(super) struct Diary {
    lines: mpsc::Sender<String>,
    writing: JoinHandle<()>,
}

impl Diary {
    /// Opens the log when there is something to write.
    pub(super) fn open(logs: Logs, journal: Arc<LiveJournal>, build: BuildId) -> Self {
        let (lines, mut told) = mpsc::channel::<String>(ROOM);
        let writing = spawn_blocking(move || {
            let mut log = None;
            while let Some(line) = told.blocking_recv() {
                if let Err(failure) = append(&logs, &mut log, &journal, build, &line) {
                    warn!(build.id = %build, "The log could not be written: {failure}");
                }
            }
        });
        Self { lines, writing }
    }

    /// Adds a line.
    pub(super) fn write(&self, line: String) {
        let _no_room = self.lines.try_send(line);
    }

    /// Ends when everything is in the log.
    pub(super) async fn close(self) {
        drop(self.lines);
        if let Err(failure) = self.writing.await {
            warn!("A log was not written to its end: {failure}");
        }
    }
}

fn append(
    logs: &Logs,
    log: &mut Option<LogWriter>,
    journal: &Arc<LiveJournal>,
    build: BuildId,
    line: &str,
) -> io::Result<()> {
    let (log, begun) = match log {
        Some(log) => (log, false),
        None => (log.insert(logs.writer(build)?), is_open(logs, build)?),
    };
    let text = format!("{}[autobuilder] {line}\n", if begun { "\n" } else { "" });
    let offset = log.len();
    log.append(text.as_bytes())?;
    journal.note(build, Progress::Output { offset, bytes: Bytes::from(text) });
    Ok(())
}

/// Whether the script's last line has no end.
fn is_open(logs: &Logs, build: BuildId) -> io::Result<bool> {
    let Some((file, length)) = logs.open(build)? else { return Ok(false) };
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    Ok(last != [b'\n'])
}
