//! Who wrote what has ended: a row for each name and address of a build's author.
//!
//! Beside them stands what other filters look at, so that builds which fit several filters are found without reading
//! those that fit only some.

use super::builds::{self, BuildRow};
use crate::sqlite::{Error, Tx};

/// Keeps whose build has ended. It has its outcome, and its place in the history, already.
pub(super) fn keep(tx: &Tx, build: BuildRow) -> Result<(), Error> {
    let ended = builds::get(tx, build)?;
    let Some(author) = ended.push.written_by() else { return Ok(()) };
    let mut insert = tx.prepare_cached(
        "INSERT OR IGNORE INTO authors (author, finish, repository, name, script, outcome)
         SELECT ?2, finish, repository, name, script, outcome FROM builds WHERE seq = ?1",
    )?;
    let shown = if author.name.is_empty() { &author.username } else { &author.name };
    for word in [shown, &author.email].map(|word| folded(word)) {
        if !word.is_empty() {
            insert.execute((build.0, word))?;
        }
    }
    Ok(())
}

/// A name or an address as it is compared.
pub(super) fn folded(word: &str) -> String {
    word.trim().to_lowercase()
}
