//! The builds of one recipe over time: how long they usually take, what came before and after, how
//! time and size went.
//!
//! A recipe is known here by repository, branch or tag, and script. Everything is read from an index
//! on those three, whatever the number of builds.

use std::time::Duration;

use rusqlite::{OptionalExtension, types::Value};

use super::builds::{self, BuildRow, keyword, parsed};
use crate::{
    model::{Artifact, Build, BuildId, Outcome, Timestamp},
    sqlite::{Error, Tx},
};

/// How many of the last successes say what is usual.
const USUAL_OF: u32 = 10;

/// The most recipes that are listed of one repository: the ones built last.
const MOST_RECIPES: usize = 200;

/// One finished build of a recipe.
#[derive(Debug)]
pub struct Point {
    /// Its number within its repository.
    pub number: u64,
    /// Its name.
    pub id: BuildId,
    /// When it ended.
    pub ended: Timestamp,
    /// From the start of its first attempt to its end; none if it never began.
    pub duration: Option<Duration>,
    /// Bytes of what it published.
    pub size: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
}

/// The median of the last successes' durations.
pub fn usual(tx: &Tx, repository: &str, name: &str, script: &str) -> Result<Option<Duration>, Error> {
    let mut select = tx.prepare_cached(
        "SELECT ended - started FROM builds
         WHERE repository = ?1 AND name = ?2 AND script = ?3 AND outcome = 'success' AND finish IS NOT NULL
         ORDER BY finish DESC LIMIT ?4",
    )?;
    let mut rows = select.query((repository, name, script, USUAL_OF))?;
    let mut took = Vec::new();
    while let Some(row) = rows.next()? {
        took.extend(row.get::<_, Option<i64>>(0)?.and_then(|millis| u64::try_from(millis).ok()));
    }
    Ok(median(took).map(Duration::from_millis))
}

/// The same for the recipe of a build.
pub(super) fn usual_of(tx: &Tx, build: BuildRow) -> Result<Option<Duration>, Error> {
    let (repository, name, script): (String, String, String) = tx
        .prepare_cached("SELECT repository, name, script FROM builds WHERE seq = ?1")?
        .query_row([build.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    usual(tx, &repository, &name, &script)
}

fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(lower.midpoint(upper))
}

/// The builds of the same recipe that were accepted just before and just after this one.
pub fn neighbours(tx: &Tx, build: BuildRow) -> Result<(Option<BuildId>, Option<BuildId>), Error> {
    let beside = |sql: &str| -> Result<Option<BuildId>, Error> {
        let mut select = tx.prepare_cached(sql)?;
        let mut rows = select.query([build.0])?;
        rows.next()?.map(|row| parsed(row, 0, "a build id")).transpose()
    };
    let previous = beside(
        "SELECT o.id FROM builds b JOIN builds o
             ON o.repository = b.repository AND o.name = b.name AND o.script = b.script AND o.seq < b.seq
         WHERE b.seq = ?1 ORDER BY o.seq DESC LIMIT 1",
    )?;
    let next = beside(
        "SELECT o.id FROM builds b JOIN builds o
             ON o.repository = b.repository AND o.name = b.name AND o.script = b.script AND o.seq > b.seq
         WHERE b.seq = ?1 ORDER BY o.seq LIMIT 1",
    )?;
    Ok((previous, next))
}

/// The last finished builds of a recipe, newest first.
pub fn series(tx: &Tx, repository: &str, name: &str, script: &str, limit: u32) -> Result<Vec<Point>, Error> {
    let mut select = tx.prepare_cached(
        "SELECT number, id, ended, ended - started, artifact, outcome FROM builds
         WHERE repository = ?1 AND name = ?2 AND script = ?3 AND finish IS NOT NULL
         ORDER BY seq DESC LIMIT ?4",
    )?;
    let mut rows = select.query((repository, name, script, limit))?;
    let mut points = Vec::new();
    while let Some(row) = rows.next()? {
        let artifact = row.get::<_, Option<String>>(4)?.and_then(|text| serde_json::from_str::<Artifact>(&text).ok());
        let took = row.get::<_, Option<i64>>(3)?.and_then(|millis| u64::try_from(millis).ok());
        points.push(Point {
            number: u64::from(row.get::<_, u32>(0)?),
            id: parsed(row, 1, "a build id")?,
            ended: Timestamp::from_millis(row.get(2)?),
            duration: took.map(Duration::from_millis),
            size: artifact.map(|artifact| artifact.size),
            outcome: keyword(row, 5, "an outcome", Outcome::from_word)?,
        });
    }
    Ok(points)
}

/// The newest build of each recipe of a repository, ended or not, the newest recipes first; and how
/// many recipes there are in all.
pub fn newest_of_each(tx: &Tx, repository: &str) -> Result<(Vec<Build>, usize), Error> {
    // From the end of the index backwards, one step for each recipe and not for each build.
    let mut step = tx.prepare_cached(
        "SELECT name, script, seq FROM builds WHERE repository = ?1 AND (name, script) < (?2, ?3)
         ORDER BY name DESC, script DESC, seq DESC LIMIT 1",
    )?;
    // A blob is greater than every text.
    let end = || Value::Blob(Vec::new());
    let (mut name, mut script, mut newest) = (end(), end(), Vec::new());
    loop {
        let found = step
            .query_row((repository, &name, &script), |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?)))
            .optional()?;
        let Some(found) = found else { break };
        newest.push(found.2);
        (name, script) = (found.0, found.1);
    }
    let all = newest.len();
    newest.sort_unstable_by_key(|row| std::cmp::Reverse(*row));
    let builds = newest.into_iter().take(MOST_RECIPES).map(|row| builds::get(tx, BuildRow(row)));
    Ok((builds.collect::<Result<_, _>>()?, all))
}

/// The names of repositories that were built, by name, at most so many.
pub fn repositories(tx: &Tx, limit: u32) -> Result<Vec<String>, Error> {
    let mut select = tx.prepare_cached(
        "WITH RECURSIVE built(name) AS (
             SELECT min(repository) FROM builds
             UNION ALL
             SELECT (SELECT min(repository) FROM builds WHERE repository > built.name) FROM built
             WHERE built.name IS NOT NULL)
         SELECT name FROM built WHERE name IS NOT NULL LIMIT ?1",
    )?;
    let names = select.query_map([limit], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

#[cfg(test)]
mod tests;
