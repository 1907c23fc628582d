//! The configuration repository's own pushes: each is read, and kept in the history with its log.

use tracing::error;

use super::{Answer, Intake, Refusal};
use crate::{
    catalog::{Reading, SyncError},
    lifecycle::{Accepted, NotKept, Own},
    model::{BuildId, Cause, CommitId, Delivery, Ending, GitRef, Outcome, Push, Recipe, Task, Timestamp, Verdict},
};

impl Intake {
    /// A push to the configuration repository changes what is built, at once.
    pub(super) async fn reload(&self, mut line: Delivery, push: Push, commit: CommitId) -> Answer {
        let started = Timestamp::now();
        let (ending, log, message) = match self.sync.reload().await {
            Ok(reading) => (ending(&reading, &commit), reading.log(&push.repository), reading.summary()),
            Err(error) => unread(&error),
        };
        line.verdict = Verdict::Accepted;
        line.reason.clone_from(&message);
        let recipe = Recipe::of_service(Task::Configuration);
        let own = Own { id: BuildId::new(), push, commit, recipe, started, ending, delivery: Some(line) };
        match self.keep(own, log).await {
            Ok(Accepted::New(builds)) => Answer::Accepted { builds, message: Some(message) },
            Ok(Accepted::Duplicate(builds)) => Answer::Duplicate(builds),
            Err(failure) => Answer::Refused(Refusal::NotKept(failure)),
        }
    }

    /// Reads the configuration without being asked by a delivery. It is in the history if that has
    /// not seen this commit come to this end.
    pub async fn reread(&self) -> Result<(), SyncError> {
        let started = Timestamp::now();
        let reading = self.sync.reload().await?;
        let (repository, commit) = (self.sync.repository().clone(), reading.commit.clone());
        let own = Own {
            id: BuildId::new(),
            push: Push::by_hand(repository, GitRef::Branch(reading.branch.clone()), commit.clone()),
            ending: ending(&reading, &commit),
            commit,
            recipe: Recipe::of_service(Task::Configuration),
            started,
            delivery: None,
        };
        let log = reading.log(self.sync.repository());
        if let Err(failure) = self.keep(own, log).await {
            // It is in force all the same.
            error!("Reading the configuration could not be kept in the history: {failure}");
        }
        Ok(())
    }

    /// Reads the configuration again if its branch has moved, or if it could not be read before.
    pub(super) async fn look_at_configuration(&self) -> Result<(), SyncError> {
        if self.sync.is_behind().await? {
            // The failure is in the log already.
            let _ = self.reread().await;
        }
        Ok(())
    }

    /// The log first: what is in the history has one.
    pub(super) async fn keep(&self, own: Own, log: String) -> Result<Accepted, NotKept> {
        let (logs, id) = (self.logs.clone(), own.id);
        let write = move || logs.writer(id).and_then(|mut writer| writer.append(log.as_bytes()));
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => error!(build.id = %id, "The log could not be written: {failure}"),
            Err(stopped) => error!(build.id = %id, "The log could not be written: {stopped}"),
        }
        let kept = self.lifecycle.done(own).await;
        if !matches!(kept, Ok(Accepted::New(_))) {
            let logs = self.logs.clone();
            // What cannot be removed is a small file that nothing names.
            let _ = tokio::task::spawn_blocking(move || logs.remove(id)).await;
        }
        kept
    }
}

fn ending(reading: &Reading, pushed: &CommitId) -> Ending {
    let outcome = if reading.applied.has_errors() { Outcome::Failure } else { Outcome::Success };
    let verdict = reading.verdict();
    let message = match reading.commit == *pushed {
        true => verdict,
        // A later push was there already.
        false => format!("{verdict} (read at {})", reading.commit.short()),
    };
    Ending { outcome, cause: Cause::Configuration, message, exit_code: None, artifact: None }
}

fn unread(error: &SyncError) -> (Ending, String, String) {
    let message = format!("the configuration repository could not be read, the last good one stays: {error}");
    let ending = Ending {
        outcome: Outcome::Error,
        cause: Cause::Source,
        message: message.clone(),
        exit_code: None,
        artifact: None,
    };
    (ending, format!("{message}\n"), message)
}
