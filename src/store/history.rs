//! Finished builds, newest first, from an index whatever their number.

use rusqlite::{OptionalExtension, ToSql};

use super::{
    authors,
    builds::{self, COLUMNS, TABLES},
};
use crate::{
    model::{Build, BuildId, Outcome, Timestamp},
    sqlite::{Error, Tx},
};

/// Which part of the history is wanted.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// At most so many builds.
    pub limit: u32,
    /// Only builds that ended before this one.
    pub before: Option<BuildId>,
    /// Only builds that ended after this one: those next to it.
    pub after: Option<BuildId>,
    /// Only of this repository.
    pub repository: Option<String>,
    /// Only of this branch or tag, by its own name.
    pub branch: Option<String>,
    /// Only of this script.
    pub script: Option<String>,
    /// Only by an author of this name or address, whatever the case.
    pub author: Option<String>,
    /// Only with one of these outcomes; empty for all.
    pub outcomes: Vec<Outcome>,
}

/// One page, newest first. `before` and `after` must name finished builds, or the page is empty.
pub fn page(tx: &Tx, page: &Page) -> Result<Vec<Build>, Error> {
    // Filters look at one table, and the builds that fit are then read.
    let table = if page.author.is_some() { "authors" } else { "builds" };
    let mut conditions = String::from("finish IS NOT NULL");
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut filter = |condition: &str, value: Box<dyn ToSql>| {
        values.push(value);
        conditions.push_str(&condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(before) = page.before {
        filter(" AND finish < (SELECT finish FROM builds WHERE id = ?)", Box::new(before.to_string()));
    }
    if let Some(after) = page.after {
        filter(" AND finish > (SELECT finish FROM builds WHERE id = ?)", Box::new(after.to_string()));
    }
    if let Some(repository) = &page.repository {
        filter(" AND repository = ?", Box::new(repository.clone()));
    }
    if let Some(branch) = &page.branch {
        filter(" AND name = ?", Box::new(branch.clone()));
    }
    if let Some(script) = &page.script {
        filter(" AND script = ?", Box::new(script.clone()));
    }
    if let Some(author) = &page.author {
        filter(" AND author = ?", Box::new(authors::folded(author)));
    }
    let order = if page.after.is_some() { "ASC" } else { "DESC" };
    let nearest = nearest(table, &conditions, &page.outcomes, order, page.limit);
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE b.finish IN ({nearest}) ORDER BY b.finish DESC");
    let mut select = tx.prepare_cached(&sql)?;
    let mut rows = select.query(rusqlite::params_from_iter(values.iter()))?;
    builds::collect(&mut rows)
}

/// Selects the places of a page in the history. Each outcome is asked for by itself, since an index has each in the
/// order wanted: asked for together, all builds that ever ended so would be sorted.
fn nearest(table: &str, conditions: &str, outcomes: &[Outcome], order: &str, limit: u32) -> String {
    let select = |with: &str| {
        format!("SELECT finish FROM {table} WHERE {conditions}{with} ORDER BY finish {order} LIMIT {limit}")
    };
    if outcomes.is_empty() {
        return select("");
    }
    // Words of an enum, never a reader's text.
    let each = outcomes.iter().map(|outcome| select(&format!(" AND outcome = '{}'", outcome.as_str())));
    let each: Vec<_> = each.map(|select| format!("SELECT * FROM ({select})")).collect();
    format!("SELECT finish FROM ({}) ORDER BY finish {order} LIMIT {limit}", each.join(" UNION ALL "))
}

/// The newest build of a repository, ended or not; of one branch or tag if `name` is given, and of one script of it.
pub fn newest(tx: &Tx, repository: &str, name: Option<&str>, script: Option<&str>) -> Result<Option<Build>, Error> {
    let row: Option<i64> = match (name, script) {
        (None, _) => tx
            .prepare_cached("SELECT seq FROM builds WHERE repository = ?1 ORDER BY number DESC LIMIT 1")?
            .query_row([repository], |row| row.get(0))
            .optional()?,
        (Some(name), Some(script)) => tx
            .prepare_cached("SELECT max(seq) FROM builds WHERE repository = ?1 AND name = ?2 AND script = ?3")?
            .query_row((repository, name, script), |row| row.get(0))?,
        // From script to script along the index, so that neither a branch with many builds nor one that was built
        // long ago is searched for.
        (Some(name), None) => tx
            .prepare_cached(
                "WITH RECURSIVE scripts(name) AS (
                     SELECT min(script) FROM builds WHERE repository = ?1 AND name = ?2
                     UNION ALL
                     SELECT (SELECT min(script) FROM builds WHERE repository = ?1 AND name = ?2 AND script > scripts.name)
                     FROM scripts WHERE scripts.name IS NOT NULL)
                 SELECT max((SELECT max(seq) FROM builds
                             WHERE repository = ?1 AND name = ?2 AND script = scripts.name)) FROM scripts",
            )?
            .query_row((repository, name), |row| row.get(0))?,
    };
    row.map(|row| builds::get(tx, builds::BuildRow(row))).transpose()
}

/// How many builds wait, and how many run.
pub fn board(tx: &Tx) -> Result<(usize, usize), Error> {
    let (queued, running): (u32, u32) = tx
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state = 'running')
             FROM builds WHERE state <> 'finished'",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((queued as usize, running as usize))
}

/// Which of these builds had ended by then.
pub fn ended_by(tx: &Tx, builds: &[BuildId], time: Timestamp) -> Result<Vec<BuildId>, Error> {
    let mut select = tx.prepare_cached("SELECT 1 FROM builds WHERE id = ?1 AND state = 'finished' AND ended <= ?2")?;
    let mut ended = Vec::new();
    for id in builds {
        if select.exists((id.to_string(), time.as_millis()))? {
            ended.push(*id);
        }
    }
    Ok(ended)
}

/// The last builds that ended, newest first, without a filter.
pub fn last(tx: &Tx, limit: u32) -> Result<Vec<Build>, Error> {
    page(tx, &Page { limit, ..Page::default() })
}
