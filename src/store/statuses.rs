//! The outbox: what the forge is still to be told.
//!
//! A row is written in the transaction that changes the build, so no crash can come between the two.
//! A newer state replaces one that was not sent, and a build never replaces what a later one says.

use rusqlite::{OptionalExtension, Row};

use super::builds::BuildRow;
use crate::{
    model::{Build, BuildId, CommitId, CommitState, CommitStatus, Repository, Timestamp},
    sqlite::{Error, Tx},
};

/// Longer than any row waits: one that is due later than this was written by a clock that went wrong.
const LATEST: i64 = 3_600_000;

/// A status that the forge does not have yet.
#[derive(Debug, Clone)]
pub struct Unsent {
    id: i64,
    version: i64,
    /// How often sending it has failed.
    pub tries: u32,
    /// Of which repository.
    pub repository: Repository,
    /// Of which commit.
    pub commit: CommitId,
    /// What is to be said.
    pub status: CommitStatus,
    /// Whose page it links to.
    pub build: BuildId,
}

/// Writes down what the forge is to be told of a build; nothing if it was told the same already.
pub fn put(tx: &Tx, row: BuildRow, build: &Build, status: &CommitStatus, now: Timestamp) -> Result<(), Error> {
    tx.prepare_cached(
        "INSERT INTO statuses (repository, commit_id, context, build, state, description, due)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (repository, commit_id, context) DO UPDATE
         SET build = excluded.build, state = excluded.state, description = excluded.description,
             version = version + 1, due = excluded.due, tries = 0, refused = NULL
         WHERE excluded.build >= build
           AND (excluded.build, excluded.state, excluded.description) <> (build, state, description)",
    )?
    .execute((
        build.repository().as_str(),
        build.commit.as_str(),
        &status.context,
        row.0,
        status.state.as_str(),
        &status.description,
        now.as_millis(),
    ))?;
    Ok(())
}

/// The status to send next: verdicts before those that say "pending", which a verdict may soon replace.
pub fn next(tx: &Tx, now: Timestamp, with_pending: bool) -> Result<Option<Unsent>, Error> {
    tx.prepare_cached(
        "SELECT s.id, s.version, s.tries, s.repository, s.commit_id, s.state, s.context, s.description, b.id
         FROM statuses s JOIN builds b ON b.seq = s.build
         WHERE s.due IS NOT NULL AND (s.due <= ?1 OR s.due > ?2) AND (?3 OR s.state <> 'pending')
         ORDER BY s.state = 'pending', s.due, s.id LIMIT 1",
    )?
    .query((now.as_millis(), now.as_millis() + LATEST, with_pending))?
    .next()?
    .map(read)
    .transpose()
}

/// When the next row is due, if any waits.
pub fn next_due(tx: &Tx) -> Result<Option<Timestamp>, Error> {
    let due: Option<i64> = tx.query_row("SELECT min(due) FROM statuses WHERE due IS NOT NULL", [], |row| row.get(0))?;
    Ok(due.map(Timestamp::from_millis))
}

/// The forge has it. A newer version stays to be sent.
pub fn sent(tx: &Tx, status: &Unsent) -> Result<(), Error> {
    tx.prepare_cached("UPDATE statuses SET due = NULL, tries = 0 WHERE id = ?1 AND version = ?2")?
        .execute((status.id, status.version))?;
    Ok(())
}

/// The forge will never take it.
pub fn refuse(tx: &Tx, status: &Unsent, reason: &str) -> Result<(), Error> {
    tx.prepare_cached("UPDATE statuses SET due = NULL, refused = ?3 WHERE id = ?1 AND version = ?2")?.execute((
        status.id,
        status.version,
        reason,
    ))?;
    Ok(())
}

/// Sending failed; to be tried again at `due`.
pub fn postpone(tx: &Tx, status: &Unsent, due: Timestamp) -> Result<(), Error> {
    tx.prepare_cached("UPDATE statuses SET due = ?3, tries = tries + 1 WHERE id = ?1 AND version = ?2")?.execute((
        status.id,
        status.version,
        due.as_millis(),
    ))?;
    Ok(())
}

/// Sends again what was refused for want of rights: a start may come with another token.
pub fn appeal(tx: &Tx, now: Timestamp) -> Result<usize, Error> {
    const MONTH: i64 = 30 * 24 * 3_600_000;
    Ok(tx.execute(
        "UPDATE statuses SET due = ?1, refused = NULL, tries = 0
         WHERE refused IS NOT NULL AND (refused LIKE '%(401)' OR refused LIKE '%(403)' OR refused LIKE '%(404)')
           AND (SELECT queued FROM builds WHERE seq = statuses.build) > ?2",
        (now.as_millis(), now.as_millis() - MONTH),
    )?)
}

/// Why the forge does not show a build's status, if it refused it.
pub fn refusal(tx: &Tx, build: BuildId) -> Result<Option<String>, Error> {
    Ok(tx
        .prepare_cached(
            "SELECT s.refused FROM statuses s JOIN builds b ON b.seq = s.build
             WHERE b.id = ?1 AND s.refused IS NOT NULL",
        )?
        .query_row([build.to_string()], |row| row.get(0))
        .optional()?)
}

fn read(row: &Row<'_>) -> Result<Unsent, Error> {
    let text = |column: usize| row.get::<_, String>(column);
    let corrupt = |expected, value: String| Error::Corrupt { expected, value };
    let parse = |column: usize| text(column).map_err(Error::from);
    let (repository, commit, state, build) = (parse(3)?, parse(4)?, parse(5)?, parse(8)?);
    Ok(Unsent {
        id: row.get(0)?,
        version: row.get(1)?,
        tries: row.get(2)?,
        repository: repository.parse().map_err(|_| corrupt("a repository", repository))?,
        commit: commit.parse().map_err(|_| corrupt("a commit", commit))?,
        status: CommitStatus {
            state: CommitState::from_word(&state).ok_or_else(|| corrupt("a commit's state", state))?,
            context: text(6)?,
            description: text(7)?,
        },
        build: build.parse().map_err(|_| corrupt("a build id", build))?,
    })
}
