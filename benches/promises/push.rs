//! From a push to its published artifact, against the bare engine doing the same.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    engine::Engine,
    floor::Floor,
    report::{Limit, Table, median},
    world::{World, repository::Repository},
};

const ROUNDS: usize = 17;

/// A script that does nothing but leave a file.
pub(super) const TRIVIAL: &str = "#!/bin/sh\necho building\necho content >/target/result.tar.gz\n";

pub(super) async fn measure() -> Table {
    let world = World::new().await;
    let (repository, first) = world.tracked("acme/tool", TRIVIAL).await;
    world.built(&repository, &first).await;
    let floor = Floor::new(world.path()).await;
    let default = floor.with_default_network();
    let mut engine = Engine::connect().await;
    let (mut ours, mut same, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        ours.push(service(&world, &repository, &mut engine, round).await);
        same.push(bare(&world, &floor, &mut engine, round).await);
        plain.push(bare(&world, &default, &mut engine, round).await);
    }
    world.end().await;
    let (ours, same, plain) = (median(ours), median(same), median(plain));
    let mut table = Table::new(format!("Push to published, a script that does nothing (medians of {ROUNDS} in turns)"));
    table.against("over the engine on a bridge like the service's", (ours, same), "ms", Some(Limit::RatioAtMost(1.0)));
    table.against("over the engine on its default bridge", (ours, plain), "ms", None);
    table
}

/// From the delivery to the moment the link leads to the new artifact.
async fn service(world: &World, repository: &Repository, engine: &mut Engine, round: usize) -> f64 {
    let moved = repository.push("main", &[("round", &round.to_string())]);
    let artifact = PathBuf::from(format!("acme-tool-main-{}.flist", &moved.after[..10]));
    let link = world.artifacts().join("acme-tool-main.flist");
    let since = Instant::now();
    let ids = world.deliver(repository, &moved).await;
    while fs::read_link(&link).ok().as_ref() != Some(&artifact) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = since.elapsed();
    assert_eq!(world.client.ended(&ids[0]).await["outcome"], "success");
    quiet(world, engine).await;
    millis(took)
}

async fn bare(world: &World, floor: &Floor, engine: &mut Engine, round: usize) -> f64 {
    let name = format!("tool-{round}");
    let since = Instant::now();
    let container = floor.build(engine, &world.path().join("forge/acme/tool.git"), "main", &name).await;
    let took = since.elapsed();
    floor.clean(engine, &container, &name).await;
    millis(took)
}

/// Waits until the service has cleaned up, so that it does not do so at the other side's expense.
pub(super) async fn quiet(world: &World, engine: &mut Engine) {
    let label = format!("autobuilder.instance={}", world.instance());
    while engine.count(&label, false).await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
