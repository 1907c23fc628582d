//! What a change of the configuration would come to is said before it is merged, and nothing of it is done.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod common;

use common::{
    World,
    client::{SECRET, sign},
    docker::IMAGE,
    forge_api::ForgeApi,
};
use serde_json::{Value, json};

const CONTEXT: &str = "autobuilder/preview";

fn file(script: &str, more: &str) -> String {
    format!("buildscripts: [{script}]\n{script}:\n  artifact: result.tar.gz\n  baseimage: {IMAGE}\n{more}")
}

/// What GitHub sends for a pull request of a fork.
fn request(action: &str, number: u64, base: &str, commit: &str) -> Value {
    json!({
        "action": action, "number": number,
        "pull_request": {
            "number": number,
            "head": {"ref": "main", "sha": commit, "repo": {"full_name": "evil/builds", "clone_url": "http://127.0.0.1:9/evil"}},
            "base": {"ref": base, "sha": "0".repeat(40), "repo": {"full_name": "acme/builds"}},
        },
        "repository": {"full_name": "acme/builds"},
    })
}

async fn send(world: &World, payload: &Value, secret: &str) -> (u16, Value) {
    let body = payload.to_string();
    let sent = world
        .client
        .request(reqwest::Method::POST, "/hook/monitor-update")
        .header("X-GitHub-Event", "pull_request")
        .header("X-GitHub-Delivery", uuid::Uuid::now_v7().to_string())
        .header("X-Hub-Signature-256", sign(secret, body.as_bytes()))
        .header("Content-Type", "application/json")
        .body(body);
    let answer = sent.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn log(world: &World, answer: &Value) -> String {
    let id = answer["builds"][0].as_str().unwrap_or_else(|| panic!("no build in {answer}"));
    assert_eq!(world.client.get(&format!("/build/{id}")).await.status(), 200);
    world.client.text(&format!("/report/{id}")).await
}

#[tokio::test]
async fn a_pull_request_is_told_what_it_would_change_and_changes_nothing() {
    let api = ForgeApi::new().await;
    let world = World::beside(&api, "").await;
    world.track(&[("acme/tool/main.yaml", &file("a.sh", "")), ("acme/tool/old.yaml", &file("a.sh", ""))]).await;
    let before = world.client.json("/api/catalog").await;
    let base = world.catalog.head();
    let changed = [
        ("acme/tool/main.yaml", &*file("a.sh", "  timeout: 10m\n")),
        ("acme/tool/old.yaml", ""),
        ("acme/tool/new.yaml", &file("b.sh", "")),
    ];
    let proposed = world.catalog.commit(&changed);
    world.catalog.git(&["push", "--quiet", "origin", "HEAD:refs/pull/7/head"]);
    let (_, answer) = send(&world, &request("opened", 7, "main", &proposed), SECRET).await;
    assert_eq!(answer["status"], "success", "{answer}");
    let text = log(&world, &answer).await;
    for line in ["+ acme/tool new, b.sh", "- acme/tool old, a.sh", "~ acme/tool main, a.sh", "timeout: 45m -> 10m"] {
        assert!(text.contains(line), "{text}");
    }
    let expected = "recipes: 1 newly tracked, 1 changed, 1 no longer tracked";
    assert_eq!(api.verdict(&proposed, CONTEXT).await, ("success".into(), expected.into()));
    let (_, again) = send(&world, &request("edited", 7, "main", &proposed), SECRET).await;
    assert_eq!((&again["status"], &again["builds"]), (&json!("duplicate"), &answer["builds"]));

    let wrong = world.catalog.commit(&[("acme/tool/new.yaml", &file("b.sh", "  timeuot: 1h\n"))]);
    world.catalog.git(&["push", "--quiet", "--force", "origin", "HEAD:refs/pull/7/head"]);
    let (_, answer) = send(&world, &request("synchronize", 7, "main", &wrong), SECRET).await;
    let text = log(&world, &answer).await;
    assert!(text.contains("acme/tool/new.yaml:5") && text.contains("did you mean `timeout`?"), "{text}");
    let (state, description) = api.verdict(&wrong, CONTEXT).await;
    assert_eq!(state, "failure");
    assert!(description.starts_with("1 problem: acme/tool/new.yaml:5"), "{description}");

    let after = world.client.json("/api/catalog").await;
    assert_eq!(
        (&after["revision"], &after["recipes"], &after["problems"]),
        (&json!(base), &before["recipes"], &json!([]))
    );
    let history = world.client.json("/build/history?repository=acme/tool").await;
    assert_eq!(history, json!([]), "nothing proposed is built");
    world.end().await;
}

#[tokio::test]
async fn a_push_to_another_branch_is_told_the_same() {
    let api = ForgeApi::new().await;
    let world = World::beside(&api, "").await;
    let moved = world.catalog.push("try/it", &[("acme/tool/new.yaml", &file("b.sh", ""))]);
    let answer = world.client.deliver("acme/builds", &moved).await;
    assert_eq!(answer["status"], "success", "{answer}");
    assert!(log(&world, &answer).await.contains("+ acme/tool new, b.sh"));
    assert_eq!(api.verdict(&moved.after, CONTEXT).await.1, "recipes: 1 newly tracked");
    assert_eq!(world.client.json("/api/catalog").await["recipes"], 0);
    world.end().await;
}

#[tokio::test]
async fn a_forged_pull_request_or_one_of_something_else_does_nothing() {
    let api = ForgeApi::new().await;
    let world = World::beside(&api, "").await;
    let commit = world.catalog.commit(&[("acme/tool/new.yaml", &file("b.sh", ""))]);
    let own = request("opened", 1, "main", &commit);
    assert_eq!(send(&world, &own, "another secret").await.0, 403);
    let mut other = own.clone();
    other["repository"]["full_name"] = json!("acme/tool");
    for ignored in [other, request("opened", 1, "dev", &commit), request("closed", 1, "main", &commit)] {
        let (code, answer) = send(&world, &ignored, SECRET).await;
        assert_eq!((code, &answer["status"]), (200, &json!("ignored")), "{answer}");
    }
    // Its commits were never pushed to the configuration repository's forge.
    let (_, answer) = send(&world, &request("opened", 1, "main", &"12".repeat(20)), SECRET).await;
    let build = world.client.ended(answer["builds"][0].as_str().unwrap()).await;
    assert_eq!(build["outcome"], "error", "{build:#}");
    assert_eq!(world.client.json("/api/catalog").await["recipes"], 0);
    world.end().await;
}
