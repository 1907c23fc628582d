//! The name by which everything of this data directory is labelled in the engine.

use rusqlite::OptionalExtension;

use crate::sqlite::{Database, Error};

/// The directory's id; made at the first start, the same ever after.
pub async fn instance_id(database: &Database) -> Result<String, Error> {
    let known: Option<String> =
        database.read(|tx| Ok(tx.query_row("SELECT id FROM instance", [], |row| row.get(0)).optional()?)).await?;
    if let Some(id) = known {
        return Ok(id);
    }
    let id = uuid::Uuid::now_v7().simple().to_string()[20..].to_owned();
    let kept = id.clone();
    database
        .write(move |tx| {
            tx.execute("INSERT INTO instance (id) VALUES (?1)", [kept])?;
            Ok(())
        })
        .await?;
    Ok(id)
}
