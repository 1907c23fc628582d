//! Builds in the order they were made, ended or not, for work that goes through all of them.

use rusqlite::ToSql;

use super::builds::parsed;
use crate::{
    model::BuildId,
    sqlite::{Error, Tx},
};

/// Which builds.
#[derive(Debug, Clone, Default)]
pub struct Only {
    /// Only of this repository.
    pub repository: Option<String>,
    /// Only of this branch or tag, by its own name.
    pub branch: Option<String>,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From the first one on.
    OldestFirst,
    /// From the last one back.
    NewestFirst,
}

/// The next builds after that one, at most `limit`: ids are in the order of creation.
pub fn ids(tx: &Tx, only: &Only, order: Order, after: Option<BuildId>, limit: u32) -> Result<Vec<BuildId>, Error> {
    let (beyond, direction) = match order {
        Order::OldestFirst => (">", "ASC"),
        Order::NewestFirst => ("<", "DESC"),
    };
    let mut conditions = vec!["1".to_owned()];
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut filter = |condition: &str, value: String| {
        values.push(Box::new(value));
        conditions.push(format!("{condition} ?{}", values.len()));
    };
    if let Some(after) = after {
        filter(&format!("id {beyond}"), after.to_string());
    }
    if let Some(repository) = &only.repository {
        filter("repository =", repository.clone());
    }
    if let Some(branch) = &only.branch {
        filter("name =", branch.clone());
    }
    let conditions = conditions.join(" AND ");
    let sql = format!("SELECT id FROM builds WHERE {conditions} ORDER BY id {direction} LIMIT {limit}");
    let mut select = tx.prepare_cached(&sql)?;
    let mut rows = select.query(rusqlite::params_from_iter(values.iter()))?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(parsed(row, 0, "a build id")?);
    }
    Ok(ids)
}
