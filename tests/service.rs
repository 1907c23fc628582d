//! From a push to a published artifact, with the real program, real git and the real engine.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod common;

use std::time::{Duration, Instant};

use autobuilder::{sqlite::Database, store::MIGRATIONS};
use common::{
    World,
    client::{PATIENCE, SECRET, payload, sign},
    docker::docker,
    repository::{Moved, ZERO},
    world::recipe,
};
use futures_util::StreamExt;
use serde_json::json;

/// Leaves an archive.
const GOOD: &str = "#!/bin/sh\nset -e\necho hello from $TAG\necho content >file\ntar -czf /target/result.tar.gz file\n";

/// Runs until it is told to go on.
const WAITS: &str = "#!/bin/sh\nfor i in $(seq 1 2000); do echo line $i; done\n\
    while [ ! -e /tool/go ] && [ ! -e /target/go ]; do sleep 0.05; done\n\
    for i in $(seq 2001 4000); do echo line $i; done\necho content >/target/result.tar.gz\n";

fn lines() -> String {
    (1..=4000).map(|number| format!("line {number}\n")).collect()
}

/// Lets a [`WAITS`] build go on, from its own container's mount.
fn go(world: &World) {
    let instance = world.tmp().join(format!("autobuilder-{}", world.instance()));
    for build in std::fs::read_dir(instance).unwrap() {
        std::fs::write(build.unwrap().path().join("target/go"), "").unwrap();
    }
}

#[tokio::test]
async fn a_push_becomes_a_published_artifact() {
    let world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    let build = world.built(&repository, &moved).await;
    let short = &moved.after[..10];
    assert_eq!(build["outcome"], "success", "{build:#}\n{}", world.log());
    assert_eq!(build["status"], "success");
    assert_eq!(build["artifact"], format!("acme-tool-main-{short}.flist"));
    assert_eq!((&build["commit"], &build["branch"]), (&json!(moved.after), &json!("main")));
    assert_eq!((&build["number"], &build["exit_code"], &build["error"]), (&json!(1), &json!(0), &json!(null)));
    let id = build["id"].as_str().unwrap();

    assert_eq!(world.client.text(&format!("/report/{id}")).await, format!("hello from main-{short}\n"));
    assert_eq!(world.client.text("/build/logs/acme/tool/main").await, format!("hello from main-{short}\n"));
    let link = world.artifacts().join("acme-tool-main.flist");
    assert_eq!(std::fs::read_link(link).unwrap().to_str(), Some(&*format!("acme-tool-main-{short}.flist")));

    let response = world.client.get("/artifacts/acme-tool-main.flist").await;
    let etag = response.headers()["etag"].clone();
    assert_eq!(response.headers()["content-type"], "application/gzip");
    let whole = response.bytes().await.unwrap();
    let part =
        world.client.request(reqwest::Method::GET, "/artifacts/acme-tool-main.flist").header("range", "bytes=2-5");
    let part = part.send().await.unwrap();
    assert_eq!((part.status().as_u16(), &part.bytes().await.unwrap()[..]), (206, &whole[2..6]));
    let again =
        world.client.request(reqwest::Method::GET, "/artifacts/acme-tool-main.flist").header("if-none-match", etag);
    assert_eq!(again.send().await.unwrap().status(), 304);

    assert_eq!(world.client.get("/status/acme/tool/main").await.status(), 200);
    assert_eq!(world.client.get("/status/acme/other").await.status(), 404);
    assert!(world.client.text("/badge/acme/tool/main.svg").await.contains("passing"));
    let listing = world.client.text("/artifacts/").await;
    assert!(listing.contains("acme-tool-main.flist"));
    assert!(listing.contains(&format!("<a href=\"/build/{id}\">acme/tool main</a>")), "{listing}");
    assert!(world.client.text("/metrics").await.contains("autobuilder_builds_total{outcome=\"success\"} 1"));
    assert!(world.client.text("/monitor").await.contains("<title>"));
    let deliveries = world.client.json("/deliveries").await;
    assert_eq!((&deliveries[0]["verdict"], &deliveries[0]["builds"]), (&json!("accepted"), &json!([id])));
    world.end().await;
}

