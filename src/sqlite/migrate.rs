//! Brings a file's schema up to date, one numbered step at a time.
//!
//! `PRAGMA user_version` counts the steps done. Each step commits with its number, so a kill at any
//! moment leaves the file between two steps, never inside one. Before the first step on a file that
//! has data, a copy is kept beside it.

use std::path::Path;

use rusqlite::Connection;
use thiserror::Error;
use tracing::info;

/// Why a schema could not be brought up to date.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// A newer autobuilder wrote this file.
    #[error(
        "it was written by a newer autobuilder (schema {found}, this one knows {known}): install that version again, or restore the copy it made"
    )]
    Newer {
        /// The file's schema.
        found: usize,
        /// The newest schema this program knows.
        known: usize,
    },
    /// A step failed; the file is as it was before that step.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

pub(super) fn run(connection: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), MigrationError> {
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = version as usize;
    if done > steps.len() {
        return Err(MigrationError::Newer { found: done, known: steps.len() });
    }
    if done > 0 && done < steps.len() {
        keep_copy(connection, path, done)?;
    }
    for (number, step) in (1_u32..).zip(steps).skip(done) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}

fn keep_copy(connection: &Connection, path: &Path, schema: usize) -> Result<(), rusqlite::Error> {
    let copy = path.with_extension(format!("schema-{schema}.sqlite"));
    if !copy.exists() {
        connection.execute("VACUUM INTO ?1", [copy.display().to_string()])?;
        info!("Kept a copy of the database before its upgrade: `{}`", copy.display());
    }
    Ok(())
}
