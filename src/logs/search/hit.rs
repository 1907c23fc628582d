//! A line that matches, as much of it as is worth showing.

use std::ops::Range;

use crate::logs::lines::char_boundary;

/// The longest part of a line that is shown, in bytes.
const SHOWN: usize = 4 << 10;

/// How much of it stands before the match.
const BEFORE: usize = 512;

/// A line that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The line, from 1.
    pub number: u64,
    /// Where in the log the line begins.
    pub offset: u64,
    /// The line, or the part of it around the match.
    pub bytes: Vec<u8>,
    /// The first match, within `bytes`.
    pub matched: Range<usize>,
    /// Whether `bytes` is only a part.
    pub cut: bool,
}

impl Hit {
    /// The line `number`, which begins at `offset` and matches at `matched`.
    pub(super) fn new(number: u64, offset: u64, line: &[u8], matched: Range<usize>) -> Self {
        if line.len() <= SHOWN {
            return Self { number, offset, bytes: line.to_vec(), matched, cut: false };
        }
        let start = char_boundary(line, matched.start.saturating_sub(BEFORE));
        let end = char_boundary(line, line.len().min(start + SHOWN)).max(start);
        let within = |at: usize| at.clamp(start, end) - start;
        Self {
            number,
            offset,
            bytes: line[start..end].to_vec(),
            matched: within(matched.start)..within(matched.end),
            cut: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_around_its_match_and_never_within_a_character() {
        let line = "é".repeat(100_000);
        for at in [0, 1_000, 99_999] {
            let hit = Hit::new(1, 0, line.as_bytes(), at * 2..at * 2 + 2);
            assert!(hit.cut && hit.bytes.len() <= SHOWN + 3);
            assert_eq!(&hit.bytes[hit.matched.clone()], "é".as_bytes());
            assert!(std::str::from_utf8(&hit.bytes).is_ok());
        }
        let hit = Hit::new(1, 0, &[0x80; 10_000], 0..10_000);
        assert_eq!(hit.matched, 0..hit.bytes.len());
    }
}
