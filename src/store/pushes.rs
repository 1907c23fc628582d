//! Accepted pushes, and where each ref stands.
//!
//! A `+` before a column keeps SQLite from choosing an index that begins with it: all pushes of a busy branch would
//! be read where one hash leads to the few that matter.

use std::collections::{HashMap, HashSet};

use rusqlite::OptionalExtension;

use crate::{
    model::{Author, BuildId, CommitId, GitRef, Push, Repository, Timestamp, Tip},
    sqlite::{Error, Tx},
};

/// The key of a push in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushRow(pub(super) i64);

/// Room between the positions of two pushes, for those that arrive late.
const GAP: i64 = 1 << 20;

/// Where a new push stands among those of its ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Links only move to higher positions.
    pub position: i64,
    /// Whether it is the newest; if not, a push that continues from it was accepted before it.
    pub newest: bool,
}

/// Keeps a push that makes builds.
pub fn insert(tx: &Tx, push: &Push, commit: &CommitId, place: Place, received: Timestamp) -> Result<PushRow, Error> {
    let author = push.author.as_ref().and_then(|author| serde_json::to_string(author).ok());
    let commits = serde_json::to_string(&push.commits).unwrap_or_else(|_| "[]".to_owned());
    tx.prepare_cached(
        "INSERT INTO pushes (repository, ref, before, after, commit_id, position, received, author, message, commits)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute((
        push.repository.as_str(),
        push.git_ref.to_string(),
        push.before.as_str(),
        push.after.as_str(),
        commit.as_str(),
        place.position,
        received.as_millis(),
        author,
        &push.message,
        commits,
    ))?;
    Ok(PushRow(tx.last_insert_rowid()))
}

/// Where `push` belongs: behind all others, unless it is late.
pub fn place(tx: &Tx, push: &Push) -> Result<Place, Error> {
    let (repository, git_ref) = (push.repository.as_str(), push.git_ref.to_string());
    if head(tx, &push.repository, &push.git_ref)?.is_some_and(|head| head != push.before.as_str())
        && let Some(position) = late(tx, push)?
    {
        return Ok(Place { position, newest: false });
    }
    let last: i64 = tx
        .prepare_cached("SELECT coalesce(max(position), 0) FROM pushes WHERE repository = ?1 AND ref = ?2")?
        .query_row((repository, &git_ref), |row| row.get(0))?;
    Ok(Place { position: last + GAP, newest: true })
}

/// The position of a push that does not continue from where the ref stands, if an accepted one shows
/// that it happened earlier: one that continues from it, one found by looking that passed over it, or
/// one that it continues from and that is not the last.
fn late(tx: &Tx, push: &Push) -> Result<Option<i64>, Error> {
    let (before, after) = (push.before.as_str(), push.after.as_str());
    Ok(tx
        .prepare_cached(
            "SELECT coalesce(
                (SELECT position - 1 FROM pushes WHERE repository = ?1 AND ref = ?2 AND before = ?4
                    ORDER BY id DESC LIMIT 1),
                (SELECT position - ?5 FROM pushes WHERE repository = ?1 AND ref = ?2 AND before = ?3 AND polled
                    ORDER BY id DESC LIMIT 1),
                (SELECT position + 1 FROM pushes WHERE after = ?3 AND +repository = ?1 AND +ref = ?2
                    AND position < (SELECT max(position) FROM pushes WHERE repository = ?1 AND ref = ?2)
                    AND NOT EXISTS (SELECT 1 FROM pushes WHERE repository = ?1 AND ref = ?2 AND before = ?3)
                    ORDER BY id DESC LIMIT 1))",
        )?
        .query_row((push.repository.as_str(), push.git_ref.to_string(), before, after, GAP / 2), |row| row.get(0))?)
}

/// The push found by looking that left the ref where `push` leaves it.
pub fn found(tx: &Tx, push: &Push) -> Result<Option<PushRow>, Error> {
    Ok(tx
        .prepare_cached(
            "SELECT id FROM pushes WHERE after = ?3 AND +repository = ?1 AND +ref = ?2 AND polled
             ORDER BY id DESC LIMIT 1",
        )?
        .query_row((push.repository.as_str(), push.git_ref.to_string(), push.after.as_str()), |row| {
            row.get(0).map(PushRow)
        })
        .optional()?)
}

/// Notes that a push was found by looking.
pub fn mark_found(tx: &Tx, push: PushRow) -> Result<(), Error> {
    tx.prepare_cached("UPDATE pushes SET polled = 1 WHERE id = ?1")?.execute([push.0])?;
    Ok(())
}

