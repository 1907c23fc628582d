//! From the queue to the end: claims, stages, attempts, endings.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Handle, Lifecycle, NotKept, changed};
use crate::{
    model::{Build, BuildId, BuildState, Ending, Stage, Timestamp},
    queue,
    store::{
        builds::{self, BuildRow},
        pushes,
        stages::{self, Entered},
    },
};

/// How often one build is tried at most. Only *our* faults are tried again.
pub const MAX_ATTEMPTS: u32 = 3;

/// How long to wait before the second and the third attempt.
const BACKOFF: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(15)];

/// How long to wait between two tries to write an ending.
const WRITE_BACKOFF: Duration = Duration::from_secs(1);

/// A build in a worker's hands. Dropping it changes nothing: the next start finds it again.
#[derive(Clone)]
pub struct Claim {
    /// The build as it was claimed.
    pub build: Build,
    /// Told when somebody wants it ended.
    pub cancel: CancellationToken,
    /// Rung when somebody wants it to wait no longer.
    pub hurry: Arc<Notify>,
    /// The ended build that it repeats, if it does.
    pub repeats: Option<BuildId>,
    row: BuildRow,
}

impl Lifecycle {
    /// Waits for the next build and begins an attempt at it; `None` if none may begin when there is one.
    pub async fn claim(&self, may_begin: impl Fn() -> bool) -> Result<Option<Claim>, NotKept> {
        loop {
            let rung = self.bell.notified();
            if !may_begin() {
                return Ok(None);
            }
            if let Some(claim) = self.try_claim().await? {
                return Ok(Some(claim));
            }
            let next = self.database.read(queue::next_available).await?;
            let wait = next.map_or(Duration::from_secs(60), |at| at.since(Timestamp::now()));
            tokio::select! {
                () = rung => {}
                () = tokio::time::sleep(wait.max(Duration::from_millis(10))) => {}
            }
        }
    }

    async fn try_claim(&self) -> Result<Option<Claim>, NotKept> {
        let outbox = self.outbox.clone();
        let found = self
            .database
            .write(move |tx| {
                let now = Timestamp::now();
                let Some(row) = queue::claim(tx, now)?.map(BuildRow) else { return Ok(None) };
                builds::start(tx, row, now)?;
                Ok(Some((row, changed(tx, &outbox, row)?, builds::repeats(tx, row)?)))
            })
            .await?;
        let Some((row, build, repeats)) = found else { return Ok(None) };
        // Another worker may sleep although there is more to claim.
        self.bell.notify_one();
        self.announce(vec![build.clone()]);
        let Handle { cancel, hurry } = self.handle(build.id);
        Ok(Some(Claim { build, cancel, hurry, repeats, row }))
    }

    /// The builds that were in a worker's hands when the service last ended.
    pub async fn interrupted(&self) -> Result<Vec<Claim>, NotKept> {
        let found = self
            .database
            .read(|tx| {
                let mut found = Vec::new();
                for build in builds::unfinished(tx)? {
                    if matches!(build.state, BuildState::Running { .. }) {
                        let Some((row, _)) = builds::find(tx, build.id)? else { continue };
                        found.push((row, builds::is_cancelling(tx, build.id)?, build));
                    }
                }
                Ok(found)
            })
            .await?;
        let claims = found.into_iter().map(|(row, cancelling, build)| {
            let Handle { cancel, hurry } = self.handle(build.id);
            if cancelling {
                cancel.cancel();
            }
            Claim { build, cancel, hurry, repeats: None, row }
        });
        Ok(claims.collect())
    }

    /// A running build has come to a stage, when its log had `offset` bytes. May be lost in a crash:
    /// the next start finds out anew.
    pub fn enter(&self, build: &Build, stage: Stage, offset: u64) {
        let id = build.id;
        let entered = Entered { attempt: build.attempt, stage, at: Timestamp::now(), offset };
        self.database.write_later(move |tx| {
            builds::set_stage(tx, id, stage)?;
            stages::enter(tx, id, &entered)
        });
        let mut changed = build.clone();
        changed.state = BuildState::Running { stage, delay: None };
        self.announce(vec![changed]);
    }

