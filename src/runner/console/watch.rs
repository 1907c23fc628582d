//! Tells when a file was written to, by the kernel's notice (inotify).

use std::{io, mem::MaybeUninit, os::fd::OwnedFd, path::Path};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

/// A watch on one file, wherever it is moved.
pub(super) struct FileWatch {
    notices: AsyncFd<OwnedFd>,
}

impl FileWatch {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let notices = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        inotify::add_watch(&notices, path, WatchFlags::MODIFY)?;
        #[expect(deprecated, reason = "its successor is unsafe; this descriptor is ours alone and never replaced")]
        let notices = AsyncFd::new(notices)?;
        Ok(Self { notices })
    }

    /// Waits for a write, and takes all notices that came: they are equal, the kernel merges them.
    pub(super) async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.notices.readable().await?;
            let mut buffer = [MaybeUninit::<u8>::uninit(); 1024];
            let taken = ready.try_io(|notices| {
                rustix::io::read(notices.get_ref(), &mut buffer).map(|_| ()).map_err(io::Error::from)
            });
            match taken {
                Ok(result) => return result,
                Err(_would_block) => continue,
            }
        }
    }
}
