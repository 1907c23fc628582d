//! `autobuilder relay`: the websocket alone, for machines that many people watch.

use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use super::{ConfigArgs, End, limits, load, run_async, terminal, usage};
use crate::{logging, service::RelayProcess};

pub(super) fn run(args: &ConfigArgs, format: logging::Format) -> anyhow::Result<End> {
    logging::start(format, "info");
    limits::raise();
    let config = load(args)?;
    run_async(async {
        // Whatever keeps it from starting is in the configuration.
        let relay = RelayProcess::start(&config).await.map_err(usage)?;
        terminal::print(&format!("Listening on ws://{}\n", relay.address()));
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("Leaving; viewers come back by themselves");
        relay.leave().await;
        Ok(End::Fine)
    })
}
