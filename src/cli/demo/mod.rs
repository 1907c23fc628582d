//! `autobuilder demo`: a forge in a folder, the service beside it, two pushes, and room to play.
//!
//! Nothing here is a mock: the repositories are real, their `post-receive` hooks deliver signed
//! webhooks, and the service is the one `serve` runs. Whatever ends it, the folder and what it has in
//! the container engine go with it.

mod needs;
mod world;

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::world::{World, push_both};
use super::{End, interrupt, run_async, terminal};
use crate::{
    logging,
    runner::{Engine, EngineError},
    service::Service,
    store,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The image to build in; it needs a shell and tar.
    #[arg(long, default_value = needs::OWN_IMAGE)]
    image: String,
    /// Where to listen; without it 127.0.0.1:5560, or a free port if that one is taken.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Build the two pushes, then leave instead of keeping on.
    #[arg(long)]
    once: bool,
}

/// How long a build that runs may take to end by itself when the demonstration ends.
const GRACE: Duration = Duration::from_secs(2);

pub(super) fn run(args: &Args, format: logging::Format) -> anyhow::Result<End> {
    logging::start(format, "warn");
    run_async(async {
        let stop = interrupt::token()?;
        match stop.run_until_cancelled(needs::image(&args.image)).await {
            Some(ready) => ready?,
            None => return Ok(End::Fine),
        }
        let listen = needs::address(args.listen)?;
        let folder = tempfile::Builder::new().prefix("autobuilder-demo-").tempdir().context("no temporary folder")?;
        let ended = demonstrate(folder.path(), args, listen, &stop).await;
        let path = folder.path().to_owned();
        folder.close().with_context(|| format!("`{}` stays behind", path.display()))?;
        // A command of ours that Ctrl-C ended too is no failure.
        if stop.is_cancelled() { Ok(End::Fine) } else { ended }
    })
}

async fn demonstrate(root: &Path, args: &Args, listen: SocketAddr, stop: &CancellationToken) -> anyhow::Result<End> {
    let world = World::make(root, &args.image)?;
    let service = Service::start(world.configuration(listen)?).await?;
    let shown = stop.run_until_cancelled(show(&world, &service)).await.unwrap_or(Ok(()));
    if shown.is_ok() && !args.once && !stop.is_cancelled() {
        terminal::print("Ctrl-C ends the demonstration and removes its folder.\n");
        stop.cancelled().await;
    }
    leave(service).await;
    if let Err(error) = sweep(root).await {
        warn!("Something of the demonstration stays in the container engine: {error:#}");
    }
    shown.map(|()| End::Fine)
}

async fn show(world: &World, service: &Service) -> anyhow::Result<()> {
    let address = service.address();
    world.introduce(address)?;
    service.catalog_loaded().await;
    let source = world.source();
    terminal::print(&format!("Watch: http://{address}/monitor\n\n{}\n", service.watched()));
    terminal::print("Pushing to acme/hello, branches main and broken ...\n");
    tokio::task::spawn_blocking(move || push_both(&source)).await??;
    for (branch, what) in [("main", "a good build"), ("broken", "a failing one")] {
        let sentence = ended(service, branch).await?;
        terminal::print(&format!("{what}: {sentence}"));
    }
    let size = fs::metadata(world.artifact()).context("the good build left no artifact")?.len();
    terminal::print(&format!(
        "\nThe artifact ({size} bytes), behind its link:\n  http://{address}/artifacts/acme-hello-main.flist\n\n{}\n",
        world.invitation()
    ));
    Ok(())
}

/// Waits for the end of the newest build of a branch, and says it in words.
async fn ended(service: &Service, branch: &str) -> anyhow::Result<String> {
    let waiting = service.until_ended("acme/hello", branch);
    tokio::time::timeout(Duration::from_secs(120), waiting)
        .await
        .context("no build ended within two minutes")?
        .context("the service's store failed")
}

/// Lets a build that is nearly done end, and any other go.
async fn leave(service: Service) {
    service.drain();
    if tokio::time::timeout(GRACE, service.finished()).await.is_err() {
        service.leave();
        service.finished().await;
    }
}

/// Removes what builds that were let go still have in the engine: nobody takes them up again.
async fn sweep(root: &Path) -> anyhow::Result<()> {
    let instance = store::instance_id(&root.join("data"))?;
    let engine = Engine::new(None, &instance)?;
    let swept: Result<(), EngineError> = async {
        for owned in engine.owned().await? {
            engine.remove(&owned.id).await?;
        }
        engine.remove_networks().await
    }
    .await;
    Ok(swept?)
}