#[tokio::test]
async fn a_failing_script_is_a_failure_and_moves_no_link() {
    let world = World::new().await;
    let (repository, first) = world.tracked("acme/tool", GOOD).await;
    world.built(&repository, &first).await;
    let broken = format!("{GOOD}echo about to fail\nexit 7\n");
    let second = repository.push("main", &[("build.sh", &broken)]);
    let build = world.built(&repository, &second).await;
    assert_eq!((&build["outcome"], &build["status"]), (&json!("failure"), &json!("error")));
    assert_eq!((&build["exit_code"], &build["artifact"]), (&json!(7), &json!(null)));
    assert!(build["error"].as_str().unwrap().contains("exit code 7"), "{build:#}");
    let link = std::fs::read_link(world.artifacts().join("acme-tool-main.flist")).unwrap();
    assert!(link.to_str().unwrap().contains(&first.after[..10]));
    let response = world.client.get("/status/acme/tool/main").await;
    assert_eq!(response.status(), 412);
    assert!(response.text().await.unwrap().contains("exit code 7"));
    world.end().await;
}

#[tokio::test]
async fn a_delivery_counts_once_and_a_push_back_and_forth_counts_each_time() {
    let world = World::new().await;
    let (repository, first) = world.tracked("acme/tool", GOOD).await;
    let answer = world.client.deliver_as("one", "acme/tool", &first).await;
    assert_eq!(answer["status"], "success");
    let again = world.client.deliver_as("one", "acme/tool", &first).await;
    assert_eq!((&again["status"], &again["builds"]), (&json!("duplicate"), &answer["builds"]));
    let renamed = world.client.deliver_as("two", "acme/tool", &first).await;
    assert_eq!((&renamed["status"], &renamed["builds"]), (&json!("duplicate"), &answer["builds"]));

    let forth = repository.push("main", &[("more", "more")]);
    let back = Moved { before: forth.after.clone(), after: forth.before.clone(), ..forth.clone() };
    let mut ids = vec![answer["builds"][0].as_str().unwrap().to_owned()];
    for moved in [&forth, &back, &forth] {
        ids.extend(world.deliver(&repository, moved).await);
    }
    let replayed = world.client.deliver_as("replayed", "acme/tool", &first).await;
    assert_eq!(replayed["status"], "duplicate");
    for id in &ids {
        world.client.ended(id).await;
    }
    assert_eq!(ids.len(), 4);
    world.end().await;
}

#[tokio::test]
async fn what_is_not_built_is_ignored_with_its_reason() {
    let world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    let other = Moved { git_ref: "refs/heads/evil/main".into(), ..moved.clone() };
    let tag = Moved { git_ref: "refs/tags/main".into(), ..moved.clone() };
    let deleted = Moved { before: moved.after.clone(), after: ZERO.into(), ..moved.clone() };
    for (name, moved, word) in [
        ("acme/tool", &other, "evil/main"),
        ("acme/tool", &tag, "refs/tags/main"),
        ("acme/tool", &deleted, "deleted"),
        ("acme/unknown", &moved, "acme/unknown"),
    ] {
        let answer = world.client.deliver(name, moved).await;
        assert_eq!(answer["status"], "ignored");
        assert!(answer["message"].as_str().unwrap().contains(word), "{answer}");
    }
    let deliveries = world.client.json("/deliveries?limit=4").await;
    assert!(deliveries.as_array().unwrap().iter().all(|line| line["verdict"] == "ignored"));
    drop(repository);
    world.end().await;
}

