//! The one writer of a log.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};

use rustix::fs::{FlockOperation, flock};

/// Appends to one log. Holds a lock on the file: while a build is handed from one owner to the next,
/// the last write of the old one ends before the new one looks how far the log is.
#[derive(Debug)]
pub struct LogWriter {
    file: File,
    length: u64,
    lines: u64,
}

impl LogWriter {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        let (length, lines) = measure(&mut file)?;
        Ok(Self { file, length, lines })
    }

    /// Appends all of `bytes`, or says how far the log really is: [`Self::len`] stays true after an error.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            (self.length, self.lines) = measure(&mut self.file)?;
            return Err(error);
        }
        self.length += bytes.len() as u64;
        self.lines += count_lines(bytes);
        Ok(())
    }

    /// Bytes in the log.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Newlines in the log.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Makes what was written survive a loss of power.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn measure(file: &mut File) -> io::Result<(u64, u64)> {
    if file.metadata()?.len() == 0 {
        return Ok((0, 0));
    }
    io::Seek::rewind(file)?;
    let (mut length, mut lines) = (0, 0);
    let mut chunk = vec![0; 256 * 1024];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok((length, lines)),
            count => {
                length += count as u64;
                lines += count_lines(&chunk[..count]);
            }
        }
    }
}
