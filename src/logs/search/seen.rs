//! What a person sees of a log: its bytes without the sequences that colour text and move a cursor.
//!
//! A search looks at this, so that a word is found whose letters were coloured one by one. A sequence never reaches
//! beyond its line, so lines stay lines; which bytes of the log a place stands for is kept beside. The page leaves
//! out the same sequences (`web/ansi.js`).

use std::ops::Range;

use memchr::{memchr, memchr3};

/// What begins a sequence.
pub(super) const ESCAPE: u8 = 0x1b;

/// Sequences that are left out of one stretch; one with more is no text, and searched as it is.
const MOST: usize = 1 << 18;

/// A stretch of a log as it is seen.
#[derive(Default)]
pub(super) struct Seen {
    bytes: Vec<u8>,
    /// Where sequences were: the place in `bytes`, and how many bytes of the log are missing up to there.
    gaps: Vec<(usize, usize)>,
}

impl Seen {
    /// Looks at some whole lines; `None` if all of them is seen.
    pub(super) fn of(&mut self, log: &[u8]) -> Option<&Self> {
        self.bytes.clear();
        self.gaps.clear();
        let (mut from, mut missing) = (0, 0);
        while let Some(index) = memchr(ESCAPE, &log[from..]) {
            let at = from + index;
            self.bytes.extend_from_slice(&log[from..at]);
            let length = length_of_sequence(&log[at..]);
            missing += length;
            from = at + length;
            let place = self.bytes.len();
            if let Some((_, until)) = self.gaps.last_mut().filter(|(last, _)| *last == place) {
                *until = missing;
            } else if self.gaps.len() < MOST {
                self.gaps.push((place, missing));
            } else {
                return None;
            }
        }
        if self.gaps.is_empty() {
            return None;
        }
        self.bytes.extend_from_slice(&log[from..]);
        Some(self)
    }

    /// What is seen.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of the log that a part stands for, with the sequences within it.
    pub(super) fn within_log(&self, part: &Range<usize>) -> Range<usize> {
        let place = |at: usize| at + self.missing(at);
        let start = place(part.start);
        start..if part.is_empty() { start } else { place(part.end - 1) + 1 }
    }

    /// How many bytes are missing before the byte at this place.
    fn missing(&self, at: usize) -> usize {
        let after = self.gaps.partition_point(|(place, _)| *place <= at);
        self.gaps[..after].last().map_or(0, |(_, missing)| *missing)
    }
}

/// The length of the sequence at the beginning of `log`, which is an escape: `CSI …` to its final byte, strings
/// (`OSC`, `DCS`, `SOS`, `PM`, `APC`) to their end or that of the line, and all else as far as it goes (ECMA-48, 5.4
/// and 5.6; `BEL` ends a string for xterm).
fn length_of_sequence(log: &[u8]) -> usize {
    let skip = |from: usize, bytes: std::ops::RangeInclusive<u8>| {
        log[from..].iter().position(|byte| !bytes.contains(byte)).map_or(log.len(), |length| from + length)
    };
    let ends_at = |at: usize, last: std::ops::RangeInclusive<u8>| log.get(at).is_some_and(|byte| last.contains(byte));
    if log.get(1) == Some(&b'[') {
        let last = skip(skip(2, b'0'..=b'?'), b' '..=b'/');
        if ends_at(last, b'@'..=b'~') {
            return last + 1;
        }
    }
    if matches!(log.get(1), Some(b']' | b'P' | b'X' | b'^' | b'_')) {
        let end = memchr3(0x07, ESCAPE, b'\n', &log[2..]).map_or(log.len(), |length| 2 + length);
        match (log.get(end), log.get(end + 1)) {
            (None | Some(b'\n'), _) => return end,
            (Some(0x07), _) => return end + 1,
            (Some(_), Some(b'\\')) => return end + 2,
            (Some(_), _) => {}
        }
    }
    let last = skip(1, b' '..=b'/');
    if ends_at(last, b'0'..=b'~') { last + 1 } else { last }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_left_out_and_places_lead_back_to_the_log() {
        let log = b"\x1b[1;31mER\x1b[0m\x1b[31mROR\x1b[m: \x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x07\nplain";
        let mut seen = Seen::default();
        let seen = seen.of(log).unwrap();
        assert_eq!(seen.bytes(), b"ERROR: link\nplain");
        assert_eq!(&log[seen.within_log(&(0..5))], b"ER\x1b[0m\x1b[31mROR");
        assert_eq!(&log[seen.within_log(&(7..11))], b"link");
        assert_eq!(seen.within_log(&(17..17)), log.len()..log.len());
        assert!(Seen::default().of(b"nothing but text\n").is_none());
    }

    #[test]
    fn a_sequence_that_never_ends_takes_no_more_than_its_line() {
        for (log, left) in [
            (&b"a\x1b]0;title\nb"[..], &b"a\nb"[..]),
            (b"a\x1b[31", b"a31"),
            (b"a\x1b[3\nb", b"a3\nb"),
            (b"a\x1b", b"a"),
            (b"a\x1b\nb", b"a\nb"),
            (b"a\x1b\x1b(Bb", b"ab"),
            (b"a\x1b]x\x1b[0mb", b"axb"),
        ] {
            assert_eq!(Seen::default().of(log).unwrap().bytes(), left, "{:?}", String::from_utf8_lossy(log));
        }
        let noise = b"\x1b\x01".repeat(MOST + 1);
        assert!(Seen::default().of(&noise).is_none());
    }
}