#[tokio::test]
async fn an_unsigned_or_wrong_delivery_changes_nothing() {
    let world = World::new().await;
    let (_repository, moved) = world.tracked("acme/tool", GOOD).await;
    let body = payload("acme/tool", &moved).to_string();
    let post = |path: &str| {
        world
            .client
            .request(reqwest::Method::POST, path)
            .header("x-github-event", "push")
            .header("content-type", "application/json")
    };
    let good = sign(SECRET, body.as_bytes());
    let send =
        async |request: reqwest::RequestBuilder| request.body(body.clone()).send().await.unwrap().status().as_u16();
    assert_eq!(send(post("/hook/monitor-watch")).await, 403);
    for bad in ["", "sha256=", &good[..70], &good.replace("sha256=", "sha1="), &sign("another secret", body.as_bytes())]
    {
        assert_eq!(send(post("/hook/monitor-watch").header("x-hub-signature-256", bad)).await, 403, "{bad}");
    }
    let twice = post("/hook/kernel").header("x-hub-signature-256", &good).header("x-hub-signature-256", &good);
    assert_eq!(send(twice).await, 403);
    assert_eq!(world.client.get("/hook/monitor-watch").await.status(), 405);
    let no_event = world.client.request(reqwest::Method::POST, "/build/any/hook").header("x-hub-signature-256", &good);
    assert_eq!(send(no_event).await, 400);
    let history = world.client.json("/build/status").await;
    assert_eq!(history, json!({}));
    let ping = world.client.request(reqwest::Method::POST, "/hook/monitor-update").header("x-github-event", "ping");
    let ping =
        ping.header("content-type", "application/json").header("x-hub-signature-256", sign(SECRET, b"{}")).body("{}");
    assert_eq!(ping.send().await.unwrap().text().await.unwrap(), "PONG");
    world.end().await;
}

#[tokio::test]
async fn a_killed_service_takes_up_the_same_attempt_with_every_line_and_the_exit_code() {
    let mut world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", &format!("{WAITS}exit 3\n")).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    world.client.until(&id, |build| build["status"] == "building").await;
    world.kill();
    go(&world);
    world.start().await;
    let build = world.client.ended(&id).await;
    assert_eq!((&build["outcome"], &build["attempt"], &build["exit_code"]), (&json!("failure"), &json!(1), &json!(3)));
    assert_eq!(world.client.text(&format!("/report/{id}")).await, lines());
    world.end().await;
}

#[tokio::test]
async fn a_build_that_ends_while_the_service_is_away_is_published_by_the_next() {
    let mut world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", WAITS).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    world.client.until(&id, |build| build["status"] == "building").await;
    world.kill();
    go(&world);
    let instance = format!("label=autobuilder.instance={}", world.instance());
    docker(&["wait", &docker(&["ps", "--all", "--quiet", "--filter", &instance])[0]]);
    world.start().await;
    let build = world.client.ended(&id).await;
    assert_eq!((&build["outcome"], &build["attempt"]), (&json!("success"), &json!(1)), "{build:#}");
    assert_eq!(world.client.text(&format!("/report/{id}")).await, lines());
    world.end().await;
}

#[tokio::test]
async fn an_accepted_push_survives_a_kill_the_moment_after() {
    let mut world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    world.kill();
    world.start().await;
    assert_eq!(world.client.ended(&id).await["outcome"], "success");
    world.end().await;
}

#[tokio::test]
async fn sigterm_leaves_at_once_and_lets_the_container_go_on() {
    let mut world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", WAITS).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    world.client.until(&id, |build| build["status"] == "building").await;
    let since = Instant::now();
    world.signal("TERM");
    assert_eq!(world.left().await, Some(0));
    assert!(since.elapsed() < Duration::from_secs(10));
    let instance = format!("label=autobuilder.instance={}", world.instance());
    assert_eq!(docker(&["ps", "--quiet", "--filter", &instance]).len(), 1);
    go(&world);
    world.start().await;
    let build = world.client.ended(&id).await;
    assert_eq!((&build["outcome"], &build["attempt"]), (&json!("success"), &json!(1)));
    assert_eq!(world.client.text(&format!("/report/{id}")).await, lines());
    world.end().await;
}

