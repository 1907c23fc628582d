//! A data directory with many finished builds, made of one real build.

use autobuilder::{sqlite::Database, store::MIGRATIONS};

use crate::{push::TRIVIAL, world::World};

/// A service that has built once, ended, and now has `builds` copies of that build in its store, of ten
/// repositories in turns. It is running again.
pub(super) async fn world(builds: u32) -> World {
    let mut world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", TRIVIAL).await;
    world.built(&repository, &moved).await;
    world.signal("INT");
    assert_eq!(world.left().await, Some(0));
    fill(&world, builds).await;
    world.start().await;
    world
}

async fn fill(world: &World, builds: u32) {
    let database = Database::open(&world.path().join("data/autobuilder.sqlite"), MIGRATIONS).unwrap();
    let sql = format!(
        "CREATE TEMP TABLE n AS WITH RECURSIVE n(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM n WHERE n < {builds} + 9)
           SELECT n, 'acme/r' || (n % 10) AS repository FROM n;
         INSERT INTO pushes SELECT n.n, n.repository, ref, before, after, commit_id, n.n, received, author, message,
             commits, polled
           FROM n, (SELECT * FROM pushes WHERE repository = 'acme/tool');
         INSERT INTO builds SELECT n.n, printf('01900000000070008000%012x', n.n), n.n, n.repository, ref, name, script,
             1 + n.n / 10, recipe, state, stage, attempt, not_before, reason, repeats, cancelling, queued, started,
             ended, digest, container, n.n, outcome, cause, message, exit_code, artifact, usual
           FROM n, (SELECT * FROM builds WHERE repository = 'acme/tool');
         INSERT OR IGNORE INTO authors SELECT 'ada', finish, repository, name, script, outcome FROM builds
           WHERE finish IS NOT NULL;
         DROP TABLE n;"
    );
    let filled = database.write(move |tx| Ok(tx.execute_batch(&sql)?)).await;
    filled.unwrap();
}
