//! No push is missed, whoever failed to tell of it, and none is built twice.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod common;

use std::fs;

use common::{
    World,
    docker::IMAGE,
    repository::{Moved, Repository},
};
use serde_json::Value;

const GOOD: &str = "#!/bin/sh\nset -e\necho content >file\ntar -czf /target/result.tar.gz file\n";

const OFTEN: &str = "[poll]\ninterval = '300ms'";

/// A file that stands for every branch and every tag of a version.
fn any() -> String {
    let recipe = format!("build.sh:\n  artifact: result.tar.gz\n  baseimage: {IMAGE}\n");
    format!("branches: ['.*']\ntags: ['v.*']\nbuildscripts: [build.sh]\n{recipe}")
}

/// The builds of a repository that have ended, of one commit if one is given.
fn ended(history: &Value, repository: &str, commit: Option<&str>) -> usize {
    let builds = history.as_array().unwrap().iter();
    builds.filter(|it| it["repository"] == repository && commit.is_none_or(|commit| it["commit"] == commit)).count()
}

async fn built(world: &World, repository: &str, commit: &str) -> Value {
    let path = format!("/build/history?limit=500&repository={repository}");
    let history = world.client.until_at(&path, |history| ended(history, repository, Some(commit)) > 0).await;
    history.as_array().unwrap().iter().find(|build| build["commit"] == commit).unwrap().clone()
}

fn link(world: &World, name: &str) -> String {
    fs::read_link(world.artifacts().join(name)).unwrap().to_str().unwrap().to_owned()
}

async fn known_world(configuration: &str) -> (World, Repository, Moved) {
    let world = World::with(configuration).await;
    let repository = world.repository("acme/tool");
    let moved = repository.push("main", &[("build.sh", GOOD)]);
    world.track(&[("acme/tool/any.yaml", &any())]).await;
    world.built(&repository, &moved).await;
    (world, repository, moved)
}

#[tokio::test]
async fn pushes_while_the_service_is_away_are_built_once() {
    let (mut world, repository, _) = known_world("[poll]\ninterval = '1h'").await;
    world.signal("TERM");
    world.left().await;
    let mut moved = vec![repository.push("main", &[("n", "0")])];
    for number in 1..20 {
        moved.push(repository.push(&format!("feature/{number}"), &[("n", &number.to_string())]));
    }
    world.start().await;
    let path = "/build/history?limit=500&repository=acme/tool";
    let history = world.client.until_at(path, |history| ended(history, "acme/tool", None) == 21).await;
    for push in &moved {
        assert_eq!(ended(&history, "acme/tool", Some(&push.after)), 1);
        let late = world.client.deliver("acme/tool", push).await;
        assert_eq!(late["status"], "duplicate", "{late}");
        assert_eq!(late["builds"].as_array().unwrap().len(), 1);
    }
    let ledger = world.client.json("/deliveries?limit=1000").await;
    assert_eq!(ledger.as_array().unwrap().iter().filter(|line| line["event"] == "poll").count(), 20);
    world.end().await;
}

#[tokio::test]
async fn a_repository_without_a_webhook_lives_on_polling() {
    let world = World::with(OFTEN).await;
    let repository = world.repository("acme/tool");
    let first = repository.push("main", &[("build.sh", GOOD)]);
    repository.push_head("refs/tags/v0");
    world.track(&[("acme/tool/any.yaml", &any())]).await;
    assert_eq!(built(&world, "acme/tool", &first.after).await["branch"], "main");
    let second = repository.push("main", &[("more", "more")]);
    let found = built(&world, "acme/tool", &second.after).await;
    assert_eq!(found["outcome"], "success");
    let said = repository.git(&["log", "-1", "--format=%s|%an|%ae"]);
    let words = |path: &str| found.pointer(path).and_then(Value::as_str).unwrap_or_default();
    assert_eq!([words("/message"), words("/author/name"), words("/author/email")].join("|"), said.trim());
    assert_eq!(world.client.deliver("acme/tool", &second).await["status"], "duplicate");
    // Now that its webhook was heard the repository is left to it: `poll: true` says otherwise.
    world.track(&[("acme/tool/any.yaml", &format!("poll: true\n{}", any()))]).await;
    repository.commit(&[("tagged", "tagged")]);
    repository.git(&["tag", "-a", "-m", "the first", "v1"]);
    repository.git(&["push", "--quiet", "origin", "v1"]);
    let tag = built(&world, "acme/tool", &repository.head()).await;
    assert_eq!((&tag["ref"], &tag["outcome"]), (&"refs/tags/v1".into(), &"success".into()));
    let history = world.client.json("/build/history?limit=500&repository=acme/tool").await;
    assert_eq!(ended(&history, "acme/tool", None), 3, "a tag from before is not news: {history:#}");
    world.end().await;
}

#[tokio::test]
async fn a_late_delivery_of_a_push_that_was_passed_over_moves_no_link_back() {
    let (mut world, repository, first) = known_world("[poll]\ninterval = '1h'").await;
    world.signal("TERM");
    world.left().await;
    let second = repository.push("main", &[("n", "2")]);
    let third = repository.push("main", &[("n", "3")]);
    let fourth = repository.push("main", &[("n", "4")]);
    world.start().await;
    let build = built(&world, "acme/tool", &fourth.after).await;
    assert_eq!(link(&world, "acme-tool-main.flist"), build["artifact"].as_str().unwrap());
    for late in [&second, &third] {
        assert_eq!(world.built(&repository, late).await["outcome"], "success");
    }
    assert_eq!(world.client.deliver("acme/tool", &fourth).await["status"], "duplicate");
    assert_eq!(world.client.deliver("acme/tool", &first).await["status"], "duplicate");
    assert_eq!(link(&world, "acme-tool-main.flist"), build["artifact"].as_str().unwrap());
    let fifth = repository.push("main", &[("n", "5")]);
    let newest = world.built(&repository, &fifth).await;
    assert_eq!(link(&world, "acme-tool-main.flist"), newest["artifact"].as_str().unwrap());
    world.end().await;
}

#[tokio::test]
async fn a_push_to_the_configuration_repository_that_nobody_told_of_takes_effect() {
    let world = World::with(OFTEN).await;
    let repository = world.repository("acme/tool");
    let moved = repository.push("main", &[("build.sh", GOOD)]);
    world.catalog.push("main", &[("acme/tool/any.yaml", &any())]);
    built(&world, "acme/tool", &moved.after).await;
    world.end().await;
}

#[tokio::test]
async fn a_forge_that_does_not_answer_is_one_line_in_the_log() {
    let (world, repository, _) = known_world(&format!("{OFTEN}\nall = true")).await;
    let config = world.path().join("forge/acme/tool.git/config");
    let good = fs::read(&config).unwrap();
    let moved = repository.push("main", &[("n", "2")]);
    built(&world, "acme/tool", &moved.after).await;
    fs::write(&config, "[broken").unwrap();
    world.until_log("cannot be asked for missed pushes").await;
    fs::write(&config, good).unwrap();
    let next = repository.push("main", &[("n", "3")]);
    built(&world, "acme/tool", &next.after).await;
    world.until_log("can be asked for missed pushes again").await;
    let lines = world.log().matches("cannot be asked").count();
    assert_eq!(lines, 1, "{}", world.log());
    world.end().await;
}
