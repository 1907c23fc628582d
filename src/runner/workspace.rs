//! The directories of one attempt on the host, and the script in them.
//!
//! ```text
//! <tmp_directory>/autobuilder-<instance>/    0700: other users of the host see nothing below
//!   <build>-<attempt>/
//!     source/     the checkout, in the container `/<repo>`
//!     target/     in the container the recipe's `archives`
//!     console/    in the container `/.autobuilder`
//!     mark        how far the console is copied
//! ```

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags, ResolveFlags, openat2, statvfs},
    io::Errno,
};

use super::collect::STRICTLY;
use crate::model::{BuildId, RelativePath};

/// With less room than this a disk is full: a write of usual size fails.
const LEAST: u64 = 256 << 10;

/// The directories of all attempts of this instance.
#[derive(Debug, Clone)]
pub(super) struct Workspaces {
    root: PathBuf,
}

/// The directories of one attempt.
#[derive(Debug, Clone)]
pub(super) struct Workspace {
    path: PathBuf,
}

impl Workspaces {
    pub(super) fn new(tmp_directory: &Path, instance: &str) -> Self {
        Self { root: tmp_directory.join(format!("autobuilder-{instance}")) }
    }

    /// Where they all lie.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the directory of all, closed to others.
    pub(super) fn ensure(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.root)
    }

    pub(super) fn of(&self, build: BuildId, attempt: u32) -> Workspace {
        Workspace { path: self.root.join(format!("{build}-{attempt}")) }
    }

    /// Every attempt that has a directory.
    pub(super) fn list(&self) -> io::Result<Vec<(BuildId, u32)>> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let named = |name: &str| {
            let (build, attempt) = name.split_once('-')?;
            Some((build.parse().ok()?, attempt.parse().ok()?))
        };
        entries
            .map(|entry| Ok(entry?.file_name()))
            .filter_map(|name| name.map(|name| name.to_str().and_then(named)).transpose())
            .collect()
    }
}

impl Workspace {
    /// Makes the directories. Those the container mounts are open to every user in it; their parent
    /// is closed to every other user outside.
    pub(super) fn create(&self) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(&self.path)?;
        for directory in [self.source(), self.target(), self.console()] {
            fs::create_dir(&directory)?;
            fs::set_permissions(&directory, Permissions::from_mode(0o777))?;
        }
        super::console::prepare(&self.console())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its disk has no room for more, as far as can be found out.
    pub(super) fn is_full(&self) -> bool {
        statvfs(&self.path).is_ok_and(|disk| {
            let left = disk.f_bavail.saturating_mul(disk.f_frsize);
            left < LEAST || (disk.f_files > 0 && disk.f_favail == 0)
        })
    }

    pub(super) fn source(&self) -> PathBuf {
        self.path.join("source")
    }

    pub(super) fn target(&self) -> PathBuf {
        self.path.join("target")
    }

    pub(super) fn console(&self) -> PathBuf {
        self.path.join("console")
    }

    pub(super) fn mark(&self) -> PathBuf {
        self.path.join("mark")
    }

    /// Makes the script executable: the bit is often forgotten. `NotFound` if there is no such file
    /// in the checkout; links within the checkout are followed, none leads out of it.
    pub(super) fn make_executable(&self, script: &RelativePath) -> io::Result<()> {
        let root = File::open(self.source())?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        let file = retrying(|| openat2(&root, script.as_str(), flags, Mode::empty(), resolve))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        file.set_permissions(Permissions::from_mode(metadata.permissions().mode() | 0o755))
    }

    /// Removes everything; fine if nothing is there. Links are removed, not followed.
    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Opens strictly beneath a directory.
pub(super) fn beneath(open: impl Fn(ResolveFlags) -> rustix::io::Result<std::os::fd::OwnedFd>) -> Result<File, Errno> {
    retrying(|| open(STRICTLY))
}

/// The kernel answers EAGAIN when something was renamed while it resolved the path.
fn retrying(open: impl Fn() -> rustix::io::Result<std::os::fd::OwnedFd>) -> Result<File, Errno> {
    for _ in 0..100 {
        match open() {
            Err(Errno::AGAIN) => {}
            other => return other.map(File::from),
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_script_is_made_executable_and_never_looked_for_outside() {
        let tmp = tempfile::tempdir().unwrap();
        let workspaces = Workspaces::new(tmp.path(), "test");
        workspaces.ensure().unwrap();
        let workspace = workspaces.of(BuildId::new(), 1);
        workspace.create().unwrap();
        let source = workspace.source();
        fs::write(source.join("build.sh"), "#!/bin/sh\n").unwrap();
        symlink("build.sh", source.join("inside.sh")).unwrap();
        symlink("/bin/sh", source.join("outside.sh")).unwrap();
        workspace.make_executable(&"inside.sh".parse().unwrap()).unwrap();
        assert_eq!(fs::metadata(source.join("build.sh")).unwrap().permissions().mode() & 0o777, 0o755);
        for script in ["outside.sh", "none.sh"] {
            workspace.make_executable(&script.parse().unwrap()).unwrap_err();
        }
        assert_eq!(workspaces.list().unwrap().len(), 1);
        workspace.remove().unwrap();
        workspace.remove().unwrap();
        assert!(workspaces.list().unwrap().is_empty());
    }

    #[test]
    fn a_disk_without_room_is_full() {
        // The kernel's own file system has room for nothing.
        assert!(Workspace { path: "/proc".into() }.is_full());
        let directory = tempfile::tempdir().unwrap();
        assert!(!Workspace { path: directory.path().to_owned() }.is_full());
        assert!(!Workspace { path: directory.path().join("none") }.is_full());
    }
}
