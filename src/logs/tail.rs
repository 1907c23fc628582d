//! Finds where the last lines of a file begin by reading it backwards, never the whole of it.

use std::{fs::File, io, os::unix::fs::FileExt};

const CHUNK: u64 = 64 * 1024;

/// The offset at which the last `lines` lines of the first `end` bytes begin. A last line without a
/// newline counts as a line.
pub(super) fn start_of_last(file: &File, end: u64, lines: usize) -> io::Result<u64> {
    if lines == 0 || end == 0 {
        return Ok(end);
    }
    // The newline that closes the last line begins no further one.
    let mut position = end - 1;
    let mut left = lines;
    let mut chunk = vec![0; CHUNK as usize];
    while position > 0 {
        let begin = position.saturating_sub(CHUNK);
        let part = &mut chunk[..(position - begin) as usize];
        file.read_exact_at(part, begin)?;
        for index in memchr::memrchr_iter(b'\n', part) {
            left -= 1;
            if left == 0 {
                return Ok(begin + index as u64 + 1);
            }
        }
        position = begin;
    }
    Ok(0)
}
