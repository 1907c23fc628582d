//! The last lines of a log, bounded, for the pages that show many builds at once.
//!
//! Bytes are kept as they were written (a chunk may end within a character); text is made when it
//! is asked for. CR and ANSI sequences stay: the page interprets them.

use super::render::lossy;
use crate::bus::Update;

/// Lines shown of one build.
const LINES: usize = 20;

/// The longest line shown, in bytes.
const LONGEST_LINE: usize = 4096;

/// Bytes kept of one build.
const KEPT: usize = 16 * 1024;

/// The end of one log.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    /// Where in the log `bytes` ends.
    end: u64,
}

impl Tail {
    /// From the end of a stored log.
    pub(super) fn new(end: u64, bytes: &[u8]) -> Self {
        let mut tail = Self { bytes: Vec::new(), end: end.saturating_sub(bytes.len() as u64) };
        tail.push(tail.end, bytes);
        tail
    }

    /// Where in the log it ends.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Adds what was written at `offset`. What is here already is passed over; after a gap it starts
    /// anew, so that lines that do not belong together are never shown as one.
    pub(super) fn push(&mut self, offset: u64, bytes: &[u8]) {
        let Some(fresh) = beyond(self.end, offset, bytes) else { return };
        if offset > self.end {
            self.bytes.clear();
        }
        self.end = offset + bytes.len() as u64;
        self.append(fresh);
    }

    fn append(&mut self, fresh: &[u8]) {
        let fresh = &fresh[fresh.len().saturating_sub(KEPT)..];
        let surplus = (self.bytes.len() + fresh.len()).saturating_sub(KEPT);
        self.bytes.drain(..surplus);
        self.bytes.extend_from_slice(fresh);
    }

    /// From lines that were shown elsewhere, with the byte of the log where they end.
    pub(super) fn of_shown(text: &str, end: u64) -> Self {
        let start = text.ceil_char_boundary(text.len().saturating_sub(KEPT));
        Self { bytes: text.as_bytes()[start..].to_vec(), end }
    }

    /// Adds text that was shown elsewhere: bytes that were no characters are replaced in it.
    pub(super) fn push_shown(&mut self, update: &Update) {
        if update.end <= self.end {
            return;
        }
        let mut text = update.text.as_str();
        match self.end.checked_sub(update.offset) {
            Some(known) => text = usize::try_from(known).ok().and_then(|known| text.get(known..)).unwrap_or(text),
            // Lines are shown without the newline at their end.
            None if update.offset == self.end + 1 => self.bytes.push(b'\n'),
            None => self.bytes.clear(),
        }
        self.end = update.end;
        self.append(text.as_bytes());
    }

    /// The last lines, and the byte of the log where they end.
    pub(super) fn shown(&self) -> (String, u64) {
        (self.text(), self.end - u64::from(self.bytes.ends_with(b"\n")))
    }

    /// The last lines, without the newline at their end.
    fn text(&self) -> String {
        let bytes = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        let cut_off = self.end > self.bytes.len() as u64;
        let mut lines: Vec<&[u8]> = bytes.rsplit(|byte| *byte == b'\n').take(LINES).collect();
        // The oldest line kept may lack its beginning: better not shown, unless it is all there is.
        if cut_off && lines.len() > 1 && lines.len() < LINES {
            lines.pop();
        }
        let shown: Vec<String> = lines.iter().rev().map(|line| shorten(line)).collect();
        shown.join("\n")
    }
}

/// The part of `bytes`, written at `offset`, that lies beyond `end`.
pub(super) fn beyond(end: u64, offset: u64, bytes: &[u8]) -> Option<&[u8]> {
    let known = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
    bytes.get(known..).filter(|fresh| !fresh.is_empty())
}

fn shorten(line: &[u8]) -> String {
    if line.len() <= LONGEST_LINE {
        return lossy(line);
    }
    // Of a progress bar the newest state counts, of any other long line its beginning.
    match line.iter().rposition(|byte| *byte == b'\r').map(|at| &line[at + 1..]) {
        Some(newest) if !newest.is_empty() && newest.len() <= LONGEST_LINE => lossy(newest),
        _ => format!("{}…", lossy(&line[..LONGEST_LINE])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_last_lines() {
        let mut tail = Tail::default();
        for n in 0..100_u64 {
            tail.push(tail.end(), format!("line {n}\n").as_bytes());
        }
        assert!(tail.text().starts_with("line 80\n") && tail.text().ends_with("line 99"), "{}", tail.text());
    }

    #[test]
    fn a_chunk_may_end_within_a_character() {
        let mut tail = Tail::default();
        tail.push(0, b"caf\xc3");
        tail.push(4, b"\xa9\n");
        assert_eq!(tail.text(), "café");
    }

    #[test]
    fn a_flood_without_newlines_stays_bounded() {
        let mut tail = Tail::default();
        for _ in 0..100 {
            tail.push(tail.end(), &[b'x'; 10_000]);
        }
        assert!(tail.bytes.len() <= KEPT);
        assert_eq!((tail.end(), tail.text().len()), (1_000_000, LONGEST_LINE + "…".len()));
    }

    #[test]
    fn what_was_shown_elsewhere_goes_on_where_it_ended() {
        let mut origin = Tail::default();
        origin.push(0, b"one\ntwo\n");
        let (text, end) = origin.shown();
        let mut tail = Tail::of_shown(&text, end);
        let update = |offset, text: &str| Update {
            id: crate::model::BuildId::new(),
            text: text.into(),
            offset,
            end: offset + text.len() as u64,
        };
        tail.push_shown(&update(0, "one\ntwo\n"));
        assert_eq!(tail.shown(), ("one\ntwo".into(), 7));
        tail.push_shown(&update(8, "thr"));
        tail.push_shown(&update(9, "hree\n"));
        assert_eq!(tail.shown(), ("one\ntwo\nthree".into(), 13));
        tail.push_shown(&update(100, "later"));
        assert_eq!(tail.shown(), ("later".into(), 105));
    }

    #[test]
    fn what_is_known_is_passed_over_and_a_gap_starts_anew() {
        let mut tail = Tail::new(10, b"6789\n");
        tail.push(5, b"6789\nmore\n");
        assert_eq!(tail.text(), "6789\nmore".strip_prefix("6789\n").unwrap());
        tail.push(100, b"later");
        assert_eq!((tail.text().as_str(), tail.end()), ("later", 105));
    }
}
