//! The only place where a build changes its state.
//!
//! Every change goes the same way: first into the store, in one transaction with all that belongs to
//! it and with what the forge is to be told of it, and only then an event, for screens. So a screen
//! never shows what a crash could take back, and a finished build never changes again.

mod accept;
mod command;
mod missed;
mod own;
mod progress;
mod waiting;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use thiserror::Error;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use self::{
    accept::{Accepted, NewBuild},
    command::{CommandError, Wanted},
    own::Own,
    progress::{Claim, MAX_ATTEMPTS},
    waiting::{Queue, Waiting},
};
use crate::{
    bus::Events,
    metrics::Metrics,
    model::{Build, BuildId},
    report::Outbox,
    sqlite::{self, Database},
    store::builds::{self, BuildRow},
};

/// A change could not be made.
#[derive(Debug, Error)]
#[error("the change could not be kept: {0}")]
pub struct NotKept(#[from] pub sqlite::Error);

/// Accepts, hands out, and settles builds.
pub struct Lifecycle {
    database: Database,
    events: Events,
    metrics: Metrics,
    outbox: Outbox,
    /// Rung when a build may have become claimable.
    bell: Notify,
    /// How to reach each build that is in a worker's hands.
    running: Mutex<HashMap<BuildId, Handle>>,
}

/// How to reach a running build.
#[derive(Clone, Default)]
struct Handle {
    /// Told when somebody wants it ended.
    cancel: CancellationToken,
    /// Rung when somebody wants it to wait no longer.
    hurry: Arc<Notify>,
}

impl Lifecycle {
    /// A lifecycle on this store, telling these events, and the forge by this outbox.
    pub fn new(database: Database, events: Events, metrics: Metrics, outbox: Outbox) -> Self {
        Self { database, events, metrics, outbox, bell: Notify::new(), running: Mutex::default() }
    }

    /// Tells screens, and whoever tells the forge, about builds that have changed in the store.
    fn announce(&self, builds: Vec<Build>) {
        for build in builds {
            self.events.build_changed(Arc::new(build));
        }
        self.outbox.ring();
    }

    fn handle(&self, id: BuildId) -> Handle {
        let mut running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        running.entry(id).or_default().clone()
    }

    fn forget(&self, id: BuildId) {
        self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&id);
    }
}

/// Reads a build after a change, inside the transaction of that change, and writes down what the forge
/// is to be told of it.
fn changed(tx: &sqlite::Tx, outbox: &Outbox, row: BuildRow) -> Result<Build, sqlite::Error> {
    let build = builds::get(tx, row)?;
    outbox.note(tx, row, &build)?;
    Ok(build)
}
