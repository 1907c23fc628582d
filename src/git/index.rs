//! Writes a work tree's index, format version 2 (gitformat-index).
//!
//! Written by hand because libgit2 only fills in what `git status` compares (times, inode, size) when it wrote the
//! files itself. With these here, the first `git status` in a container reads no file.

use sha1::{Digest, Sha1};

use super::plan::Entry;

/// What the file system said of a file just after it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    ctime: (u32, u32),
    mtime: (u32, u32),
    dev: u32,
    ino: u32,
    uid: u32,
    gid: u32,
    size: u32,
}

impl Stamp {
    /// The format keeps the low 32 bits of each.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            ctime: (stat.st_ctime as u32, stat.st_ctime_nsec as u32),
            mtime: (stat.st_mtime as u32, stat.st_mtime_nsec as u32),
            dev: stat.st_dev as u32,
            ino: stat.st_ino as u32,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: stat.st_size as u32,
        }
    }
}

/// The bytes of an index with these entries, in any order.
pub(super) fn encode(mut entries: Vec<(&Entry, Stamp)>) -> Vec<u8> {
    entries.sort_unstable_by(|(one, _), (other, _)| one.path.cmp(&other.path));
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(entries.len() * 112 + 32);
    bytes.extend_from_slice(b"DIRC");
    put(&mut bytes, &[2, count]);
    for (entry, stamp) in entries {
        let start = bytes.len();
        put(&mut bytes, &[stamp.ctime.0, stamp.ctime.1, stamp.mtime.0, stamp.mtime.1, stamp.dev, stamp.ino]);
        put(&mut bytes, &[entry.mode, stamp.uid, stamp.gid, stamp.size]);
        bytes.extend_from_slice(entry.oid.as_bytes());
        let length = u16::try_from(entry.path.len()).unwrap_or(u16::MAX).min(0xfff);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&entry.path);
        // One to eight zero bytes, to a multiple of eight.
        let padded = (bytes.len() - start) / 8 * 8 + 8;
        bytes.resize(start + padded, 0);
    }
    let sum = Sha1::digest(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

fn put(bytes: &mut Vec<u8>, numbers: &[u32]) {
    for number in numbers {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
}
