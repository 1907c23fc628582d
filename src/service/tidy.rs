//! Removes base images that newer ones have replaced: after each that is made, and every hour.

use std::time::Duration;

use tracing::warn;

use crate::{
    config,
    runner::{Engine, Keep},
    shutdown::Shutdown,
};

const OFTEN: Duration = Duration::from_secs(3600);

/// What is kept, as the operator says.
pub fn keep(kernel: &config::Kernel) -> Keep {
    Keep { newest: kernel.keep, at_least: kernel.keep_for.0 }
}

/// Looks at the images once.
pub(super) async fn tidy(engine: &Engine, keep: Keep) {
    if let Err(failure) = engine.prune_bases(keep).await {
        warn!("Old base images stay for now: {failure}");
    }
}

/// Looks at the images for as long as the service runs.
pub(super) async fn tidy_for_ever(engine: Engine, keep: Keep, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(OFTEN) => {}
            () = shutdown.draining() => return,
        }
        tidy(&engine, keep).await;
    }
}
