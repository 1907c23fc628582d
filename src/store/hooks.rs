//! Webhooks at the forge: which were heard, and which were made by us.

use std::collections::HashSet;

use rusqlite::OptionalExtension;

use crate::{
    model::Repository,
    sqlite::{Error, Tx},
};

/// A delivery came for a repository.
pub(super) fn heard(tx: &Tx, repository: &str) -> Result<(), Error> {
    tx.prepare_cached("INSERT OR IGNORE INTO hooks (repository) VALUES (?1)")?.execute([repository])?;
    Ok(())
}

/// The repositories whose webhook was heard.
pub fn all_heard(tx: &Tx) -> Result<HashSet<String>, Error> {
    let mut select = tx.prepare_cached("SELECT repository FROM hooks")?;
    Ok(select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The settings by which a repository's webhook was made or mended last.
pub fn made_by(tx: &Tx, repository: &Repository) -> Result<Option<String>, Error> {
    Ok(tx
        .prepare_cached("SELECT settings FROM hooks_made WHERE repository = ?1")?
        .query_row([repository.as_str()], |row| row.get(0))
        .optional()?)
}

/// A repository's webhook was made or mended by these settings.
pub fn made(tx: &Tx, repository: &Repository, settings: &str) -> Result<(), Error> {
    tx.prepare_cached(
        "INSERT INTO hooks_made (repository, settings) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET settings = excluded.settings",
    )?
    .execute((repository.as_str(), settings))?;
    Ok(())
}
