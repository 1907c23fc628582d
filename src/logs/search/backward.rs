//! Search from a line back to the beginning: spans of whole lines from the end on, each searched forward.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use memchr::memrchr;

use super::{Hit, Pattern, Span, forward::Forward};

/// How much is searched at once, if its lines are shorter.
const SPAN: usize = 256 << 10;

/// A search on its way.
pub(super) struct Backward {
    log: Arc<File>,
    pattern: Arc<Pattern>,
    /// Where the line after the next one to search begins.
    end: u64,
    /// The number of that line.
    after: u64,
    span: usize,
}

impl Backward {
    /// Through all lines before the line `after`, which begins at `end`.
    pub(super) fn new(log: Arc<File>, end: u64, after: u64, pattern: Arc<Pattern>) -> Self {
        Self { log, pattern, end, after, span: SPAN }
    }

    /// See [`super::Search::advance`].
    pub(super) fn advance(&mut self, most: usize, found: &mut Vec<Hit>) -> io::Result<bool> {
        if self.end == 0 {
            return Ok(false);
        }
        let (start, last_is_open) = self.start()?;
        let span = Span { start, end: self.end, number: 1 };
        let mut forward = Forward::new(Arc::clone(&self.log), span, Arc::clone(&self.pattern));
        let mut hits = Vec::new();
        while forward.advance(usize::MAX, &mut hits)? {}
        let first = self.after - (forward.number() - 1 + u64::from(last_is_open));
        let room = most.saturating_sub(found.len());
        found.extend(hits.into_iter().rev().take(room).map(|hit| Hit { number: hit.number + first - 1, ..hit }));
        (self.end, self.after) = (start, first);
        Ok(start > 0)
    }

    /// Where a line begins about a span before the end; and whether the last line has no line break.
    fn start(&self) -> io::Result<(u64, bool)> {
        let mut chunk = vec![0; self.span];
        // The last line's own line break begins none of ours.
        let mut upper = self.end - 1;
        let mut last = [0];
        self.log.read_exact_at(&mut last, upper)?;
        let last_is_open = last != [b'\n'];
        while upper > 0 {
            let lower = upper.saturating_sub(self.span as u64);
            let part = &mut chunk[..usize::try_from(upper - lower).unwrap_or(0)];
            self.log.read_exact_at(part, lower)?;
            // The earliest line of the last chunk; of one before it the last, which is longer than a chunk.
            let is_last = upper == self.end - 1;
            let found = if is_last { memchr::memchr(b'\n', part) } else { memrchr(b'\n', part) };
            if let Some(index) = found.filter(|_| lower > 0 || !is_last) {
                return Ok((lower + index as u64 + 1, last_is_open));
            }
            upper = lower;
        }
        Ok((0, last_is_open))
    }
}

#[cfg(test)]
impl Backward {
    /// With small spans, so that a small log has many.
    pub(super) fn with_span(mut self, span: usize) -> Self {
        self.span = span;
        self
    }
}
