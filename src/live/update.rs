//! Console output on its way to viewers: gathered for a moment, then sent as one message.
//!
//! A chunk may end within a character; the incomplete bytes wait for the next chunk, so that no
//! character is torn and `offset` is always the byte where the text begins. When a script writes
//! faster than a screen can show, the oldest bytes are dropped: the offset shows the gap, and a
//! viewer that wants them reads the log.

use super::{render, tail::beyond};

/// Bytes of one build in one message.
const MOST: usize = 128 * 1024;

/// The longest beginning of a character that is not yet one.
const LONGEST_PART: usize = 3;

/// Output of one build that viewers have not been sent yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    bytes: Vec<u8>,
    /// Where in the log `bytes` ends.
    end: u64,
}

/// Text ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) offset: u64,
    pub(super) end: u64,
    pub(super) text: String,
}

impl Pending {
    /// Nothing, up to here.
    pub(super) fn from(end: u64) -> Self {
        Self { bytes: Vec::new(), end }
    }

    /// Adds what was written at `offset`.
    pub(super) fn push(&mut self, offset: u64, bytes: &[u8]) {
        let Some(fresh) = beyond(self.end, offset, bytes) else { return };
        if offset > self.end {
            self.bytes.clear();
        }
        self.end = offset + bytes.len() as u64;
        self.bytes.extend_from_slice(fresh);
        // Cut rarely and deep, so that a flood costs one move of memory per `MOST` bytes.
        if self.bytes.len() > 2 * MOST {
            self.drop_oldest();
        }
    }

    /// Takes all complete characters.
    pub(super) fn take(&mut self) -> Option<Ready> {
        self.drop_oldest();
        let complete = self.bytes.len() - incomplete_end(&self.bytes);
        self.ready(complete)
    }

    /// Takes all there is: after the end of the build nothing will complete a character.
    pub(super) fn take_all(&mut self) -> Option<Ready> {
        self.drop_oldest();
        self.ready(self.bytes.len())
    }

    fn ready(&mut self, length: usize) -> Option<Ready> {
        if length == 0 {
            return None;
        }
        let offset = self.end - self.bytes.len() as u64;
        let text = render::lossy(&self.bytes[..length]);
        self.bytes.drain(..length);
        Some(Ready { offset, end: offset + length as u64, text })
    }

    fn drop_oldest(&mut self) {
        if self.bytes.len() > MOST {
            let mut start = self.bytes.len() - MOST;
            // The first character kept must be whole.
            while start < self.bytes.len() && is_continuation(self.bytes[start]) {
                start += 1;
            }
            self.bytes.drain(..start);
        }
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// How many bytes at the end begin a character without completing it.
fn incomplete_end(bytes: &[u8]) -> usize {
    let window = &bytes[bytes.len().saturating_sub(LONGEST_PART)..];
    for (index, byte) in window.iter().enumerate() {
        let length = match byte {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => continue,
        };
        let part = &window[index..];
        // `error_len` is none exactly where more bytes could still make it a character.
        let could_become_one = std::str::from_utf8(part).is_err_and(|error| error.error_len().is_none());
        if part.len() < length && could_become_one {
            return part.len();
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_character_cut_by_a_chunk_waits_for_its_rest() {
        let mut pending = Pending::default();
        pending.push(0, b"caf\xc3");
        assert_eq!(pending.take(), Some(Ready { offset: 0, end: 3, text: "caf".into() }));
        assert_eq!(pending.take(), None);
        pending.push(4, b"\xa9!");
        assert_eq!(pending.take(), Some(Ready { offset: 3, end: 6, text: "é!".into() }));
    }

    #[test]
    fn what_never_becomes_a_character_does_not_wait() {
        let mut pending = Pending::default();
        pending.push(0, b"\xff\xc3\x28\xe2\x28");
        assert_eq!(pending.take().map(|ready| (ready.end, ready.text)), Some((5, "\u{fffd}\u{fffd}(\u{fffd}(".into())));
        pending.push(5, b"\xf0\x9f");
        assert_eq!(pending.take(), None);
        assert_eq!(pending.take_all().map(|ready| ready.end), Some(7));
    }

    #[test]
    fn a_flood_drops_the_oldest_and_says_where_it_goes_on() {
        let mut pending = Pending::default();
        let chunk = "é".repeat(16 * 1024);
        for n in 0..100 {
            pending.push(n * chunk.len() as u64, chunk.as_bytes());
            assert!(pending.bytes.len() <= 2 * MOST + chunk.len());
        }
        let ready = pending.take().unwrap();
        assert_eq!((ready.end, ready.end - ready.offset), (100 * chunk.len() as u64, MOST as u64));
        assert!(!ready.text.contains('\u{fffd}'));
    }

    #[test]
    fn after_a_gap_nothing_is_glued_together() {
        let mut pending = Pending::default();
        pending.push(0, b"caf\xc3");
        pending.push(100, b"later");
        assert_eq!(pending.take(), Some(Ready { offset: 100, end: 105, text: "later".into() }));
    }

    proptest! {
        #[test]
        fn text_survives_any_chunking(text in "\\PC{0,200}", cuts in prop::collection::vec(0usize..800, 0..20)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let (mut pending, mut seen, mut start) = (Pending::default(), String::new(), 0);
            for cut in cuts {
                pending.push(start as u64, &bytes[start..cut]);
                start = cut;
                if let Some(ready) = pending.take() {
                    prop_assert_eq!(ready.offset, seen.len() as u64);
                    seen.push_str(&ready.text);
                    prop_assert_eq!(ready.end, seen.len() as u64);
                }
            }
            prop_assert_eq!(seen, text);
        }
    }
}
