//! Claims builds and sees each through to its end.
//!
//! One task owns one build, from the claim to the moment its end is on the disk. The runner does the
//! work, the lifecycle keeps the state; this file only joins the two.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::{
    adapters::{GitSource, HubPublisher, Uses},
    assemble::public_url,
    journal::LiveJournal,
    policy,
    porter::Porter,
    pulse::{AWAY, Pulse},
    tidy,
};
use crate::{
    bus::Events,
    config::{Config, Grant},
    git::Mirrors,
    http::Health,
    lifecycle::{Claim, Lifecycle, MAX_ATTEMPTS, NotKept},
    logs::Logs,
    metrics::Metrics,
    model::{Build, BuildId, BuildState, Cause, Ending, Stage},
    publish::{Hub, Kernels},
    runner::{self, End, Engine, Job, Journal, Keep, Progress, Runner, Signals},
    shutdown::Shutdown,
};

/// What builds are made with.
pub(super) struct Tools {
    pub(super) engine: Engine,
    pub(super) mirrors: Mirrors,
    pub(super) hub: Hub,
    pub(super) kernels: Kernels,
    pub(super) logs: Logs,
    pub(super) events: Events,
    /// What a reload may change.
    pub(super) grants: Arc<ArcSwap<Vec<Grant>>>,
    /// To be rung when there was no room.
    pub(super) full: Arc<Notify>,
}

type ServiceRunner = Runner<GitSource, HubPublisher, Arc<LiveJournal>>;

/// All workers.
#[derive(Clone)]
pub(super) struct Shop {
    runner: Arc<ServiceRunner>,
    journal: Arc<LiveJournal>,
    porter: Option<Porter>,
    lifecycle: Arc<Lifecycle>,
    logs: Logs,
    mirrors: Mirrors,
    uses: Uses,
    grants: Arc<ArcSwap<Vec<Grant>>>,
    default_image: String,
    keep: Keep,
    places: Arc<Semaphore>,
    builds: TaskTracker,
    pulse: Pulse,
    health: watch::Sender<Health>,
    /// Rung when there was no room.
    full: Arc<Notify>,
    shutdown: Shutdown,
}

impl Shop {
    pub(super) fn new(
        config: &Config,
        instance: &str,
        tools: Tools,
        lifecycle: Arc<Lifecycle>,
        metrics: Metrics,
        health: watch::Sender<Health>,
        shutdown: &Shutdown,
    ) -> Self {
        let pulse = Pulse::new(tools.engine.clone(), health.clone(), shutdown.clone());
        let Tools { engine, mirrors, hub, kernels, logs, events, grants, full } = tools;
        let journal = Arc::new(LiveJournal::new(Arc::clone(&lifecycle), events, logs.clone(), metrics));
        let uses = Uses::default();
        let settings = runner::Config {
            instance: instance.to_owned(),
            tmp_directory: config.build.tmp_directory.clone(),
            container_prefix: config.build.container_prefix.clone(),
            extra_hosts: config.build.extra_hosts.clone(),
            host: public_url(config),
            environment: config.build.environment.clone(),
        };
        let source = GitSource::new(mirrors.clone(), uses.clone());
        let porter = hub.zero().map(|hub| Porter {
            hub: hub.clone(),
            kernels: kernels.clone(),
            lifecycle: Arc::clone(&lifecycle),
            journal: Arc::clone(&journal),
            logs: logs.clone(),
            health: health.clone(),
            shutdown: shutdown.clone(),
        });
        let publisher = HubPublisher::new(hub, kernels, policy::bootstrap(config));
        let runner = Runner::new(settings, engine, logs.clone(), source, publisher, Arc::clone(&journal));
        Self {
            runner: Arc::new(runner),
            journal,
            porter,
            lifecycle,
            logs,
            mirrors,
            uses,
            grants,
            default_image: config.build.default_baseimage.clone(),
            keep: tidy::keep(&config.kernel),
            places: Arc::new(Semaphore::new(config.build.parallel)),
            builds: TaskTracker::new(),
            pulse,
            health,
            full,
            shutdown: shutdown.clone(),
        }
    }

    /// Works until the service drains or leaves.
    pub(super) fn open(self) {
        let shutdown = self.shutdown.clone();
        let pulse = self.pulse.clone();
        shutdown.spawn(async move { pulse.watch().await });
        let tidying = self.clone();
        shutdown.spawn(async move {
            tokio::select! {
                () = tidying.tidy_for_ever() => {}
                () = tidying.shutdown.draining() => {}
            }
        });
        if let Some(porter) = self.porter.clone() {
            shutdown.spawn(async move { porter.introduce().await });
        }
        shutdown.spawn(async move {
            tokio::select! {
                () = self.work() => {}
                () = self.shutdown.draining() => {}
            }
            self.close().await;
        });
    }

