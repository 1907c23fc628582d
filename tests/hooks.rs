//! Webhooks install themselves, and leave those of others alone.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod common;

use common::{
    World,
    client::SECRET,
    docker::IMAGE,
    forge_api::{ForgeApi, Reply},
};
use serde_json::{Value, json};

const HERE: &str = "http://builder.example";

fn environment(api: &ForgeApi) -> Vec<(String, String)> {
    let mut environment = api.environment();
    environment.push(("AUTOBUILDER_WEBHOOK_INSTALL".into(), "true".into()));
    environment.push(("AUTOBUILDER_SERVER_PUBLIC_URL".into(), HERE.into()));
    environment
}

fn file() -> String {
    format!("buildscripts: [build.sh]\nbuild.sh:\n  artifact: result.tar.gz\n  baseimage: {IMAGE}\n")
}

/// The hooks of a repository that deliver to us.
fn ours(api: &ForgeApi, repository: &str) -> Vec<Value> {
    let here = |hook: &Value| hook["config"]["url"].as_str().unwrap().starts_with(HERE);
    api.hooks(repository).into_iter().filter(here).collect()
}

#[tokio::test]
async fn every_repository_gets_its_webhook_at_start_and_when_it_is_first_tracked() {
    for api in [ForgeApi::new().await, ForgeApi::gitea().await] {
        let mut world = World::within(environment(&api), "").await;
        let own = api.until("a hook", |api| ours(api, "acme/builds").pop()).await;
        assert_eq!(own["config"]["url"], format!("{HERE}/hook/monitor-update"));
        assert_eq!((&own["events"], &own["active"]), (&json!(["push", "pull_request"]), &json!(true)));
        assert_eq!((&own["config"]["secret"], &own["config"]["content_type"]), (&json!(SECRET), &json!("json")));
        world.track(&[("acme/tool/main.yaml", &file()), ("acme/tool/dev.yaml", &file())]).await;
        let watch = api.until("a hook", |api| ours(api, "acme/tool").pop()).await;
        assert_eq!(watch["config"]["url"], format!("{HERE}/hook/monitor-watch"));
        assert_eq!((&watch["events"], &watch["config"]["secret"]), (&json!(["push"]), &json!(SECRET)));
        // A start that finds all well, and knows that it does, changes nothing.
        world.until_log("Made the webhook of `acme/tool`").await;
        world.kill();
        let before = api.requests().len();
        world.start().await;
        let seen = |api: &ForgeApi| {
            let new = api.requests().split_off(before);
            new.iter().any(|it| it.method == "GET" && it.path.contains("acme/tool/hooks")).then_some(new)
        };
        let new = api.until("the list of hooks", seen).await;
        let mut of_hooks = new.iter().filter(|request| request.path.contains("/hooks"));
        assert!(of_hooks.all(|request| request.method == "GET"), "{new:#?}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_webhook_in_disrepair_is_mended_and_those_of_others_are_left_alone() {
    let api = ForgeApi::new().await;
    for number in 0..40 {
        let url = format!("https://other.example/{number}");
        api.add_hook("acme/builds", json!({"active": false, "events": [], "config": {"url": url, "secret": "theirs"}}));
    }
    let url = format!("{HERE}/hook/monitor-update");
    let broken = json!({"active": false, "events": ["release"], "config": {"url": url, "content_type": "form"}});
    api.add_hook("acme/builds", broken);
    let others = api.hooks("acme/builds")[..40].to_vec();
    let world = World::within(environment(&api), "").await;
    let well = |api: &ForgeApi| ours(api, "acme/builds").pop().filter(|hook| hook["active"] == true);
    let mended = api.until("a change of the hook", well).await;
    assert_eq!(mended["events"], json!(["release", "push", "pull_request"]));
    assert_eq!((&mended["config"]["secret"], &mended["config"]["insecure_ssl"]), (&json!(SECRET), &json!("0")));
    assert_eq!(api.hooks("acme/builds").len(), 41, "the one on the second page was found");
    assert_eq!(api.hooks("acme/builds")[..40], others);
    world.end().await;
}

#[tokio::test]
async fn want_of_permission_is_said_where_people_look_and_stops_nothing_else() {
    let api = ForgeApi::new().await;
    let refuse = |code| Some(Reply::Code(code, Vec::new(), if code == 404 { "Not Found" } else { "boom" }));
    api.rule(move |it| if it.path.contains("acme/builds/hooks") { refuse(404) } else { None });
    let world = World::within(environment(&api), "").await;
    world.track(&[("acme/tool/main.yaml", &file())]).await;
    api.until("a hook", |api| ours(api, "acme/tool").pop()).await;
    let catalog = world.client.json("/api/catalog").await;
    let said = catalog["hooks"]["acme/builds"].as_str().unwrap();
    for word in ["acme/builds", "404", "admin:repo_hook", "/hook/monitor-update"] {
        assert!(said.contains(word), "{said}");
    }
    assert!(catalog["hooks"]["acme/tool"].is_null());
    assert!(!world.log().contains(SECRET));
    assert_eq!(world.log().matches("could not be made").count(), 1);
    world.end().await;
}
