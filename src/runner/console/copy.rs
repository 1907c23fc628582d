//! Copies a console into a log, byte by byte as it is, within the log limit.
//!
//! What was copied is given back to the disk by punching holes: unlike truncating, that cannot race
//! with the script, which goes on appending at the same offsets.

use std::{fs::File, io, os::unix::fs::FileExt, os::unix::fs::MetadataExt, path::PathBuf};

use bytes::Bytes;
use rustix::fs::{FallocateFlags, fallocate};

use super::{Viewer, mark::Mark, mask::Mask};
use crate::{logs::LogWriter, model::ByteSize};

const CHUNK: usize = 64 * 1024;
/// How much one call copies, so that its caller can look at its clock between.
const BATCH: u64 = 8 << 20;
const PUNCH: u64 = 1 << 20;
const PAGE: u64 = 4096;

/// What one copying did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::runner) struct Copied {
    /// Bytes read from the console.
    pub(in crate::runner) bytes: u64,
    /// There is more to copy at once.
    pub(in crate::runner) more: bool,
    /// The script wrote more than the log keeps.
    pub(in crate::runner) limited: bool,
    /// Nothing at all came from the script in this attempt.
    pub(in crate::runner) silent: bool,
}

pub(super) struct Copier {
    console: File,
    log: LogWriter,
    viewer: Viewer,
    mask: Mask,
    mark_path: PathBuf,
    mark: Mark,
    /// How far the console is copied.
    offset: u64,
    /// How far the console is given back to the disk.
    punched: u64,
    limit: u64,
    limited: bool,
    buffer: Vec<u8>,
}

impl Copier {
    pub(super) fn resume(
        console: File,
        log: LogWriter,
        mark_path: PathBuf,
        limit: u64,
        mask: Mask,
        viewer: Viewer,
    ) -> io::Result<Self> {
        let mark = match Mark::read(&mark_path)? {
            Some(mark) => mark,
            None => {
                let mark = Mark::start(log.len());
                mark.write(&mark_path)?;
                mark
            }
        };
        let offset = mark.console_at(log.len());
        let limited = log.len() - mark.began.min(log.len()) > limit;
        let buffer = vec![0; CHUNK];
        Ok(Self { console, log, viewer, mask, mark_path, mark, offset, punched: 0, limit, limited, buffer })
    }

    /// Copies at most a batch.
    pub(super) fn copy(&mut self) -> io::Result<Copied> {
        self.copy_batch(false)
    }

    /// `ended` says that nothing more will be written.
    fn copy_batch(&mut self, ended: bool) -> io::Result<Copied> {
        self.notice_truncation()?;
        let before = self.offset;
        let mut at_end = false;
        while !at_end && self.offset - before < BATCH {
            at_end = if self.limited { self.skip()? } else { self.copy_chunk(ended)? };
        }
        self.punch();
        Ok(self.copied(self.offset - before, !at_end))
    }

    /// Copies all that is left and says what the script did to its console.
    pub(super) fn finish(&mut self) -> io::Result<Copied> {
        let mut copied = self.copy_batch(true)?;
        while copied.more {
            copied = self.copy_batch(true)?;
        }
        if self.console.metadata()?.nlink() == 0 {
            self.notice("the script removed its console: what it wrote to another file of that name is lost")?;
        }
        Ok(self.copied(copied.bytes, false))
    }

    fn copied(&self, bytes: u64, more: bool) -> Copied {
        Copied { bytes, more, limited: self.limited, silent: self.offset == 0 }
    }

    /// Copies one chunk; true at the end of the console, or of what may be kept for now.
    fn copy_chunk(&mut self, ended: bool) -> io::Result<bool> {
        let read = self.console.read_at(&mut self.buffer, self.offset)?;
        let whole = ended && read < self.buffer.len();
        let count = self.mask.apply(&mut self.buffer[..read], whole);
        if count == 0 {
            return Ok(true);
        }
        let room = (self.mark.began + self.limit).saturating_sub(self.log.len());
        let kept = usize::try_from(room).map_or(count, |room| room.min(count));
        let start = self.log.len();
        self.log.append(&self.buffer[..kept])?;
        self.offset += kept as u64;
        if kept > 0 {
            (self.viewer)(start, Bytes::copy_from_slice(&self.buffer[..kept]));
        }
        if kept < count {
            self.limited = true;
            let limit = ByteSize(self.limit);
            self.notice(&format!("the log limit of {limit} is reached: nothing more is kept, the script is ended"))?;
        }
        Ok(false)
    }

    /// Passes over what is not kept any more.
    fn skip(&mut self) -> io::Result<bool> {
        let end = self.console.metadata()?.len();
        self.offset = self.offset.max(end);
        Ok(true)
    }

    /// A script may truncate its own console. What was copied stays; the rest is read from its new start.
    fn notice_truncation(&mut self) -> io::Result<()> {
        if self.console.metadata()?.len() >= self.offset {
            return Ok(());
        }
        self.offset = 0;
        self.punched = 0;
        if self.limited {
            return Ok(());
        }
        self.notice("the script truncated its console: output that was not yet copied is lost")
    }

    /// Writes a line of ours, on a line of its own. The mark goes first: a crash between may cost our
    /// line, never a byte of the script.
    pub(super) fn notice(&mut self, text: &str) -> io::Result<()> {
        self.insert(Bytes::from(format!("\n[autobuilder] {text}\n")))
    }

