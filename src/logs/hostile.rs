//! Logs as builds write them at their worst, and a reader that takes them apart in the plainest way.

use proptest::{collection::vec, prelude::*};

/// One stretch of a log.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "[a-z ]{0,40}".prop_map(String::into_bytes),
        8 => Just(b"\n".to_vec()),
        2 => vec(any::<u8>(), 0..60),
        1 => Just(b"\r 50%\r100%\r\n".to_vec()),
        1 => Just("\u{1b}[31merror\u{1b}[0m: \u{e9}\u{1f600}\n".as_bytes().to_vec()),
        1 => Just(b"\0\0\xff\xfe\xc3".to_vec()),
        1 => (0..3_000_usize).prop_map(|count| vec![b'\n'; count]),
        1 => (0..150_000_usize).prop_map(|count| vec![b'x'; count]),
        2 => (1..2_000_usize).prop_map(|count| b"an ordinary line of a log\n".repeat(count)),
    ]
}

/// A log, in the pieces it is written in.
pub(super) fn log() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(piece(), 0..40)
}

/// Every line with the offset where it begins, without its newline.
pub(super) fn lines(log: &[u8]) -> Vec<(u64, &[u8])> {
    let mut offset = 0;
    let mut lines = Vec::new();
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        lines.push((offset, line.strip_suffix(b"\n").unwrap_or(line)));
        offset += line.len() as u64;
    }
    lines
}
