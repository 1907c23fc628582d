//! The one writer of a log.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use super::{index, ledger::Ledger};

/// Appends to one log. Holds a lock on the file: while a build is handed from one owner to the next,
/// the last write of the old one ends before the new one looks how far the log is.
#[derive(Debug)]
pub struct LogWriter {
    // Before the file, whose closing ends the lock: the index is written to its end under it.
    ledger: Ledger,
    index: PathBuf,
    file: File,
}

impl LogWriter {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        let index = index::path_of(path);
        Ok(Self { ledger: Ledger::resume(&file, index.clone())?, index, file })
    }

    /// Appends all of `bytes`, or says how far the log really is: [`Self::len`] stays true after an error.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            self.ledger = Ledger::resume(&self.file, self.index.clone())?;
            return Err(error);
        }
        self.ledger.add(bytes);
        Ok(())
    }

    /// Bytes in the log.
    pub fn len(&self) -> u64 {
        self.ledger.length()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Newlines in the log.
    pub fn lines(&self) -> u64 {
        self.ledger.newlines()
    }

    /// Makes what was written survive a loss of power.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
