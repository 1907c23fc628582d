//! The catalog's last good files.

use rusqlite::OptionalExtension;

use crate::sqlite::{Error, Tx};

/// One kept file: its path in the configuration repository and its bytes.
pub type KeptFile = (String, Vec<u8>);

/// Replaces what was kept by `files` of `revision`.
pub fn replace(tx: &Tx, revision: &str, files: &[KeptFile]) -> Result<(), Error> {
    tx.execute("DELETE FROM catalog_files", [])?;
    tx.execute("DELETE FROM catalog_revision", [])?;
    let mut insert = tx.prepare_cached("INSERT INTO catalog_files (path, text) VALUES (?1, ?2)")?;
    for (path, text) in files {
        insert.execute((path, text))?;
    }
    tx.execute("INSERT INTO catalog_revision (revision) VALUES (?1)", [revision])?;
    Ok(())
}

/// What was kept last, with its revision; `None` if nothing ever was.
pub fn kept(tx: &Tx) -> Result<Option<(String, Vec<KeptFile>)>, Error> {
    let revision = tx.query_row("SELECT revision FROM catalog_revision", [], |row| row.get(0)).optional()?;
    let Some(revision) = revision else { return Ok(None) };
    let mut select = tx.prepare("SELECT path, text FROM catalog_files ORDER BY path")?;
    let files = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(Some((revision, files)))
}
