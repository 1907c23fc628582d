//! `autobuilder serve`: start, obey signals, leave.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use super::{ConfigArgs, End, limits, load, run_async, terminal, usage};
use crate::{
    logging,
    service::{Service, StartError},
};

pub(super) fn run(args: &ConfigArgs, format: logging::Format) -> anyhow::Result<End> {
    logging::start(format, "info");
    limits::raise();
    let config = load(args)?;
    config.check().map_err(usage)?;
    run_async(async {
        let service = Service::start(config).await.map_err(|error| match error {
            StartError::Config(_) | StartError::Bus(_) | StartError::InUse(_) | StartError::Listen { .. } => {
                usage(error)
            }
            other => other.into(),
        })?;
        terminal::print(&format!("Listening on http://{}\n", service.address()));
        let watched = service.clone();
        tokio::spawn(async move {
            watched.catalog_loaded().await;
            terminal::print(&watched.watched());
        });
        obey(service, args).await
    })
}

/// Signals as `docs/operation.md` has them.
async fn obey(service: Service, args: &ConfigArgs) -> anyhow::Result<End> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            () = told(&mut terminate) => {
                info!("Leaving; running builds go on and the next start takes them up again");
                service.leave();
            }
            () = told(&mut interrupt) => {
                if service.is_draining() {
                    service.leave();
                } else {
                    info!("Finishing what runs, then leaving; once more to leave at once");
                    service.drain();
                }
            }
            () = told(&mut hangup) => reload(&service, args).await,
            () = service.finished() => return Ok(End::Fine),
        }
    }
}

async fn told(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}

/// A configuration that cannot be used changes nothing.
async fn reload(service: &Service, args: &ConfigArgs) {
    match load(args) {
        Ok(config) => service.reload(config).await,
        Err(error) => error!("The configuration stays as it was: {error:#}"),
    }
}
