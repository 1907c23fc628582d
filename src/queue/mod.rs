//! Which build is next: the oldest of the repository that waited longest for a turn.
//!
//! Functions here take the transaction they run in; a claim and the change of state it means are
//! one commit. A claimed entry stays until it is settled, so a crash loses no entry.

mod standing;

use rusqlite::OptionalExtension;

pub use self::standing::{Place, Standing, standing};
use crate::{
    model::{Repository, Timestamp},
    sqlite::{Error, Tx},
};

/// Puts a build at the end; nobody gets it before `available`.
pub fn push(tx: &Tx, build: i64, repository: &Repository, available: Timestamp) -> Result<(), Error> {
    tx.prepare_cached("INSERT INTO queue (build, repository, available) VALUES (?1, ?2, ?3)")?.execute((
        build,
        repository.as_str(),
        available.as_millis(),
    ))?;
    Ok(())
}

/// Takes the next build. Fair between repositories: fewest running first, then the one whose last
/// turn is longest ago, then the oldest build.
pub fn claim(tx: &Tx, now: Timestamp) -> Result<Option<i64>, Error> {
    let next: Option<(i64, String)> = tx
        .prepare_cached(
            "SELECT min(q.build), q.repository FROM queue q LEFT JOIN turns t ON t.repository = q.repository
             WHERE q.claimed = 0 AND q.available <= ?1
             GROUP BY q.repository
             ORDER BY (SELECT count(*) FROM queue c WHERE c.repository = q.repository AND c.claimed = 1),
                      coalesce(t.turn, 0), min(q.build)
             LIMIT 1",
        )?
        .query_row([now.as_millis()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((build, repository)) = next else { return Ok(None) };
    tx.prepare_cached("UPDATE queue SET claimed = 1 WHERE build = ?1")?.execute([build])?;
    tx.prepare_cached(
        "INSERT INTO turns (repository, turn) VALUES (?1, 1 + (SELECT coalesce(max(turn), 0) FROM turns))
         ON CONFLICT DO UPDATE SET turn = excluded.turn",
    )?
    .execute([repository])?;
    Ok(Some(build))
}

/// Gives a claimed build back; nobody gets it before `available`.
pub fn release(tx: &Tx, build: i64, available: Timestamp) -> Result<(), Error> {
    tx.prepare_cached("UPDATE queue SET claimed = 0, available = ?2 WHERE build = ?1")?
        .execute((build, available.as_millis()))?;
    Ok(())
}

/// Removes a build for good.
pub fn settle(tx: &Tx, build: i64) -> Result<(), Error> {
    tx.prepare_cached("DELETE FROM queue WHERE build = ?1")?.execute([build])?;
    Ok(())
}

/// When the next waiting build may be claimed; in the past if one is ready.
pub fn next_available(tx: &Tx) -> Result<Option<Timestamp>, Error> {
    let millis: Option<i64> =
        tx.prepare_cached("SELECT min(available) FROM queue WHERE claimed = 0")?.query_row([], |row| row.get(0))?;
    Ok(millis.map(Timestamp::from_millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sqlite::Database, store};

    fn fill(tx: &Tx, builds: &[(i64, &str)]) -> Result<(), Error> {
        tx.execute_batch("PRAGMA defer_foreign_keys = ON")?;
        for (build, repository) in builds {
            push(tx, *build, &repository.parse().unwrap(), Timestamp::from_millis(0))?;
        }
        Ok(())
    }

    async fn claimed(builds: &'static [(i64, &'static str)], settle_each: bool) -> Vec<i64> {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("db"), store::MIGRATIONS).unwrap();
        let (answer, result) = std::sync::mpsc::channel();
        // Foreign keys are checked at the commit; this transaction is rolled back instead.
        let refused: Result<(), Error> = database
            .write(move |tx| {
                fill(tx, builds)?;
                let mut order = Vec::new();
                while let Some(build) = claim(tx, Timestamp::now())? {
                    order.push(build);
                    if settle_each {
                        settle(tx, build)?;
                    }
                }
                answer.send(order).unwrap();
                Err(Error::Closed)
            })
            .await;
        assert!(refused.is_err());
        result.recv().unwrap()
    }

    #[tokio::test]
    async fn a_busy_repository_does_not_starve_a_quiet_one() {
        let builds = &[(1, "a/a"), (2, "a/a"), (3, "a/a"), (4, "b/b"), (5, "c/c"), (6, "b/b")];
        assert_eq!(claimed(builds, true).await, [1, 4, 5, 2, 6, 3]);
        assert_eq!(claimed(builds, false).await, [1, 4, 5, 2, 6, 3]);
    }
}
