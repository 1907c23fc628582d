//! One message to viewers, as it goes over the wire: made once, shared by all.
//!
//! What a server sends is not masked (RFC 6455, 5.1), so the bytes are the same for everybody, and a
//! thousand viewers who have not taken a message yet cost one copy of it.

use bytes::Bytes;

/// A final frame with text.
const FINAL_TEXT: u8 = 0x81;

/// One text message, in one frame.
#[derive(Debug, Clone)]
pub struct Frame {
    bytes: Bytes,
    /// Where the text begins.
    head: usize,
}

impl Frame {
    /// A frame with this text.
    pub(super) fn text(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(text.len() + 10);
        bytes.push(FINAL_TEXT);
        match (u8::try_from(text.len()), u16::try_from(text.len())) {
            (Ok(length @ 0..=125), _) => bytes.push(length),
            (_, Ok(length)) => {
                bytes.push(126);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                bytes.push(127);
                bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            }
        }
        let head = bytes.len();
        bytes.extend_from_slice(text.as_bytes());
        Self { bytes: bytes.into(), head }
    }

    /// All of it, as it is sent.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The message alone.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.head..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_stands_before_the_text_in_as_many_bytes_as_it_needs() {
        for (length, head) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65535, vec![0x81, 126, 255, 255]),
            (65536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let text = "x".repeat(length);
            let frame = Frame::text(&text);
            assert_eq!(frame.bytes()[..frame.head], head);
            assert_eq!(frame.payload(), text.as_bytes());
        }
    }
}