#[tokio::test]
async fn sigterm_leaves_although_an_end_cannot_be_written_and_the_next_start_writes_it() {
    let mut world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", WAITS).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    world.client.until(&id, |build| build["status"] == "building").await;
    let database = Database::open(&world.path().join("data/autobuilder.sqlite"), MIGRATIONS).unwrap();
    let (unlock, locked) = std::sync::mpsc::channel::<()>();
    let holding = tokio::spawn(async move {
        let held = database.write(move |_| {
            let _ = locked.recv();
            Ok(())
        });
        held.await.unwrap();
    });
    go(&world);
    world.until_log("Could not write the end of a build").await;
    world.signal("TERM");
    let left = tokio::time::timeout(PATIENCE, world.left()).await;
    assert_eq!(left.unwrap(), Some(0), "{}", world.log());
    assert!(world.log().contains("Leaving although not all is written down"), "{}", world.log());
    drop(unlock);
    holding.await.unwrap();
    world.start().await;
    let build = world.client.ended(&id).await;
    assert_eq!((&build["outcome"], &build["attempt"]), (&json!("success"), &json!(1)));
    assert_eq!(world.client.text(&format!("/report/{id}")).await, lines());
    world.end().await;
}

#[tokio::test]
async fn sigint_finishes_what_runs_and_takes_nothing_new() {
    let mut world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", WAITS).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    world.client.until(&id, |build| build["status"] == "building").await;
    world.signal("INT");
    let refused = async {
        loop {
            let body = payload("acme/other", &moved).to_string();
            let request =
                world.client.request(reqwest::Method::POST, "/hook/monitor-watch").header("x-github-event", "push");
            let request = request
                .header("content-type", "application/json")
                .header("x-hub-signature-256", sign(SECRET, body.as_bytes()));
            if request.body(body).send().await.unwrap().status() == 503 {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    go(&world);
    assert_eq!(world.left().await, Some(0));
    world.start().await;
    assert_eq!(world.client.build(&id).await["outcome"], "success");
    world.end().await;
}

#[tokio::test]
async fn a_second_service_on_the_same_directory_refuses_and_names_the_first() {
    let world = World::new().await;
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_autobuilder"))
        .args(["serve", "--config"])
        .arg(world.path().join("config.toml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("pid {}", world.pid())), "{said}");
    world.end().await;
}

#[tokio::test]
async fn the_operator_orders_cancels_and_retries() {
    let world = World::new().await;
    let (_repository, moved) = world.tracked("acme/tool", WAITS).await;
    let (code, answer) = world.client.order("/api/builds", json!({"repository": "acme/tool", "ref": "main"})).await;
    assert_eq!(code, 202, "{answer}");
    let id = answer["builds"][0].as_str().unwrap().to_owned();
    let running = world.client.until(&id, |build| build["status"] == "building").await;
    assert_eq!(running["commit"], moved.after);
    let (code, _) = world.client.order(&format!("/api/builds/{id}/cancel"), json!({})).await;
    assert_eq!(code, 202);
    let build = world.client.ended(&id).await;
    assert_eq!(build["outcome"], "cancelled");
    let (code, answer) = world.client.order(&format!("/api/builds/{id}/cancel"), json!({})).await;
    assert_eq!((code, &answer["status"]), (409, &json!("error")));

    let (code, answer) = world.client.order(&format!("/api/builds/{id}/retry"), json!({})).await;
    assert_eq!(code, 202);
    let second = answer["builds"][0].as_str().unwrap().to_owned();
    world.client.until(&second, |build| build["status"] == "building").await;
    go(&world);
    let build = world.client.ended(&second).await;
    assert_eq!((&build["outcome"], &build["number"]), (&json!("success"), &json!(2)));

    for (path, body, expected) in [
        ("/api/builds", json!({"repository": "acme/none", "ref": "main"}), 404),
        ("/api/builds", json!({"repository": "acme/tool", "ref": "main", "script": "other.sh"}), 404),
        ("/api/builds", json!({"repository": "../etc", "ref": "main"}), 400),
    ] {
        assert_eq!(world.client.order(path, body).await.0, expected);
    }
    let without = world.client.request(reqwest::Method::POST, "/api/builds").body("{}").send().await.unwrap();
    assert_eq!(without.status(), 401);
    world.end().await;
}

#[tokio::test]
async fn a_pushed_configuration_counts_at_once_and_a_bad_file_keeps_its_last_good_version() {
    let world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    world.track(&[("acme/tool/main.yaml", "buildscripts: [build.sh]\nbuild.sh:\n  artefact: x\n")]).await;
    let catalog = world.client.json("/api/catalog").await;
    let problem = catalog["problems"].as_array().unwrap().last().unwrap();
    assert_eq!((&problem["path"], &problem["line"]), (&json!("acme/tool/main.yaml"), &json!(3)), "{catalog:#}");
    assert_eq!(problem["help"], "did you mean `artifact`?");
    assert_eq!(world.built(&repository, &moved).await["outcome"], "success");

    world.track(&[("acme/tool/main.yaml", ""), ("acme/tool/feature/x.yaml", &recipe("build.sh"))]).await;
    let next = repository.push("main", &[("more", "1")]);
    assert_eq!(world.client.deliver("acme/tool", &next).await["status"], "ignored");
    let feature = repository.push_head("refs/heads/feature/x");
    let build = world.built(&repository, &feature).await;
    assert_eq!(build["artifact"], format!("acme-tool-feature-x-{}.flist", &feature.after[..10]));
    world.end().await;
}

#[tokio::test]
async fn hostile_names_are_built_like_any_other() {
    let world = World::new().await;
    let repository = world.repository("acme/tool");
    world.track(&[("acme/tool/all.yaml", &format!("branches: ['.*']\n{}", recipe("build.sh")))]).await;
    let names = [
        "-x",
        "--upload-pack=touch${IFS}pwned",
        "$(id)",
        "a;id",
        "a'b\"c",
        "é/ü",
        "0123456789012345678901234567890123456789",
    ];
    let mut ids = Vec::new();
    for name in names {
        repository.commit(&[("build.sh", "#!/bin/sh\nprintf %s \"$BRANCH\" >/target/result.tar.gz\n"), ("name", name)]);
        let moved = repository.push_head(&format!("refs/heads/{name}"));
        ids.push((name, world.deliver(&repository, &moved).await.remove(0)));
    }
    for (name, id) in ids {
        let build = world.client.ended(&id).await;
        assert_eq!((&build["outcome"], &build["branch"]), (&json!("success"), &json!(name)), "{build:#}");
        let artifact = world.artifacts().join(build["artifact"].as_str().unwrap());
        assert_eq!(std::fs::read_to_string(artifact).unwrap(), name);
    }
    world.end().await;
}

#[tokio::test]
async fn the_history_of_an_author_is_found_by_name_and_by_address_whatever_the_case() {
    let world = World::without_engine().await;
    let repository = world.repository("acme/tool");
    // Asks for what nobody granted: its builds end the moment they are accepted.
    let refused = format!("branches: ['.*']\n{}  network: host\n", recipe("build.sh"));
    world.track(&[("acme/tool/all.yaml", &refused)]).await;
    let mut ids = Vec::new();
    for (branch, name, email) in
        [("main", "Łukasz Ünlü", "l@example.org"), ("next", "Grace", "Grace@Example.org"), ("main", "Grace", "")]
    {
        let moved = repository.push(branch, &[("note", &format!("{branch} {name}"))]);
        let mut payload = payload("acme/tool", &moved);
        payload["head_commit"]["author"] = json!({"name": name, "email": email});
        payload["commits"] = json!([payload["head_commit"]]);
        let answer = world.client.send_push(&format!("{name} {email}"), &payload).await;
        ids.push(answer["builds"][0].clone());
    }
    for (query, expected) in [
        ("author=%C5%81UKASZ%20%C3%9CNL%C3%9C", vec![&ids[0]]),
        ("author=L@EXAMPLE.ORG", vec![&ids[0]]),
        ("author=grace@example.org", vec![&ids[1]]),
        ("author=grace", vec![&ids[2], &ids[1]]),
        ("author=grace&branch=next", vec![&ids[1]]),
        ("author=grace&status=failure", vec![&ids[2], &ids[1]]),
        ("author=grace&status=success", vec![]),
        ("author=grac", vec![]),
        ("author=%25", vec![]),
    ] {
        let found = world.client.json(&format!("/build/history?{query}&repository=acme/tool")).await;
        let found: Vec<_> = found.as_array().unwrap().iter().map(|build| &build["id"]).collect();
        assert_eq!(found, expected, "{query}");
    }
    let before = format!("/build/history?author=Grace&before={}", ids[2].as_str().unwrap());
    assert_eq!(world.client.json(&before).await[0]["id"], ids[1]);
    world.end().await;
}

#[tokio::test]
async fn scripts_of_one_push_run_side_by_side_within_the_limit() {
    let world = World::with("parallel = 2").await;
    let repository = world.repository("acme/tool");
    let script = "#!/bin/sh\nsleep 0.3\necho x >/target/result.tar.gz\n";
    let scripts: Vec<_> = (1..=4).map(|number| format!("s{number}.sh")).collect();
    let sections: String = scripts
        .iter()
        .map(|name| {
            format!("{name}:\n  artifact: result.tar.gz\n  baseimage: autobuilder/busybox:latest\n  tag: {name}\n")
        })
        .collect();
    world.track(&[("acme/tool/main.yaml", &format!("buildscripts: [{}]\n{sections}", scripts.join(", ")))]).await;
    let files: Vec<_> = scripts.iter().map(|name| (name.as_str(), script)).collect();
    let moved = repository.push("main", &files);
    let ids = world.deliver(&repository, &moved).await;
    assert_eq!(ids.len(), 4);
    let mut most = 0;
    loop {
        let status = world.client.json("/build/status").await;
        let running = status.as_object().unwrap().values().filter(|build| build["status"] != "queued").count();
        most = most.max(running);
        assert!(running <= 2, "{status:#}");
        if status == json!({}) {
            break;
        }
    }
    assert_eq!(most, 2);
    for id in ids {
        assert_eq!(world.client.ended(&id).await["outcome"], "success");
    }
    world.end().await;
}

#[tokio::test]
async fn two_pushes_at_once_build_each_its_own_commit_and_the_link_means_the_newer() {
    let world = World::new().await;
    let (repository, first) = world.tracked("acme/tool", "#!/bin/sh\ncat what >/target/result.tar.gz\n").await;
    let second = repository.push("main", &[("what", "second")]);
    let third = repository.push("main", &[("what", "third")]);
    drop(first);
    let mut ids = world.deliver(&repository, &third).await;
    ids.extend(world.deliver(&repository, &second).await);
    for (id, moved, content) in [(&ids[0], &third, "third"), (&ids[1], &second, "second")] {
        let build = world.client.ended(id).await;
        assert_eq!((&build["outcome"], &build["commit"]), (&json!("success"), &json!(moved.after)), "{build:#}");
        let artifact = world.artifacts().join(build["artifact"].as_str().unwrap());
        assert_eq!(std::fs::read_to_string(artifact).unwrap(), content);
    }
    let link = std::fs::read_link(world.artifacts().join("acme-tool-main.flist")).unwrap();
    assert!(link.to_str().unwrap().contains(&third.after[..10]), "{link:?}");
    world.end().await;
}

#[tokio::test]
async fn a_commit_that_was_pushed_away_is_superseded() {
    let world = World::new().await;
    let (repository, first) = world.tracked("acme/tool", GOOD).await;
    let gone = Moved { before: first.after.clone(), after: "1234567890123456789012345678901234567890".into(), ..first };
    let build = world.built(&repository, &gone).await;
    assert_eq!(build["outcome"], "superseded", "{build:#}");
    world.end().await;
}

#[tokio::test]
async fn a_thousand_pushes_at_once_are_answered_and_survive_a_kill() {
    let mut world = World::without_engine().await;
    let (repository, first) = world.tracked("acme/tool", GOOD).await;
    let since = Instant::now();
    let pushes = (0..1000).map(|number| {
        let client = world.client.clone();
        // Each continues the one before, as a busy branch does.
        let commit = |number: u32| format!("{number:040x}");
        let (before, after) = (commit(0xfeed_0000 + number), commit(0xfeed_0001 + number));
        let moved = Moved { before, after, ..first.clone() };
        async move { client.deliver("acme/tool", &moved).await }
    });
    let answers: Vec<_> = futures_util::stream::iter(pushes).buffer_unordered(16).collect().await;
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    let ids: Vec<_> = answers.iter().map(|answer| answer["builds"][0].as_str().unwrap().to_owned()).collect();
    world.kill();
    world.start().await;
    let status = world.client.json("/build/status").await;
    assert_eq!(status.as_object().unwrap().len(), 1000);
    for id in &ids {
        assert_eq!(status[id]["status"], "queued");
    }
    for id in &ids {
        assert_eq!(world.client.order(&format!("/api/builds/{id}/cancel"), json!({})).await.0, 202);
    }
    let history = world.client.json("/build/history/full").await;
    let of_tool = history.as_array().unwrap().iter().filter(|build| build["repository"] == "acme/tool");
    assert_eq!(of_tool.count(), 1000);
    drop(repository);
    world.end().await;
}

#[tokio::test]
async fn a_build_waits_for_an_engine_that_is_away() {
    let mut world = World::without_engine().await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    let ready = world.client.get("/readyz").await;
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().contains("none.sock"));
    world.signal("TERM");
    assert_eq!(world.left().await, Some(0));
    world.with_engine();
    world.start().await;
    let build = world.client.ended(&id).await;
    assert_eq!((&build["outcome"], &build["attempt"]), (&json!("success"), &json!(1)));
    world.end().await;
}

#[tokio::test]
async fn a_granted_secret_reaches_the_script_and_never_the_log() {
    let grant = "[[grant]]\nrepository = 'acme/tool'\nsecrets = { TOKEN = 'hunter2hunter2' }\n";
    let world = World::with(grant).await;
    let repository = world.repository("acme/tool");
    let script = "#!/bin/sh\necho \"the token is $TOKEN.\"\nprintf %s \"$TOKEN\" | wc -c >/target/result.tar.gz\n";
    let recipe = format!("{}  secrets: [TOKEN]\n", recipe("build.sh"));
    world.track(&[("acme/tool/main.yaml", &recipe), ("acme/other/main.yaml", &recipe)]).await;
    let problems = world.client.json("/api/catalog").await["problems"].to_string();
    assert!(problems.contains("acme/other") && problems.contains("grant"), "{problems}");
    let moved = repository.push("main", &[("build.sh", script)]);
    let build = world.built(&repository, &moved).await;
    assert_eq!(build["outcome"], "success", "{build:#}");
    let artifact = world.artifacts().join(build["artifact"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(artifact).unwrap().trim(), "14");
    let log = world.client.text(&format!("/report/{}", build["id"].as_str().unwrap())).await;
    assert_eq!(log, "the token is **************.\n");
    world.end().await;
}

#[tokio::test]
async fn sighup_takes_a_changed_secret_over() {
    let world = World::new().await;
    let (_repository, moved) = world.tracked("acme/tool", GOOD).await;
    let file = world.path().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace(SECRET, "another secret");
    std::fs::write(&file, text).unwrap();
    world.signal("HUP");
    let taken = async { while world.client.deliver("acme/tool", &moved).await["status"] != "error" {} };
    tokio::time::timeout(PATIENCE, taken).await.unwrap();
    let body = payload("acme/unknown", &moved).to_string();
    let request = world.client.request(reqwest::Method::POST, "/hook/monitor-watch").header("x-github-event", "push");
    let request = request.header("content-type", "application/json");
    let signed = request.header("x-hub-signature-256", sign("another secret", body.as_bytes())).body(body);
    assert_eq!(signed.send().await.unwrap().status(), 200);
    let status = world.client.json("/build/status").await;
    for id in status.as_object().unwrap().keys() {
        world.client.ended(id).await;
    }
    world.end().await;
}

#[tokio::test]
async fn sighup_takes_a_new_grant_over_with_its_secrets() {
    let world = World::new().await;
    let repository = world.repository("acme/tool");
    let moved = repository.push("main", &[("build.sh", "#!/bin/sh\necho ${#KEY} >/target/result.tar.gz\n")]);
    world.track(&[("acme/tool/main.yaml", &format!("{}  secrets: [KEY]\n", recipe("build.sh")))]).await;
    assert_eq!(world.client.deliver("acme/tool", &moved).await["status"], "ignored");
    let file = world.path().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let grant = "[[grant]]\nrepository = 'acme/tool'\nsecrets = { KEY = 'seven-7' }\n";
    std::fs::write(&file, format!("{text}{grant}")).unwrap();
    world.signal("HUP");
    world.until_log("Configuration reloaded").await;
    let next = repository.push("main", &[("more", "1")]);
    let build = world.built(&repository, &next).await;
    assert_eq!(build["outcome"], "success", "{build:#}");
    let artifact = world.artifacts().join(build["artifact"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(artifact).unwrap(), "7\n");
    world.end().await;
}

#[tokio::test]
async fn a_temporary_directory_that_can_be_used_again_makes_the_service_ready() {
    let mut world = World::new().await;
    world.signal("INT");
    assert_eq!(world.left().await, Some(0));
    let (directory, log) =
        (world.tmp().join(format!("autobuilder-{}", world.instance())), world.path().join("service.log"));
    // Nobody can make a file there, as on a full disk.
    std::os::unix::fs::symlink("/proc", &directory).unwrap();
    let mended = tokio::spawn(async move {
        while !std::fs::read_to_string(&log).unwrap().contains("cannot be used as the temporary directory") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::fs::remove_file(&directory).unwrap();
        std::fs::create_dir(&directory).unwrap();
    });
    world.start().await;
    mended.await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn a_client_that_sends_too_much_comes_to_read_why() {
    let world = World::without_engine().await;
    for chunked in [false, true] {
        let request = world.client.request(reqwest::Method::POST, "/hook/monitor-watch");
        let body = vec![b' '; 40 << 20];
        let request = match chunked {
            true => {
                request.body(reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(body)])))
            }
            false => request.body(body),
        };
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 413);
        assert!(response.text().await.unwrap().contains("larger than 25 MiB"));
    }
    world.end().await;
}

#[tokio::test]
async fn kills_at_any_moment_lose_no_build_no_line_and_no_attempt() {
    let mut world = World::with("parallel = 3").await;
    let script = "#!/bin/sh\nfor i in $(seq 1 300); do echo line $i; [ $((i % 60)) != 0 ] || sleep 0.1; done\n\
        echo $COMMIT >/target/result.tar.gz\n";
    let (repository, first) = world.tracked("acme/tool", script).await;
    let mut pushes = vec![(world.deliver(&repository, &first).await.remove(0), first)];
    // Spread over all stages of a build, from the answer to the cleaning after its end.
    for moment in [0, 20, 60, 130, 220, 330, 460, 610, 780, 970, 1180, 1410] {
        let moved = repository.push("main", &[("moment", &moment.to_string())]);
        pushes.push((world.deliver(&repository, &moved).await.remove(0), moved));
        tokio::time::sleep(Duration::from_millis(moment)).await;
        world.kill();
        world.start().await;
    }
    let log: String = (1..=300).map(|number| format!("line {number}\n")).collect();
    for (id, moved) in &pushes {
        let build = world.client.ended(id).await;
        assert_eq!((&build["outcome"], &build["attempt"]), (&json!("success"), &json!(1)), "{build:#}");
        assert_eq!(world.client.text(&format!("/report/{id}")).await, log);
        let artifact = world.artifacts().join(build["artifact"].as_str().unwrap());
        assert_eq!(std::fs::read_to_string(artifact).unwrap().trim(), moved.after);
    }
    let (_, newest) = pushes.last().unwrap();
    let link = std::fs::read_link(world.artifacts().join("acme-tool-main.flist")).unwrap();
    assert!(link.to_str().unwrap().contains(&newest.after[..10]), "{link:?}");
    world.end().await;
}

#[tokio::test]
async fn a_damaged_mirror_is_made_anew() {
    let world = World::new().await;
    let (repository, first) = world.tracked("acme/tool", GOOD).await;
    assert_eq!(world.built(&repository, &first).await["outcome"], "success");
    let mut open = vec![world.path().join("data/mirrors")];
    let mut damaged = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.to_str().unwrap().contains("acme-tool") && path.to_str().unwrap().contains("/objects/") {
            std::fs::remove_file(&path).unwrap();
            std::fs::write(path, "not what it was").unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    let second = repository.push("main", &[("more", "1")]);
    let build = world.built(&repository, &second).await;
    assert_eq!(build["outcome"], "success", "{build:#}\n{}", world.log());
    world.end().await;
}