    /// Writes what does not come from the script's console, with the secrets taken out of it.
    pub(super) fn append(&mut self, mut bytes: Vec<u8>) -> io::Result<()> {
        self.mask.apply(&mut bytes, true);
        self.insert(Bytes::from(bytes))
    }

    fn insert(&mut self, bytes: Bytes) -> io::Result<()> {
        let start = self.log.len();
        self.mark = Mark { log: start + bytes.len() as u64, console: self.offset, ..self.mark };
        self.mark.write(&self.mark_path)?;
        self.log.append(&bytes)?;
        (self.viewer)(start, bytes);
        Ok(())
    }

    /// Gives copied pages back. A file system that cannot only costs space, bounded by the log limit.
    fn punch(&mut self) {
        let until = self.offset - self.offset % PAGE;
        if until.saturating_sub(self.punched) < PUNCH {
            return;
        }
        let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let _unsupported = fallocate(&self.console, mode, self.punched, until - self.punched);
        self.punched = until;
    }
}

impl Drop for Copier {
    /// Makes the log survive a loss of power.
    fn drop(&mut self) {
        if let Err(error) = self.log.sync() {
            tracing::warn!("A log could not be made durable: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::OpenOptions,
        io::Write,
        sync::{Arc, Mutex},
    };

    use super::*;
    use crate::{logs::Logs, model::BuildId};

    struct Bench {
        directory: tempfile::TempDir,
        logs: Logs,
        id: BuildId,
        script: File,
        seen: Arc<Mutex<Vec<u8>>>,
    }

    impl Bench {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let logs = Logs::new(directory.path().join("logs")).unwrap();
            let script = OpenOptions::new().append(true).create(true).open(directory.path().join("console")).unwrap();
            Self { directory, logs, id: BuildId::new(), script, seen: Arc::default() }
        }

        fn copier(&self, limit: u64) -> Copier {
            let path = self.directory.path().join("console");
            let console = File::options().read(true).write(true).open(path).unwrap();
            let seen = Arc::clone(&self.seen);
            let viewer: Viewer = Box::new(move |_, bytes| seen.lock().unwrap().extend_from_slice(&bytes));
            let log = self.logs.writer(self.id).unwrap();
            Copier::resume(console, log, self.directory.path().join("mark"), limit, Mask::default(), viewer).unwrap()
        }

        fn log(&self) -> Vec<u8> {
            self.logs.tail(self.id, usize::MAX).unwrap()
        }
    }

    #[test]
    fn copying_goes_on_where_the_log_ends() {
        let mut bench = Bench::new();
        bench.script.write_all(b"one\xff").unwrap();
        let mut copier = bench.copier(1000);
        assert_eq!(copier.copy().unwrap(), Copied { bytes: 4, ..Copied::default() });
        drop(copier);
        bench.script.write_all(b"\0two").unwrap();
        bench.copier(1000).finish().unwrap();
        assert_eq!(bench.log(), b"one\xff\0two");
        assert_eq!(*bench.seen.lock().unwrap(), b"one\xff\0two");
    }

    #[test]
    fn the_first_bytes_up_to_the_limit_are_kept_exactly() {
        let mut bench = Bench::new();
        bench.script.write_all(&[b'x'; 150]).unwrap();
        let mut copier = bench.copier(100);
        assert!(copier.copy().unwrap().limited);
        bench.script.write_all(&[b'y'; 50]).unwrap();
        assert!(copier.finish().unwrap().limited);
        let log = bench.log();
        assert_eq!(log[..100], [b'x'; 100]);
        assert!(log[100..].starts_with(b"\n[autobuilder] the log limit of 100 is reached"));
        drop(copier);
        assert!(bench.copier(100).copy().unwrap().limited, "a restart does not forget it");
        assert_eq!(bench.log(), log);
    }

    #[test]
    fn output_of_exactly_the_limit_is_no_fault() {
        let mut bench = Bench::new();
        bench.script.write_all(&[b'x'; 100]).unwrap();
        assert!(!bench.copier(100).finish().unwrap().limited);
    }

    #[test]
    fn a_truncated_console_is_said_and_what_follows_is_kept() {
        let mut bench = Bench::new();
        bench.script.write_all(b"before").unwrap();
        let mut copier = bench.copier(1000);
        copier.copy().unwrap();
        bench.script.set_len(0).unwrap();
        bench.script.write_all(b"new").unwrap();
        copier.copy().unwrap();
        drop(copier);
        bench.script.write_all(b"er").unwrap();
        bench.copier(1000).finish().unwrap();
        let log = String::from_utf8(bench.log()).unwrap();
        assert!(log.starts_with("before\n[autobuilder] the script truncated its console"), "{log}");
        assert!(log.ends_with("lost\nnewer"), "{log}");
    }

    #[test]
    fn what_was_copied_is_given_back_to_the_disk() {
        let mut bench = Bench::new();
        bench.script.write_all(&vec![b'x'; 9 << 20]).unwrap();
        let mut copier = bench.copier(u64::MAX >> 1);
        copier.finish().unwrap();
        assert!(bench.script.metadata().unwrap().blocks() * 512 < 2 << 20);
        assert_eq!(bench.script.metadata().unwrap().len(), 9 << 20);
    }
}
