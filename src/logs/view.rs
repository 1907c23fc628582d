//! A log as it stood when it was opened, with its lines found by the index.
//!
//! A log only grows, so what was there then stays true while the writer goes on; no lock is needed.

use std::{fs::File, io, ops::ControlFlow, os::unix::fs::FileExt, path::Path, sync::Arc};

use tracing::debug;

use super::{
    index::{self, BLOCK, ENTRY},
    ledger::{self, LAG, count},
};

/// One reader's log and index.
#[derive(Debug)]
pub(super) struct View {
    /// The log.
    pub(super) log: Arc<File>,
    /// How much of the log counts.
    pub(super) length: u64,
    index: Option<File>,
    /// How many entries of the index count.
    entries: u64,
}

impl View {
    /// Opens a log; `None` if there is none. An index that is missing, behind or torn is mended first.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        match Self::look(path)? {
            Some(view) if !view.is_sound() => Self::mended(path),
            view => Ok(view),
        }
    }

    /// Opens a log after its index was looked through whole. If that cannot be written, the good part of it serves.
    pub(super) fn mended(path: &Path) -> io::Result<Option<Self>> {
        match ledger::mend(path) {
            Ok(true) => {}
            Ok(false) => debug!("The log `{}` is being written; its index is left to its writer", path.display()),
            Err(error) => debug!("The line index of `{}` could not be mended: {error}", path.display()),
        }
        let Some(mut view) = Self::look(path)? else { return Ok(None) };
        if let Some(index) = &view.index {
            view.entries = index::good(index, view.entries)?.0;
        }
        Ok(Some(view))
    }

    fn look(path: &Path) -> io::Result<Option<Self>> {
        let Some(log) = open(path)? else { return Ok(None) };
        // The index after the log: what it tells beyond this length does not count.
        let length = log.metadata()?.len();
        let index = open(&index::path_of(path))?;
        let entries = index.as_ref().map_or(Ok(0), |index| index.metadata().map(|found| found.len() / ENTRY))?;
        Ok(Some(Self { log: Arc::new(log), length, index, entries: entries.min(length / BLOCK) }))
    }

    fn is_sound(&self) -> bool {
        self.length - self.indexed() <= LAG && self.newlines_before(self.entries).is_ok()
    }

    /// How much of the log the index covers.
    fn indexed(&self) -> u64 {
        self.entries * BLOCK
    }

    /// Newlines in the first `blocks` blocks, at most those that the index covers.
    fn newlines_before(&self, blocks: u64) -> io::Result<u64> {
        match &self.index {
            Some(index) if blocks > 0 => index::entry(index, blocks - 1),
            _ => Ok(0),
        }
    }

    /// How many lines there are; a last one without a newline counts.
    pub(super) fn total(&self) -> io::Result<u64> {
        let mut newlines = self.newlines_before(self.entries)?;
        self.each_chunk(self.indexed(), |_, chunk| {
            newlines += count(chunk);
            ControlFlow::<()>::Continue(())
        })?;
        Ok(newlines + u64::from(self.is_open()?))
    }

    /// Whether the last line has no newline yet.
    pub(super) fn is_open(&self) -> io::Result<bool> {
        let mut last = [b'\n'];
        if self.length > 0 {
            self.log.read_exact_at(&mut last, self.length - 1)?;
        }
        Ok(last != [b'\n'])
    }

    /// Where a line begins; the length of the log if there are fewer lines.
    pub(super) fn start_of(&self, number: u64) -> io::Result<u64> {
        let before = number.saturating_sub(1);
        if before == 0 {
            return Ok(0);
        }
        // The last block that begins before the newline we look for.
        let (mut low, mut high) = (0, self.entries);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if self.newlines_before(middle)? < before { low = middle } else { high = middle - 1 }
        }
        let mut wanted = before - self.newlines_before(low)?;
        let found = self.each_chunk(low * BLOCK, |offset, chunk| {
            let here = count(chunk);
            if here < wanted {
                wanted -= here;
                return ControlFlow::Continue(());
            }
            let index = usize::try_from(wanted - 1).ok().and_then(|nth| memchr::memchr_iter(b'\n', chunk).nth(nth));
            ControlFlow::Break(offset + index.map_or(0, |index| index as u64 + 1))
        })?;
        Ok(found.unwrap_or(self.length))
    }

    /// Reads from `offset` on, a block at a time, until `work` breaks.
    fn each_chunk<T>(&self, offset: u64, mut work: impl FnMut(u64, &[u8]) -> ControlFlow<T>) -> io::Result<Option<T>> {
        let mut chunk = vec![0; usize::try_from(BLOCK.min(self.length - offset)).unwrap_or(0)];
        let mut at = offset;
        while at < self.length {
            let size = chunk.len().min(usize::try_from(self.length - at).unwrap_or(usize::MAX));
            let part = &mut chunk[..size];
            self.log.read_exact_at(part, at)?;
            if let ControlFlow::Break(found) = work(at, part) {
                return Ok(Some(found));
            }
            at += size as u64;
        }
        Ok(None)
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
