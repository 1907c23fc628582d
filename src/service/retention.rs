//! Removes logs and artifacts that have been kept long enough: at start, every hour, and when the operator's wish
//! changes.
//!
//! Only whole logs of builds that ended go, with their indexes and directories that are empty then. What is in
//! the history stays there, so whoever asks for such a log is told that it was removed.

use std::{io, time::Duration};

use thiserror::Error;
use tokio::{sync::watch, task::spawn_blocking};
use tracing::{info, warn};

use super::tidy::OFTEN;
use crate::{
    logs::{Logs, Shard},
    model::{BuildId, HumanDuration, Timestamp},
    publish::{DirectoryHub, KeepArtifacts, Kernels, PublishError},
    shutdown::Shutdown,
    sqlite::{self, Database},
    store::history,
};

/// Removes old logs.
pub(super) struct OldLogs {
    logs: Logs,
    database: Database,
    keep: watch::Receiver<HumanDuration>,
}

/// Removes old artifacts.
pub(super) struct OldArtifacts {
    hub: DirectoryHub,
    kernels: Kernels,
    keep: watch::Receiver<KeepArtifacts>,
}

/// Old logs stay for now.
#[derive(Debug, Error)]
enum Stopped {
    #[error(transparent)]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] sqlite::Error),
}

impl OldLogs {
    /// Logs are kept as long as `keep` says; zero is for ever.
    pub(super) fn new(logs: Logs, database: Database, keep: watch::Receiver<HumanDuration>) -> Self {
        Self { logs, database, keep }
    }

    /// Goes on until the service leaves.
    pub(super) async fn work(mut self, shutdown: Shutdown) {
        loop {
            let HumanDuration(keep) = *self.keep.borrow_and_update();
            tokio::select! {
                () = self.sweep(keep) => {}
                () = shutdown.draining() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(OFTEN) => {}
                Ok(()) = self.keep.changed() => {}
                () = shutdown.draining() => return,
            }
        }
    }

    async fn sweep(&self, keep: Duration) {
        if keep.is_zero() {
            return;
        }
        match self.remove_before(Timestamp::now().before(keep)).await {
            Ok(0) => {}
            Ok(removed) => {
                info!("Removed {removed} log(s) of builds that ended {} ago, or more", HumanDuration(keep).in_words());
            }
            Err(failure) => warn!("Old logs stay for now: {failure}"),
        }
    }

    /// A build made later has not ended before.
    async fn remove_before(&self, time: Timestamp) -> Result<usize, Stopped> {
        let logs = self.logs.clone();
        let mut removed = 0;
        for shard in blocking(move || logs.shards_before(time)).await? {
            let (shard, builds) = blocking(move || shard.builds().map(|builds| (shard, builds))).await?;
            let ended = self.database.read(move |tx| history::ended_by(tx, &builds, time)).await?;
            removed += ended.len();
            let logs = self.logs.clone();
            blocking(move || empty(&logs, &shard, &ended)).await?;
        }
        Ok(removed)
    }
}

impl OldArtifacts {
    /// So much of what lies there is kept.
    pub(super) fn new(hub: DirectoryHub, kernels: Kernels, keep: watch::Receiver<KeepArtifacts>) -> Self {
        Self { hub, kernels, keep }
    }

    /// Goes on until the service leaves.
    pub(super) async fn work(mut self, shutdown: Shutdown) {
        loop {
            let keep = *self.keep.borrow_and_update();
            let (hub, kernels) = (self.hub.clone(), self.kernels.clone());
            match spawn_blocking(move || Ok::<_, PublishError>((hub.prune(keep)?, kernels.prune(keep)?))).await {
                Ok(Ok((artifacts, kernels))) => {
                    artifacts.iter().chain(&kernels).for_each(|name| info!("Removed the old artifact `{name}`"));
                }
                Ok(Err(failure)) => warn!("Old artifacts stay for now: {failure}"),
                Err(stopped) => warn!("Old artifacts stay for now: {stopped}"),
            }
            tokio::select! {
                () = tokio::time::sleep(OFTEN) => {}
                Ok(()) = self.keep.changed() => {}
                () = shutdown.draining() => return,
            }
        }
    }
}

fn empty(logs: &Logs, shard: &Shard, builds: &[BuildId]) -> io::Result<()> {
    for id in builds {
        logs.remove(*id)?;
    }
    shard.close()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
