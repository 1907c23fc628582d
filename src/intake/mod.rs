//! One delivery in, one verdict out.
//!
//! ```text
//! raw delivery ─▶ signature ─▶ payload ─▶ catalog ─▶ lifecycle ─▶ verdict, written down
//! ```
//!
//! An answer of success is given only after everything it promises is on the disk. A delivery whose
//! signature is wrong is counted and never stored: strangers cannot fill the ledger.

mod configuration;
mod order;
mod patrol;
mod poll;
mod preview;
mod verdict;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tracing::{info, warn};

pub use self::{
    order::{Order, OrderError},
    patrol::{Patrol, Rounds},
    verdict::{Answer, Refusal},
};
use crate::{
    catalog::{CatalogSync, Keeper, Lookup},
    git::Mirrors,
    hook::{self, Event, Headers, Proposal, Received},
    lifecycle::{Accepted, Lifecycle, NewBuild},
    logs::Logs,
    metrics::Metrics,
    model::{CommitId, Delivery, GitRef, Push, Repository, Timestamp, Verdict},
    shutdown::Shutdown,
};

/// Judges deliveries.
pub struct Intake {
    /// How signatures are checked.
    pub hook: Arc<ArcSwap<hook::Config>>,
    /// What is built from which push.
    pub catalog: Arc<Keeper>,
    /// How the catalog is brought up to date.
    pub sync: Arc<CatalogSync>,
    /// Where the repositories are.
    pub mirrors: Mirrors,
    /// Where builds go.
    pub lifecycle: Arc<Lifecycle>,
    /// Where the service's own doings leave their logs.
    pub logs: Logs,
    /// What is counted.
    pub metrics: Metrics,
    /// Whether the service is leaving.
    pub shutdown: Shutdown,
}

impl Intake {
    /// Judges one delivery, from its raw bytes.
    pub async fn receive(&self, headers: &Headers<'_>, body: &[u8]) -> Answer {
        if self.shutdown.is_draining() {
            return Answer::Refused(Refusal::Leaving);
        }
        if let Err(refused) = self.hook.load().verify(headers, body) {
            self.metrics.webhook(Verdict::Refused);
            warn!("Refused a delivery: {refused}");
            return Answer::Refused(Refusal::Signature(refused));
        }
        let received = match hook::read(headers, body) {
            Ok(received) => received,
            Err(unreadable) => return self.unreadable(headers, unreadable).await,
        };
        let answer = self.judge(received).await;
        self.metrics.webhook(answer.verdict());
        answer
    }

    /// A signed delivery that cannot be read is in the ledger: its sender will want to know why.
    async fn unreadable(&self, headers: &Headers<'_>, unreadable: hook::Unreadable) -> Answer {
        self.metrics.webhook(Verdict::Refused);
        let delivery = Delivery {
            id: headers.github_delivery.and_then(|id| id.parse().ok()),
            received: Timestamp::now(),
            event: headers.github_event.or(headers.gitlab_event).unwrap_or("").chars().take(100).collect(),
            repository: None,
            git_ref: None,
            after: None,
            verdict: Verdict::Refused,
            reason: unreadable.to_string(),
            builds: Vec::new(),
        };
        match self.lifecycle.record(delivery, None).await {
            Ok(()) => Answer::Refused(Refusal::Unreadable(unreadable)),
            Err(failure) => Answer::Refused(Refusal::NotKept(failure)),
        }
    }

