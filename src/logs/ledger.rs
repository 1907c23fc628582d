//! Counts the lines of a log as it grows, and keeps the index up with it.
//!
//! Counting costs a few milliseconds for each gigabyte. Entries are written some at a time, always behind the
//! log: an index never tells of bytes that were not written.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use tracing::debug;

use super::index::{self, BLOCK, ENTRY};

/// Entries that are written at once: a reader of a growing log counts at most half a mebibyte anew.
const BATCH: usize = 8;

/// How far an index may stay behind its log before a reader looks after it: more than a writer ever lets it.
pub(super) const LAG: u64 = 2 << 20;

const CHUNK: usize = 256 << 10;

/// How far a log is counted. Only who holds the lock on the log has one.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    file: Option<File>,
    /// Entries in the file.
    entries: u64,
    /// Entries that are not in the file yet.
    pending: Vec<u8>,
    length: u64,
    newlines: u64,
}

/// Newlines in `bytes`.
pub(super) fn count(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Brings the index of a log up to it, unless somebody else is about to; false if so.
pub(super) fn mend(log: &Path) -> io::Result<bool> {
    let file = File::open(log)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    Ledger::resume(&file, index::path_of(log))?;
    Ok(true)
}

impl Ledger {
    /// Takes up an index where it is good, and counts what the log has beyond.
    pub(super) fn resume(log: &File, path: PathBuf) -> io::Result<Self> {
        let length = log.metadata()?.len();
        let file = match File::options().read(true).write(true).open(&path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let (mut entries, mut newlines) = (0, 0);
        if let Some(file) = &file {
            (entries, newlines) = index::good(file, length / BLOCK)?;
            // What stands beyond tells of bytes that a loss of power took.
            file.set_len(entries * ENTRY)?;
        }
        let mut ledger = Self { path, file, entries, pending: Vec::new(), length: entries * BLOCK, newlines };
        let mut chunk = vec![0; CHUNK];
        while ledger.length < length {
            match log.read_at(&mut chunk, ledger.length)? {
                0 => break,
                count => ledger.add(&chunk[..count]),
            }
        }
        Ok(ledger)
    }

    /// Counts what was appended to the log.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = usize::try_from(BLOCK - self.length % BLOCK).unwrap_or(usize::MAX);
            let (part, after) = rest.split_at(rest.len().min(room));
            self.newlines += count(part);
            self.length += part.len() as u64;
            if self.length.is_multiple_of(BLOCK) {
                self.note();
            }
            rest = after;
        }
    }

    fn note(&mut self) {
        self.pending.extend(index::encode(self.length / BLOCK - 1, self.newlines));
        if self.pending.len() >= BATCH * ENTRY as usize {
            self.flush();
        }
    }

    /// Writes what is pending. A failure does not concern the log; what stays pending is written with the next.
    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        match self.write() {
            Ok(()) => {
                self.entries += self.pending.len() as u64 / ENTRY;
                self.pending.clear();
            }
            Err(error) => debug!("The line index `{}` could not be written: {error}", self.path.display()),
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?,
        };
        self.file.insert(file).write_all_at(&self.pending, self.entries * ENTRY)
    }

    /// Bytes counted.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Newlines counted.
    pub(super) fn newlines(&self) -> u64 {
        self.newlines
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.flush();
    }
}
