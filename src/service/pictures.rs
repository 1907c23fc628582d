//! What the board starts from: the store's unfinished and last finished builds, and their logs' ends.

use std::{collections::HashMap, sync::Arc};

use tracing::error;

use crate::{
    live::{HISTORY, LogTail, Snapshot},
    logs::Logs,
    model::{Build, BuildId, BuildState},
    sqlite::{Database, Error},
    store::{builds, history},
};

/// Lines of a log's end that are read.
const LINES: usize = 40;

/// The same, with the failure written to the log.
pub(super) async fn take(database: Database, logs: Logs) -> Option<Snapshot> {
    match read(database, logs).await {
        Ok(snapshot) => Some(snapshot),
        Err(failure) => {
            error!("The board could not be read from the store: {failure}");
            None
        }
    }
}

/// Reads it all, or says why not.
pub(super) async fn read(database: Database, logs: Logs) -> Result<Snapshot, Error> {
    let most = u32::try_from(HISTORY).unwrap_or(u32::MAX);
    database
        .read(move |tx| {
            let unfinished = builds::unfinished(tx)?;
            let tails = tails(&unfinished, &logs);
            let shared = |builds: Vec<Build>| builds.into_iter().map(Arc::new).collect();
            Ok(Snapshot { unfinished: shared(unfinished), finished: shared(history::last(tx, most)?), tails })
        })
        .await
}

fn tails(builds: &[Build], logs: &Logs) -> HashMap<BuildId, LogTail> {
    let running = builds.iter().filter(|build| matches!(build.state, BuildState::Running { .. }));
    running
        .filter_map(|build| {
            let (_, end) = logs.open(build.id).ok()??;
            let bytes = logs.tail(build.id, LINES).ok()?;
            Some((build.id, LogTail { end, bytes: bytes.into() }))
        })
        .collect()
}
