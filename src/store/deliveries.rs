//! The ledger of webhook deliveries: what came, and what became of it.

use rusqlite::Row;

use super::{builds, hooks, pushes::PushRow};
use crate::{
    model::{BuildId, Delivery, DeliveryId, Timestamp, Verdict},
    sqlite::{Error, Tx},
};

/// How many lines that made no build are kept; those that did are kept with their push.
const KEPT: i64 = 10_000;

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
    let row = tx.last_insert_rowid();
    if let (Some(repository), false) = (&delivery.repository, delivery.event == POLL) {
        hooks::heard(tx, repository)?;
    }
    // Now and then, not each time: the ledger may be a little longer than it says.
    if row % 500 == 0 {
        tx.execute("DELETE FROM deliveries WHERE push IS NULL AND id < ?1", [row - KEPT])?;
    }
    Ok(())
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
