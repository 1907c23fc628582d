//! A service that runs for years: what grows is removed when its time has come, and nothing else is.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod common;

use std::{fs, path::PathBuf};

use common::{World, docker::IMAGE, repository::Repository};
use serde_json::{Value, json};

/// Prints what its branch is about, and waits to be told to go on if that is to wait.
const SCRIPT: &str = "#!/bin/sh
echo this is $BRANCH
seq 1 2000000
[ $BRANCH != waits ] || while [ ! -e /target/go ]; do sleep 0.05; done
exit 3
";

const MONTH: i64 = 30 * 24 * 3_600_000;

/// A build id of 31 days ago.
fn aged(id: &str) -> String {
    let made = i64::from_str_radix(&id[..12], 16).unwrap() - MONTH - 24 * 3_600_000;
    format!("{made:012x}{}", &id[12..])
}

fn log_of(world: &World, id: &str) -> PathBuf {
    world.path().join("data/logs").join(&id[..6]).join(format!("{id}.log"))
}

/// Makes a build of a stopped service 31 days old.
fn age(world: &World, id: &str) -> String {
    let old = aged(id);
    let database = rusqlite::Connection::open(world.path().join("data/autobuilder.sqlite")).unwrap();
    let changed = database.execute(
        "UPDATE builds SET id = ?2, started = started - ?3, ended = ended - ?3 WHERE id = ?1",
        (id, &old, MONTH),
    );
    assert_eq!(changed.unwrap(), 1);
    for end in ["log", "lines"] {
        let (from, to) = (log_of(world, id).with_extension(end), log_of(world, &old).with_extension(end));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(from, to).unwrap();
    }
    old
}

