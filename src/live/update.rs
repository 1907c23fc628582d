//! Console output on its way to viewers: gathered for a moment, then sent as one message.
//!
//! A chunk may end within a character; the incomplete bytes wait for the next chunk, so that no
//! character is torn and `offset` is always the byte where the text begins. When a script writes
//! faster than a screen can show, the oldest bytes are dropped: the offset shows the gap, and a
//! viewer that wants them reads the log.

use std::collections::VecDeque;

use bytes::Bytes;

use super::tail::beyond;

/// Bytes of one build in one message.
pub(super) const MOST: usize = 128 * 1024;

/// The longest beginning of a character that is not yet one.
const LONGEST_PART: usize = 3;

/// Output of one build that was not published yet. Chunks are kept as they came: a flood costs neither
/// copies nor more memory than the chunks it is cut back to.
#[derive(Debug, Default)]
pub(super) struct Pending {
    chunks: VecDeque<Bytes>,
    /// Of all chunks.
    length: usize,
    /// Where in the log the last one ends.
    end: u64,
}

/// Text ready to be published.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) offset: u64,
    pub(super) end: u64,
    pub(super) text: String,
}

impl Pending {
    /// Nothing, up to here.
    pub(super) fn from(end: u64) -> Self {
        Self { end, ..Self::default() }
    }

    /// Adds what was written at `offset`.
    pub(super) fn push(&mut self, offset: u64, bytes: Bytes) {
        let Some(fresh) = beyond(self.end, offset, &bytes).map(<[u8]>::len) else { return };
        if offset > self.end {
            self.chunks.clear();
            self.length = 0;
        }
        self.end = offset + bytes.len() as u64;
        self.chunks.push_back(bytes.slice(bytes.len() - fresh..));
        self.length += fresh;
        while let Some(oldest) = self.chunks.front()
            && self.length - oldest.len() >= MOST
        {
            self.length -= oldest.len();
            self.chunks.pop_front();
        }
    }

    /// Takes all complete characters.
    pub(super) fn take(&mut self) -> Option<Ready> {
        self.ready(incomplete_end)
    }

    /// Takes all there is: after the end of the build nothing will complete a character.
    pub(super) fn take_all(&mut self) -> Option<Ready> {
        self.ready(|_| 0)
    }

    fn ready(&mut self, left: impl Fn(&[u8]) -> usize) -> Option<Ready> {
        if self.chunks.is_empty() {
            return None;
        }
        let mut bytes = self.newest();
        let rest = bytes.split_off(bytes.len() - left(&bytes));
        if bytes.is_empty() {
            return None;
        }
        let end = self.end - rest.len() as u64;
        let offset = end - bytes.len() as u64;
        self.length = rest.len();
        self.chunks.clear();
        self.chunks.extend((!rest.is_empty()).then(|| Bytes::from(rest)));
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|replaced| String::from_utf8_lossy(replaced.as_bytes()).into_owned());
        Some(Ready { offset, end, text })
    }

    /// The newest bytes in one piece, beginning with a whole character.
    fn newest(&self) -> Vec<u8> {
        let mut surplus = self.length.saturating_sub(MOST);
        let mut bytes = Vec::with_capacity(self.length - surplus);
        for chunk in &self.chunks {
            let skipped = surplus.min(chunk.len());
            surplus -= skipped;
            bytes.extend_from_slice(&chunk[skipped..]);
        }
        if self.length > MOST {
            let torn = bytes.iter().take_while(|byte| is_continuation(**byte)).count();
            bytes.drain(..torn);
        }
        bytes
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
        pending.push(0, Bytes::from_static(b"caf\xc3"));
        assert_eq!(pending.take(), Some(Ready { offset: 0, end: 3, text: "caf".into() }));
        assert_eq!(pending.take(), None);
        pending.push(4, Bytes::from_static(b"\xa9!"));
        assert_eq!(pending.take(), Some(Ready { offset: 3, end: 6, text: "é!".into() }));
    }

    #[test]
    fn what_never_becomes_a_character_does_not_wait() {
        let mut pending = Pending::default();
        pending.push(0, Bytes::from_static(b"\xff\xc3\x28\xe2\x28"));
        assert_eq!(pending.take().map(|ready| (ready.end, ready.text)), Some((5, "\u{fffd}\u{fffd}(\u{fffd}(".into())));
        pending.push(5, Bytes::from_static(b"\xf0\x9f"));
        assert_eq!(pending.take(), None);
        assert_eq!(pending.take_all().map(|ready| ready.end), Some(7));
    }

    #[test]
    fn a_flood_drops_the_oldest_and_says_where_it_goes_on() {
        let mut pending = Pending::default();
        let chunk = "é".repeat(16 * 1024);
        for n in 0..100 {
            pending.push(n * chunk.len() as u64, Bytes::from(chunk.clone()));
            assert!(pending.chunks.iter().map(Bytes::len).sum::<usize>() < MOST + chunk.len());
        }
        let ready = pending.take().unwrap();
        assert_eq!((ready.end, ready.end - ready.offset), (100 * chunk.len() as u64, MOST as u64));
        assert!(!ready.text.contains('\u{fffd}'));
    }

    #[test]
    fn after_a_gap_nothing_is_glued_together() {
        let mut pending = Pending::default();
        pending.push(0, Bytes::from_static(b"caf\xc3"));
        pending.push(100, Bytes::from_static(b"later"));
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
                pending.push(start as u64, Bytes::copy_from_slice(&bytes[start..cut]));
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
