//! Recipes over time, on a real database.

use super::*;
use crate::{
    model::{BuildState, Cause, Ending, Push, Stage, example},
    sqlite::Database,
    store::{
        self, history,
        pushes::{self, Place},
        stages::{self, Entered},
    },
};

/// A database, and a way to put builds into it.
struct Store {
    database: Database,
    _directory: tempfile::TempDir,
}

/// One build to make: repository, branch, script, and how long it took before it ended how.
type Made = (&'static str, &'static str, &'static str, Option<(i64, Outcome)>);

impl Store {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("db"), store::MIGRATIONS).unwrap();
        Self { database, _directory: directory }
    }

    async fn fill(&self, builds: Vec<Made>) -> Vec<BuildId> {
        self.database.write(move |tx| builds.into_iter().map(|made| keep(tx, made)).collect()).await.unwrap()
    }

    async fn read<T: Send + 'static>(&self, work: impl FnOnce(&Tx) -> Result<T, Error> + Send + 'static) -> T {
        self.database.read(work).await.unwrap()
    }
}

fn keep(tx: &Tx, (repository, branch, script, end): Made) -> Result<BuildId, Error> {
    let build = example::build(repository, &format!("refs/heads/{branch}"));
    let push: Push = build.push;
    let now = Timestamp::from_millis(1_000_000);
    let row = pushes::insert(tx, &push, &build.commit, Place { position: 1, newest: true }, now)?;
    let mut recipe = build.recipe;
    recipe.script = script.parse().unwrap();
    let row = builds::insert(tx, row, build.id, &recipe, now)?;
    if let Some((took, outcome)) = end {
        builds::start(tx, row, now)?;
        let (cause, message) = (Cause::ExitCode, String::new());
        let ending = Ending { outcome, cause, message, exit_code: None, artifact: None };
        builds::finish(tx, row, &ending, Timestamp::from_millis(1_000_000 + took))?;
    }
    Ok(build.id)
}

#[tokio::test]
async fn usual_is_the_median_of_the_last_ten_successes_of_the_same_recipe() {
    let store = Store::new();
    let usual = || store.read(|tx| usual(tx, "acme/tool", "main", "build.sh"));
    assert_eq!(usual().await, None);
    let success = |took| ("acme/tool", "main", "build.sh", Some((took, Outcome::Success)));
    store.fill(vec![success(90_000); 20]).await;
    store.fill((1..=10).map(|n| success(n * 1000)).collect()).await;
    store
        .fill(vec![
            ("acme/tool", "main", "build.sh", Some((1, Outcome::Failure))),
            ("acme/tool", "main", "other.sh", Some((1, Outcome::Success))),
            ("acme/tool", "next", "build.sh", Some((1, Outcome::Success))),
            ("acme/tool", "main", "build.sh", None),
        ])
        .await;
    assert_eq!(usual().await, Some(Duration::from_millis(5500)));
}

#[tokio::test]
async fn a_build_that_begins_knows_what_is_usual() {
    let store = Store::new();
    let ids = store.fill(vec![("acme/tool", "main", "a", Some((7000, Outcome::Success))); 2]).await;
    let usual = |id| store.read(move |tx| Ok(builds::find(tx, id)?.unwrap().1.usual));
    assert_eq!((usual(ids[0]).await, usual(ids[1]).await), (None, Some(Duration::from_secs(7))));
}

#[tokio::test]
async fn neighbours_and_series_are_of_the_same_recipe() {
    let store = Store::new();
    let end = Some((1500, Outcome::Failure));
    let ids = store
        .fill(vec![
            ("acme/tool", "main", "a", end),
            ("acme/tool", "main", "b", end),
            ("acme/tool", "main", "a", end),
            ("acme/tool", "next", "a", end),
            ("acme/tool", "main", "a", None),
        ])
        .await;
    let beside = |id| store.read(move |tx| neighbours(tx, builds::find(tx, id)?.unwrap().0));
    assert_eq!(beside(ids[2]).await, (Some(ids[0]), Some(ids[4])));
    assert_eq!(beside(ids[1]).await, (None, None));
    let points = store.read(|tx| series(tx, "acme/tool", "main", "a", 200)).await;
    assert_eq!(points.iter().map(|point| point.id).collect::<Vec<_>>(), [ids[2], ids[0]]);
    assert_eq!((points[0].duration, points[0].size), (Some(Duration::from_millis(1500)), None));
}

