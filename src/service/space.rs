//! Watches how much room is left where the service writes.
//!
//! Builds wait while it is less than the operator's reserve, and go on by themselves: one that began would fail, and
//! take from those that run what little there is. Well before that the log has a warning.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    task::spawn_blocking,
};
use tracing::{info, warn};

use crate::{
    config::Config,
    http::{Disk, Health},
    metrics::Metrics,
    model::ByteSize,
    shutdown::Shutdown,
};

/// How often it is looked.
const OFTEN: Duration = Duration::from_secs(10);

/// How often it is looked while builds wait.
const SOON: Duration = Duration::from_secs(1);

const GIB: u64 = 1 << 30;

/// With room for fewer files than this, not even a small repository can be checked out.
const FEW: u64 = 256;

/// Smaller disks are small.
const SMALL: u64 = 2 * GIB;

/// Looks after the room.
pub(super) struct Space {
    directories: Vec<PathBuf>,
    reserve: watch::Receiver<ByteSize>,
    health: watch::Sender<Health>,
    metrics: Metrics,
    hurry: Arc<Notify>,
    /// Whether the log has its warning.
    warned: bool,
}

impl Space {
    /// Looks at all directories that the configuration names. `hurry` is rung by who found one full.
    pub(super) fn new(
        config: &Config,
        reserve: watch::Receiver<ByteSize>,
        health: watch::Sender<Health>,
        metrics: Metrics,
        hurry: Arc<Notify>,
    ) -> Self {
        let named = [
            &config.build.tmp_directory,
            &config.store.directory,
            &config.hub.directory,
            &config.binary.directory,
            &config.kernel.directory,
        ];
        let mut directories: Vec<_> = named.into_iter().filter(|path| !path.as_os_str().is_empty()).cloned().collect();
        directories.dedup();
        Self { directories, reserve, health, metrics, hurry, warned: false }
    }

    /// Goes on until the service leaves.
    pub(super) async fn work(mut self, shutdown: Shutdown) {
        loop {
            self.look().await;
            let wait = if self.health.borrow().disk.is_some() { SOON } else { OFTEN };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                Ok(()) = self.reserve.changed() => {}
                () = self.hurry.notified() => {}
                () = shutdown.leaving() => return,
            }
        }
    }

    async fn look(&mut self) {
        let directories = self.directories.clone();
        let measured = spawn_blocking(move || directories.iter().map(|path| measure(path)).collect::<Vec<_>>()).await;
        // What cannot be measured cannot be judged; who writes there will say what is wrong.
        let disks: Vec<_> = measured.unwrap_or_default().into_iter().flatten().collect();
        for disk in &disks {
            self.metrics.set_disk(&disk.path, disk.free, disk.size);
        }
        let reserve = *self.reserve.borrow_and_update();
        self.warn(&disks);
        let problem = disks.iter().find_map(|disk| full(disk, reserve));
        self.health.send_if_modified(|health| {
            let changed = health.disk.is_some() != problem.is_some();
            match &problem {
                Some(problem) if changed => warn!("No build can start: {problem}"),
                None if changed => info!("There is room on the disk again"),
                _ => {}
            }
            (health.disk, health.disks) = (problem, disks);
            changed
        });
    }

    fn warn(&mut self, disks: &[Disk]) {
        let low = disks.iter().find(|disk| is_low(disk));
        if let Some(disk) = low.filter(|_| !self.warned) {
            warn!(
                "The disk fills up: `{}` has {} left of {}",
                disk.path.display(),
                ByteSize(disk.free).in_words(),
                ByteSize(disk.size).in_words()
            );
        }
        self.warned = low.is_some();
    }
}

/// Less than a twentieth, between one and ten gibibytes; of a small disk, less than a quarter.
fn is_low(disk: &Disk) -> bool {
    disk.free < (disk.size / 20).clamp(GIB, 10 * GIB).min(disk.size / 4)
}

/// What is said of a disk that has less left than is to be kept free. Of a small one that is at most an eighth: it
/// was given to us for more than to be kept empty.
fn full(disk: &Disk, reserve: ByteSize) -> Option<String> {
    let reserve = if disk.size < SMALL { reserve.min(ByteSize(disk.size / 8)) } else { reserve };
    if reserve.0 > 0 && disk.files.is_some_and(|left| left < FEW) {
        return Some(format!("the disk is nearly full: `{}` has no room for more files", disk.path.display()));
    }
    let full = disk.free < reserve.0;
    full.then(|| {
        format!(
            "the disk is nearly full: `{}` has {} left, and builds wait while it has less than {} (store.reserve)",
            disk.path.display(),
            ByteSize(disk.free).in_words(),
            reserve.in_words()
        )
    })
}

/// The room in a directory, or where it will be made.
fn measure(directory: &Path) -> io::Result<Disk> {
    let there = directory.ancestors().find(|path| path.exists()).unwrap_or(directory);
    let found = rustix::fs::statvfs(there)?;
    // What users without privileges may have: the rest is root's.
    let (free, size) = (found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize);
    let files = (found.f_files > 0).then_some(found.f_favail);
    Ok(Disk { path: directory.to_owned(), free, size, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_low_by_its_size() {
        let low = |free, size| is_low(&Disk { path: PathBuf::new(), free, size, files: None });
        assert!(low(GIB - 1, 10 * GIB) && !low(GIB, 10 * GIB));
        assert!(low(4 * GIB, 100 * GIB) && !low(6 * GIB, 100 * GIB));
        assert!(low(9 * GIB, 4000 * GIB) && !low(11 * GIB, 4000 * GIB));
        assert!(!low(GIB / 2, GIB));
    }

    #[test]
    fn builds_wait_for_the_reserve_and_on_a_small_disk_for_an_eighth() {
        const MIB: u64 = 1 << 20;
        let is_full =
            |free, size| full(&Disk { path: PathBuf::new(), free, size, files: None }, ByteSize(256 * MIB)).is_some();
        assert!(is_full(255 * MIB, 100 * GIB) && !is_full(256 * MIB, 100 * GIB));
        assert!(is_full(3 * MIB, 32 * MIB) && !is_full(4 * MIB, 32 * MIB));
        let files = |left| Disk { path: PathBuf::new(), free: GIB, size: 4 * GIB, files: Some(left) };
        assert!(full(&files(255), ByteSize(1)).is_some() && full(&files(256), ByteSize(1)).is_none());
    }

    #[test]
    fn a_directory_that_is_not_there_yet_has_the_room_of_its_parent() {
        let directory = tempfile::tempdir().unwrap();
        let disk = measure(&directory.path().join("not/there/yet")).unwrap();
        assert!(disk.free > 0 && disk.free <= disk.size);
    }
}
