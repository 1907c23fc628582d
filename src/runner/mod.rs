//! Turns one build into a published artifact.
//!
//! One task owns one attempt from its claim to its end, so no lock guards a build. `attempt` reads as
//! the stages of a build; `supervise` stays with the script while it runs; `exit` judges how it ended.
//! `engine` is the only door to the container engine, `console` the way of the output, `collect` the
//! careful hand that takes the artifact, `kernel` what only pipelines do. Git and the hub are behind the traits of `seams`.

mod attempt;
mod base;
mod boot;
mod cleaning;
mod clock;
mod collect;
mod console;
mod engine;
mod environment;
mod error;
mod exit;
mod kernel;
mod probe;
mod prune;
mod seams;
mod supervise;
mod workspace;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    logs::Logs,
    model::{Artifact, Build, Stage, Variables},
};
use attempt::{Attempt, Stop};
use workspace::Workspaces;

pub use boot::BootError;
pub use collect::{CollectError, Collected};
pub use engine::{BaseImage, Bind, Engine, EngineError, Image, ImageError, Origin, Owned, PullProgress};
pub use error::RunError;
pub use probe::ProbeError;
pub use prune::{Keep, Listed, Use};
pub use seams::{Fault, Handed, Journal, Progress, Publisher, Source};

/// How builds are run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which service this is: containers, networks and directories carry it, and only those are touched.
    pub instance: String,
    /// Where the directories of builds lie; the engine must see them at the same path.
    pub tmp_directory: PathBuf,
    /// What names of containers begin with.
    pub container_prefix: String,
    /// `name:address` lines for every container's `/etc/hosts`.
    pub extra_hosts: Vec<String>,
    /// `HOST` in every build.
    pub host: String,
    /// More environment for every build.
    pub environment: Variables,
}

/// One attempt to be made, or taken up again.
#[derive(Debug, Clone)]
pub struct Job {
    /// The build, with the number of this attempt in it.
    pub build: Build,
    /// Values of the secrets it was granted, by the name of their variable.
    pub secrets: BTreeMap<String, String>,
}

/// How a running attempt is told to stop.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Somebody cancels the build.
    pub cancel: CancellationToken,
    /// The service leaves: the container goes on, the next start takes it up again.
    pub leave: CancellationToken,
}

/// How an attempt ended.
#[derive(Debug)]
pub enum End {
    /// The artifact is published.
    Published(Artifact),
    /// The artifact is safe with the publisher, who goes on with it: nothing of the attempt is needed.
    Kept,
    /// There is no artifact.
    Failed(RunError),
    /// The service left before the end: nothing is decided, [`Runner::adopt`] goes on.
    Detached,
}

/// Runs builds.
pub struct Runner<S, P, J> {
    config: Config,
    engine: Engine,
    logs: Logs,
    source: S,
    publisher: P,
    journal: Arc<J>,
    workspaces: Workspaces,
    cleaning: TaskTracker,
    host: boot::Host,
}

impl<S: Source, P: Publisher, J: Journal> Runner<S, P, J> {
    /// A runner on that engine.
    pub fn new(config: Config, engine: Engine, logs: Logs, source: S, publisher: P, journal: J) -> Self {
        let workspaces = Workspaces::new(&config.tmp_directory, &config.instance);
        let (journal, cleaning, host) = (Arc::new(journal), TaskTracker::new(), boot::Host::default());
        Self { config, engine, logs, source, publisher, journal, workspaces, cleaning, host }
    }

    /// Makes what the first build would wait for: the directory of all builds, and the network.
    pub async fn prepare(&self) -> Result<(), RunError> {
        self.workspaces
            .ensure()
            .map_err(|source| RunError::Disk { path: self.workspaces.root().to_owned(), source })?;
        self.engine.version().await?;
        self.engine.network().await?;
        Ok(())
    }

    /// Makes one attempt. When its end is written down, call [`Self::clean`].
    pub async fn run(&self, job: &Job, signals: &Signals) -> End {
        end(Attempt::new(self, job, signals).run().await)
    }

    /// Takes up an attempt that an earlier process began. Its container may still run, have ended, or
    /// never have been started; the log goes on with the next byte.
    pub async fn adopt(&self, job: &Job, stage: Stage, signals: &Signals) -> End {
        end(Attempt::new(self, job, signals).adopt(stage).await)
    }

    /// Whom it tells.
    pub fn journal(&self) -> &J {
        &self.journal
    }

    /// The engine it runs builds on.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

fn end(result: Result<Handed, Stop>) -> End {
    match result {
        Ok(Handed::Published(artifact)) => End::Published(artifact),
        Ok(Handed::Kept) => End::Kept,
        Err(Stop::Failed(error)) => End::Failed(error),
        Err(Stop::Left) => End::Detached,
    }
}
