//! Brings artifacts to a hub that is elsewhere, and waits for it as long as it takes.
//!
//! One task owns one build from the moment its artifact is safe to the end. It takes no place among
//! the builds: a hub that is down for hours holds up nothing but what it is needed for. A service that
//! leaves just lets go; the next one finds the artifact and goes on.

use std::{collections::HashSet, sync::Arc};

use tokio::{select, sync::watch, task::spawn_blocking};
use tracing::{error, info, warn};

use super::{
    adapters::{order, unpublished},
    diary::Diary,
    journal::LiveJournal,
};
use crate::{
    http::Health,
    lifecycle::{Claim, Lifecycle},
    logs::Logs,
    model::{Artifact, Build, BuildId, Ending, HumanDuration, Outcome},
    publish::{
        Kernels, PublishError, ZeroHub,
        zero_hub::{Again, Turn},
    },
    runner::RunError,
    shutdown::Shutdown,
};

/// How often what may be an accident is tried.
const TRIES: u32 = 5;

/// Delivers artifacts; clones are the same porter.
#[derive(Clone)]
pub(super) struct Porter {
    pub(super) hub: ZeroHub,
    pub(super) kernels: Kernels,
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) journal: Arc<LiveJournal>,
    pub(super) logs: Logs,
    pub(super) health: watch::Sender<Health>,
    pub(super) shutdown: Shutdown,
}

/// How one try went.
enum Tried {
    Ended(Ending),
    Again,
    Left,
}

impl Porter {
    /// Finds out, for the operator, whether the hub takes us for whom we should be.
    pub(super) async fn introduce(&self) {
        let greeted = select! {
            greeted = self.hub.preflight() => greeted,
            () = self.shutdown.leaving() => return,
        };
        match &greeted {
            Ok(name) => info!("The hub knows us as `{name}`"),
            Err(problem) => warn!("Artifacts cannot be published now: {problem}"),
        }
        self.health.send_modify(|health| health.hub = greeted.err().map(|problem| problem.to_string()));
    }

    /// Whether the artifact of a build waits here.
    pub(super) fn has(&self, build: BuildId) -> bool {
        self.hub.has(build)
    }

    /// Whether a build needs not be made, because what the ended one that it repeats left is here.
    pub(super) fn takes_over(&self, claim: &Claim) -> bool {
        let Some(ended) = claim.repeats else { return false };
        self.hub.hand_over(ended, claim.build.id).unwrap_or_else(|failure| {
            warn!(build.id = %claim.build.id, "What was kept cannot be used, building again: {failure}");
            false
        })
    }

    /// Removes what earlier runs left and no build in `live` needs.
    pub(super) async fn sweep(&self, live: HashSet<BuildId>) {
        let hub = self.hub.clone();
        self.tidy(move || hub.sweep(&live)).await;
    }

    /// Removes what was kept for another try that did not come.
    pub(super) async fn expire(&self) {
        let hub = self.hub.clone();
        self.tidy(move || hub.expire()).await;
    }

    /// Delivers an artifact, and ends its build.
    pub(super) async fn deliver(&self, claim: &Claim) {
        let mut accidents = 0;
        let ending = loop {
            match self.once(claim, &mut accidents).await {
                Tried::Ended(ending) => break ending,
                Tried::Again => {}
                Tried::Left => return,
            }
        };
        self.end(claim, ending).await;
    }

    /// Waits for its turn, and shows meanwhile what it waits for. The error says why it does not come.
    async fn turn<'a>(&'a self, claim: &'a Claim) -> Result<Turn<'a>, Tried> {
        let mut turn = std::pin::pin!(self.hub.turn(&claim.hurry));
        let mut known = String::new();
        loop {
            select! {
                biased;
                () = claim.cancel.cancelled() => return Err(Tried::Ended(Ending::cancelled())),
                () = self.letting_go() => return Err(Tried::Left),
                trouble = self.hub.trouble(&known) => {
                    self.journal.delay(claim.build.id, trouble.clone()).await;
                    known = trouble;
                }
                turn = &mut turn => return Ok(turn),
            }
        }
    }

    /// Ends when nothing should be begun any more: at once if the service leaves; if it drains, as soon
    /// as that would mean to wait for the hub.
    async fn letting_go(&self) {
        select! {
            () = self.shutdown.leaving() => {}
            () = async { self.shutdown.draining().await; self.hub.resting().await } => {}
        }
    }

    async fn once(&self, claim: &Claim, accidents: &mut u32) -> Tried {
        let turn = match self.turn(claim).await {
            Ok(turn) => turn,
            Err(tried) => return tried,
        };
        let (id, order) = (claim.build.id, order(&claim.build));
        let diary = Diary::open(self.logs.clone(), Arc::clone(&self.journal), id);
        let tell = |line| diary.write(line);
        let delivered = select! {
            biased;
            () = claim.cancel.cancelled() => None,
            () = self.shutdown.leaving() => {
                diary.close().await;
                return Tried::Left;
            }
            delivered = self.hub.deliver(&turn, &order, &tell) => Some(delivered),
        };
        let tried = match delivered {
            None => Tried::Ended(Ending::cancelled()),
            Some(Ok(published)) => {
                self.health.send_if_modified(|health| health.hub.take().is_some());
                Tried::Ended(Ending::published(self.made(&claim.build, published.artifact)))
            }
            Some(Err(error)) => self.failed(&turn, &error, accidents, &diary),
        };
        diary.close().await;
        tried
    }

    /// What the build made. Of a kernel the hub has an archive; the kernel itself is in its directory.
    fn made(&self, build: &Build, delivered: Artifact) -> Artifact {
        if build.recipe.product.kernel().is_none() {
            return delivered;
        }
        let kernel = build.artifact_name().ok().and_then(|name| self.kernels.published(&name).ok().flatten());
        kernel.unwrap_or(delivered)
    }

    fn failed(&self, turn: &Turn<'_>, error: &PublishError, accidents: &mut u32, diary: &Diary) -> Tried {
        let again = error.again();
        *accidents += u32::from(again == Again::FewTimes);
        let after = match again {
            Again::Later(after) => after,
            Again::FewTimes if *accidents < TRIES => None,
            Again::FewTimes | Again::Never => {
                let fault = unpublished(error);
                diary.write(fault.message.clone());
                return Tried::Ended(RunError::Publish(fault).ending());
            }
        };
        let reason = error.to_string();
        let pause = HumanDuration(turn.failed(after, &reason));
        diary.write(format!("{reason}; trying again in {pause}"));
        self.health.send_modify(|health| health.hub = Some(reason));
        Tried::Again
    }

    async fn end(&self, claim: &Claim, mut ending: Ending) {
        let (id, hub) = (claim.build.id, self.hub.clone());
        if ending.outcome == Outcome::Error {
            let kept = hub.set_aside(id);
            match kept {
                Ok(()) => ending
                    .message
                    .push_str("; the artifact is kept for 7 days: a retry sends it again, without a build"),
                Err(failure) => error!(build.id = %id, "The artifact could not be kept: {failure}"),
            }
            self.journal.end(id);
            return self.lifecycle.finish(claim, ending).await;
        }
        self.journal.end(id);
        self.lifecycle.finish(claim, ending).await;
        self.tidy(move || hub.release(id)).await;
    }

    async fn tidy(&self, act: impl FnOnce() -> Result<(), PublishError> + Send + 'static) {
        match spawn_blocking(act).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => warn!("Something stays where artifacts wait for the hub: {failure}"),
            Err(failure) => warn!("Where artifacts wait for the hub was not tidied up: {failure}"),
        }
    }
}
