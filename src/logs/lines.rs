//! Windows into a log: some lines of it, wherever they lie and however long they are.
//!
//! Every line that is asked for is there; a long one is cut, and cut shorter the more text the window already
//! holds, so that an answer stays small whatever a build prints.

use std::{io, os::unix::fs::FileExt};

use super::view::View;

/// The most lines of a window.
pub const MOST_LINES: u64 = 5_000;

/// The longest part of a line that is shown, in bytes.
const LONGEST: usize = 64 << 10;

/// What is shown at least of a line in a window that is full of long ones.
const SHORTEST: usize = 256;

/// The text of a window, as JSON writes it, before lines are cut to [`SHORTEST`].
const BUDGET: usize = 4 << 20;

/// What is read at once; more than [`LONGEST`].
const CHUNK: u64 = 128 << 10;

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Where they lie.
    pub place: Place,
    /// How many, at most [`MOST_LINES`].
    pub count: u64,
}

/// Where a window lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It begins with this line; numbers are from 1.
    From(u64),
    /// This line is in its middle, as far as the log reaches to both sides.
    Around(u64),
    /// It ends with the log.
    End,
}

/// Some lines, and the log they are of.
#[derive(Debug, Default)]
pub struct Lines {
    /// Lines in the log; a last one without a newline counts.
    pub total: u64,
    /// Bytes in the log.
    pub size: u64,
    /// Those of the window.
    pub lines: Vec<Line>,
}

/// One line of a log, without its newline.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: u64,
    /// Where in the log it begins.
    pub offset: u64,
    /// Its first bytes.
    pub bytes: Vec<u8>,
    /// How many it has.
    pub length: u64,
    /// Whether its newline is still to come.
    pub open: bool,
}

impl Window {
    /// The first line and how many, in a log of `total` lines.
    fn within(self, total: u64) -> (u64, u64) {
        let count = self.count.min(MOST_LINES);
        let last = (total + 1).saturating_sub(count).max(1);
        let first = match self.place {
            Place::From(first) => first.max(1),
            Place::Around(middle) => middle.saturating_sub(count / 2).clamp(1, last),
            Place::End => last,
        };
        (first, count.min((total + 1).saturating_sub(first)))
    }
}

/// Reads a window.
pub(super) fn read(view: &View, window: Window) -> io::Result<Lines> {
    let total = view.total()?;
    let (first, count) = window.within(total);
    let mut lines = Vec::new();
    if count > 0 {
        let mut reader = Reader { view, chunk: Vec::new(), start: 0, at: view.start_of(first)?, budget: BUDGET };
        for number in first..first + count {
            lines.push(reader.line(number)?);
        }
    }
    Ok(Lines { total, size: view.length, lines })
}

/// Reads line after line.
struct Reader<'a> {
    view: &'a View,
    chunk: Vec<u8>,
    /// Where the chunk begins.
    start: u64,
    /// Where the next line begins.
    at: u64,
    /// How much text may still come.
    budget: usize,
}

impl Reader<'_> {
    fn line(&mut self, number: u64) -> io::Result<Line> {
        let offset = self.at;
        let mut end = self.newline();
        if end.is_none() && self.start + (self.chunk.len() as u64) < self.view.length {
            self.fill()?;
            end = self.newline();
        }
        let (end, open) = match end {
            Some(end) => (end, false),
            // It ends beyond the chunk: the index knows where the next one begins.
            None => match (self.view.start_of(number + 1)?, self.view.is_open()?) {
                (next, true) if next == self.view.length => (next, true),
                (next, _) => (next - 1, false),
            },
        };
        self.at = end + 1;
        let from = usize::try_from(offset - self.start).unwrap_or(0);
        let here = &self.chunk[from..];
        let whole = &here[..here.len().min(usize::try_from(end - offset).unwrap_or(usize::MAX))];
        let limit = LONGEST.min(self.budget.max(SHORTEST));
        let bytes = if whole.len() > limit { &whole[..char_boundary(whole, limit)] } else { whole };
        self.budget = self.budget.saturating_sub(weight(bytes));
        Ok(Line { number, offset, bytes: bytes.to_vec(), length: end - offset, open })
    }

    /// Where the line ends, if that is within the chunk.
    fn newline(&self) -> Option<u64> {
        let from = usize::try_from(self.at.checked_sub(self.start)?).ok()?;
        let index = memchr::memchr(b'\n', self.chunk.get(from..)?)?;
        Some(self.at + index as u64)
    }

    /// Reads a chunk from the beginning of the line on.
    fn fill(&mut self) -> io::Result<()> {
        self.start = self.at;
        self.chunk.resize(usize::try_from(CHUNK.min(self.view.length - self.at)).unwrap_or(0), 0);
        self.view.log.read_exact_at(&mut self.chunk, self.at)
    }
}

/// How long `bytes` become in JSON, roughly: a control character is `\u001b`.
fn weight(bytes: &[u8]) -> usize {
    bytes.iter().map(|byte| if *byte < b' ' { 6 } else { 1 }).sum()
}

/// The last place at or before `at` that does not lie within a character of UTF-8.
pub(super) fn char_boundary(bytes: &[u8], at: usize) -> usize {
    let within = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    // A character has at most three bytes of that kind; more are no UTF-8, and may be cut anywhere.
    (at.saturating_sub(3)..=at).rev().find(|at| !within(at)).unwrap_or(at)
}
