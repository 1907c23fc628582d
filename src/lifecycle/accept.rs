//! From a verified push to durable, queued builds.
//!
//! The push, its builds, their places in the queue and the line in the ledger are one transaction,
//! so the answer "accepted" is true whatever happens the moment after.

use super::{Lifecycle, NotKept, changed};
use crate::{
    model::{Build, BuildId, Cause, CommitId, Delivery, Ending, Outcome, Push, Recipe, Timestamp, Verdict},
    queue,
    report::Outbox,
    sqlite::{Error, Tx},
    store::{
        builds, deliveries,
        pushes::{self, PushRow},
    },
};

/// One build that a push asks for.
#[derive(Debug, Clone)]
pub struct NewBuild {
    /// What it does.
    pub recipe: Recipe,
    /// Why it may not run: the operator did not grant what it asks for.
    pub refusal: Option<String>,
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// New builds.
    New(Vec<BuildId>),
    /// It was accepted before, as these builds.
    Duplicate(Vec<BuildId>),
}

impl Lifecycle {
    /// Accepts a push, unless it was accepted before. The delivery's verdict and reason are written
    /// here.
    pub async fn accept(
        &self,
        mut delivery: Delivery,
        push: Push,
        commit: CommitId,
        wanted: Vec<NewBuild>,
    ) -> Result<Accepted, NotKept> {
        let outbox = self.outbox.clone();
        let (accepted, changed) = self
            .database
            .write(move |tx| {
                if let Some((row, why)) = seen_before(tx, &delivery, &push)? {
                    delivery.verdict = Verdict::Duplicate;
                    why.clone_into(&mut delivery.reason);
                    deliveries::record(tx, &delivery, Some(row))?;
                    return Ok((Accepted::Duplicate(builds::ids_of_push(tx, row)?), Vec::new()));
                }
                let row = keep_push(tx, &push, &commit, delivery.received)?;
                let builds = keep_builds(tx, &outbox, row, &push, &wanted)?;
                delivery.verdict = Verdict::Accepted;
                deliveries::record(tx, &delivery, Some(row))?;
                Ok((Accepted::New(ids(&builds)), builds))
            })
            .await?;
        self.announce(changed);
        self.bell.notify_one();
        Ok(accepted)
    }

    /// Writes a delivery that makes no build into the ledger; a deletion also moves the ref's head.
    pub async fn record(&self, delivery: Delivery, deletion: Option<Push>) -> Result<(), NotKept> {
        self.database
            .write(move |tx| {
                if let Some(push) = deletion {
                    pushes::move_head(tx, &push.repository, &push.git_ref, &push.after)?;
                }
                deliveries::record(tx, &delivery, None)
            })
            .await?;
        Ok(())
    }
}

/// The push this one repeats, and why we think so.
pub(super) fn seen_before(tx: &Tx, delivery: &Delivery, push: &Push) -> Result<Option<(PushRow, &'static str)>, Error> {
    if let Some(id) = &delivery.id
        && let Some(row) = deliveries::push_of(tx, id)?
    {
        return Ok(Some((row, "this delivery was accepted before")));
    }
    // The same change again is a new push only if the ref has meanwhile gone back to where it began.
    if pushes::head(tx, &push.repository, &push.git_ref)?.is_some_and(|head| head == push.before.as_str()) {
        return Ok(None);
    }
    if let Some(row) = pushes::same(tx, push)? {
        return Ok(Some((row, "the same push was accepted before")));
    }
    let found = pushes::found(tx, push)?;
    Ok(found.map(|row| (row, "this push was found before, without its delivery")))
}

pub(super) fn keep_push(tx: &Tx, push: &Push, commit: &CommitId, received: Timestamp) -> Result<PushRow, Error> {
    let place = pushes::place(tx, push)?;
    if place.newest {
        pushes::move_head(tx, &push.repository, &push.git_ref, &push.after)?;
    }
    pushes::insert(tx, push, commit, place, received)
}

/// Keeps one build for each recipe; a refused one ends at once, with its reason.
pub(super) fn keep_builds(
    tx: &Tx,
    outbox: &Outbox,
    row: PushRow,
    push: &Push,
    wanted: &[NewBuild],
) -> Result<Vec<Build>, Error> {
    let now = Timestamp::now();
    let mut kept = Vec::new();
    for build in wanted {
        let seq = builds::insert(tx, row, BuildId::new(), &build.recipe, now)?;
        match &build.refusal {
            None => queue::push(tx, seq.0, &push.repository, now)?,
            Some(reason) => {
                builds::finish(tx, seq, &refused(reason), now)?;
            }
        }
        kept.push(changed(tx, outbox, seq)?);
    }
    Ok(kept)
}

pub(super) fn ids(builds: &[Build]) -> Vec<BuildId> {
    builds.iter().map(|build| build.id).collect()
}

fn refused(reason: &str) -> Ending {
    Ending {
        outcome: Outcome::Failure,
        cause: Cause::Grant,
        message: reason.to_owned(),
        exit_code: None,
        artifact: None,
    }
}
