//! One directory of published files: what may be done to it, by descriptor and in single steps.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, mkdirat, openat, readlinkat, statat, unlinkat},
    io::Errno,
};
use tracing::warn;

use super::{Collected, PublishError, incoming, incoming::Incoming, record::Record};

/// More than any record is long.
const LONGEST_RECORD: u64 = 64 * 1024;

/// A directory of published files.
#[derive(Debug)]
pub(super) struct Shelf {
    path: PathBuf,
    directory: OwnedFd,
    incoming: OwnedFd,
    records: OwnedFd,
    settling: Mutex<()>,
}

/// What a name in the directory is.
pub(super) enum Occupant {
    Nothing,
    File,
    Link { target: String },
    Other,
}

impl Shelf {
    /// Opens the directory, makes it if need be, and removes what a crash left half-written.
    pub(super) fn open(path: &Path) -> Result<Self, PublishError> {
        let failed = |source: io::Error| PublishError::Io { doing: "open the hub", directory: path.to_owned(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        let incoming = subdirectory(&directory, ".incoming").map_err(failed)?;
        let records = subdirectory(&directory, ".records").map_err(failed)?;
        empty(&incoming).map_err(failed)?;
        Ok(Self { path: path.to_owned(), directory, incoming, records, settling: Mutex::new(()) })
    }

    /// Whether both are the same directory, whatever its names.
    pub(super) fn is(&self, other: &Self) -> Result<bool, PublishError> {
        let identity = |shelf: &Self| {
            let stat = fstat(&shelf.directory).map_err(|errno| shelf.failed("look")(errno.into()))?;
            Ok::<_, PublishError>((stat.st_dev, stat.st_ino))
        };
        Ok(identity(self)? == identity(other)?)
    }

    /// Held from the look at a link to its move, so that no two pushes decide at once.
    pub(super) fn settle(&self) -> MutexGuard<'_, ()> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error of this directory.
    pub(super) fn failed(&self, doing: &'static str) -> impl Fn(io::Error) -> PublishError {
        move |source| PublishError::Io { doing, directory: self.path.clone(), source }
    }

    /// Copies the artifact beside the published ones and verifies the copy.
    pub(super) fn receive(&self, mut artifact: Collected) -> Result<(Incoming<'_>, File), PublishError> {
        let failed = self.failed("write the artifact");
        let mode = incoming::mode_of(&artifact).map_err(&failed)?;
        let (incoming, mut file) = Incoming::file(self.incoming.as_fd(), mode).map_err(&failed)?;
        let copied = incoming::copy(&mut artifact, &mut file).map_err(&failed)?;
        copied.verify(artifact.size, &artifact.sha256)?;
        Ok((incoming, file))
    }

    /// Gives an artifact that has arrived its name, and its record first.
    pub(super) fn place(&self, artifact: Incoming<'_>, name: &str, record: &Record) -> Result<(), PublishError> {
        self.write_record(name, record).map_err(self.failed("write the artifact's record"))?;
        artifact.place(&self.directory, name).map_err(self.failed("name the artifact"))
    }

    /// Points a link to a file of this directory.
    pub(super) fn point(&self, link: &str, target: &str) -> Result<(), PublishError> {
        Incoming::link(self.incoming.as_fd(), target)
            .and_then(|incoming| incoming.place(&self.directory, link))
            .map_err(self.failed("move the link"))
    }

    /// Makes all names given so far survive a loss of power.
    pub(super) fn sync(&self) -> Result<(), PublishError> {
        rustix::fs::fsync(&self.directory).map_err(|errno| self.failed("sync names")(errno.into()))
    }

    /// The record is synced because the order of pushes hangs on it; its name is not, for file
    /// systems with a journal write the names given before a synced one with it.
    fn write_record(&self, name: &str, record: &Record) -> io::Result<()> {
        let (incoming, mut file) = Incoming::file(self.incoming.as_fd(), 0o644)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.sync_all()?;
        incoming.place(&self.records, name)
    }

    /// A file's record. One that cannot be understood is as none.
    pub(super) fn record(&self, name: &str) -> Result<Option<Record>, PublishError> {
        let failed = self.failed("read a record");
        let mut text = Vec::new();
        match openat(&self.records, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Ok(file) => File::from(file).take(LONGEST_RECORD).read_to_end(&mut text).map_err(failed)?,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(errno.into())),
        };
        Ok(serde_json::from_slice(&text)
            .inspect_err(|error| warn!("The record of `{name}` in `{}` is damaged: {error}", self.path.display()))
            .ok())
    }

    /// What has the name.
    pub(super) fn occupant(&self, name: &str) -> Result<Occupant, PublishError> {
        let failed = |errno: Errno| self.failed("look at a name")(errno.into());
        let stat = match statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Occupant::Nothing),
            Err(errno) => return Err(failed(errno)),
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Occupant::File,
            FileType::Symlink => {
                let target = readlinkat(&self.directory, name, Vec::new()).map_err(failed)?;
                Occupant::Link { target: target.to_string_lossy().into_owned() }
            }
            _ => Occupant::Other,
        })
    }

    /// Opens a name if it is a regular file; a link is not followed.
    pub(super) fn open_file(&self, name: &str) -> Result<Option<File>, PublishError> {
        // Not to wait for the other end, should somebody have put a pipe there.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&self.directory, name, flags, Mode::empty()) {
            Ok(file) => Ok(Some(file.into())),
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => Ok(None),
            Err(errno) => Err(self.failed("open a file")(errno.into())),
        }
    }

    /// Removes a file, and then its record; who reads it reads on to its end.
    pub(super) fn remove(&self, name: &str) -> Result<(), PublishError> {
        for directory in [&self.directory, &self.records] {
            match unlinkat(directory, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(self.failed("remove an old artifact")(errno.into())),
            }
        }
        Ok(())
    }

    /// Every name that has a record.
    pub(super) fn recorded(&self) -> Result<Vec<String>, PublishError> {
        names(&self.records).map_err(self.failed("list records"))
    }

    /// Every name in the directory.
    pub(super) fn names(&self) -> Result<Vec<String>, PublishError> {
        names(&self.directory).map_err(self.failed("list names"))
    }
}

fn subdirectory(parent: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    match mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(parent, name, flags, Mode::empty())?)
}

fn empty(directory: &OwnedFd) -> io::Result<()> {
    for name in names(directory)? {
        unlinkat(directory, &name, AtFlags::empty())?;
    }
    Ok(())
}

/// Names that are no UTF-8 are not ours.
fn names(directory: &OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        match entry?.file_name().to_str() {
            Ok("." | "..") | Err(_) => {}
            Ok(name) => names.push(name.to_owned()),
        }
    }
    Ok(names)
}