    async fn judge(&self, received: Received) -> Answer {
        let mut line = Delivery {
            id: received.delivery,
            received: Timestamp::now(),
            event: received.name,
            repository: None,
            git_ref: None,
            after: None,
            verdict: Verdict::Ignored,
            reason: String::new(),
            builds: Vec::new(),
        };
        match received.event {
            Event::Ping => {
                line.verdict = Verdict::Ping;
                self.write(line, None, Answer::Pong).await
            }
            Event::Ignored(ignored) => {
                line.repository = ignored.repository.as_ref().map(Repository::to_string);
                line.git_ref = ignored.git_ref;
                self.ignore(line, None, ignored.reason).await
            }
            Event::Proposal(proposal) => {
                line.repository = Some(proposal.repository.to_string());
                line.git_ref = Some(format!("refs/pull/{}/head", proposal.number));
                line.after = Some(proposal.commit.to_string());
                self.proposal(line, proposal).await
            }
            Event::Push(push) => {
                line.repository = Some(push.repository.to_string());
                line.git_ref = Some(push.git_ref.to_string());
                line.after = push.after.commit().map(ToString::to_string);
                self.push(line, *push).await
            }
        }
    }

    /// At the very first start the catalog is on its way; forges wait ten seconds for an answer.
    async fn has_catalog(&self) -> bool {
        tokio::time::timeout(Duration::from_secs(8), self.sync.loaded()).await.is_ok()
    }

    async fn proposal(&self, line: Delivery, proposal: Proposal) -> Answer {
        if self.has_catalog().await { self.propose(line, proposal).await } else { Answer::Refused(Refusal::NoCatalog) }
    }

    async fn push(&self, line: Delivery, push: Push) -> Answer {
        if !self.has_catalog().await {
            return Answer::Refused(Refusal::NoCatalog);
        }
        let Some(commit) = push.commit.clone() else {
            let reason = format!("`{}` was deleted", push.git_ref);
            return self.ignore(line, Some(push), reason).await;
        };
        if self.sync.concerns(&push) {
            return self.reload(line, push, commit).await;
        }
        let wanted = match self.wanted(&push.repository, &push.git_ref) {
            Ok(wanted) => wanted,
            Err(reason) => {
                return match self.proposed_by(&push) {
                    Some(proposed) => self.preview(line, push, commit, proposed).await,
                    None => self.ignore(line, None, reason).await,
                };
            }
        };
        self.accept(line, push, commit, wanted).await
    }

    /// The builds a push asks for, or why there are none.
    fn wanted(&self, repository: &Repository, git_ref: &GitRef) -> Result<Vec<NewBuild>, String> {
        match self.catalog.current().lookup(repository, git_ref) {
            Lookup::Recipes(planned) => Ok(planned.into_iter().map(NewBuild::from).collect()),
            Lookup::Broken { path } => {
                Err(format!("`{path}` in the configuration repository has mistakes; /monitor shows them"))
            }
            Lookup::UnknownRepository => Err(format!("`{repository}` is not in the configuration repository")),
            Lookup::UnknownRef => Err(format!("`{git_ref}` of `{repository}` is not in the configuration repository")),
        }
    }

    async fn accept(&self, line: Delivery, push: Push, commit: CommitId, wanted: Vec<NewBuild>) -> Answer {
        let shown = format!("`{}` {}", push.repository, push.git_ref.name());
        match self.lifecycle.accept(line, push, commit, wanted).await {
            Ok(Accepted::New(builds)) => {
                info!("Accepted a push to {shown}: {} build(s)", builds.len());
                Answer::Accepted { builds, message: None }
            }
            Ok(Accepted::Duplicate(builds)) => Answer::Duplicate(builds),
            Err(failure) => Answer::Refused(Refusal::NotKept(failure)),
        }
    }

    async fn ignore(&self, mut line: Delivery, deletion: Option<Push>, reason: String) -> Answer {
        line.reason.clone_from(&reason);
        self.write(line, deletion, Answer::Ignored(reason)).await
    }

    /// Writes the line, and only then gives the answer.
    async fn write(&self, line: Delivery, deletion: Option<Push>, answer: Answer) -> Answer {
        match self.lifecycle.record(line, deletion).await {
            Ok(()) => answer,
            Err(failure) => Answer::Refused(Refusal::NotKept(failure)),
        }
    }
}
