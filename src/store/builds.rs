//! Builds: written once when accepted, changed only by [`crate::lifecycle`], read back whole.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, types::FromSql};
use serde::de::DeserializeOwned;

use super::{authors, pushes::PushRow, recipes};
use crate::{
    model::{
        Build, BuildId, BuildState, Cause, CommitId, Ending, Outcome, Push, Recipe, Repository, Stage, Timestamp, Tip,
    },
    sqlite::{Error, Tx},
};

/// The key of a build in the database; later builds have higher ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildRow(pub i64);

/// Every column of a build and its push, in the order [`read`] expects.
pub(super) const COLUMNS: &str = "b.id, b.number, b.recipe, b.state, b.stage, b.attempt, b.not_before, b.reason,
    b.queued, b.started, b.ended, b.digest, b.container, b.outcome, b.cause, b.message, b.exit_code, b.artifact,
    p.repository, p.ref, p.before, p.after, p.commit_id, p.position, p.author, p.message, p.commits, b.usual";

/// Where those columns come from.
pub(super) const TABLES: &str = "builds b JOIN pushes p ON p.id = b.push";

/// Keeps a new, queued build of `push`.
pub fn insert(tx: &Tx, push: PushRow, id: BuildId, recipe: &Recipe, now: Timestamp) -> Result<BuildRow, Error> {
    let recipe_text = serde_json::to_string(recipe)
        .map_err(|error| Error::Corrupt { expected: "a recipe", value: error.to_string() })?;
    tx.prepare_cached(
        "INSERT INTO builds (id, push, repository, ref, name, script, number, recipe, state, queued)
         SELECT ?1, p.id, p.repository, p.ref,
                CASE WHEN p.ref LIKE 'refs/heads/%' THEN substr(p.ref, 12) ELSE substr(p.ref, 11) END, ?3,
                1 + coalesce((SELECT max(number) FROM builds WHERE repository = p.repository), 0), ?4, 'queued', ?5
         FROM pushes p WHERE p.id = ?2",
    )?
    .execute((id.to_string(), push.0, recipe.script.as_str(), recipe_text, now.as_millis()))?;
    Ok(BuildRow(tx.last_insert_rowid()))
}

/// A worker has it: a new attempt begins.
pub fn start(tx: &Tx, build: BuildRow, now: Timestamp) -> Result<(), Error> {
    let usual = recipes::usual_of(tx, build)?.map(|usual| u32::try_from(usual.as_millis()).unwrap_or(u32::MAX));
    tx.prepare_cached(
        "UPDATE builds SET state = 'running', stage = 'creating', attempt = attempt + 1, not_before = NULL,
                started = coalesce(started, ?2), container = NULL, cancelling = 0, reason = NULL, usual = ?3
         WHERE seq = ?1 AND state = 'queued'",
    )?
    .execute((build.0, now.as_millis(), usual))?;
    Ok(())
}

/// Changes the stage of a running build; [`super::stages`] remembers when.
pub fn set_stage(tx: &Tx, id: BuildId, stage: Stage) -> Result<(), Error> {
    tx.prepare_cached("UPDATE builds SET stage = ?2 WHERE id = ?1 AND state = 'running'")?
        .execute((id.to_string(), stage.as_str()))?;
    Ok(())
}

/// Notes what keeps a running build from going on.
pub fn set_delay(tx: &Tx, id: BuildId, delay: &str) -> Result<(), Error> {
    tx.prepare_cached("UPDATE builds SET reason = ?2 WHERE id = ?1 AND state = 'running'")?
        .execute((id.to_string(), delay))?;
    Ok(())
}

/// Remembers that a build repeats an ended one, of which something may be left to go on from.
pub fn set_repeats(tx: &Tx, id: BuildId, ended: BuildId) -> Result<(), Error> {
    tx.execute("UPDATE builds SET repeats = ?2 WHERE id = ?1", [id.to_string(), ended.to_string()])?;
    Ok(())
}

