//! Finished builds, newest first, from an index whatever their number.

use rusqlite::{OptionalExtension, ToSql};

use super::{
    authors,
    builds::{self, COLUMNS, TABLES},
};
use crate::{
    model::{Build, BuildId, Outcome},
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
    // Filters look at one table, and the builds that fit are then read from the other.
    let (of, tables) = match page.author {
        Some(_) => ("a", format!("authors a CROSS JOIN {TABLES} AND b.finish = a.finish")),
        None => ("b", TABLES.to_owned()),
    };
    let mut sql = format!("SELECT {COLUMNS} FROM {tables} WHERE b.finish IS NOT NULL");
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut filter = |condition: &str, value: Box<dyn ToSql>| {
        values.push(value);
        let place = format!("?{}", values.len());
        sql.push_str(&format!(" AND {of}.{}", condition.replace('?', &place)));
    };
    if let Some(before) = page.before {
        filter("finish < (SELECT finish FROM builds WHERE id = ?)", Box::new(before.to_string()));
    }
    if let Some(after) = page.after {
        filter("finish > (SELECT finish FROM builds WHERE id = ?)", Box::new(after.to_string()));
    }
    if let Some(repository) = &page.repository {
        filter("repository = ?", Box::new(repository.clone()));
    }
    if let Some(branch) = &page.branch {
        filter("name = ?", Box::new(branch.clone()));
    }
    if let Some(script) = &page.script {
        filter("script = ?", Box::new(script.clone()));
    }
    if let Some(author) = &page.author {
        filter("author = ?", Box::new(authors::folded(author)));
    }
    if !page.outcomes.is_empty() {
        // Words of an enum, never a reader's text.
        let words: Vec<_> = page.outcomes.iter().map(|outcome| format!("'{}'", outcome.as_str())).collect();
        sql.push_str(&format!(" AND {of}.outcome IN ({})", words.join(", ")));
    }
    let order = if page.after.is_some() { "ASC" } else { "DESC" };
    sql.push_str(&format!(" ORDER BY {of}.finish {order} LIMIT {}", page.limit));
    let mut select = tx.prepare_cached(&sql)?;
    let mut rows = select.query(rusqlite::params_from_iter(values.iter()))?;
    let mut builds = builds::collect(&mut rows)?;
    if page.after.is_some() {
        builds.reverse();
    }
    Ok(builds)
}

/// The newest build of a branch or tag, ended or not; of one script if `script` is given.
pub fn newest(tx: &Tx, repository: &str, name: Option<&str>, script: Option<&str>) -> Result<Option<Build>, Error> {
    let row = tx
        .prepare_cached(
            "SELECT seq FROM builds WHERE repository = ?1 AND (?2 IS NULL OR name = ?2) AND (?3 IS NULL OR script = ?3)
             ORDER BY number DESC LIMIT 1",
        )?
        .query_row((repository, name, script), |row| row.get(0))
        .optional()?;
    row.map(|row| builds::get(tx, builds::BuildRow(row))).transpose()
}

/// How many builds ended how.
pub fn totals(tx: &Tx) -> Result<Vec<(Outcome, u64)>, Error> {
    Outcome::ALL
        .into_iter()
        .map(|outcome| {
            let count: u32 = tx
                .prepare_cached("SELECT count(*) FROM builds WHERE outcome = ?1")?
                .query_row([outcome.as_str()], |row| row.get(0))?;
            Ok((outcome, u64::from(count)))
        })
        .collect()
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

/// The last builds that ended, newest first, without a filter.
pub fn last(tx: &Tx, limit: u32) -> Result<Vec<Build>, Error> {
    page(tx, &Page { limit, ..Page::default() })
}