    /// A running build cannot go on for a reason outside. May be lost in a crash, as above. The forge is
    /// told the first reason only: it would not want to hear of every try.
    pub async fn delay(&self, mut build: Build, reason: String) {
        let (id, outbox, kept) = (build.id, self.outbox.clone(), reason.clone());
        let written = self.database.write(move |tx| {
            let Some((row, before)) = builds::find(tx, id)? else { return Ok(()) };
            builds::set_delay(tx, id, &kept)?;
            match before.state {
                BuildState::Running { delay: None, .. } => changed(tx, &outbox, row).map(drop),
                _ => Ok(()),
            }
        });
        if let Err(failure) = written.await {
            warn!(build.id = %id, "What the build waits for could not be written: {failure}");
        }
        if let BuildState::Running { delay, .. } = &mut build.state {
            *delay = Some(reason);
        }
        self.announce(vec![build]);
    }

    /// The source told what the push of a running build did not. May be lost in a crash, as above.
    pub fn describe(&self, build: &Build) {
        let (id, author, message) = (build.id, build.push.author.clone(), build.push.message.clone());
        self.database.write_later(move |tx| pushes::describe(tx, id, author.as_ref(), &message));
        self.announce(vec![build.clone()]);
    }

    /// A running build has a container or an image. May be lost in a crash, as above.
    pub fn attach(&self, build: &Build) {
        let (id, container, digest) = (build.id, build.container.clone(), build.baseimage_digest.clone());
        self.database.write_later(move |tx| builds::set_container(tx, id, container.as_deref(), digest.as_deref()));
        self.announce(vec![build.clone()]);
    }

    /// A build took this long in a stage.
    pub fn measured(&self, stage: Stage, took: Duration) {
        self.metrics.stage(stage, took);
    }

    /// Ends a build. Returns only when that is on the disk: an ending is never given up, because
    /// nothing else knows it.
    pub async fn finish(&self, claim: &Claim, ending: Ending) {
        let outcome = ending.outcome;
        let id = claim.build.id;
        let row = claim.row;
        let ended = self
            .insist("write the end of a build", || {
                let (ending, outbox) = (ending.clone(), self.outbox.clone());
                self.database.write(move |tx| {
                    queue::settle(tx, row.0)?;
                    let ended = builds::finish(tx, row, &ending, Timestamp::now())?;
                    ended.then(|| changed(tx, &outbox, row)).transpose()
                })
            })
            .await;
        self.forget(id);
        if let Some(build) = &ended {
            self.metrics.ended(outcome);
            log_end(build, &ending);
        }
        self.announce(ended.into_iter().collect());
        self.bell.notify_one();
    }

    /// Puts a build back after an attempt that failed by our fault; the last attempt's fault ends it.
    pub async fn try_again(&self, claim: &Claim, fault: Ending) {
        if claim.cancel.is_cancelled() {
            // Whoever cancelled was told that it ends.
            return self.finish(claim, Ending::cancelled()).await;
        }
        if claim.build.attempt >= MAX_ATTEMPTS {
            return self.finish(claim, fault).await;
        }
        let backoff = BACKOFF[(claim.build.attempt.max(1) as usize - 1).min(BACKOFF.len() - 1)];
        let again = Timestamp::now().after(backoff);
        let (id, row) = (claim.build.id, claim.row);
        warn!(build.id = %id, "Attempt {} failed, trying again in {backoff:?}: {}", claim.build.attempt, fault.message);
        let back = self
            .insist("put a build back", || {
                let (reason, outbox) = (fault.message.clone(), self.outbox.clone());
                self.database.write(move |tx| {
                    queue::release(tx, row.0, again)?;
                    builds::requeue(tx, row, again, &reason)?;
                    changed(tx, &outbox, row)
                })
            })
            .await;
        self.metrics.retried();
        self.forget(id);
        self.announce(vec![back]);
        self.bell.notify_one();
    }

    /// Repeats a write until it succeeds.
    async fn insist<T, F>(&self, what: &str, write: impl Fn() -> F) -> T
    where
        F: Future<Output = Result<T, crate::sqlite::Error>>,
    {
        loop {
            match write().await {
                Ok(value) => return value,
                Err(failure) => error!("Could not {what}, trying again: {failure}"),
            }
            tokio::time::sleep(WRITE_BACKOFF).await;
        }
    }
}

fn log_end(build: &Build, ending: &Ending) {
    let (id, repository, name) = (build.id, build.repository(), build.git_ref().name());
    match &ending.artifact {
        Some(artifact) => info!(build.id = %id, "Published `{}` from `{repository}` {name}", artifact.name),
        None => info!(build.id = %id, "{}: `{repository}` {name}: {}", ending.outcome.as_str(), ending.message),
    }
}
