//! One SQLite file, one writer, several readers.
//!
//! All writes go through one thread, so there is no lock to wait for and no `SQLITE_BUSY`. Writes
//! that wait at the same time share one commit, and so one `fsync`: a burst of a thousand webhooks
//! costs a few dozen of them. A caller hears of its write only after that commit is on the disk
//! (WAL mode with `synchronous=FULL`, see "Write-Ahead Logging" in SQLite's documentation).

mod migrate;
mod reader;
mod writer;

use std::{path::Path, sync::Arc, time::Duration};

use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

pub use self::migrate::MigrationError;
use self::{reader::Readers, writer::Writer};

/// What a statement runs on: the connection inside the writer's transaction, or a reader's.
pub type Tx = Connection;

/// A statement failed.
#[derive(Debug, Error)]
pub enum Error {
    /// SQLite's own error.
    #[error("the database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A stored value cannot be what it should be.
    #[error("the database holds `{value}` where {expected} was expected")]
    Corrupt {
        /// What should have been there.
        expected: &'static str,
        /// What was there.
        value: String,
    },
    /// The writer has stopped, because the service is leaving.
    #[error("the database is closed")]
    Closed,
}

/// The file could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// SQLite refused the file.
    #[error("could not open the database `{path}`")]
    Open {
        /// The file.
        path: String,
        /// SQLite's own words.
        source: rusqlite::Error,
    },
    /// The schema could not be brought up to date.
    #[error("could not upgrade the database `{path}`")]
    Migrate {
        /// The file.
        path: String,
        /// What went wrong.
        source: MigrationError,
    },
    /// Pages are damaged.
    #[error("the database `{path}` is damaged ({problem}): restore the last backup (docs/operation.md, \"Backup\")")]
    Damaged {
        /// The file.
        path: String,
        /// What `quick_check` said.
        problem: String,
    },
}

impl Error {
    /// Whether the disk is full, so that trying again after cleaning up may help.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Sqlite(rusqlite::Error::SqliteFailure(error, _)) if error.code == rusqlite::ErrorCode::DiskFull)
    }
}

/// A handle to the database; clones share the same file.
#[derive(Clone)]
pub struct Database {
    writer: Arc<Writer>,
    readers: Arc<Readers>,
}

impl Database {
    /// Opens or creates the file and brings its schema up to date. Blocks.
    pub fn open(path: &Path, migrations: &'static [&'static str]) -> Result<Self, OpenError> {
        let shown = || path.display().to_string();
        let mut connection =
            connect(path, OpenFlags::default()).map_err(|source| OpenError::Open { path: shown(), source })?;
        migrate::run(&mut connection, path, migrations)
            .map_err(|source| OpenError::Migrate { path: shown(), source })?;
        Ok(Self { writer: Arc::new(Writer::start(connection)), readers: Arc::new(Readers::new(path.to_owned())) })
    }

    /// Runs `work` in the next transaction; returns after its commit is on the disk. If `work`
    /// fails, nothing of it is kept, and other writes in the same transaction are not touched.
    pub async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Tx) -> Result<T, Error> + Send + 'static,
    {
        self.writer.write(work).await
    }

    /// Like [`Self::write`], but returns at once; the write keeps its place in the order. For what
    /// may be lost in a crash because the next start finds out anew.
    pub fn write_later<F>(&self, work: F)
    where
        F: FnOnce(&Tx) -> Result<(), Error> + Send + 'static,
    {
        self.writer.write_later(work);
    }

    /// Runs `work` on a reader's connection, off the async threads.
    pub async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Tx) -> Result<T, Error> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        tokio::task::spawn_blocking(move || readers.with(work)).await.map_err(|_| Error::Closed)?
    }

    /// Looks through the whole file for damage. Takes long on a large file: run it in the background.
    pub async fn check(&self) -> Result<(), String> {
        let verdict =
            self.read(|tx| Ok(tx.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))?)).await;
        match verdict {
            Ok(text) if text == "ok" => Ok(()),
            Ok(text) => Err(text),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// No `PRAGMA optimize`: queries and indexes are made for each other, and what SQLite learnt of one database's
/// contents could only lead it away from that. A log that grew beside a long reader is cut again.
fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA journal_size_limit = 16777216;
         PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -1024;
         PRAGMA temp_store = MEMORY;",
    )?;
    Ok(connection)
}

#[cfg(test)]
mod tests;
