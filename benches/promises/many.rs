//! Twenty pushes at once with four places, against the bare engine four at a time.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::task::JoinSet;

use crate::{
    engine::Engine,
    floor::Floor,
    push::{TRIVIAL, millis, quiet},
    report::{Limit, Table, median},
    world::{World, repository::Repository, world::recipe},
};

const PUSHES: usize = 20;
const PLACES: usize = 4;
const ROUNDS: usize = 5;

/// How often the running containers are counted, on both sides.
const SAMPLE: Duration = Duration::from_millis(50);

pub(super) async fn measure() -> Table {
    let world = World::with(&format!("parallel = {PLACES}\n")).await;
    let repository = world.repository("acme/tool");
    let files: Vec<_> = (0..PUSHES).map(|n| (format!("acme/tool/b{n}.yaml"), recipe("build.sh"))).collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.track(&files).await;
    let floor = Floor::new(world.path()).await;
    let mut engine = Engine::connect().await;
    let label = format!("autobuilder.instance={}", world.instance());
    let (mut ours, mut bare, mut most) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let (took, seen) = sampled(&label, service(&world, &repository)).await;
        quiet(&world, &mut engine).await;
        ours.push(millis(took));
        most = most.max(seen);
        let (took, _) = sampled(floor.label(), four_at_a_time(&floor, &world.path().join("forge/acme/tool.git"))).await;
        while engine.count(floor.label(), false).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bare.push(millis(took));
    }
    world.end().await;
    let mut table = Table::new(format!("{PUSHES} pushes at once, {PLACES} places (medians of {ROUNDS} in turns)"));
    let times = (median(ours), median(bare));
    table.against("all published", times, "ms", Some(Limit::RatioAtMost(1.1)));
    table.number("most containers running at once", most as f64, "", Some(Limit::AtMost(PLACES as f64)));
    table
}

/// Counts running containers meanwhile; gives the most there were.
async fn sampled(label: &str, work: impl Future<Output = Duration>) -> (Duration, usize) {
    let mut engine = Engine::connect().await;
    let mut most = 0;
    let counting = async {
        loop {
            most = most.max(engine.count(label, true).await);
            tokio::time::sleep(SAMPLE).await;
        }
    };
    let took = tokio::select! {
        took = work => took,
        () = counting => Duration::ZERO,
    };
    (took, most)
}

/// From the first delivery to the last artifact.
async fn service(world: &World, repository: &Repository) -> Duration {
    let mut pushes = Vec::new();
    for branch in 0..PUSHES {
        let stamp = format!("{branch} {:?}", Instant::now());
        pushes.push(repository.push(&format!("b{branch}"), &[("build.sh", TRIVIAL), ("round", &stamp)]));
    }
    let since = Instant::now();
    let ids = join_all(pushes.iter().map(|moved| world.deliver(repository, moved))).await;
    let artifact =
        |(n, commit): (usize, &str)| world.artifacts().join(format!("acme-tool-b{n}-{}.flist", &commit[..10]));
    let expected: Vec<_> = pushes.iter().map(|moved| &*moved.after).enumerate().map(artifact).collect();
    while !expected.iter().all(|path| path.exists()) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let took = since.elapsed();
    for id in ids.iter().flatten() {
        assert_eq!(world.client.ended(id).await["outcome"], "success");
    }
    took
}

/// Each of four takes the next of the twenty; containers are removed behind its back.
async fn four_at_a_time(floor: &Floor, repository: &Path) -> Duration {
    let next = Arc::new(AtomicUsize::new(0));
    let (mut places, mut cleaning) = (JoinSet::new(), JoinSet::new());
    let (done, mut finished) = tokio::sync::mpsc::unbounded_channel();
    let since = Instant::now();
    for _ in 0..PLACES {
        let (floor, repository, next, done) = (floor.clone(), repository.to_owned(), Arc::clone(&next), done.clone());
        places.spawn(async move {
            let mut engine = Engine::connect().await;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= PUSHES {
                    return;
                }
                let name = format!("many-{n}");
                let container = floor.build(&mut engine, &repository, &format!("b{n}"), &name).await;
                done.send((container, name)).unwrap();
            }
        });
    }
    drop(done);
    let mut last = since;
    while let Some((container, name)) = finished.recv().await {
        last = Instant::now();
        let floor = floor.clone();
        cleaning.spawn(async move { floor.clean(&mut Engine::connect().await, &container, &name).await });
    }
    places.join_all().await;
    cleaning.join_all().await;
    last - since
}
