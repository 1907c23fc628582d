//! The forge shows how builds go, whatever the forge or the service go through meanwhile.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod common;

use common::{
    World,
    forge_api::{API_TOKEN, ForgeApi, Reply, Request},
    repository::Moved,
    world::recipe,
};
use serde_json::json;

const GOOD: &str = "#!/bin/sh\nset -e\necho content >file\ntar -czf /target/result.tar.gz file\n";
const CONTEXT: &str = "autobuilder/build.sh";

/// Whether a request is about the tool, and says this.
fn says(word: &'static str) -> impl Fn(&Request) -> bool {
    move |request| request.body["state"] == word && request.path.contains("acme/tool")
}

/// The states of a context, in their order.
fn states(api: &ForgeApi, moved: &Moved) -> Vec<String> {
    let statuses = api.statuses(&moved.after).into_iter().filter(|status| status["context"] == CONTEXT);
    statuses.map(|status| status["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_build_is_pending_and_then_good_with_its_artifact_named() {
    let api = ForgeApi::new().await;
    let world = World::beside(&api, "").await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    let build = world.built(&repository, &moved).await;
    let (state, description) = api.verdict(&moved.after, CONTEXT).await;
    let artifact = build["artifact"].as_str().unwrap();
    let size = build["artifact_size"].as_u64().unwrap();
    assert_eq!((&*state, description), ("success", format!("published {artifact}, {size} B")));
    let states = states(&api, &moved);
    assert_eq!(states.iter().filter(|state| *state == "success").count(), 1, "{states:?}");
    assert!(states[..states.len() - 1].iter().all(|state| state == "pending"), "{states:?}");
    let last = api.requests().pop().unwrap();
    assert_eq!((&*last.method, last.path), ("POST", format!("/repos/acme/tool/statuses/{}", moved.after)));
    let page = last.body["target_url"].as_str().unwrap().to_owned();
    assert!(page.ends_with(&format!("/build/{}", build["id"].as_str().unwrap())), "{page}");
    assert!(!world.log().contains(API_TOKEN));
    world.end().await;
}

#[tokio::test]
async fn each_script_has_a_context_of_its_own_and_a_bad_one_is_a_failure() {
    let api = ForgeApi::new().await;
    let world = World::beside(&api, "").await;
    let repository = world.repository("acme/tool");
    let moved = repository.push("main", &[("good.sh", GOOD), ("bad.sh", "#!/bin/sh\nexit 2\n")]);
    let good = recipe("good.sh").replace("buildscripts:\n", "buildscripts:\n  - bad.sh\n");
    let file = format!("{good}bad.sh:\n  artifact: x\n  tag: special\n  baseimage: {}\n", common::docker::IMAGE);
    world.track(&[("acme/tool/main.yaml", &file)]).await;
    world.deliver(&repository, &moved).await;
    let (state, description) = api.verdict(&moved.after, "autobuilder/bad.sh special").await;
    assert_eq!(state, "failure");
    assert!(description.starts_with("failed: exit code 2 after "), "{description}");
    assert_eq!(api.verdict(&moved.after, "autobuilder/good.sh").await.0, "success");
    world.end().await;
}

/// One build, while the forge answers its first requests so. Gives what the service's log said.
async fn told_after(replies: Vec<Reply>) -> String {
    let api = ForgeApi::new().await;
    let world = World::beside(&api, "").await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    api.verdict(&world.catalog.head(), "autobuilder/configuration").await;
    api.script(replies);
    let build = world.built(&repository, &moved).await;
    assert_eq!(build["outcome"], "success");
    assert_eq!(api.verdict(&moved.after, CONTEXT).await.0, "success");
    let log = world.log();
    world.end().await;
    log
}

#[tokio::test]
async fn a_forge_in_trouble_is_told_when_it_is_well_again() {
    let log = told_after(vec![Reply::Code(500, Vec::new(), "boom"), Reply::Html(502), Reply::Reset]).await;
    assert_eq!(log.matches("Commit statuses wait").count(), 1, "{log}");
    assert_eq!(log.matches("Commit statuses get through again").count(), 1, "{log}");
}

#[tokio::test]
async fn a_forge_that_lies_limits_or_drips_is_told_in_the_end() {
    let limit = Reply::Code(429, vec![("retry-after", "1".into())], "slow down");
    told_after(vec![Reply::Html(200), limit, Reply::Drip]).await;
}

#[tokio::test]
async fn a_status_that_was_taken_counts_though_the_connection_breaks_within_the_answer() {
    let api = ForgeApi::new().await;
    api.rule(|request| says("success")(request).then_some(Reply::CutBody));
    let world = World::beside(&api, "").await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    world.built(&repository, &moved).await;
    api.verdict(&moved.after, CONTEXT).await;
    // Whatever was to be sent again would come before the next build's verdict.
    let next = repository.push("main", &[("more", "more")]);
    world.built(&repository, &next).await;
    api.verdict(&next.after, CONTEXT).await;
    assert_eq!(states(&api, &moved).iter().filter(|state| *state == "success").count(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_refusal_is_shown_on_the_build_and_changes_nothing_else() {
    let api = ForgeApi::new().await;
    let gone = || Reply::Code(422, Vec::new(), "No commit found for SHA");
    api.rule(move |request| request.path.contains("acme/tool").then(gone));
    let world = World::beside(&api, "").await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    let build = world.built(&repository, &moved).await;
    assert_eq!(build["outcome"], "success");
    let page = format!("/api/builds/{}", build["id"].as_str().unwrap());
    api.until("the verdict", |api| api.requests().iter().any(says("success")).then_some(())).await;
    // The next build's status is sent after the refusal was written.
    api.rule(|_| None);
    let next = repository.push("main", &[("more", "more")]);
    world.built(&repository, &next).await;
    api.verdict(&next.after, CONTEXT).await;
    assert_eq!(world.client.json(&page).await["status_refused"], "No commit found for SHA (422)");
    assert_eq!(api.requests().iter().filter(|it| says("success")(it) && it.path.contains(&moved.after)).count(), 1);
    assert_eq!(world.log().matches("The forge refuses").count(), 1, "{}", world.log());
    world.end().await;
}

#[tokio::test]
async fn a_kill_between_the_end_and_its_status_leaves_no_commit_pending() {
    let api = ForgeApi::new().await;
    api.rule(|request| says("success")(request).then_some(Reply::Silence));
    let mut world = World::beside(&api, "").await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    world.built(&repository, &moved).await;
    api.until("the verdict", |api| api.requests().iter().any(says("success")).then_some(())).await;
    world.kill();
    api.rule(|_| None);
    world.start().await;
    assert_eq!(api.verdict(&moved.after, CONTEXT).await.0, "success");
    world.end().await;
}

#[tokio::test]
async fn a_kill_while_it_waits_leaves_no_commit_pending() {
    let api = ForgeApi::new().await;
    let mut world = World::beside(&api, "").await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    world.deliver(&repository, &moved).await;
    world.kill();
    world.start().await;
    assert_eq!(api.verdict(&moved.after, CONTEXT).await.0, "success");
    world.end().await;
}

#[tokio::test]
async fn a_cancelled_build_is_no_fault_of_its_pusher() {
    let api = ForgeApi::new().await;
    let world = World::beside(&api, "").await;
    let script = "#!/bin/sh\ntrap 'exit 1' TERM\nwhile :; do sleep 0.1; done\n";
    let (repository, moved) = world.tracked("acme/tool", script).await;
    let ids = world.deliver(&repository, &moved).await;
    world.client.until(&ids[0], |build| build["status"] == "building").await;
    world.client.order(&format!("/api/builds/{}/cancel", ids[0]), json!({})).await;
    let (state, description) = api.verdict(&moved.after, CONTEXT).await;
    assert_eq!((&*state, &*description), ("error", "the build was cancelled"));
    world.end().await;
}

#[tokio::test]
async fn gitea_is_told_below_its_own_path_whatever_its_reply_looks_like() {
    let api = ForgeApi::gitea().await;
    let world = World::beside(&api, "").await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    world.built(&repository, &moved).await;
    assert_eq!(api.verdict(&moved.after, CONTEXT).await.0, "success");
    let path = format!("/api/v1/repos/acme/tool/statuses/{}", moved.after);
    assert!(api.requests().iter().filter(|it| it.path.contains("acme/tool")).all(|request| request.path == path));
    world.end().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let (api, trap) = (ForgeApi::new().await, ForgeApi::new().await);
    let target = format!("{}/repos/acme/tool/statuses/x", trap.url);
    api.script([301, 302, 307].map(|code| Reply::Code(code, vec![("location", target.clone())], "elsewhere")));
    let world = World::beside(&api, "").await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    world.built(&repository, &moved).await;
    assert_eq!(api.verdict(&moved.after, CONTEXT).await.0, "success");
    assert!(trap.requests().is_empty(), "{:?}", trap.requests());
    world.end().await;
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_nor_kept_for_later() {
    let api = ForgeApi::new().await;
    let mut without = World::within(vec![("AUTOBUILDER_GITHUB_API_URL".into(), api.url.clone())], "").await;
    let (repository, moved) = without.tracked("acme/tool", GOOD).await;
    without.built(&repository, &moved).await;
    without.signal("TERM");
    without.left().await;
    without.environment(api.environment());
    without.start().await;
    let next = repository.push("main", &[("more", "more")]);
    without.built(&repository, &next).await;
    api.verdict(&next.after, CONTEXT).await;
    assert!(api.statuses(&moved.after).is_empty());
    without.end().await;
}