    async fn work(&self) {
        let on_their_way = self.send_waiting().await;
        self.engine_there().await;
        if let Err(failure) = self.take_up(&on_their_way).await {
            error!("Interrupted builds could not be taken up: {failure}");
            return;
        }
        self.health.send_modify(|health| health.started = true);
        let probing = self.clone();
        self.builds.spawn(async move { probing.probe().await });
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
            // An engine that is away, or a full disk, must not use up the attempts of every build that waits.
            let healthy = self.health.subscribe().wait_for(|health| health.trouble().is_none()).await.is_ok();
            if !healthy {
                return;
            }
            match self.lifecycle.claim(|| self.health.borrow().trouble().is_none()).await {
                Ok(Some(claim)) => self.begin(claim, None, Some(place)),
                Ok(None) => {}
                Err(failure) => {
                    error!("The queue could not be read: {failure}");
                    tokio::time::sleep(AWAY).await;
                }
            }
        }
    }

    /// Waits for the engine and what builds need of it.
    async fn engine_there(&self) {
        loop {
            let ready = self.runner.prepare().await;
            let problem = ready.err().map(|error| error.to_string());
            self.health.send_modify(|health| health.engine.clone_from(&problem));
            let Some(problem) = problem else { return };
            warn!("No build can start: {problem}");
            tokio::time::sleep(AWAY).await;
        }
    }

    /// Goes on with the builds whose artifact is safe and waits for the hub; the engine is not needed.
    async fn send_waiting(&self) -> HashSet<BuildId> {
        let Some(porter) = &self.porter else { return HashSet::new() };
        let mut interrupted = self.lifecycle.interrupted().await.unwrap_or_else(|failure| {
            error!("Artifacts that wait for the hub could not be looked for: {failure}");
            Vec::new()
        });
        interrupted.retain(|claim| porter.has(claim.build.id));
        let ids: HashSet<_> = interrupted.iter().map(|claim| claim.build.id).collect();
        porter.sweep(ids.clone()).await;
        for claim in interrupted {
            self.begin_to_send(&claim.build);
            self.send(porter, claim);
        }
        ids
    }

    /// Takes down that a build is about to be sent, which this process did not make.
    fn begin_to_send(&self, build: &Build) {
        self.journal.begin(build);
        self.journal.note(build.id, Progress::Stage(Stage::Uploading));
    }

    /// Hands a build over to the porter, without a place among the builds.
    fn send(&self, porter: &Porter, claim: Claim) {
        let porter = porter.clone();
        self.builds.spawn(async move { porter.deliver(&claim).await });
    }

    /// Takes up what ran when the service last ended, and removes what belongs to nothing any more.
    async fn take_up(&self, on_their_way: &HashSet<BuildId>) -> Result<(), NotKept> {
        let mut interrupted = self.lifecycle.interrupted().await?;
        interrupted.retain(|claim| !on_their_way.contains(&claim.build.id));
        let live: HashMap<_, _> = interrupted.iter().map(|claim| (claim.build.id, claim.build.attempt)).collect();
        let is_live = |attempt: Option<(BuildId, u32)>| attempt.is_some_and(|(build, n)| live.get(&build) == Some(&n));
        if let Err(failure) = self.runner.sweep(is_live).await {
            warn!("Not everything an earlier run left could be removed: {failure}");
        }
        for claim in interrupted {
            let stage = match claim.build.state {
                BuildState::Running { stage, .. } => stage,
                BuildState::Queued { .. } | BuildState::Finished(_) => continue,
            };
            info!(build.id = %claim.build.id, "Taking up `{}` {}", claim.build.repository(), claim.build.git_ref().name());
            // More may have run than may run now; those go on without a place.
            let place = Arc::clone(&self.places).try_acquire_owned().ok();
            self.begin(claim, Some(stage), place);
        }
        Ok(())
    }

    /// Removes, every hour, what could not be removed when its build ended, and what has had its time.
    async fn tidy_for_ever(&self) {
        let leaving = self.shutdown.leave_token();
        // The order counts: a build that lets its container go on does so after the service began to leave.
        let is_live = |attempt: Option<(BuildId, u32)>| {
            attempt.is_none_or(|(build, attempt)| self.journal.has(build, attempt)) || leaving.is_cancelled()
        };
        loop {
            tokio::time::sleep(tidy::OFTEN).await;
            if let Err(failure) = self.runner.sweep(is_live).await {
                warn!("Not everything that builds left could be removed: {failure}");
            }
            tidy::tidy(self.runner.engine(), self.keep).await;
            if let Some(porter) = &self.porter {
                porter.expire().await;
            }
        }
    }

    fn begin(&self, claim: Claim, adopt: Option<Stage>, place: Option<OwnedSemaphorePermit>) {
        let shop = self.clone();
        self.builds.spawn(async move {
            shop.build(claim, adopt).await;
            drop(place);
        });
    }

    async fn build(&self, claim: Claim, adopt: Option<Stage>) {
        let build = claim.build.clone();
        if let Some(porter) = self.porter.as_ref().filter(|porter| porter.takes_over(&claim)) {
            self.begin_to_send(&build);
            return self.send(porter, claim);
        }
        let secrets = policy::secrets(&self.grants.load(), build.repository(), build.git_ref(), &build.recipe);
        let job = Job { build, secrets };
        let signals = Signals { cancel: claim.cancel.clone(), leave: self.shutdown.leave_token() };
        self.journal.begin(&job.build);
        let end = match adopt {
            Some(stage) => {
                self.uses.keep(job.build.id, self.mirrors.in_use(job.build.repository()).await);
                self.runner.adopt(&job, stage, &signals).await
            }
            None => self.runner.run(&job, &signals).await,
        };
        if !matches!(end, End::Kept) {
            self.journal.end(job.build.id);
        }
        match end {
            // The next start finds the container by the build's name.
            End::Detached => return,
            End::Published(artifact) => self.lifecycle.finish(&claim, Ending::published(artifact)).await,
            End::Kept => {
                if let Some(porter) = &self.porter {
                    self.send(porter, claim);
                }
            }
            End::Failed(failure) => self.failed(&claim, &failure).await,
        }
        self.uses.release(job.build.id);
        self.runner.clean(&job);
        self.compact(&job.build).await;
        if job.build.recipe.product.kernel().is_some() {
            tidy::tidy(self.runner.engine(), self.keep).await;
        }
    }

    async fn failed(&self, claim: &Claim, failure: &runner::RunError) {
        let ending = failure.ending();
        match ending.cause {
            Cause::Engine => self.pulse.ask().await,
            Cause::Disk => self.full.notify_one(),
            _ => {}
        }
        if !failure.is_retryable() || claim.build.attempt >= MAX_ATTEMPTS {
            self.explain(&claim.build, &ending.message);
        }
        if failure.is_retryable() {
            self.lifecycle.try_again(claim, ending).await;
        } else {
            self.lifecycle.finish(claim, ending).await;
        }
    }

    /// A build whose script never wrote a line has its reason as its log: an empty page helps nobody.
    fn explain(&self, build: &Build, message: &str) {
        let written = self.logs.writer(build.id).and_then(|mut log| {
            if log.is_empty() { log.append(format!("autobuilder: {message}\n").as_bytes()) } else { Ok(()) }
        });
        if let Err(failure) = written {
            warn!(build.id = %build.id, "The log could not be written: {failure}");
        }
    }

    /// Between builds, when it is cheap, so that a year of pushes does not leave a thousand packs.
    async fn compact(&self, build: &Build) {
        if let Err(failure) = self.mirrors.compact(build.repository(), tidy::MOST_PACKS).await {
            warn!("The mirror of `{}` could not be packed: {failure}", build.repository());
        }
    }

    /// Whether containers see what we write. Needs an image, and tells only what it could find out.
    async fn probe(&self) {
        while let Err(problem) = self.runner.probe_tmp_directory(&self.default_image).await {
            if !self.pulse.unseen(problem).await {
                return;
            }
        }
        self.pulse.seen();
    }

    /// Lets what runs go on or end, then lets go of the engine.
    async fn close(&self) {
        self.builds.close();
        tokio::select! {
            () = self.builds.wait() => {}
            // Each build notices by itself and lets its container go on.
            () = async { self.shutdown.leaving().await; self.builds.wait().await } => {}
        }
        match tokio::time::timeout(Duration::from_secs(8), self.runner.leave()).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => warn!("The engine keeps something of ours until the next start: {failure}"),
            Err(_) => warn!("Cleaning up took too long; the next start goes on with it"),
        }
        // Nothing runs any more: the web server may close.
        self.shutdown.leave();
    }
}
