//! What is opened is closed: containers, directories and networks, in every way an attempt can end.
//!
//! An end is written down before its traces are removed: after a crash between, the next start finds
//! the traces of a finished build and sweeps them. What an engine that was away did not remove is swept later.

use std::path::Path;

use tracing::warn;

use super::{
    Job, Runner,
    attempt::container_name,
    console,
    engine::{Bind, ContainerSpec, Engine, EngineError, Purpose},
    exit::run_to_end,
    seams::{Journal, Publisher, Source},
    workspace::Workspace,
};
use crate::model::{Base, BuildId, ByteSize, HumanDuration, Limits};

impl<S: Source, P: Publisher, J: Journal> Runner<S, P, J> {
    /// Removes what an attempt left, in the background. To be called when its end is written down.
    pub fn clean(self: &std::sync::Arc<Self>, job: &Job) {
        let (runner, id, attempt) = (std::sync::Arc::clone(self), job.build.id, job.build.attempt);
        let base = job.build.recipe.baseimage.clone();
        self.cleaning.spawn(async move { runner.remove(id, attempt, &base).await });
    }

    /// Waits until everything that [`Self::clean`] began is done.
    pub async fn cleaned(&self) {
        self.cleaning.close();
        self.cleaning.wait().await;
        self.cleaning.reopen();
    }

    /// Removes everything of this instance that belongs to no live attempt; `None` stands for a small container of
    /// the service itself. Never touches anything else. What is live is asked after all was listed, and just before
    /// each removal, so an attempt that begins meanwhile is safe.
    pub async fn sweep(&self, is_live: impl Fn(Option<(BuildId, u32)>) -> bool) -> Result<(), EngineError> {
        let owned = self.engine.owned().await?;
        let directories = self.workspaces.list().unwrap_or_else(|error| {
            warn!("The directory of builds could not be read: {error}");
            Vec::new()
        });
        for owned in owned {
            if !is_live(owned.build.map(|build| (build, owned.attempt))) {
                self.engine.remove(&owned.id).await?;
            }
        }
        for (build, attempt) in directories {
            if !is_live(Some((build, attempt))) {
                self.remove_workspace(self.workspaces.of(build, attempt), None).await;
            }
        }
        Ok(())
    }

    /// Leaves the engine: finishes cleaning, and removes the network unless a build still uses it.
    pub async fn leave(&self) -> Result<(), EngineError> {
        self.cleaned().await;
        // Fails while builds that go on have theirs in it, and that is right.
        let _in_use = std::fs::remove_dir(self.workspaces.root());
        self.engine.remove_networks().await
    }

    pub(super) async fn remove(&self, build: BuildId, attempt: u32, base: &Base) {
        let name = container_name(&self.config.container_prefix, build, attempt);
        if let Err(error) = self.engine.remove(&name).await {
            warn!(build.id = %build, "The container `{name}` stays for now: {error}");
        }
        self.remove_workspace(self.workspaces.of(build, attempt), Some(base)).await;
    }

    async fn remove_workspace(&self, workspace: Workspace, base: Option<&Base>) {
        let Err(error) = remove(workspace.clone()).await else { return };
        // Left by root in the container, and this service is not root: only a container can remove it.
        let emptied = match base {
            Some(base) => self.empty(base, workspace.path()).await,
            None => Ok(()),
        };
        if let Err(again) = emptied {
            warn!("`{}` could not be emptied by a container either: {again}", workspace.path().display());
        }
        if remove(workspace.clone()).await.is_err() {
            warn!("`{}` stays for now: {error}", workspace.path().display());
        }
    }

    /// Empties a directory as root in a container.
    async fn empty(&self, base: &Base, directory: &Path) -> Result<(), EngineError> {
        let image = match base {
            Base::Image(name) => Some(name.clone()),
            Base::Of(of) => self.engine.bases(Some(&of.repository)).await?.pop().map(|image| image.id),
        };
        let script = format!("cd {} || exit 1; chmod -R u+rwX .; rm -rf ./* ./.[!.]*", console::MOUNT);
        match image {
            Some(image) => run(&self.engine, &image, directory, &script).await.map(drop),
            None => Ok(()),
        }
    }
}

async fn remove(workspace: Workspace) -> std::io::Result<()> {
    tokio::task::spawn_blocking(move || workspace.remove()).await.map_err(std::io::Error::other)?
}

/// Runs a line of shell as root in a container that sees `directory` at `/.autobuilder` and nothing
/// else. `None` if there is no such image here.
pub(super) async fn run(
    engine: &Engine,
    image: &str,
    directory: &Path,
    script: &str,
) -> Result<Option<i64>, EngineError> {
    let Some(image) = engine.local_image(image).await? else { return Ok(None) };
    let spec = ContainerSpec {
        name: format!("autobuilder-service-{}", BuildId::new()),
        purpose: Purpose::Service,
        image: image.id,
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        working_directory: "/".to_owned(),
        environment: Vec::new(),
        binds: vec![Bind::writable(directory, console::MOUNT)],
        limits: SMALL,
        capabilities: Vec::new(),
        network: "none".to_owned(),
        extra_hosts: Vec::new(),
    };
    let container = engine.create(spec).await?;
    run_to_end(engine, &container).await
}

/// Enough for a shell and `rm`.
const SMALL: Limits = Limits {
    timeout: HumanDuration(std::time::Duration::from_secs(600)),
    stall_timeout: HumanDuration(std::time::Duration::ZERO),
    memory: ByteSize(256 << 20),
    cpus: 1.0,
    pids: 64,
    log_limit: ByteSize(0),
};
