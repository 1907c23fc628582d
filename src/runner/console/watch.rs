//! Tells when a file was written to, by the kernel's notice (inotify).

use std::{io, path::Path};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::net::unix::pipe;

/// A watch on one file, wherever it is moved.
pub(super) struct FileWatch {
    // Notices are read like a pipe, and a pipe's reader owns its descriptor, which `AsyncFd` does not.
    notices: pipe::Receiver,
}

impl FileWatch {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let notices = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        inotify::add_watch(&notices, path, WatchFlags::MODIFY | WatchFlags::DONT_FOLLOW)?;
        Ok(Self { notices: pipe::Receiver::from_owned_fd_unchecked(notices)? })
    }

    /// Waits for a write, and takes all notices that came: they are equal, the kernel merges them.
    pub(super) async fn changed(&self) -> io::Result<()> {
        let mut notices = [0; 1024];
        loop {
            self.notices.readable().await?;
            match self.notices.try_read(&mut notices) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}