/// Fills in what nobody told of the push that a build belongs to; what was told stays.
pub fn describe(tx: &Tx, build: BuildId, author: Option<&Author>, message: &str) -> Result<(), Error> {
    let author = author.and_then(|author| serde_json::to_string(author).ok());
    tx.prepare_cached(
        "UPDATE pushes SET author = coalesce(author, ?2), message = CASE message WHEN '' THEN ?3 ELSE message END
         WHERE id = (SELECT push FROM builds WHERE id = ?1)",
    )?
    .execute((build.to_string(), author, message))?;
    Ok(())
}

/// Whether a push that left the ref there was ever accepted.
pub fn was_accepted(tx: &Tx, repository: &Repository, git_ref: &GitRef, object: &CommitId) -> Result<bool, Error> {
    Ok(tx.prepare_cached("SELECT 1 FROM pushes WHERE after = ?3 AND +repository = ?1 AND +ref = ?2")?.exists((
        repository.as_str(),
        git_ref.to_string(),
        object.as_str(),
    ))?)
}

/// What is known of a repository's refs.
#[derive(Debug, Default)]
pub struct Known {
    /// Where refs stand, by their full names; forty zeros for a deleted one.
    pub heads: HashMap<String, String>,
    /// Tags that were seen when it was looked at.
    pub tags: HashSet<String>,
    /// Whether it ever was looked at.
    pub polled: bool,
    /// Refs of which a build has not ended.
    pub busy: HashSet<String>,
}

/// What is known of a repository's refs.
pub fn known(tx: &Tx, repository: &Repository) -> Result<Known, Error> {
    let name = [repository.as_str()];
    let mut heads = tx.prepare_cached("SELECT ref, object FROM heads WHERE repository = ?1")?;
    let mut tags = tx.prepare_cached("SELECT ref FROM polled_tags WHERE repository = ?1")?;
    let mut busy =
        tx.prepare_cached("SELECT DISTINCT ref FROM builds WHERE state <> 'finished' AND +repository = ?1")?;
    Ok(Known {
        busy: busy.query_map(name, |row| row.get(0))?.collect::<Result<_, _>>()?,
        heads: heads.query_map(name, |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?,
        tags: tags.query_map(name, |row| row.get(0))?.collect::<Result<_, _>>()?,
        polled: tx.prepare_cached("SELECT 1 FROM polled WHERE repository = ?1")?.exists(name)?,
    })
}

/// Remembers that a repository was looked at, and had these tags.
pub fn remember(tx: &Tx, repository: &Repository, tags: &[GitRef]) -> Result<(), Error> {
    tx.execute("INSERT OR IGNORE INTO polled (repository) VALUES (?1)", [repository.as_str()])?;
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO polled_tags (repository, ref) VALUES (?1, ?2)")?;
    for tag in tags {
        insert.execute((repository.as_str(), tag.to_string()))?;
    }
    Ok(())
}

/// The last accepted push of the same repository, ref, before and after.
pub fn same(tx: &Tx, push: &Push) -> Result<Option<PushRow>, Error> {
    Ok(tx
        .prepare_cached(
            "SELECT id FROM pushes WHERE repository = ?1 AND ref = ?2 AND before = ?3 AND after = ?4
             ORDER BY id DESC LIMIT 1",
        )?
        .query_row(
            (push.repository.as_str(), push.git_ref.to_string(), push.before.as_str(), push.after.as_str()),
            |row| row.get(0).map(PushRow),
        )
        .optional()?)
}

/// Where a ref stands, as far as pushes told; forty zeros if it was deleted, `None` if never seen.
pub fn head(tx: &Tx, repository: &Repository, git_ref: &GitRef) -> Result<Option<String>, Error> {
    Ok(tx
        .prepare_cached("SELECT object FROM heads WHERE repository = ?1 AND ref = ?2")?
        .query_row((repository.as_str(), git_ref.to_string()), |row| row.get(0))
        .optional()?)
}

/// Remembers where a ref stands now.
pub fn move_head(tx: &Tx, repository: &Repository, git_ref: &GitRef, to: &Tip) -> Result<(), Error> {
    tx.prepare_cached(
        "INSERT INTO heads (repository, ref, object) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET object = excluded.object",
    )?
    .execute((repository.as_str(), git_ref.to_string(), to.as_str()))?;
    Ok(())
}

/// The last accepted push of a commit to the same ref.
pub fn of_commit(tx: &Tx, push: &Push, commit: &CommitId) -> Result<Option<PushRow>, Error> {
    Ok(tx
        .prepare_cached(
            "SELECT id FROM pushes WHERE commit_id = ?3 AND +repository = ?1 AND +ref = ?2 ORDER BY id DESC LIMIT 1",
        )?
        .query_row((push.repository.as_str(), push.git_ref.to_string(), commit.as_str()), |row| row.get(0).map(PushRow))
        .optional()?)
}
