//! Tells the lifecycle and the screens what the runner reports.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{
    bus::Events,
    lifecycle::Lifecycle,
    logs::Logs,
    metrics::Metrics,
    model::{Build, BuildId, BuildState, CommitInfo, Stage},
    runner::{Journal, Progress},
};

/// The journal of a service.
pub(super) struct LiveJournal {
    lifecycle: Arc<Lifecycle>,
    events: Events,
    logs: Logs,
    metrics: Metrics,
    running: Mutex<HashMap<BuildId, Entry>>,
}

/// A running build as it is now.
struct Entry {
    build: Build,
    stage: Option<(Stage, Instant)>,
}

impl LiveJournal {
    pub(super) fn new(lifecycle: Arc<Lifecycle>, events: Events, logs: Logs, metrics: Metrics) -> Self {
        Self { lifecycle, events, logs, metrics, running: Mutex::default() }
    }

    pub(super) fn begin(&self, build: &Build) {
        self.lock().insert(build.id, Entry { build: build.clone(), stage: None });
    }

    pub(super) fn end(&self, id: BuildId) {
        if let Some(Entry { stage: Some((stage, since)), .. }) = self.lock().remove(&id) {
            self.metrics.stage(stage, since.elapsed());
        }
    }

    /// Whether this attempt at a build runs.
    pub(super) fn has(&self, id: BuildId, attempt: u32) -> bool {
        self.lock().get(&id).is_some_and(|entry| entry.build.attempt == attempt)
    }

    /// Something outside keeps a build from going on.
    pub(super) async fn delay(&self, id: BuildId, reason: String) {
        let build = self.lock().get(&id).map(|entry| entry.build.clone());
        if let Some(build) = build {
            self.lifecycle.delay(build, reason).await;
        }
    }

    fn describe(&self, id: BuildId, said: CommitInfo) {
        let mut running = self.lock();
        let Some(entry) = running.get_mut(&id) else { return };
        entry.build.push.fill(said);
        self.lifecycle.describe(&entry.build);
    }

    fn change(&self, id: BuildId, change: impl FnOnce(&mut Build)) {
        let mut running = self.lock();
        let Some(entry) = running.get_mut(&id) else { return };
        change(&mut entry.build);
        self.lifecycle.attach(&entry.build);
    }

    fn enter(&self, id: BuildId, stage: Stage) {
        let mut running = self.lock();
        let Some(entry) = running.get_mut(&id) else { return };
        if let Some((before, since)) = entry.stage.replace((stage, Instant::now())) {
            self.metrics.stage(before, since.elapsed());
        }
        entry.build.state = BuildState::Running { stage, delay: None };
        self.lifecycle.enter(&entry.build, stage, self.logged(id));
    }

    /// How long the log is now: where the stage that begins has its first line.
    fn logged(&self, id: BuildId) -> u64 {
        self.logs.open(id).ok().flatten().map_or(0, |(_, length)| length)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BuildId, Entry>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for Arc<LiveJournal> {
    fn note(&self, build: BuildId, progress: Progress) {
        match progress {
            Progress::Stage(stage) => self.enter(build, stage),
            Progress::Commit(said) => self.describe(build, said),
            Progress::Image(digest) => self.change(build, |build| build.baseimage_digest = Some(digest)),
            Progress::Container(id) => self.change(build, |build| build.container = Some(id)),
            Progress::Output { offset, bytes } => {
                self.metrics.logged(bytes.len() as u64);
                self.events.output(build, offset, bytes);
            }
            // Shown by `autobuilder build`; on the page the stage says it.
            Progress::Pull(_) => {}
        }
    }
}
