//! How the service is told to leave, and how it waits for its own tasks.
//!
//! Two ways out: *drain* finishes what runs and claims nothing more; *leave* lets running containers
//! go on for the next start to take up. Leaving implies draining.

use std::{future::Future, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

/// How long a service that leaves waits for its tasks. Its supervisor's patience, often ten seconds,
/// must not end first.
const PATIENCE: Duration = Duration::from_secs(8);

/// Told to every task; clones are the same signal.
#[derive(Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    leave: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// A signal that nobody has given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Claim nothing more; finish what runs.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Leave now; running containers go on.
    pub fn leave(&self) {
        self.drain.cancel();
        self.leave.cancel();
    }

    /// Whether nothing more is to be claimed or accepted.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Whether everything is to be let go.
    pub fn is_leaving(&self) -> bool {
        self.leave.is_cancelled()
    }

    /// Ends when nothing more is to be claimed.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Ends when everything is to be let go.
    pub async fn leaving(&self) {
        self.leave.cancelled().await;
    }

    /// The signal that everything is to be let go, for those who know tokens only.
    pub fn leave_token(&self) -> CancellationToken {
        self.leave.clone()
    }

    /// Runs a task that [`Self::finished`] waits for.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task);
    }

    /// Ends when every task given to [`Self::spawn`] has ended, or when it is time to go without those
    /// that cannot end: a full disk keeps what must be written for as long as it likes.
    pub async fn finished(&self) {
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => {}
            () = async { self.leaving().await; tokio::time::sleep(PATIENCE).await } => {
                warn!("Leaving although not all is written down; the next start finds out again what came of it");
            }
        }
    }
}
