//! What people order: cancel, retry, build this ref now.

use thiserror::Error;

use super::{
    Lifecycle, NewBuild,
    accept::{ids, keep_builds},
    changed,
};
use crate::{
    model::{Build, BuildId, BuildState, CommitId, Ending, Outcome, Push, Stage, Timestamp},
    queue,
    report::Outbox,
    sqlite::{Error, Tx},
    store::{builds, pushes},
};

/// Why an order cannot be carried out.
#[derive(Debug, Error)]
pub enum CommandError {
    /// There is no such build.
    #[error("there is no build `{0}`")]
    Unknown(BuildId),
    /// It has ended, and a finished build never changes.
    #[error("build `{0}` has ended already ({1}): retry it to build again")]
    Ended(BuildId, &'static str),
    /// It was no build.
    #[error(
        "`{0}` is the service's own reading of the configuration repository: it is read again when that is pushed \
         to, and on SIGHUP"
    )]
    OfService(BuildId),
    /// It has not ended.
    #[error("build `{0}` has not ended yet: cancel it first")]
    NotEnded(BuildId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A build that somebody asks for by hand.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The ref and commit, in the shape of a push.
    pub push: Push,
    /// The commit.
    pub commit: CommitId,
    /// The recipes.
    pub builds: Vec<NewBuild>,
}

impl Lifecycle {
    /// Ends a build: at once if it waits, by SIGTERM if it runs.
    pub async fn cancel(&self, id: BuildId) -> Result<Build, CommandError> {
        let outbox = self.outbox.clone();
        let build = self.database.write(move |tx| cancel(tx, &outbox, id)).await?;
        let build = build.ok_or(CommandError::Unknown(id))?;
        match (&build.before, &build.now.state) {
            (BuildState::Finished(ending), _) => return Err(CommandError::Ended(id, ending.outcome.as_str())),
            (BuildState::Running { .. }, _) => self.handle(id).cancel.cancel(),
            (BuildState::Queued { .. }, _) => {
                self.metrics.ended(Outcome::Cancelled);
                self.announce(vec![build.now.clone()]);
            }
        }
        Ok(build.now)
    }

    /// Builds the same commit by the same recipe again, as a new build of the same push. A build whose
    /// artifact is on its way is not made again: its delivery is tried at once.
    pub async fn retry(&self, id: BuildId) -> Result<Build, CommandError> {
        let outbox = self.outbox.clone();
        let build = self
            .database
            .write(move |tx| {
                let Some((_, old)) = builds::find(tx, id)? else { return Ok(Err(CommandError::Unknown(id))) };
                match old.state {
                    BuildState::Finished(_) => {}
                    BuildState::Running { stage: Stage::Uploading, .. } => return Ok(Ok(old)),
                    BuildState::Queued { .. } | BuildState::Running { .. } => {
                        return Ok(Err(CommandError::NotEnded(id)));
                    }
                }
                if old.recipe.is_of_service() {
                    return Ok(Err(CommandError::OfService(id)));
                }
                let push = builds::push_of(tx, id)?;
                let again = [NewBuild { recipe: old.recipe.clone(), refusal: None }];
                let Some(new) = keep_builds(tx, &outbox, push, &old.push, &again)?.pop() else {
                    return Ok(Err(CommandError::Unknown(id)));
                };
                builds::set_repeats(tx, new.id, id)?;
                Ok(Ok(new))
            })
            .await??;
        if build.id == id {
            self.handle(id).hurry.notify_one();
        } else {
            self.announce(vec![build.clone()]);
            self.bell.notify_one();
        }
        Ok(build)
    }

    /// Builds a ref on somebody's order. A commit that was pushed to that ref before keeps its place
    /// among the pushes, so that an old one does not move a link back.
    pub async fn build(&self, wanted: Wanted) -> Result<Vec<BuildId>, CommandError> {
        let outbox = self.outbox.clone();
        let new = self
            .database
            .write(move |tx| {
                let row = match pushes::of_commit(tx, &wanted.push, &wanted.commit)? {
                    Some(row) => row,
                    None => {
                        let place = pushes::place(tx, &wanted.push)?;
                        pushes::move_head(tx, &wanted.push.repository, &wanted.push.git_ref, &wanted.push.after)?;
                        pushes::insert(tx, &wanted.push, &wanted.commit, place, Timestamp::now())?
                    }
                };
                keep_builds(tx, &outbox, row, &wanted.push, &wanted.builds)
            })
            .await?;
        let ids = ids(&new);
        self.announce(new);
        self.bell.notify_one();
        Ok(ids)
    }
}

struct Cancelled {
    before: BuildState,
    now: Build,
}

fn cancel(tx: &Tx, outbox: &Outbox, id: BuildId) -> Result<Option<Cancelled>, Error> {
    let Some((row, build)) = builds::find(tx, id)? else { return Ok(None) };
    match build.state {
        BuildState::Queued { .. } => {
            queue::settle(tx, row.0)?;
            builds::finish(tx, row, &Ending::cancelled(), Timestamp::now())?;
        }
        BuildState::Running { .. } => builds::set_cancelling(tx, id)?,
        BuildState::Finished(_) => {}
    }
    Ok(Some(Cancelled { before: build.state, now: changed(tx, outbox, row)? }))
}
