//! One attempt, as its stages. Each value is made from the one before, so no stage can be skipped.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{join, select, task::spawn_blocking, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Job, Runner, Signals, clock,
    collect::{CollectError, Collected, collect},
    console::{self, Console, Keeping},
    engine::{Bind, ContainerSpec, ContainerState, EngineError, Image, Purpose},
    environment::environment,
    error::RunError,
    kernel,
    seams::{Handed, Journal, Progress, Publisher, Source},
    supervise::Running,
    workspace::Workspace,
};
use crate::model::{AbsoluteDir, Base, BuildId, Network, ScriptAt, Stage, Timestamp};

/// How long to wait before an engine that is away is asked again.
const AWAY: Duration = Duration::from_secs(1);

/// Why an attempt does not go on.
pub(super) enum Stop {
    /// It has an end.
    Failed(RunError),
    /// The service leaves; nothing is decided.
    Left,
}

impl<E: Into<RunError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

pub(super) struct Attempt<'a, S, P, J> {
    pub(super) runner: &'a Runner<S, P, J>,
    pub(super) job: &'a Job,
    pub(super) signals: &'a Signals,
    pub(super) workspace: Workspace,
}

/// The name of an attempt's container.
pub(super) fn container_name(prefix: &str, build: BuildId, attempt: u32) -> String {
    format!("{prefix}{build}-{attempt}")
}

impl<'a, S: Source, P: Publisher, J: Journal> Attempt<'a, S, P, J> {
    pub(super) fn new(runner: &'a Runner<S, P, J>, job: &'a Job, signals: &'a Signals) -> Self {
        let workspace = runner.workspaces.of(job.build.id, job.build.attempt);
        Self { runner, job, signals, workspace }
    }

    /// From nothing to a published artifact.
    pub(super) async fn run(&self) -> Result<Handed, Stop> {
        self.note(Progress::Stage(Stage::Creating));
        self.make_workspace()?;
        let container = self.prepare().await?;
        self.note(Progress::Stage(Stage::Initializing));
        let running = self.start(container).await?;
        self.finish(running).await
    }

    /// From what an earlier process left to a published artifact.
    pub(super) async fn adopt(&self, stage: Stage) -> Result<Handed, Stop> {
        match self.find_container().await? {
            Some(state) if state.started => {
                let running = self.take_up(state).await?;
                self.finish(running).await
            }
            None if stage >= Stage::Building => Err(RunError::Vanished.into()),
            // Nothing of the script ran yet, so the attempt begins anew.
            _ => {
                self.runner.remove(self.job.build.id, self.job.build.attempt, &self.job.build.recipe.baseimage).await;
                self.run().await
            }
        }
    }

    async fn finish(&self, running: Running) -> Result<Handed, Stop> {
        self.note(Progress::Stage(Stage::Building));
        let container = running.container.clone();
        let supervised = running.supervise(&self.runner.engine, &self.job.build.recipe, self.signals).await;
        let console = supervised.map_err(|stop| self.or_full_disk(stop))?;
        let collected = match self.job.build.recipe.product.kernel() {
            None => {
                drop(console);
                self.note(Progress::Stage(Stage::Uploading));
                self.collect().await?
            }
            Some(kernel) => {
                let collected = self.collect().await?;
                self.prove(kernel, &collected, console, &container).await?;
                self.note(Progress::Stage(Stage::Uploading));
                collected
            }
        };
        // To be repeated after a restart, so a slow hub need not hold one up.
        let published = select! {
            biased;
            published = self.runner.publisher.publish(&self.job.build, collected) => published,
            () = self.signals.leave.cancelled() => return Err(Stop::Left),
        };
        published.map_err(|fault| RunError::Publish(fault).into())
    }

