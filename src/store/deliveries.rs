//! The ledger of webhook deliveries: what came, and what became of it.
//!
//! Lines go when they are old, all alike. A delivery that comes again later than that is known by what it tells, as
//! every push is; no forge delivers again after so long by itself.

use std::time::Duration;

use rusqlite::Row;

use super::{builds, hooks, pushes::PushRow};
use crate::{
    model::{BuildId, Delivery, DeliveryId, Timestamp, Verdict},
    sqlite::{Error, Tx},
};

/// How long a line is kept at most.
const LONGEST: Duration = Duration::from_secs(90 * DAY);

/// How long a line is kept at least: longer than forges offer to deliver again (GitHub: 3 days).
const SHORTEST: Duration = Duration::from_secs(7 * DAY);

const DAY: u64 = 24 * 3600;

/// How many lines are kept of those that are neither young nor old.
const LINES: i64 = 100_000;

/// The event of a push that was found by looking, and not delivered.
pub const POLL: &str = "poll";

/// Writes a line; `push` is the push it made or belongs to.
pub fn record(tx: &Tx, delivery: &Delivery, push: Option<PushRow>) -> Result<(), Error> {
    tx.prepare_cached(
        "INSERT INTO deliveries (delivery, received, event, repository, ref, after, verdict, reason, push)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute((
        delivery.id.as_ref().map(DeliveryId::as_str),
        delivery.received.as_millis(),
        &delivery.event,
        &delivery.repository,
        &delivery.git_ref,
        &delivery.after,
        delivery.verdict.as_str(),
        &delivery.reason,
        push.map(|push| push.0),
    ))?;
    if let (Some(repository), false) = (&delivery.repository, delivery.event == POLL) {
        hooks::heard(tx, repository)?;
    }
    Ok(())
}

/// Removes lines that have had their time, looking at the `limit` oldest; how many went.
pub fn forget(tx: &Tx, now: Timestamp, limit: u32) -> Result<usize, Error> {
    // A line from the future was written by a clock that went wrong.
    let (oldest, latest) = (now.before(LONGEST), now.after(LONGEST));
    let forget = "DELETE FROM deliveries
         WHERE id IN (SELECT id FROM deliveries ORDER BY id LIMIT ?1)
           AND (received NOT BETWEEN ?2 AND ?3
                OR (received < ?4 AND id <= (SELECT max(id) FROM deliveries) - ?5))";
    let (oldest, latest, young) = (oldest.as_millis(), latest.as_millis(), now.before(SHORTEST).as_millis());
    Ok(tx.prepare_cached(forget)?.execute((limit, oldest, latest, young, LINES))?)
}

/// The push that a delivery with this id was accepted as.
pub fn push_of(tx: &Tx, id: &DeliveryId) -> Result<Option<PushRow>, Error> {
    let mut select =
        tx.prepare_cached("SELECT push FROM deliveries WHERE delivery = ?1 AND push IS NOT NULL LIMIT 1")?;
    let mut rows = select.query([id.as_str()])?;
    Ok(rows.next()?.map(|row| row.get(0).map(PushRow)).transpose()?)
}

/// The newest lines, newest first.
pub fn latest(tx: &Tx, limit: u32) -> Result<Vec<Delivery>, Error> {
    let mut select = tx.prepare_cached(
        "SELECT delivery, received, event, repository, ref, after, verdict, reason, push
         FROM deliveries ORDER BY id DESC LIMIT ?1",
    )?;
    let mut rows = select.query([limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let builds = match row.get::<_, Option<i64>>(8)? {
            Some(push) => builds::ids_of_push(tx, PushRow(push))?,
            None => Vec::new(),
        };
        found.push(read(row, builds)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>, builds: Vec<BuildId>) -> Result<Delivery, Error> {
    let verdict: String = row.get(6)?;
    Ok(Delivery {
        id: row.get::<_, Option<String>>(0)?.and_then(|id| id.parse().ok()),
        received: Timestamp::from_millis(row.get(1)?),
        event: row.get(2)?,
        repository: row.get(3)?,
        git_ref: row.get(4)?,
        after: row.get(5)?,
        verdict: Verdict::from_word(&verdict).ok_or(Error::Corrupt { expected: "a verdict", value: verdict })?,
        reason: row.get(7)?,
        builds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sqlite::Database, store};

    fn line(age: u64, now: Timestamp) -> Delivery {
        Delivery {
            id: None,
            received: now.before(Duration::from_secs(age * DAY)),
            event: "push".to_owned(),
            repository: None,
            git_ref: None,
            after: None,
            verdict: Verdict::Ignored,
            reason: age.to_string(),
            builds: Vec::new(),
        }
    }

    #[tokio::test]
    async fn old_lines_go_a_few_at_a_time_and_young_ones_stay_however_many_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("db"), store::MIGRATIONS).unwrap();
        let done = database.write(|tx| {
            let now = Timestamp::now();
            for age in [200, 100, 91, 80, 8, 6, 0] {
                record(tx, &line(age, now), None)?;
            }
            assert_eq!((forget(tx, now, 2)?, forget(tx, now, 2)?, forget(tx, now, 2)?), (2, 1, 0));
            // So many newer ones that only the youngest of these stay.
            tx.execute("UPDATE deliveries SET id = id + ?1 WHERE reason = '0'", [LINES])?;
            assert_eq!(forget(tx, now, 10)?, 2);
            let left: Vec<_> = latest(tx, 10)?.into_iter().map(|line| line.reason).collect();
            assert_eq!(left, ["0", "6"]);
            Ok(())
        });
        done.await.unwrap();
    }
}