/// Changes `[store]`, and tells the service.
fn reload(world: &World, line: &str) {
    let path = world.path().join("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    let key = line.split_inclusive('=').next().unwrap();
    let lines = text.lines().filter(|line| !line.starts_with(key));
    let lines = lines.map(|kept| if kept == "[store]" { format!("{kept}\n{line}\n") } else { format!("{kept}\n") });
    fs::write(&path, lines.collect::<String>()).unwrap();
    world.signal("HUP");
}

async fn pushed(world: &World, repository: &Repository, branch: &str) -> String {
    let moved = repository.push(branch, &[("build.sh", SCRIPT)]);
    world.deliver(repository, &moved).await.remove(0)
}

async fn removed(world: &World, id: &str, sentence: &str) {
    for path in ["/report/ID", "/report/ID?tail=3", "/build/ID/lines", "/build/ID/search?q=is"] {
        let response = world.client.get(&path.replace("ID", id)).await;
        assert_eq!(response.status(), 410, "{path}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer, json!({"status": "error", "message": sentence}));
    }
}

#[tokio::test]
async fn old_logs_go_and_the_history_the_young_and_what_runs_stay() {
    let mut world = World::with("parallel = 2").await;
    let branch = format!("buildscripts: [build.sh]\nbuild.sh: {{artifact: none, baseimage: '{IMAGE}'}}\n");
    let files = ["old", "young", "waits"].map(|name| format!("acme/tool/{name}.yaml"));
    world.track(&files.each_ref().map(|path| (path.as_str(), branch.as_str()))).await;
    let repository = world.repository("acme/tool");
    let (old, young) = (pushed(&world, &repository, "old").await, pushed(&world, &repository, "young").await);
    world.client.ended(&old).await;
    world.client.ended(&young).await;
    let waits = pushed(&world, &repository, "waits").await;
    world.client.until(&waits, |build| build["status"] == "building").await;

    // Old logs are looked for at the start.
    world.kill();
    let old = age(&world, &old);
    world.environment(vec![("AUTOBUILDER_STORE_KEEP_LOGS".to_owned(), "30d".to_owned())]);
    world.start().await;
    world.until_log("Removed 1 log(s) of builds that ended 30 days ago, or more").await;
    removed(&world, &old, "the log was removed: logs are kept for 30 days (store.keep_logs)").await;
    assert_eq!(world.client.get("/build/logs/acme/tool/old").await.status(), 410);
    assert!(!log_of(&world, &old).parent().unwrap().exists(), "its directory was the last one's");
    let build = world.client.json(&format!("/api/builds/{old}")).await;
    assert_eq!((&build["outcome"], &build["exit_code"]), (&json!("failure"), &json!(3)));
    let found = world.client.text("/search?q=this%20is").await;
    assert!(!found.contains("this is old") && found.contains("this is young"), "{found}");

    // A change takes effect at a reload, and who reads a log reads it to its end.
    world.kill();
    world.environment(Vec::new());
    world.start().await;
    let whole = fs::metadata(log_of(&world, &young)).unwrap().len();
    let mut reading = world.client.get(&format!("/report/{young}")).await;
    let mut read = reading.chunk().await.unwrap().unwrap().len() as u64;
    reload(&world, "keep_logs = '1ms'");
    world.until_log("of builds that ended 1 millisecond ago, or more").await;
    removed(&world, &young, "the log was removed: logs are kept for 1 millisecond (store.keep_logs)").await;
    while let Some(chunk) = reading.chunk().await.unwrap() {
        read += chunk.len() as u64;
    }
    assert_eq!(read, whole);

    // A build that has not ended keeps its log.
    reload(&world, "keep_logs = '0s'");
    assert!(world.client.text(&format!("/report/{waits}")).await.starts_with("this is waits\n1\n"));
    for build in fs::read_dir(world.tmp().join(format!("autobuilder-{}", world.instance()))).unwrap() {
        fs::write(build.unwrap().path().join("target/go"), "").unwrap();
    }
    assert_eq!(world.client.ended(&waits).await["exit_code"], 3);
    assert!(world.client.text(&format!("/report/{waits}?tail=1")).await.starts_with("2000000"));
    world.end().await;
}

#[tokio::test]
async fn builds_wait_for_room_on_the_disk_and_go_on_by_themselves() {
    let world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", "#!/bin/sh\nexit 3\n").await;
    let disks = world.client.json("/readyz").await["disks"].clone();
    assert!(disks[0]["free"].as_u64().unwrap() <= disks[0]["size"].as_u64().unwrap(), "{disks}");
    assert!(world.client.text("/metrics").await.contains("autobuilder_disk_free_bytes{directory=\""));

    reload(&world, "reserve = '1000000t'");
    world.until_log("No build can start: the disk is nearly full").await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    let response = world.client.get("/readyz").await;
    assert_eq!(response.status(), 503);
    let ready: Value = response.json().await.unwrap();
    let sentence = ready["disk"].as_str().unwrap();
    assert!(sentence.starts_with(&format!("the disk is nearly full: `{}` has ", world.tmp().display())), "{sentence}");
    let queue = world.client.json("/api/queue").await;
    assert_eq!(queue["trouble"], sentence);
    assert_eq!(queue["builds"][0]["reason"], format!("no build can start now: {sentence}"));

    reload(&world, "reserve = '0'");
    assert_eq!(world.client.ended(&id).await["exit_code"], 3);
    assert_eq!(world.client.get("/readyz").await.status(), 200);
    world.end().await;
}

#[tokio::test]
async fn old_artifacts_go_when_the_operator_wants_that_and_links_stay() {
    let world = World::new().await;
    let script = |n: u32| format!("#!/bin/sh\necho {n} > /tmp/file\ntar czf /target/result.tar.gz -C /tmp file\n");
    let (repository, moved) = world.tracked("acme/tool", &script(1)).await;
    let first = world.built(&repository, &moved).await;
    let moved = repository.push("main", &[("build.sh", &script(2))]);
    let second = world.built(&repository, &moved).await;
    let name = |build: &Value| build["artifact"].as_str().unwrap().to_owned();
    reload(&world, "keep_artifacts_for = '0s'");
    reload(&world, "keep_artifacts = 1");
    world.until_log(&format!("Removed the old artifact `{}`", name(&first))).await;
    let gone = world.client.get(&format!("/artifacts/{}", name(&first))).await;
    assert_eq!(gone.status(), 404);
    assert!(gone.text().await.unwrap().contains("none was published, or it was removed"));
    for kept in [name(&second), "acme-tool-main.flist".to_owned()] {
        assert_eq!(world.client.get(&format!("/artifacts/{kept}")).await.status(), 200, "{kept}");
    }
    let listing = world.client.text("/artifacts").await;
    assert!(listing.contains(&name(&second)) && !listing.contains(&name(&first)));

    // The commit is built again, and the link stays with the newer push.
    let id = first["id"].as_str().unwrap();
    let (status, answer) = world.client.order(&format!("/api/builds/{id}/retry"), json!({})).await;
    assert_eq!(status, 202, "{answer}");
    let again = world.client.ended(answer["builds"][0].as_str().unwrap()).await;
    assert_eq!((&again["outcome"], name(&again)), (&json!("success"), name(&first)));
    assert_eq!(fs::read_link(world.artifacts().join("acme-tool-main.flist")).unwrap(), PathBuf::from(name(&second)));
    world.end().await;
}