    /// A script that fails while our disk is full most likely fails for that, so it is not its own fault.
    fn or_full_disk(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Failed(RunError::ExitCode { script, code }) if self.workspace.is_full() => {
                RunError::NoRoom { script, code, path: self.runner.workspaces.root().to_owned() }.into()
            }
            other => other,
        }
    }

    fn make_workspace(&self) -> Result<(), RunError> {
        let made = self.runner.workspaces.ensure().and_then(|()| self.workspace.create());
        made.map_err(|source| self.disk(source))
    }

    /// Fetches the source while the container is made: its mounts show what comes into the
    /// directories later.
    async fn prepare(&self) -> Result<String, Stop> {
        // A source that cannot be had makes a long pull needless. The making of a container is never
        // interrupted: it might appear after it was cleaned away.
        let abandoned = CancellationToken::new();
        let source = async {
            let source = self.unless_stopped(self.source()).await;
            source.inspect_err(|_| abandoned.cancel())
        };
        let container = async {
            let image = select! {
                image = self.unless_stopped(self.image()) => image?,
                () = abandoned.cancelled() => return Ok(None),
            };
            self.note(Progress::Stage(Stage::Preparing));
            self.create(image).await.map(Some)
        };
        let (source, container) = join!(source, container);
        source?;
        container?.ok_or(Stop::Failed(RunError::Cancelled))
    }

    async fn source(&self) -> Result<(), Stop> {
        let build = &self.job.build;
        let prepared = self.runner.source.prepare(build, &self.workspace.source()).await;
        if let Some(commit) = prepared.map_err(RunError::Source)? {
            self.note(Progress::Commit(commit));
        }
        if build.recipe.script_at == ScriptAt::Image {
            return Ok(());
        }
        let (workspace, script) = (self.workspace.clone(), build.recipe.script.clone());
        let found = spawn_blocking(move || workspace.make_executable(&script)).await;
        found.map_err(|error| self.disk(error.into()))?.map_err(|_| RunError::MissingScript {
            script: build.recipe.script.clone(),
            commit: build.commit.clone(),
        })?;
        Ok(())
    }

    async fn image(&self) -> Result<Image, Stop> {
        let progress = |progress| self.note(Progress::Pull(progress));
        let image = match &self.job.build.recipe.baseimage {
            Base::Image(name) => self.runner.engine.image(name, progress).await?,
            Base::Of(base) => self.base(base).await?,
        };
        self.note(Progress::Image(image.digest.clone()));
        Ok(image)
    }

    async fn create(&self, image: Image) -> Result<String, Stop> {
        let spec = self.spec(image).await?;
        let container = match self.runner.engine.create(spec.clone()).await {
            Err(error) if error.is_not_found() => {
                // The image was removed since it was looked up.
                self.runner.engine.forget_images();
                let image = self.unless_stopped(self.image()).await?;
                self.runner.engine.create(ContainerSpec { image: image.id, ..spec }).await
            }
            other => other,
        };
        let container = container.map_err(|error| self.blame(error))?;
        self.note(Progress::Container(container.clone()));
        Ok(container)
    }

    async fn spec(&self, image: Image) -> Result<ContainerSpec, Stop> {
        let (build, config) = (&self.job.build, &self.runner.config);
        let checkout: AbsoluteDir = format!("/{}", build.repository().name()).parse().map_err(RunError::Mount)?;
        let archives = build.recipe.archives.as_str();
        if [checkout.as_str(), console::MOUNT].contains(&archives) {
            return Err(RunError::Archives(archives.to_owned()).into());
        }
        let own_checkout = kernel::becomes_base(build.recipe.product.kernel());
        let mut environment = environment(self.job, &config.host, &config.environment);
        let mut beginning = String::new();
        let mut source = Bind::writable(self.workspace.source(), checkout.as_str());
        if own_checkout {
            kernel::write_environment(&self.workspace.console(), &std::mem::take(&mut environment))
                .map_err(|source| self.disk(source))?;
            beginning = kernel::beginning();
            source = Bind::read_only(self.workspace.source(), kernel::CHECKOUT);
        }
        let script = match build.recipe.script_at {
            ScriptAt::Checkout => format!("{checkout}/{}", build.recipe.script),
            ScriptAt::Image => format!("/{}", build.recipe.script),
        };
        let mut binds = vec![
            source,
            Bind::writable(self.workspace.target(), archives),
            Bind::writable(self.workspace.console(), console::MOUNT),
        ];
        binds.extend(self.runner.source.binds(build).map_err(RunError::Source)?);
        let network = match build.recipe.network {
            Network::Bridge => self.runner.engine.network().await?,
            Network::None => "none",
            Network::Host => "host",
        };
        Ok(ContainerSpec {
            name: container_name(&config.container_prefix, build.id, build.attempt),
            purpose: Purpose::Build(build.id, build.attempt),
            image: image.id,
            command: console::command(&beginning, &script, &build.recipe.arguments),
            working_directory: checkout.to_string(),
            environment,
            binds,
            limits: build.recipe.limits,
            capabilities: build.recipe.capabilities.clone(),
            network: network.to_owned(),
            extra_hosts: config.extra_hosts.clone(),
        })
    }

    async fn start(&self, container: String) -> Result<Running, Stop> {
        let watch = self.runner.engine.watch(&container);
        let (started, console) = join!(self.runner.engine.start(&container), self.console());
        started.map_err(|error| self.blame(error))?;
        let deadline = Instant::now() + self.job.build.recipe.limits.timeout.0;
        Ok(Running { container, watch, asking: false, console: console?, deadline })
    }

    async fn take_up(&self, state: ContainerState) -> Result<Running, Stop> {
        let watch = self.runner.engine.watch(&state.id);
        let console = self.console().await?;
        let ran = clock::parse(&state.started_at).map_or(Duration::ZERO, |start| Timestamp::now().since(start));
        let deadline = Instant::now() + self.job.build.recipe.limits.timeout.0.saturating_sub(ran);
        Ok(Running { container: state.id, watch, asking: true, console, deadline })
    }

    /// Asks until the engine answers: to guess would mean a second container beside a running one.
    async fn find_container(&self) -> Result<Option<ContainerState>, Stop> {
        let build = &self.job.build;
        let name = container_name(&self.runner.config.container_prefix, build.id, build.attempt);
        loop {
            match self.unless_stopped(async { Ok(self.runner.engine.inspect(&name).await) }).await? {
                Ok(found) => return Ok(found),
                Err(error) => tracing::warn!(build.id = %build.id, "Waiting to take up a build: {error}"),
            }
            self.unless_stopped(async {
                tokio::time::sleep(AWAY).await;
                Ok(())
            })
            .await?;
        }
    }

    async fn console(&self) -> Result<Console, RunError> {
        let (id, logs) = (self.job.build.id, self.runner.logs.clone());
        let journal = Arc::clone(&self.runner.journal);
        let viewer = Box::new(move |offset, bytes| journal.note(id, Progress::Output { offset, bytes }));
        let limit = self.job.build.recipe.limits.log_limit.0;
        let keeping = Keeping { limit, secrets: self.job.secrets.values().cloned().collect() };
        let log = move || logs.writer(id);
        let opened = Console::open(self.workspace.console(), self.workspace.mark(), log, keeping, viewer).await;
        opened.map_err(|source| self.disk(source))
    }

    /// Takes the artifact, for as long as a whole build may take: it may be endless.
    async fn collect(&self) -> Result<Collected, Stop> {
        let recipe = &self.job.build.recipe;
        let (target, archives, artifact) = (self.workspace.target(), recipe.archives.clone(), recipe.artifact.clone());
        let stop = CancellationToken::new();
        let _nobody_waits = stop.clone().drop_guard();
        let collecting = spawn_blocking(move || collect(&target, &archives, &artifact, &stop));
        let limit = recipe.limits.timeout;
        self.unless_stopped(async {
            match tokio::time::timeout(limit.0, collecting).await {
                Ok(collected) => Ok(collected.map_err(|error| self.disk(error.into()))??),
                Err(_) => Err(CollectError::Endless { artifact: recipe.artifact.clone(), limit }.into()),
            }
        })
        .await
    }

    /// Does `work` unless the build is cancelled or the service leaves before it is done.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
        select! {
            biased;
            () = self.signals.cancel.cancelled() => Err(RunError::Cancelled.into()),
            () = self.signals.leave.cancelled() => Err(Stop::Left),
            done = work => done,
        }
    }

    /// Whose fault it is that the engine did not make or start the container.
    fn blame(&self, error: EngineError) -> RunError {
        match &error {
            EngineError::Refused { message, .. } if message.contains("bind source path does not exist") => {
                RunError::HiddenDirectory { path: self.workspace.path().to_owned() }
            }
            EngineError::Refused { message, .. } if message.contains("/bin/sh") => {
                RunError::NoShell(self.job.build.recipe.baseimage.to_string())
            }
            EngineError::Refused { status: 400, message, .. } => RunError::Refused(message.clone()),
            _ => RunError::Engine(error),
        }
    }

    pub(super) fn disk(&self, source: std::io::Error) -> RunError {
        let path: PathBuf = self.workspace.path().to_owned();
        RunError::Disk { path, source }
    }

    pub(super) fn note(&self, progress: Progress) {
        self.runner.journal.note(self.job.build.id, progress);
    }
}
