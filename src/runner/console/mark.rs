//! Which byte of the console belongs to which byte of the log.
//!
//! From a mark on, both grow alike, so after a restart the log's own length tells where to go on.
//! A new mark is needed only at the start of an attempt and where we put a line of our own between.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The log's length when the attempt began; the log limit counts from here.
    pub(super) began: u64,
    /// At this length of the log …
    pub(super) log: u64,
    /// … the console was copied up to here.
    pub(super) console: u64,
}

impl Mark {
    /// The start of an attempt whose log is `log` bytes long.
    pub(super) fn start(log: u64) -> Self {
        Self { began: log, log, console: 0 }
    }

    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        match fs::read(path) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the mark whole: a reader sees the old one or the new one.
    pub(super) fn write(self, path: &Path) -> io::Result<()> {
        let beside = path.with_extension("new");
        fs::write(&beside, serde_json::to_vec(&self)?)?;
        fs::rename(beside, path)
    }

    /// How far the console is copied when the log is `log` bytes long. A log that is shorter than the
    /// mark lacks (part of) our own line, never a byte of the script.
    pub(super) fn console_at(self, log: u64) -> u64 {
        self.console + log.saturating_sub(self.log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logs_length_tells_where_the_console_goes_on() {
        let mark = Mark { began: 10, log: 100, console: 70 };
        assert_eq!(mark.console_at(130), 100);
        assert_eq!(mark.console_at(90), 70);
    }

    #[test]
    fn a_mark_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mark");
        assert_eq!(Mark::read(&path).unwrap(), None);
        Mark::start(7).write(&path).unwrap();
        assert_eq!(Mark::read(&path).unwrap(), Some(Mark { began: 7, log: 7, console: 0 }));
    }
}
