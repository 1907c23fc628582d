//! What a demonstration needs, asked for before anything is made.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, bail};

use super::world;
use crate::{
    cli::{show::Show, terminal, usage},
    runner::{Engine, EngineError},
};

/// What `scripts/setup demo` makes; no registry has it.
pub(super) const OWN_IMAGE: &str = "autobuilder/busybox:latest";

const USUAL_PORT: u16 = 5560;

/// git, an engine that answers, and the image in it.
pub(super) async fn image(name: &str) -> anyhow::Result<()> {
    world::git(std::path::Path::new("."), &["--version"])?;
    let engine = engine().await.context(
        "the demonstration builds in containers: start Docker or Podman, or let `scripts/setup demo` install Docker",
    )?;
    if engine.local_image(name).await?.is_some() {
        return Ok(());
    }
    if name == OWN_IMAGE {
        bail!(
            "the image `{name}` is not here: make it with `scripts/setup demo`, or take one from a registry with \
             `--image busybox`"
        );
    }
    let show = Show::new();
    show.say(&format!("pulling `{name}`"));
    let pulled = engine.image(name, |progress| show.moving(progress.to_string())).await;
    show.done();
    pulled.context("no registry gives it; `scripts/setup demo` makes a small image without one")?;
    Ok(())
}

async fn engine() -> Result<Engine, EngineError> {
    let engine = Engine::new(None, "demo")?;
    engine.version().await?;
    Ok(engine)
}

/// Where to listen: as wanted, else at the usual port, else, since a demonstration may listen anywhere,
/// at a free one.
pub(super) fn address(wanted: Option<SocketAddr>) -> anyhow::Result<SocketAddr> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, USUAL_PORT));
    let listener = match (wanted, TcpListener::bind(wanted.unwrap_or(usual))) {
        (None, Err(_)) => {
            terminal::print(&format!("{usual} is taken; listening at a free port instead.\n"));
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        }
        (_, bound) => {
            bound.with_context(|| format!("could not listen on {}", wanted.unwrap_or(usual))).map_err(usage)?
        }
    };
    // Closed again, for the service to take; its builds are told this address.
    Ok(listener.local_addr()?)
}
