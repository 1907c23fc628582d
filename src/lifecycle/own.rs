//! What the service does itself with its configuration repository, kept in the history like a build.
//!
//! It has ended when it is written down, so no restart ever finds one half done; and it never stands
//! in the queue, so a new configuration does not wait for builds or for the engine.

use super::{
    Accepted, Lifecycle, NotKept,
    accept::{keep_push, seen_before},
    changed,
};
use crate::{
    model::{BuildId, CommitId, Delivery, Ending, Push, Recipe, Timestamp, Tip, Verdict},
    sqlite::{Error, Tx},
    store::{
        builds, deliveries,
        pushes::{self, PushRow},
    },
};

/// Something the service did.
#[derive(Debug, Clone)]
pub struct Own {
    /// Its name: the log stands under it already.
    pub id: BuildId,
    /// What it was about.
    pub push: Push,
    /// At which commit.
    pub commit: CommitId,
    /// What was done.
    pub recipe: Recipe,
    /// When it began.
    pub started: Timestamp,
    /// How it ended.
    pub ending: Ending,
    /// The delivery that asked for it; none if it was done unasked.
    pub delivery: Option<Delivery>,
}

impl Lifecycle {
    /// Writes down what was done, unless the same was done before with the same end.
    pub async fn done(&self, own: Own) -> Result<Accepted, NotKept> {
        let outbox = self.outbox.clone();
        let (accepted, new) = self
            .database
            .write(move |tx| {
                let Own { id, mut push, commit, recipe, started, ending, mut delivery } = own;
                let before = match &delivery {
                    Some(delivery) => seen_before(tx, delivery, &push)?,
                    None => pushes::of_commit(tx, &push, &commit)?.map(|row| (row, "")),
                };
                if let Some((row, why)) = before
                    && ended_so(tx, row, &recipe, &ending)?
                {
                    if let Some(delivery) = &mut delivery {
                        delivery.verdict = Verdict::Duplicate;
                        why.clone_into(&mut delivery.reason);
                        deliveries::record(tx, delivery, Some(row))?;
                    }
                    return Ok((Accepted::Duplicate(builds::ids_of_push(tx, row)?), None));
                }
                let row = match before {
                    Some((row, _)) => row,
                    None => keep(tx, &mut push, &commit, delivery.as_ref(), started)?,
                };
                let seq = builds::insert(tx, row, id, &recipe, started)?;
                builds::start(tx, seq, started)?;
                builds::finish(tx, seq, &ending, Timestamp::now())?;
                if let Some(delivery) = &delivery {
                    deliveries::record(tx, delivery, Some(row))?;
                }
                Ok((Accepted::New(vec![id]), Some(changed(tx, &outbox, seq)?)))
            })
            .await?;
        self.announce(new.into_iter().collect());
        Ok(accepted)
    }
}

/// Whether the newest of the push's builds by this recipe ended the same.
fn ended_so(tx: &Tx, row: PushRow, recipe: &Recipe, ending: &Ending) -> Result<bool, Error> {
    for id in builds::ids_of_push(tx, row)?.into_iter().rev() {
        let Some((_, build)) = builds::find(tx, id)? else { continue };
        if build.recipe.script == recipe.script {
            let same = |last: &Ending| last.outcome == ending.outcome && last.message == ending.message;
            return Ok(build.ending().is_some_and(same));
        }
    }
    Ok(false)
}

/// Keeps the push; one that nobody delivered continues from where the ref stood.
fn keep(
    tx: &Tx,
    push: &mut Push,
    commit: &CommitId,
    delivery: Option<&Delivery>,
    started: Timestamp,
) -> Result<PushRow, Error> {
    if let Some(delivery) = delivery {
        return keep_push(tx, push, commit, delivery.received);
    }
    let head = pushes::head(tx, &push.repository, &push.git_ref)?;
    push.before = Tip::from(head.and_then(|head| head.parse().ok()));
    let row = keep_push(tx, push, commit, started)?;
    pushes::mark_found(tx, row)?;
    Ok(row)
}
