//! One service per data directory.
//!
//! An advisory lock (`flock`) on a file that holds the owner's pid. The kernel drops it with the
//! process, however that dies, so nothing stale can ever be in the way.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

/// Held as long as the service uses its data directory.
pub struct Lock {
    _file: File,
}

/// Why the directory cannot be used.
#[derive(Debug, Error)]
pub enum InUse {
    /// Another service holds it.
    #[error("`{directory}` is in use by another autobuilder (pid {pid}): stop that one, or set store.directory")]
    Locked {
        /// The directory.
        directory: PathBuf,
        /// The other's process id, as it wrote it.
        pid: String,
    },
    /// The file could not be made.
    #[error("could not lock `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the directory, or says who has it.
    pub fn take(directory: &Path) -> Result<Self, InUse> {
        let path = directory.join("lock");
        let fail = |source| InUse::Io { path: path.clone(), source };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(fail)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut pid = String::new();
            file.read_to_string(&mut pid).map_err(fail)?;
            return Err(InUse::Locked { directory: directory.to_owned(), pid: pid.trim().to_owned() });
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(fail)?;
        writeln!(file, "{}", std::process::id()).map_err(fail)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_the_first_ones_pid() {
        let directory = tempfile::tempdir().unwrap();
        let first = Lock::take(directory.path()).unwrap();
        let refused = Lock::take(directory.path()).err().unwrap().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(first);
        assert!(Lock::take(directory.path()).is_ok());
    }
}
