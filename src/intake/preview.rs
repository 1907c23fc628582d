//! Changes of the configuration repository that are not merged: what would they come to?
//!
//! The answer is a build `preview` in the history, with the whole comparison as its log, and a status
//! at the proposed commit. Nothing proposed is built, and nothing of it takes effect.

use super::{Answer, Intake, Refusal};
use crate::{
    catalog::{Impact, Proposed, SyncError},
    hook::Proposal,
    lifecycle::{Accepted, Own},
    model::{BuildId, Cause, CommitId, Delivery, Ending, GitRef, Outcome, Push, Recipe, Task, Timestamp, Tip, Verdict},
};

impl Intake {
    /// A pull request concerns us if it is made to the branch the configuration is read from.
    pub(super) async fn propose(&self, line: Delivery, proposal: Proposal) -> Answer {
        let Proposal { repository, number, base, commit } = proposal;
        if repository != *self.sync.repository() || !self.sync.is_own_branch(&base) {
            let reason = "pull requests are looked at only where they would change the configuration".to_owned();
            return self.ignore(line, None, reason).await;
        }
        let Ok(branch) = format!("pull/{number}").parse() else {
            return self.ignore(line, None, format!("`{number}` is no number of a pull request")).await;
        };
        let push = Push::by_hand(repository, GitRef::Branch(branch), commit.clone());
        self.preview(line, push, commit, Proposed::Pull(number)).await
    }

    /// Another branch of the configuration repository, if the push is to one.
    pub(super) fn proposed_by(&self, push: &Push) -> Option<Proposed> {
        let branch = push.git_ref.branch().filter(|_| push.repository == *self.sync.repository())?;
        (!self.sync.is_own_branch(branch)).then(|| Proposed::Branch(branch.clone()))
    }

    pub(super) async fn preview(
        &self,
        mut line: Delivery,
        mut push: Push,
        commit: CommitId,
        proposed: Proposed,
    ) -> Answer {
        let started = Timestamp::now();
        let (ending, log) = match self.sync.preview(&proposed, &commit).await {
            Ok((read, impact)) => {
                let read = (read != commit).then_some(read);
                (ending(&impact, read.as_ref()), format!("If this were merged:\n\n{}", impact.text(false)))
            }
            Err(error) => unread(&error),
        };
        let message = ending.message.clone();
        line.verdict = Verdict::Accepted;
        line.reason.clone_from(&message);
        // Each proposal is a change of its own, whatever was proposed there before.
        push.before = Tip::None;
        let recipe = Recipe::of_service(Task::Preview);
        let own = Own { id: BuildId::new(), push, commit, recipe, started, ending, delivery: Some(line) };
        match self.keep(own, log).await {
            Ok(Accepted::New(builds)) => Answer::Accepted { builds, message: Some(message) },
            Ok(Accepted::Duplicate(builds)) => Answer::Duplicate(builds),
            Err(failure) => Answer::Refused(Refusal::NotKept(failure)),
        }
    }
}

fn ending(impact: &Impact, read: Option<&CommitId>) -> Ending {
    let outcome = if impact.has_errors() { Outcome::Failure } else { Outcome::Success };
    let message = match read {
        None => impact.summary(),
        // A later push was there already.
        Some(commit) => format!("{} (read at {})", impact.summary(), commit.short()),
    };
    Ending { outcome, cause: Cause::Configuration, message, exit_code: None, artifact: None }
}

fn unread(error: &SyncError) -> (Ending, String) {
    let message = format!("the proposed configuration could not be read: {error}");
    let log = format!("{message}\n");
    (Ending { outcome: Outcome::Error, cause: Cause::Source, message, exit_code: None, artifact: None }, log)
}
