//! Finds a text in output that comes in pieces.

/// A text that is looked for.
pub(super) struct Marker {
    text: Vec<u8>,
    /// The end of what came so far, which the text may have begun in.
    end: Vec<u8>,
}

impl Marker {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.as_bytes().to_vec(), end: Vec::new() }
    }

    /// Whether the text is complete with this piece.
    pub(super) fn is_in(&mut self, piece: &[u8]) -> bool {
        self.end.extend_from_slice(piece);
        let found = self.end.windows(self.text.len()).any(|window| window == self.text);
        let spare = self.end.len().saturating_sub(self.text.len() - 1);
        self.end.drain(..spare);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_however_it_is_cut() {
        for size in 1..8 {
            let mut marker = Marker::new("BOOT-OK");
            let output = b"[ 0.1] BOOT-BOOT-OK\r\n";
            let found: Vec<_> = output.chunks(size).map(|piece| marker.is_in(piece)).collect();
            assert_eq!(found.iter().filter(|found| **found).count(), 1, "{size}");
        }
        assert!(!Marker::new("BOOT-OK").is_in(b"BOOT-NO"));
    }
}
