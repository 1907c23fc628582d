//! Writes a plan's files into an empty directory, on several threads.
//!
//! Directories come first and symbolic links last, and every file must be new: so nothing is ever written through a
//! link, whatever tricks a tree plays with names. Blobs are written as they are (no line-end conversion, no filters).

use std::{
    fs::File,
    io::Write,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use git2::{Odb, Repository};
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags},
    io::Errno,
};

use super::{
    GitError,
    blocking::Abandoned,
    index::Stamp,
    plan::{Entry, PROGRAM, Plan},
};

/// How many files a thread takes at once; a tree of fewer is written on one thread.
const BATCH: usize = 64;
const MOST_THREADS: usize = 4;
/// All files of one commit together; a bomb of small blobs repeated would fill any disk.
const MOST_BYTES: u64 = 64 << 30;

/// The files of a plan with what the file system said of each.
pub(super) type Written<'plan> = Vec<(&'plan Entry, Stamp)>;

struct Writer<'plan> {
    root: OwnedFd,
    directory: &'plan Path,
    plan: &'plan Plan,
    next: AtomicUsize,
    bytes: AtomicU64,
    abandoned: &'plan Abandoned,
}

/// Writes everything, or fails at the first thing that cannot be written.
pub(super) fn write<'plan>(
    store: &Repository,
    plan: &'plan Plan,
    directory: &'plan Path,
    abandoned: &'plan Abandoned,
) -> Result<Written<'plan>, GitError> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, directory, flags, Mode::empty()).map_err(failed("open", directory))?;
    let writer = Writer { root, directory, plan, next: AtomicUsize::new(0), bytes: AtomicU64::new(0), abandoned };
    for path in &plan.directories {
        rustix::fs::mkdirat(&writer.root, path.as_slice(), Mode::from_raw_mode(0o777))
            .map_err(|errno| writer.failed("create", path, errno))?;
    }
    let mut written = writer.files(store)?;
    writer.others(store, &mut written)?;
    Ok(written)
}

fn failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(Errno) -> GitError + 'a {
    move |errno| GitError::Disk { doing, path: path.to_owned(), source: errno.into() }
}

impl<'plan> Writer<'plan> {
    fn files(&self, store: &Repository) -> Result<Written<'plan>, GitError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let helpers = cores.min(MOST_THREADS).min(self.plan.files.len().div_ceil(BATCH)).saturating_sub(1);
        let odb = store.odb().map_err(GitError::mirror("read objects"))?;
        let path = store.path();
        let all = Mutex::new(Vec::with_capacity(self.plan.files.len()));
        let collect = |part: Written<'plan>| all.lock().unwrap_or_else(PoisonError::into_inner).extend(part);
        std::thread::scope(|scope| {
            let help = || -> Result<(), GitError> {
                // An object database is one thread's own; the packs behind it are shared by all of libgit2.
                let store = Repository::open_bare(path).map_err(GitError::mirror("open"))?;
                collect(self.batches(&store.odb().map_err(GitError::mirror("read objects"))?)?);
                Ok(())
            };
            let threads: Vec<_> = (0..helpers).map(|_| scope.spawn(help)).collect();
            let mine = self.batches(&odb).map(collect);
            let theirs = threads.into_iter().map(|thread| match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            theirs.fold(mine, |before, done| before.and(done))
        })?;
        Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn batches(&self, odb: &Odb<'_>) -> Result<Written<'plan>, GitError> {
        let mut written = Vec::new();
        loop {
            self.abandoned.check()?;
            let start = self.next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(rest) = self.plan.files.get(start..).filter(|rest| !rest.is_empty()) else { return Ok(written) };
            for entry in &rest[..rest.len().min(BATCH)] {
                written.push((entry, self.file(odb, entry)?));
            }
        }
    }

    fn file(&self, odb: &Odb<'_>, entry: &Entry) -> Result<Stamp, GitError> {
        let blob = odb.read(entry.oid).map_err(GitError::mirror("read a file"))?;
        let size = blob.len() as u64;
        if self.bytes.fetch_add(size, Ordering::Relaxed) + size > MOST_BYTES {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            return Err(GitError::Tree { commit: "the commit".to_owned(), path, rule: "brings it over 64 GiB" });
        }
        let mode = Mode::from_raw_mode(if entry.mode == PROGRAM { 0o777 } else { 0o666 });
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.root, entry.path.as_slice(), flags, mode)
            .map_err(|errno| self.failed("create", &entry.path, errno))?;
        let mut file = File::from(fd);
        file.write_all(blob.data()).map_err(GitError::disk("write", self.shown(&entry.path)))?;
        let stat = rustix::fs::fstat(&file).map_err(|errno| self.failed("read", &entry.path, errno))?;
        Ok(Stamp::of(&stat))
    }

    /// Symbolic links, and the empty directories that stand for submodules.
    fn others(&self, store: &Repository, written: &mut Written<'plan>) -> Result<(), GitError> {
        for entry in &self.plan.links {
            let blob = store.find_blob(entry.oid).map_err(GitError::mirror("read a link"))?;
            rustix::fs::symlinkat(blob.content(), &self.root, entry.path.as_slice())
                .map_err(|errno| self.failed("create", &entry.path, errno))?;
        }
        for entry in self.plan.links.iter().chain(&self.plan.modules) {
            let stat = rustix::fs::statat(&self.root, entry.path.as_slice(), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|errno| self.failed("read", &entry.path, errno))?;
            written.push((entry, Stamp::of(&stat)));
        }
        Ok(())
    }

    fn shown(&self, path: &[u8]) -> std::path::PathBuf {
        self.directory.join(std::ffi::OsStr::from_bytes(path))
    }

    fn failed(&self, doing: &'static str, path: &[u8], errno: Errno) -> GitError {
        GitError::Disk { doing, path: self.shown(path), source: errno.into() }
    }
}
