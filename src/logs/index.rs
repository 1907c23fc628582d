//! The line index: a file beside each log that says how many lines end before each 64 KiB of it.
//!
//! Entry `k`, eight bytes, counts the newlines in the first `(k + 1) * 64 KiB` of the log. So any line of any log
//! is found by a binary search over single entries and a look into one block, however many lines there are and
//! however long. The index is derived and never synchronised: an entry carries a check of itself, and what is
//! missing or torn is counted again from the last good one. A log shorter than a block has none.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Bytes of the log from one entry to the next.
pub(super) const BLOCK: u64 = 64 << 10;

/// Bytes of an entry.
pub(super) const ENTRY: u64 = 8;

/// Bits of an entry that are its check; the others are the count.
const CHECK: u32 = 16;

/// Where the index of a log lies.
pub(super) fn path_of(log: &Path) -> PathBuf {
    log.with_extension("lines")
}

/// An entry at its place, from 0.
pub(super) fn encode(place: u64, newlines: u64) -> [u8; ENTRY as usize] {
    (newlines << CHECK | check(place, newlines)).to_le_bytes()
}

/// The newlines an entry counts; `None` if it is not one of ours at this place.
fn decode(place: u64, entry: [u8; ENTRY as usize]) -> Option<u64> {
    let entry = u64::from_le_bytes(entry);
    let newlines = entry >> CHECK;
    (entry & ((1 << CHECK) - 1) == check(place, newlines)).then_some(newlines)
}

/// Sixteen bits that most other counts and places have otherwise. Never zero: a loss of power may leave zeros.
fn check(place: u64, newlines: u64) -> u64 {
    let mixed = (newlines.rotate_left(24) ^ place).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed >> (u64::BITS - CHECK) | 1
}

/// The newlines that the entry at `place` counts. An entry that is not there or not good is `InvalidData`.
pub(super) fn entry(index: &File, place: u64) -> io::Result<u64> {
    let mut bytes = [0; ENTRY as usize];
    match index.read_exact_at(&mut bytes, place * ENTRY) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        _ => {}
    }
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the line index is damaged");
    decode(place, bytes).ok_or_else(damaged)
}

/// Reads an index whole: how many entries from the first on are good, at most `most`, and the newlines that the
/// last of them counts.
pub(super) fn good(index: &File, most: u64) -> io::Result<(u64, u64)> {
    let mut bytes = Vec::new();
    io::BufReader::new(index).take(most * ENTRY).read_to_end(&mut bytes)?;
    let (mut place, mut newlines) = (0, 0);
    for entry in bytes.as_chunks().0 {
        match decode(place, *entry) {
            Some(count) if (newlines..=newlines + BLOCK).contains(&count) => newlines = count,
            _ => break,
        }
        place += 1;
    }
    Ok((place, newlines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_known_at_its_own_place_alone() {
        for (place, newlines) in [(0, 0), (0, 65_536), (16_383, 10_000_000), (1 << 24, 1 << 40)] {
            let entry = encode(place, newlines);
            assert_eq!(decode(place, entry), Some(newlines));
            assert_eq!(decode(place + 1, entry), None);
            let mut torn = entry;
            torn[7] ^= 1;
            assert_eq!(decode(place, torn), None);
        }
        assert!((0..100_000).all(|place| decode(place, [0; 8]).is_none()), "zeros are never an entry");
    }
}
