//! When each attempt of a build came to each stage, and how long its log was then.
//!
//! A row is written in the transaction that changes the stage, so it costs no commit of its own. The
//! first entry counts: a restart that takes a build up again enters its stage a second time.

use super::builds::{BuildRow, keyword};
use crate::{
    model::{BuildId, Stage, Timestamp},
    sqlite::{Error, Tx},
};

/// A stage that a build came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entered {
    /// Which attempt.
    pub attempt: u32,
    /// Which stage.
    pub stage: Stage,
    /// When.
    pub at: Timestamp,
    /// How many bytes the log had then.
    pub offset: u64,
}

/// Remembers that a running build came to a stage.
pub fn enter(tx: &Tx, id: BuildId, entered: &Entered) -> Result<(), Error> {
    let offset = i64::try_from(entered.offset).unwrap_or(i64::MAX);
    tx.prepare_cached(
        "INSERT INTO stages (build, attempt, stage, entered, offset)
         SELECT seq, ?2, ?3, ?4, ?5 FROM builds WHERE id = ?1 AND state = 'running'
         ON CONFLICT DO NOTHING",
    )?
    .execute((id.to_string(), entered.attempt, entered.stage.as_str(), entered.at.as_millis(), offset))?;
    Ok(())
}

/// Every stage of a build, in their order.
pub fn of(tx: &Tx, build: BuildRow) -> Result<Vec<Entered>, Error> {
    let mut select = tx.prepare_cached(
        "SELECT attempt, stage, entered, offset FROM stages WHERE build = ?1 ORDER BY attempt, entered",
    )?;
    let mut rows = select.query([build.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Entered {
            attempt: row.get(0)?,
            stage: keyword(row, 1, "a stage", Stage::from_word)?,
            at: Timestamp::from_millis(row.get(2)?),
            offset: u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
        });
    }
    // Stages that began in the same millisecond stand in the order of the work.
    found.sort_by_key(|entered| (entered.attempt, entered.at, entered.stage));
    Ok(found)
}
