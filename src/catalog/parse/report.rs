//! Collects every problem of one file, so that its author mends all of them at once.

use std::fmt::Display;

use crate::catalog::problem::{Place, Problem, printable};

/// More problems than this in one file say nothing new, and would let a file fill the memory.
const MOST_PROBLEMS: usize = 50;

/// A longer line is cut in reports.
const LONGEST_LINE: usize = 300;

/// A stretch of one line, counted in characters from 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) length: usize,
}

impl Mark {
    /// The first character of the file.
    pub(super) const START: Self = Self { line: 1, column: 1, length: 1 };
}

/// One file and what was found in it so far.
pub(super) struct Report<'a> {
    path: &'a str,
    lines: Vec<&'a str>,
    problems: Vec<Problem>,
    dropped: usize,
}

impl<'a> Report<'a> {
    /// A report without problems.
    pub(super) fn new(path: &'a str, text: &'a str) -> Self {
        Self { path, lines: text.lines().collect(), problems: Vec::new(), dropped: 0 }
    }

    /// The line as it stands in the file, without its end.
    pub(super) fn line(&self, line: usize) -> &'a str {
        line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or_default()
    }

    /// Adds a problem at a place.
    pub(super) fn error(&mut self, mark: Mark, message: impl Display, help: impl Display) {
        if self.is_full() {
            self.dropped += 1;
            return;
        }
        let place = self.place(mark);
        self.problems.push(Problem::at(self.path, place, message, help));
    }

    /// The place with the text of its line, for people.
    pub(super) fn place(&self, mark: Mark) -> Place {
        let text = printable(&self.line(mark.line).chars().take(LONGEST_LINE).collect::<String>());
        Place { line: mark.line, column: mark.column, length: mark.length.max(1), text }
    }

    /// Whether more problems would only be counted.
    pub(super) fn is_full(&self) -> bool {
        self.problems.len() == MOST_PROBLEMS
    }

    /// Whether nothing was found.
    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// All that was found, in the order of the file.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.place.as_ref().map(|place| (place.line, place.column)));
        if self.dropped > 0 {
            let message = format!("{} more problems in this file", self.dropped);
            self.problems.push(Problem::of_file(self.path, message, "mend those above first"));
        }
        self.problems
    }
}
