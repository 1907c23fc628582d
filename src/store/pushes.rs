//! Accepted pushes, and where each ref stands.

use rusqlite::OptionalExtension;

use crate::{
    model::{CommitId, GitRef, Push, Repository, Timestamp, Tip},
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

/// Where `push` belongs. It is late if it does not continue from where the ref stands, and some
/// accepted push continues from it: then it goes just before that one.
pub fn place(tx: &Tx, push: &Push) -> Result<Place, Error> {
    let (repository, git_ref) = (push.repository.as_str(), push.git_ref.to_string());
    if head(tx, &push.repository, &push.git_ref)?.is_some_and(|head| head != push.before.as_str()) {
        let successor: Option<i64> = tx
            .prepare_cached(
                "SELECT position FROM pushes WHERE repository = ?1 AND ref = ?2 AND before = ?3 ORDER BY id DESC LIMIT 1",
            )?
            .query_row((repository, &git_ref, push.after.as_str()), |row| row.get(0))
            .optional()?;
        if let Some(position) = successor {
            return Ok(Place { position: position - 1, newest: false });
        }
    }
    let last: i64 = tx
        .prepare_cached("SELECT coalesce(max(position), 0) FROM pushes WHERE repository = ?1 AND ref = ?2")?
        .query_row((repository, &git_ref), |row| row.get(0))?;
    Ok(Place { position: last + GAP, newest: true })
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
            "SELECT id FROM pushes WHERE repository = ?1 AND ref = ?2 AND commit_id = ?3 ORDER BY id DESC LIMIT 1",
        )?
        .query_row((push.repository.as_str(), push.git_ref.to_string(), commit.as_str()), |row| row.get(0).map(PushRow))
        .optional()?)
}
