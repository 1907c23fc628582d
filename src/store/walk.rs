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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Timestamp, example},
        sqlite::Database,
        store::{
            self, builds,
            pushes::{self, Place},
        },
    };

    fn keep(tx: &Tx, repository: &str, branch: &str) -> Result<BuildId, Error> {
        let build = example::build(repository, &format!("refs/heads/{branch}"));
        let (now, place) = (Timestamp::from_millis(0), Place { position: 1, newest: true });
        let push = pushes::insert(tx, &build.push, &build.commit, place, now)?;
        builds::insert(tx, push, build.id, &build.recipe, now)?;
        Ok(build.id)
    }

    fn all(tx: &Tx, only: &Only, order: Order) -> Result<Vec<BuildId>, Error> {
        let mut found = Vec::new();
        loop {
            let page = ids(tx, only, order, found.last().copied(), 3)?;
            if page.is_empty() {
                return Ok(found);
            }
            found.extend(page);
        }
    }

    #[tokio::test]
    async fn page_by_page_every_build_comes_once_in_both_orders() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("db"), store::MIGRATIONS).unwrap();
        let branches = [("acme/tool", "main"), ("acme/tool", "next"), ("acme/other", "main")];
        let done = database.write(move |tx| {
            let kept: Vec<_> = (0..10)
                .map(|n| branches[n % 3])
                .map(|(repository, branch)| Ok((keep(tx, repository, branch)?, repository, branch)))
                .collect::<Result<_, Error>>()?;
            let expect = |repository: Option<&str>, branch: Option<&str>| -> Result<(), Error> {
                let only = Only { repository: repository.map(str::to_owned), branch: branch.map(str::to_owned) };
                let wanted = kept.iter().filter(|(_, of, name)| {
                    repository.is_none_or(|repository| repository == *of) && branch.is_none_or(|branch| branch == *name)
                });
                let mut wanted: Vec<_> = wanted.map(|(id, ..)| *id).collect();
                assert_eq!(all(tx, &only, Order::OldestFirst)?, wanted);
                wanted.reverse();
                assert_eq!(all(tx, &only, Order::NewestFirst)?, wanted);
                Ok(())
            };
            expect(None, None)?;
            expect(Some("acme/tool"), None)?;
            expect(None, Some("main"))?;
            expect(Some("acme/tool"), Some("next"))?;
            expect(Some("acme/none"), None)
        });
        done.await.unwrap();
    }
}
