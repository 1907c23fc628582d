//! The configuration repository's own pushes are in the history, and have a status like any other.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod common;

use common::{World, docker::IMAGE, forge_api::ForgeApi};
use serde_json::{Value, json};

const CONTEXT: &str = "autobuilder/configuration";

fn file(script: &str, more: &str) -> String {
    format!("buildscripts: [{script}]\n{script}:\n  artifact: result.tar.gz\n  baseimage: {IMAGE}\n{more}")
}

async fn readings(world: &World) -> Vec<Value> {
    let history = world.client.json("/build/history?repository=acme/builds").await;
    history.as_array().unwrap().clone()
}

#[tokio::test]
async fn a_push_to_the_configuration_repository_is_in_the_history_with_its_log_and_its_verdict() {
    let api = ForgeApi::new().await;
    let world = World::beside(&api, "").await;
    let first = world.catalog.head();
    assert_eq!(api.verdict(&first, CONTEXT).await, ("success".into(), "0 repositories, 0 recipes".into()));
    let answer = world.track(&[("acme/tool/main.yaml", &file("build.sh", ""))]).await;
    let good = world.catalog.head();
    assert_eq!(answer["message"], "configuration reloaded: 1 added");
    let build = world.client.ended(answer["builds"][0].as_str().unwrap()).await;
    assert_eq!((&build["outcome"], &build["script"]), (&json!("success"), &json!("configuration")));
    assert_eq!((&build["commit"], &build["number"], &build["branch"]), (&json!(good), &json!(2), &json!("main")));
    let log = world.client.text(&format!("/report/{}", build["id"].as_str().unwrap())).await;
    assert!(log.contains("added    acme/tool/main.yaml") && log.contains("1 repositories, 1 recipes"), "{log}");
    assert_eq!(api.verdict(&good, CONTEXT).await, ("success".into(), "1 repositories, 1 recipes".into()));

    let broken = [("acme/tool/main.yaml", &*file("build.sh", "  timeuot: 1h\n")), ("acme/x/y.yaml", "nothing")];
    let answer = world.track(&broken).await;
    let bad = world.catalog.head();
    let build = world.client.ended(answer["builds"][0].as_str().unwrap()).await;
    assert_eq!((&build["outcome"], &build["status"]), (&json!("failure"), &json!("error")));
    let (state, description) = api.verdict(&bad, CONTEXT).await;
    assert_eq!(state, "failure");
    assert!(description.starts_with("2 problems, the first: acme/tool/main.yaml:5:"), "{description}");
    let log = world.client.text(&format!("/report/{}", build["id"].as_str().unwrap())).await;
    for words in ["kept     acme/tool/main.yaml", "timeuot", "did you mean `timeout`?", "acme/x/y.yaml"] {
        assert!(log.contains(words), "{log}");
    }
    assert_eq!(world.client.get("/status/acme/builds/main").await.status(), 412);
    world.end().await;
}

#[tokio::test]
async fn what_was_read_once_is_in_the_history_once() {
    let mut world = World::new().await;
    let moved = world.catalog.push("main", &[("acme/tool/main.yaml", &file("build.sh", ""))]);
    let answer = world.client.deliver("acme/builds", &moved).await;
    let again = world.client.deliver("acme/builds", &moved).await;
    assert_eq!((&again["status"], &again["builds"]), (&json!("duplicate"), &answer["builds"]));
    assert_eq!(readings(&world).await.len(), 2);
    world.kill();
    world.start().await;
    world.signal("HUP");
    world.until_log("Configuration reloaded").await;
    let next = world.catalog.push("main", &[("more", "more")]);
    world.client.deliver("acme/builds", &next).await;
    let readings = readings(&world).await;
    assert_eq!(readings.len(), 3, "a start and a SIGHUP that find nothing new add nothing: {readings:#?}");
    // While it was away nobody heard of this one.
    world.signal("TERM");
    world.left().await;
    let missed = world.catalog.push("main", &[("more", "still more")]);
    world.start().await;
    let path = "/build/history?repository=acme/builds";
    world.client.until_at(path, |history| history[0]["commit"] == missed.after).await;
    assert_eq!(world.client.deliver("acme/builds", &missed).await["status"], "duplicate");
    let id = answer["builds"][0].as_str().unwrap();
    let (code, refused) = world.client.order(&format!("/api/builds/{id}/retry"), json!({})).await;
    assert_eq!(code, 409, "{refused}");
    world.end().await;
}
