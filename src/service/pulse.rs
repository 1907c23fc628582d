//! Whether what builds need is there: the engine that answers, and a directory that containers see too.

use std::time::Duration;

use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::{
    http::Health,
    runner::{Engine, ProbeError},
    shutdown::Shutdown,
};

/// How often the engine is asked whether it is there.
const PULSE: Duration = Duration::from_secs(10);

/// How soon what is away is asked again.
pub(super) const AWAY: Duration = Duration::from_secs(1);

/// Looks, and writes down what it finds; clones are the same one.
#[derive(Clone)]
pub(super) struct Pulse {
    engine: Engine,
    health: watch::Sender<Health>,
    shutdown: Shutdown,
}

impl Pulse {
    pub(super) fn new(engine: Engine, health: watch::Sender<Health>, shutdown: Shutdown) -> Self {
        Self { engine, health, shutdown }
    }

    /// Asks the engine again and again, until the service leaves.
    pub(super) async fn watch(&self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(if self.health.borrow().engine.is_some() { AWAY } else { PULSE }) => {}
                () = self.shutdown.leaving() => return,
            }
            self.ask().await;
        }
    }

    /// Asks the engine once.
    pub(super) async fn ask(&self) {
        let problem = self.engine.ping().await.err().map(|error| error.to_string());
        self.health.send_if_modified(|health| {
            let changed = health.engine.is_some() != problem.is_some();
            if changed {
                match &problem {
                    Some(problem) => warn!("No build can start: {problem}"),
                    None => info!("The container engine is back"),
                }
            }
            health.engine = problem;
            changed
        });
    }

    /// The directory that containers see was probed, and did not show what we wrote. Whether to try again, which
    /// is known when it is time: on a disk that is full nobody could write.
    pub(super) async fn unseen(&self, problem: ProbeError) -> bool {
        if let ProbeError::Engine(problem) = problem {
            warn!("The temporary directory could not be probed: {problem}");
            return false;
        }
        let (known, full) = (self.health.borrow().tmp_directory.is_some(), self.health.borrow().disk.is_some());
        if !known {
            error!("{problem}");
        }
        self.health.send_modify(|health| health.tmp_directory = Some(problem.to_string()));
        if !problem.may_pass() && !full {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(AWAY) => true,
            () = self.shutdown.draining() => false,
        }
    }

    /// Containers see what we write.
    pub(super) fn seen(&self) {
        self.health.send_if_modified(|health| health.tmp_directory.take().is_some());
    }
}