/// The ended build that a build repeats, if it does.
pub fn repeats(tx: &Tx, build: BuildRow) -> Result<Option<BuildId>, Error> {
    let text: Option<String> =
        tx.prepare_cached("SELECT repeats FROM builds WHERE seq = ?1")?.query_row([build.0], |row| row.get(0))?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// Notes the container and the image of a running build; `None` leaves what is known.
pub fn set_container(tx: &Tx, id: BuildId, container: Option<&str>, digest: Option<&str>) -> Result<(), Error> {
    tx.prepare_cached(
        "UPDATE builds SET container = coalesce(?2, container), digest = coalesce(?3, digest)
         WHERE id = ?1 AND state = 'running'",
    )?
    .execute((id.to_string(), container, digest))?;
    Ok(())
}

/// Puts a running build back: its attempt failed by our fault.
pub fn requeue(tx: &Tx, build: BuildRow, not_before: Timestamp, reason: &str) -> Result<(), Error> {
    tx.prepare_cached(
        "UPDATE builds SET state = 'queued', stage = NULL, not_before = ?2, reason = ?3
         WHERE seq = ?1 AND state = 'running'",
    )?
    .execute((build.0, not_before.as_millis(), reason))?;
    Ok(())
}

/// Writes the end of a build. Returns false, and changes nothing, if it had one already.
pub fn finish(tx: &Tx, build: BuildRow, ending: &Ending, now: Timestamp) -> Result<bool, Error> {
    let artifact = ending.artifact.as_ref().and_then(|artifact| serde_json::to_string(artifact).ok());
    let changed = tx
        .prepare_cached(
            "UPDATE builds SET state = 'finished', stage = NULL, not_before = NULL, ended = ?2, outcome = ?3, cause = ?4,
                    message = ?5, exit_code = ?6, artifact = ?7,
                    finish = 1 + coalesce((SELECT max(finish) FROM builds WHERE finish IS NOT NULL), 0)
             WHERE seq = ?1 AND state <> 'finished'",
        )?
        .execute((
            build.0,
            now.as_millis(),
            ending.outcome.as_str(),
            ending.cause.as_str(),
            &ending.message,
            ending.exit_code,
            artifact,
        ))?;
    if changed == 1 {
        authors::keep(tx, build)?;
    }
    Ok(changed == 1)
}

/// Remembers that somebody wants a running build ended, so that a restart does not forget it.
pub fn set_cancelling(tx: &Tx, id: BuildId) -> Result<(), Error> {
    tx.execute("UPDATE builds SET cancelling = 1 WHERE id = ?1 AND state = 'running'", [id.to_string()])?;
    Ok(())
}

/// Whether somebody wanted this running build ended.
pub fn is_cancelling(tx: &Tx, id: BuildId) -> Result<bool, Error> {
    let wanted = tx
        .query_row("SELECT cancelling FROM builds WHERE id = ?1", [id.to_string()], |row| row.get::<_, bool>(0))
        .optional()?;
    Ok(wanted.unwrap_or(false))
}

/// The build with its key, if there is one.
pub fn find(tx: &Tx, id: BuildId) -> Result<Option<(BuildRow, Build)>, Error> {
    let row = tx
        .prepare_cached("SELECT seq FROM builds WHERE id = ?1")?
        .query_row([id.to_string()], |row| row.get(0).map(BuildRow))
        .optional()?;
    row.map(|row| Ok((row, get(tx, row)?))).transpose()
}

/// The build with this key.
pub fn get(tx: &Tx, row: BuildRow) -> Result<Build, Error> {
    let mut select = tx.prepare_cached(&format!("SELECT {COLUMNS} FROM {TABLES} WHERE b.seq = ?1"))?;
    let mut rows = select.query([row.0])?;
    match rows.next()? {
        Some(row) => read(row),
        None => Err(Error::Corrupt { expected: "a build", value: row.0.to_string() }),
    }
}

/// The push a build belongs to.
pub fn push_of(tx: &Tx, id: BuildId) -> Result<PushRow, Error> {
    Ok(tx.query_row("SELECT push FROM builds WHERE id = ?1", [id.to_string()], |row| row.get(0).map(PushRow))?)
}

/// The builds of a push, in the order of its recipes.
pub fn ids_of_push(tx: &Tx, push: PushRow) -> Result<Vec<BuildId>, Error> {
    let mut select = tx.prepare_cached("SELECT id FROM builds WHERE push = ?1 ORDER BY seq")?;
    let mut rows = select.query([push.0])?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(parsed(row, 0, "a build id")?);
    }
    Ok(ids)
}

/// Every build that has not ended, oldest first.
pub fn unfinished(tx: &Tx) -> Result<Vec<Build>, Error> {
    let mut select =
        tx.prepare(&format!("SELECT {COLUMNS} FROM {TABLES} WHERE b.state <> 'finished' ORDER BY b.seq"))?;
    collect(&mut select.query([])?)
}