#[tokio::test]
async fn the_newest_build_of_each_recipe_is_found_step_by_step() {
    let store = Store::new();
    let end = Some((1, Outcome::Success));
    let mut made = vec![("acme/tool", "main", "a", end); 50];
    made.extend([("acme/tool", "x/y", "b", end), ("acme/tool", "main", "b", None), ("acme/other", "main", "a", end)]);
    let ids = store.fill(made).await;
    let (builds, all) = store.read(|tx| newest_of_each(tx, "acme/tool")).await;
    assert_eq!(builds.iter().map(|build| build.id).collect::<Vec<_>>(), [ids[51], ids[50], ids[49]]);
    assert_eq!(all, 3);
    assert_eq!(store.read(|tx| repositories(tx, 10)).await, ["acme/other", "acme/tool"]);
    assert_eq!(Store::new().read(|tx| repositories(tx, 10)).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_first_entry_into_a_stage_counts() {
    let store = Store::new();
    let id = store.fill(vec![("acme/tool", "main", "a", None)]).await[0];
    let entered = |stage, at, offset| Entered { attempt: 1, stage, at: Timestamp::from_millis(at), offset };
    let found = store
        .database
        .write(move |tx| {
            let row = builds::find(tx, id)?.unwrap().0;
            stages::enter(tx, id, &entered(Stage::Creating, 1, 0))?;
            builds::start(tx, row, Timestamp::from_millis(2))?;
            for (stage, at) in [(Stage::Preparing, 3), (Stage::Building, 3), (Stage::Building, 9)] {
                builds::set_stage(tx, id, stage)?;
                stages::enter(tx, id, &entered(stage, at, 5))?;
            }
            assert_eq!(builds::get(tx, row)?.state, BuildState::Running { stage: Stage::Building, delay: None });
            stages::of(tx, row)
        })
        .await;
    // What does not run enters no stage.
    assert_eq!(found.unwrap(), [entered(Stage::Preparing, 3, 5), entered(Stage::Building, 3, 5)]);
}

#[tokio::test]
async fn a_page_can_be_asked_for_by_what_comes_after_it() {
    let store = Store::new();
    let ids = store.fill(vec![("acme/tool", "main", "a", Some((1, Outcome::Success))); 6]).await;
    let ask = |before, after, script: Option<&'static str>| {
        let script = script.map(str::to_owned);
        let page = history::Page { limit: 2, before, after, script, ..history::Page::default() };
        store.read(move |tx| Ok(history::page(tx, &page)?.iter().map(|build| build.id).collect::<Vec<_>>()))
    };
    assert_eq!(ask(None, None, None).await, [ids[5], ids[4]]);
    assert_eq!(ask(Some(ids[2]), None, None).await, [ids[1], ids[0]]);
    assert_eq!(ask(None, Some(ids[1]), None).await, [ids[3], ids[2]]);
    assert!(ask(None, None, Some("b")).await.is_empty());
}

/// Whatever the number of builds, no question reads them all.
#[tokio::test]
async fn every_question_is_answered_from_an_index() {
    let store = Store::new();
    for (question, index) in [
        (
            "SELECT ended - started FROM builds WHERE repository = 'r' AND name = 'n' AND script = 's'
             AND outcome = 'success' AND finish IS NOT NULL ORDER BY finish DESC LIMIT 10",
            "COVERING INDEX builds_that_succeeded (repository=? AND name=? AND script=? AND finish>?)",
        ),
        (
            "SELECT number FROM builds WHERE repository = 'r' AND name = 'n' AND script = 's' AND finish IS NOT NULL
             ORDER BY seq DESC LIMIT 200",
            "builds_by_recipe (repository=? AND name=? AND script=?)",
        ),
        (
            "SELECT name, script, seq FROM builds WHERE repository = 'r' AND (name, script) < ('n', 's')
             ORDER BY name DESC, script DESC, seq DESC LIMIT 1",
            "COVERING INDEX builds_by_recipe (repository=? AND (name,script)<(?,?))",
        ),
        (
            "SELECT id FROM builds WHERE finish IS NOT NULL AND script = 's' ORDER BY finish DESC LIMIT 25",
            "builds_by_script (script=? AND finish>?)",
        ),
        (
            "SELECT id FROM builds WHERE finish IS NOT NULL AND name = 'n' ORDER BY finish DESC LIMIT 25",
            "builds_by_branch (name=? AND finish>?)",
        ),
        (
            "SELECT b.id FROM authors a CROSS JOIN builds b ON b.finish = a.finish WHERE b.finish IS NOT NULL
             AND a.repository = 'r' AND a.outcome IN ('failure') AND a.author = 'ada' ORDER BY a.finish DESC LIMIT 25",
            "SEARCH a USING PRIMARY KEY (author=?); SEARCH b USING INDEX builds_by_finish (finish=?)",
        ),
        ("SELECT seq FROM builds WHERE state <> 'finished' AND state = 'queued' ORDER BY seq", "builds_unfinished"),
    ] {
        let plan = store
            .read(move |tx| {
                let mut explain = tx.prepare(&format!("EXPLAIN QUERY PLAN {question}"))?;
                let steps = explain.query_map([], |row| row.get::<_, String>(3))?;
                Ok(steps.collect::<Result<Vec<_>, _>>()?.join("; "))
            })
            .await;
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{question}\n{plan}");
    }
}
