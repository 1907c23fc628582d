//! Search from a line on to the end.
//!
//! A chunk is searched up to its last line break; what follows is kept for the next. Only a line that does not fit
//! makes the chunk larger. One that is longer than [`LONGEST`] is searched in pieces that overlap: there alone a
//! match longer than [`OVERLAP`] may be missed, and `^` and `$` may take a piece's ends for the line's.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use memchr::{memchr, memrchr};

use super::{Hit, Pattern, Span, seen::Seen};
use crate::logs::ledger::count;

/// What is searched at once: it stays in the processor's cache while it is looked at.
const CHUNK: usize = 64 << 10;

/// The longest line that is searched as one.
pub(super) const LONGEST: usize = 16 << 20;

/// What two pieces of a longer line share.
const OVERLAP: usize = 4 << 10;

/// A search on its way.
pub(super) struct Forward {
    log: Arc<File>,
    pattern: Arc<Pattern>,
    buffer: Vec<u8>,
    /// How much of the buffer is read and not yet searched.
    filled: usize,
    /// Where in the log the buffer begins.
    position: u64,
    /// Where the search ends.
    end: u64,
    /// The line in which the buffer begins.
    number: u64,
    /// Where that line begins: before the buffer, if it is longer than [`Self::longest`].
    line: u64,
    /// Whether an earlier piece of that line matched.
    told: bool,
    longest: usize,
    /// What is seen of the buffer, if that is not all of it.
    seen: Seen,
}

impl Forward {
    pub(super) fn new(log: Arc<File>, span: Span, pattern: Arc<Pattern>) -> Self {
        let Span { start, end, number } = span;
        let size = usize::try_from(end.saturating_sub(start)).map_or(CHUNK, |size| size.min(CHUNK));
        Self {
            log,
            pattern,
            buffer: vec![0; size],
            filled: 0,
            position: start,
            end,
            number,
            line: start,
            told: false,
            longest: LONGEST,
            seen: Seen::default(),
        }
    }

    /// The number of the line at the end, when all is searched.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// See [`super::Search::advance`].
    pub(super) fn advance(&mut self, most: usize, found: &mut Vec<Hit>) -> io::Result<bool> {
        self.fill()?;
        let data = &self.buffer[..self.filled];
        let is_last = self.position + self.filled as u64 >= self.end;
        let searched = match memrchr(b'\n', data) {
            _ if is_last => self.filled,
            Some(last) => last + 1,
            None if self.buffer.len() < self.longest => {
                let larger = (self.buffer.len() * 2).min(self.longest);
                self.buffer.resize(larger, 0);
                return Ok(true);
            }
            None => return Ok(self.search_piece(most, found)),
        };
        self.search(searched, most, found);
        self.number += count(&self.buffer[..searched]);
        if searched > 0 && self.buffer[searched - 1] == b'\n' {
            self.line = self.position + searched as u64;
            self.told = false;
        }
        self.pass(searched);
        Ok(!is_last)
    }

    fn fill(&mut self) -> io::Result<()> {
        let left = self.end - self.position - self.filled as u64;
        let room = self.buffer.len() - self.filled;
        let wanted = usize::try_from(left).map_or(room, |left| left.min(room));
        let offset = self.position + self.filled as u64;
        self.log.read_exact_at(&mut self.buffer[self.filled..self.filled + wanted], offset)?;
        self.filled += wanted;
        Ok(())
    }

    /// Searches a buffer that is full of one line.
    fn search_piece(&mut self, most: usize, found: &mut Vec<Hit>) -> bool {
        let before = found.len();
        self.search(self.filled, most, found);
        self.told |= found.len() > before;
        self.pass(self.filled - OVERLAP.min(self.filled / 2));
        true
    }

    /// Searches the first `length` bytes of the buffer, which end with a line.
    fn search(&mut self, length: usize, most: usize, found: &mut Vec<Hit>) {
        let whole = &self.buffer[..length];
        // A last line break ends a line and begins none.
        let lines = whole.strip_suffix(b"\n").unwrap_or(whole);
        if whole.is_empty() {
            return;
        }
        let seen = if self.pattern.names_escapes() { None } else { self.seen.of(lines) };
        let shown = seen.map_or(lines, Seen::bytes);
        let (mut at, mut number, mut counted) = (0, self.number, 0);
        if self.told {
            let Some(end) = memchr(b'\n', shown) else { return };
            at = end + 1;
        }
        while at <= shown.len() && found.len() < most {
            let Some(part) = self.pattern.find(shown, at) else { return };
            at = memchr(b'\n', &shown[part.start..]).map_or(shown.len(), |after| part.start + after) + 1;
            let matched = seen.map_or(part.clone(), |seen| seen.within_log(&part));
            let start = memrchr(b'\n', &lines[..matched.start]).map_or(0, |before| before + 1);
            let end = memchr(b'\n', &lines[matched.start..]).map_or(lines.len(), |after| matched.start + after);
            number += count(&lines[counted..start]);
            counted = start;
            let offset = if start == 0 { self.line } else { self.position + start as u64 };
            found.push(Hit::new(number, offset, &lines[start..end], matched.start - start..matched.end - start));
        }
    }

    /// Leaves searched bytes behind.
    fn pass(&mut self, searched: usize) {
        self.buffer.copy_within(searched..self.filled, 0);
        self.filled -= searched;
        self.position += searched as u64;
    }
}

#[cfg(test)]
impl Forward {
    /// With small buffers, so that a small log has many seams.
    pub(super) fn with_sizes(mut self, chunk: usize, longest: usize) -> Self {
        self.buffer = vec![0; chunk];
        self.longest = longest;
        self
    }
}