/// A build in the queue, as far as its place and its reason to wait go.
#[derive(Debug)]
pub struct Queued {
    /// Its key.
    pub row: BuildRow,
    /// Its name.
    pub id: BuildId,
    /// Attempts it has had.
    pub attempts: u32,
    /// What went wrong with the last of them.
    pub reason: Option<String>,
}

/// Every build that waits, oldest first.
pub fn queued(tx: &Tx) -> Result<Vec<Queued>, Error> {
    let mut select = tx.prepare_cached(
        "SELECT seq, id, attempt, reason FROM builds WHERE state <> 'finished' AND state = 'queued' ORDER BY seq",
    )?;
    let mut rows = select.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id = parsed(row, 1, "a build id")?;
        found.push(Queued { row: BuildRow(row.get(0)?), id, attempts: row.get(2)?, reason: row.get(3)? });
    }
    Ok(found)
}

/// Reads every row.
pub(super) fn collect(rows: &mut rusqlite::Rows<'_>) -> Result<Vec<Build>, Error> {
    let mut builds = Vec::new();
    while let Some(row) = rows.next()? {
        builds.push(read(row)?);
    }
    Ok(builds)
}

/// Reads a row of [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> Result<Build, Error> {
    let commit: CommitId = parsed(row, 22, "a commit")?;
    Ok(Build {
        id: parsed(row, 0, "a build id")?,
        number: u64::from(row.get::<_, u32>(1)?),
        recipe: json::<Recipe>(row, 2, "a recipe")?,
        state: state(row)?,
        attempt: row.get(5)?,
        queued: Timestamp::from_millis(row.get(8)?),
        started: time(row, 9)?,
        ended: time(row, 10)?,
        baseimage_digest: row.get(11)?,
        container: row.get(12)?,
        push: Push {
            repository: parsed::<Repository>(row, 18, "a repository")?,
            git_ref: parsed(row, 19, "a ref")?,
            before: tip(row, 20)?,
            after: tip(row, 21)?,
            commit: Some(commit.clone()),
            author: row.get::<_, Option<String>>(24)?.and_then(|text| serde_json::from_str(&text).ok()),
            message: row.get(25)?,
            commits: json(row, 26, "commits")?,
        },
        commit,
        position: row.get(23)?,
        usual: millis(row, 27)?,
    })
}

fn state(row: &Row<'_>) -> Result<BuildState, Error> {
    let word: String = row.get(3)?;
    match word.as_str() {
        "queued" => Ok(BuildState::Queued { not_before: time(row, 6)?, reason: row.get(7)? }),
        "running" => {
            Ok(BuildState::Running { stage: keyword(row, 4, "a stage", Stage::from_word)?, delay: row.get(7)? })
        }
        "finished" => Ok(BuildState::Finished(Ending {
            outcome: keyword(row, 13, "an outcome", Outcome::from_word)?,
            cause: keyword(row, 14, "a cause", Cause::from_word)?,
            message: row.get::<_, Option<String>>(15)?.unwrap_or_default(),
            exit_code: row.get(16)?,
            artifact: row.get::<_, Option<String>>(17)?.and_then(|text| serde_json::from_str(&text).ok()),
        })),
        _ => Err(Error::Corrupt { expected: "a state", value: word }),
    }
}

fn time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Error> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

fn millis(row: &Row<'_>, column: usize) -> Result<Option<Duration>, Error> {
    Ok(row.get::<_, Option<u32>>(column)?.map(|millis| Duration::from_millis(millis.into())))
}

fn tip(row: &Row<'_>, column: usize) -> Result<Tip, Error> {
    Ok(Tip::from(row.get::<_, String>(column)?.parse().ok()))
}

fn text<T: FromSql>(row: &Row<'_>, column: usize) -> Result<T, Error> {
    Ok(row.get(column)?)
}

pub(super) fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: usize, expected: &'static str) -> Result<T, Error> {
    let value: String = text(row, column)?;
    value.parse().map_err(|_| Error::Corrupt { expected, value })
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize, expected: &'static str) -> Result<T, Error> {
    let value: String = text(row, column)?;
    serde_json::from_str(&value).map_err(|_| Error::Corrupt { expected, value })
}

pub(super) fn keyword<T>(
    row: &Row<'_>,
    column: usize,
    expected: &'static str,
    read: fn(&str) -> Option<T>,
) -> Result<T, Error> {
    let value: Option<String> = text(row, column)?;
    let value = value.unwrap_or_default();
    read(&value).ok_or(Error::Corrupt { expected, value })
}
