//! Search in one log, a piece at a time, so that its caller can tell what was found and stop whenever it likes.
//!
//! Large chunks are searched at once, not line by line; a pattern is made so that no match spans lines. What is
//! looked at is what a person sees: colours and other sequences are left out, if there are any.
//! Memory is a chunk, or the longest line up to [`forward::LONGEST`].

mod backward;
mod forward;
mod hit;
mod pattern;
mod seen;
mod within;

#[cfg(test)]
mod tests;

use std::{fs::File, io, sync::Arc};

use self::{backward::Backward, forward::Forward};
use super::view::View;

pub use self::{
    hit::Hit,
    pattern::{Pattern, PatternError},
};

/// Where a search begins, and which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From this line to the end of the log.
    Forward(u64),
    /// From this line, or the last one if there are fewer, to the beginning.
    Backward(u64),
}

/// A search that goes on.
pub struct Search(Way);

enum Way {
    Forward(Forward),
    Backward(Backward),
}

/// A part of a log that begins with a line.
struct Span {
    start: u64,
    end: u64,
    /// The number of the line at `start`.
    number: u64,
}

impl Search {
    /// Through a log of this length from its beginning.
    pub(super) fn whole(log: File, length: u64, pattern: Arc<Pattern>) -> Self {
        Self(Way::Forward(Forward::new(Arc::new(log), Span { start: 0, end: length, number: 1 }, pattern)))
    }

    pub(super) fn new(view: &View, pattern: Arc<Pattern>, direction: Direction) -> io::Result<Self> {
        let log = Arc::clone(&view.log);
        Ok(Self(match direction {
            Direction::Forward(number) => {
                let span = Span { start: view.start_of(number)?, end: view.length, number: number.max(1) };
                Way::Forward(Forward::new(log, span, pattern))
            }
            Direction::Backward(number) => {
                let after = number.min(view.total()?) + 1;
                Way::Backward(Backward::new(log, view.start_of(after)?, after, pattern))
            }
        }))
    }

    /// Searches the next piece, and adds lines that match to `found` until it holds `most`: each line once, with
    /// its first match. Returns whether there is more to search.
    pub fn advance(&mut self, most: usize, found: &mut Vec<Hit>) -> io::Result<bool> {
        match &mut self.0 {
            Way::Forward(forward) => forward.advance(most, found),
            Way::Backward(backward) => backward.advance(most, found),
        }
    }
}
