//! Whether there is room on the disks that builds need.
//!
//! A full disk is like an engine that is away: to try would only use up the attempts of every build
//! that waits, while the room may be there again a minute later.

use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::{config::Config, http::Health};

/// With less than this a disk is full: not even a log could be begun.
const LEAST: u64 = 1 << 20;

/// The directories that builds write to.
pub(super) struct Room(Vec<PathBuf>);

impl Room {
    pub(super) fn new(config: &Config) -> Self {
        let directories = [&config.store.directory, &config.build.tmp_directory, &config.hub.directory];
        Self(directories.into_iter().chain([&config.binary.directory]).cloned().collect())
    }

    /// Looks, which takes microseconds, and tells what changed.
    pub(super) fn look(&self, health: &watch::Sender<Health>) {
        let lacking = self.lacking();
        health.send_if_modified(|health| {
            let changed = health.disk.is_some() != lacking.is_some();
            match &lacking {
                Some(lacking) if changed => warn!("No build can start: {lacking}"),
                None if changed => info!("The disks have room again"),
                _ => {}
            }
            health.disk = lacking;
            changed
        });
    }

    /// What is lacking, as a sentence; `None` if builds can write.
    pub(super) fn lacking(&self) -> Option<String> {
        self.0.iter().find_map(|directory| lacking(directory))
    }
}

fn lacking(directory: &Path) -> Option<String> {
    // One that cannot be asked about is missing, which the build will say better.
    let disk = statvfs(directory).ok()?;
    let left = disk.f_bavail.saturating_mul(disk.f_frsize);
    let shown = directory.display();
    // Some file systems do not count files.
    if disk.f_files > 0 && disk.f_favail == 0 {
        return Some(format!("the disk of `{shown}` has no room for another file: make some"));
    }
    (left < LEAST).then(|| format!("the disk of `{shown}` is full ({left} bytes left): make room there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_named_and_a_directory_that_is_missing_is_not() {
        // The kernel's own file system has room for nothing.
        let lacking = |path: &str| Room(vec!["/nowhere".into(), path.into()]).lacking();
        assert!(lacking("/proc").unwrap().starts_with("the disk of `/proc` is full (0 bytes left)"));
        assert_eq!(lacking(tempfile::tempdir().unwrap().path().to_str().unwrap()), None);
    }
}
