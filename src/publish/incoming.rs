//! A file on its way in: written beside the published ones, under a name nobody reads.

use std::{
    fs::File,
    io::{self, Read, Seek},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::MetadataExt,
    },
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, symlinkat, unlinkat};
use sha2::{Digest, Sha256};

use super::{Collected, PublishError};

/// Something in `.incoming/`; gone when dropped, unless it was placed.
pub(super) struct Incoming<'a> {
    directory: BorrowedFd<'a>,
    name: String,
    placed: bool,
}

/// What was written, as read back.
pub(super) struct Copied {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Copied {
    /// An error if it is not what it was to be.
    pub(super) fn verify(self, size: u64, sha256: &str) -> Result<(), PublishError> {
        if (self.bytes, self.sha256.as_str()) == (size, sha256) {
            return Ok(());
        }
        Err(PublishError::Damaged { expected: sha256.to_owned(), size, found: self.sha256, copied: self.bytes })
    }
}

impl<'a> Incoming<'a> {
    /// A name of its own; what an earlier process left was removed when the hub was opened.
    fn new(directory: BorrowedFd<'a>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self { directory, name, placed: false }
    }

    /// A new empty file.
    pub(super) fn file(directory: BorrowedFd<'a>, mode: u32) -> io::Result<(Self, File)> {
        let incoming = Self::new(directory);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(directory, &incoming.name, flags, Mode::from_raw_mode(mode))?;
        Ok((incoming, file.into()))
    }

    /// A new link, relative to the directory it will be placed in.
    pub(super) fn link(directory: BorrowedFd<'a>, target: &str) -> io::Result<Self> {
        let incoming = Self::new(directory);
        symlinkat(target, directory, &incoming.name)?;
        Ok(incoming)
    }

    /// Gives it its name, in place of what had it before, in one step.
    pub(super) fn place(mut self, directory: impl AsFd, name: &str) -> io::Result<()> {
        renameat(self.directory, &self.name, directory, name)?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        // Not there if it could not be made; if it cannot be removed, the next start tries again.
        if !self.placed {
            let _ = unlinkat(self.directory, &self.name, AtFlags::empty());
        }
    }
}

/// Readable by all, executable if what was collected is.
pub(super) fn mode_of(artifact: &Collected) -> io::Result<u32> {
    Ok(0o644 | (artifact.file.metadata()?.mode() & 0o111))
}

/// Copies the whole artifact (by the kernel alone, or by sharing blocks, where the file systems
/// allow it), syncs it, and reads it back.
pub(super) fn copy(artifact: &mut Collected, target: &mut File) -> io::Result<Copied> {
    artifact.file.rewind()?;
    io::copy(&mut artifact.file, target)?;
    target.sync_all()?;
    hash(target)
}

/// Reads a file from its beginning, and leaves it there.
pub(super) fn hash(file: &mut File) -> io::Result<Copied> {
    file.rewind()?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.rewind()?;
    Ok(Copied { bytes, sha256: format!("{:x}", hasher.finalize()) })
}
