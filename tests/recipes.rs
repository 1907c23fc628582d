//! What the service knows of a recipe's builds: their stages, their neighbours, their usual time, their queue.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at its first surprise")]

mod common;

use common::{World, world::recipe};
use serde_json::{Value, json};

/// Waits until it is told to go on.
const WAITS: &str = "#!/bin/sh\necho it begins\nwhile [ ! -e /target/go ]; do sleep 0.05; done\n\
    echo content >/target/result.tar.gz\n";

const QUICK: &str = "#!/bin/sh\necho said\necho content >/target/result.tar.gz\n";

/// Lets every build that waits go on.
fn go(world: &World) {
    for build in std::fs::read_dir(world.tmp().join(format!("autobuilder-{}", world.instance()))).unwrap() {
        let _ = std::fs::write(build.unwrap().path().join("target/go"), "");
    }
}

async fn detail(world: &World, id: &str) -> Value {
    world.client.json(&format!("/api/builds/{id}")).await
}

#[tokio::test]
async fn a_build_remembers_when_each_stage_began_and_where_in_the_log() {
    let world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", QUICK).await;
    let id = world.built(&repository, &moved).await["id"].as_str().unwrap().to_owned();
    let build = detail(&world, &id).await;
    let stages = build["stages"].as_array().unwrap();
    let names: Vec<_> = stages.iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(names, ["creating", "preparing", "initializing", "building", "uploading"]);
    assert!(stages.is_sorted_by_key(|stage| stage["started"].as_f64().unwrap()), "{stages:?}");
    assert_eq!((&stages[3]["offset"], &stages[4]["offset"]), (&json!(0), &json!("said\n".len())));
    assert_eq!((&build["usual"], &build["previous"], &build["next"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(build["queue"], Value::Null);

    let again = repository.push("main", &[("note", "again")]);
    let next = world.built(&repository, &again).await["id"].as_str().unwrap().to_owned();
    let second = detail(&world, &next).await;
    assert!(second["usual"].as_f64().is_some_and(|usual| usual > 0.0), "{second}");
    assert_eq!((&second["previous"], &detail(&world, &id).await["next"]), (&json!(id), &json!(next)));
    world.end().await;
}

#[tokio::test]
async fn a_waiting_build_says_its_place_and_why_it_waits() {
    let world = World::with("parallel = 1").await;
    let (tool, first) = world.tracked("acme/tool", WAITS).await;
    let (other, third) = world.tracked("acme/other", WAITS).await;
    let running = world.deliver(&tool, &first).await.remove(0);
    world.client.until(&running, |build| build["status"] == "building").await;
    let again = tool.push("main", &[("note", "again")]);
    let second = world.deliver(&tool, &again).await.remove(0);
    let third = world.deliver(&other, &third).await.remove(0);

    let queue = world.client.json("/api/queue").await;
    assert_eq!((&queue["running"], &queue["places"], &queue["waiting"]), (&json!(1), &json!(1), &json!(2)));
    assert_eq!((&queue["builds"][0]["id"], &queue["builds"][1]["id"]), (&json!(third), &json!(second)));
    assert_eq!(detail(&world, &third).await["queue"]["reason"], "1 build runs, as many as allowed");
    let passed = &detail(&world, &second).await["queue"];
    assert_eq!(passed["position"], 2);
    assert!(passed["reason"].as_str().unwrap().contains("acme/tool runs 1 of them"), "{passed}");

    for id in [&running, &third, &second] {
        world.client.until(id, |build| build["status"] == "building").await;
        go(&world);
        world.client.ended(id).await;
    }
    assert_eq!(world.client.json("/api/queue").await["builds"], json!([]));
    world.end().await;
}

#[tokio::test]
async fn a_repository_in_a_sub_group_shows_its_branches_and_a_recipes_series() {
    let world = World::new().await;
    let name = "group/sub/series";
    let repository = world.repository(name);
    let file = format!("branches: ['.*']\n{}", recipe("build.sh"));
    world.track(&[(&format!("{name}/all.yaml"), &file)]).await;
    let watched = world.client.json(&format!("/api/repositories/{name}")).await;
    assert_eq!(watched["branches"], json!([]));
    for (branch, script) in [("main", QUICK), ("fix/a%2e", QUICK), ("main", "#!/bin/sh\nexit 3\n")] {
        let moved = repository.push(branch, &[("build.sh", script), ("note", &format!("{branch}{script}"))]);
        world.built(&repository, &moved).await;
    }
    let known = world.client.json(&format!("/api/repositories/{name}")).await;
    assert_eq!(known["recipes"], 2);
    let [main, fix] = &known["branches"].as_array().unwrap()[..] else { panic!("{known}") };
    assert_eq!((&main["branch"], &main["builds"][0]["outcome"]), (&json!("main"), &json!("failure")));
    let badge = fix["badge"].as_str().unwrap();
    assert!(badge.ends_with("/badge/group/sub/series/fix/a%252e.svg"), "{badge}");
    let path = badge.split_once("//").unwrap().1.split_once('/').unwrap().1;
    assert!(world.client.text(&format!("/{path}")).await.contains("passing"));

    let series = world.client.json(&format!("/api/repositories/{name}/series?branch=main&script=build.sh")).await;
    let builds = series["builds"].as_array().unwrap();
    assert_eq!(builds.iter().map(|build| &build["outcome"]).collect::<Vec<_>>(), ["failure", "success"]);
    assert_eq!((&builds[0]["size"], &builds[1]["size"]), (&Value::Null, &json!("content\n".len())));
    assert!(builds[1]["duration"].as_f64().unwrap() > 0.0);
    assert_eq!(world.client.json("/api/repositories").await, json!(["acme/builds", name]));
    for (path, code) in [("acme/none", 404), ("acme", 404), ("group/sub/series?branch=main", 400)] {
        assert_eq!(world.client.get(&format!("/api/repositories/{path}")).await.status(), code, "{path}");
    }
    world.end().await;
}
