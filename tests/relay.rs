//! The live page's websocket, at both doors: the service's own and the relay's, with a Redis that comes
//! and goes, and viewers that read, stall, or are not ours.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at its first surprise")]
#![allow(unreachable_pub, reason = "modules of one test binary")]

mod common;
#[path = "relay/joined.rs"]
mod joined;
#[path = "relay/process.rs"]
mod process;
#[path = "relay/reader.rs"]
mod reader;

use std::net::TcpListener;

use common::{World, redis::Redis};
use process::Relay;
use reader::Reader;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Says so, waits until it is told to go on, says so again.
const WAITS: &str = "#!/bin/sh\necho it begins\nwhile [ ! -e /target/go ]; do sleep 0.05; done\n\
    echo it goes on\necho content >/target/result.tar.gz\n";

/// Lets a [`WAITS`] build go on.
fn go(world: &World) {
    for build in std::fs::read_dir(world.tmp().join(format!("autobuilder-{}", world.instance()))).unwrap() {
        std::fs::write(build.unwrap().path().join("target/go"), "").unwrap();
    }
}

async fn with_redis(redis: &Redis) -> World {
    World::with(&format!("[redis]\nurl = '{}'\n", redis.url())).await
}

/// The service's own websocket.
fn embedded(world: &World) -> String {
    format!("{}/buildio", world.client.address.replace("http://", "ws://"))
}

fn monitor_of<'a>(status: &'a Value, id: &str) -> &'a str {
    status[id]["monitor"].as_str().unwrap_or("")
}

#[tokio::test]
async fn a_relay_that_came_before_redis_and_the_service_shows_what_they_bring() {
    let mut redis = Redis::away();
    let relay = Relay::start(&redis.url());
    let mut reader = Reader::connect(&relay.address()).await;
    assert_eq!(reader.greeting().await, (json!([]), json!({})));
    let away = reader.until("bus", |link| link["connected"] == false).await;
    assert!(away["message"].as_str().unwrap().contains(&redis.address()), "{away}");
    redis.go_on();
    reader.until("bus", |link| link["connected"] == true).await;

    let world = with_redis(&redis).await;
    let (repository, moved) = world.tracked("acme/tool", WAITS).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    reader.until("status", |status| !status[&id].is_null()).await;
    let first = reader.until("update", |update| update["id"] == *id).await;
    assert_eq!(first, json!({"id": id, "line": "it begins\n", "offset": 0, "end": 10}));

    // Who comes now begins with what was printed before, and gets the rest.
    let mut late = Reader::connect(&format!("{}/?build={id}", relay.address())).await;
    let (_, status) = late.greeting().await;
    assert_eq!((monitor_of(&status, &id), &status[&id]["monitor_end"]), ("it begins", &json!(9)));
    go(&world);
    for reader in [&mut reader, &mut late] {
        assert_eq!(reader.until("update", |_| true).await["line"], "it goes on\n");
        let history = reader.until("history", |history| history[0]["id"] == *id).await;
        assert_eq!(history[0]["outcome"], "success");
        reader.until("status", |status| *status == json!({})).await;
    }
    world.end().await;
    assert_eq!(relay.leave().await, Some(0));
    assert!(reader.next().await.is_none(), "viewers are told");
}

#[tokio::test]
async fn builds_and_the_services_own_page_go_on_without_redis_and_relays_recover() {
    let mut redis = Redis::with_password("hunter2");
    let world = with_redis(&redis).await;
    let relay = Relay::start(&redis.url());
    let mut remote = Reader::connect(&relay.address()).await;
    let mut own = Reader::connect(&embedded(&world)).await;
    let (repository, moved) = world.tracked("acme/tool", WAITS).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    for reader in [&mut remote, &mut own] {
        reader.until("update", |update| update["line"] == "it begins\n").await;
    }

    redis.stop();
    own.until("bus", |link| link["connected"] == false && link["live"] == true).await;
    remote.until("bus", |link| link["connected"] == false && link["live"] == false).await;
    let ready = world.client.get("/readyz").await;
    assert!(ready.status().is_success(), "builds do not need it");
    let ready: Value = ready.json().await.unwrap();
    assert!(ready["bus"].as_str().unwrap().contains("does not answer"), "{ready}");
    // A page that is opened now is told as well.
    let mut opened = Reader::connect(&embedded(&world)).await;
    opened.until("bus", |link| link["connected"] == false).await;

    go(&world);
    own.until("update", |update| update["line"] == "it goes on\n").await;
    own.until("history", |history| history[0]["id"] == *id).await;
    assert_eq!(world.client.ended(&id).await["outcome"], "success");
    redis.go_on();
    own.until("bus", |link| link["connected"] == true).await;
    remote.until("history", |history| history[0]["id"] == *id).await;
    assert_eq!(world.client.json("/readyz").await["bus"], Value::Null);
    let said = format!("{}{}{ready}", world.log(), relay.log());
    assert!(!said.contains("hunter2"), "{said}");
    world.end().await;
}

#[tokio::test]
async fn redis_that_answers_nothing_keeps_no_service_from_starting_and_no_build_from_ending() {
    let redis = Redis::start();
    redis.freeze();
    let world = with_redis(&redis).await;
    let (repository, moved) = world.tracked("acme/tool", "#!/bin/sh\necho ok >/target/result.tar.gz\n").await;
    assert_eq!(world.built(&repository, &moved).await["outcome"], "success");
    let mut own = Reader::connect(&embedded(&world)).await;
    assert_eq!(own.greeting().await.0[0]["outcome"], "success");
    redis.thaw();
    own.until("bus", |link| link["connected"] == true).await;
    world.end().await;
}

#[tokio::test]
async fn a_restarted_relay_and_a_restarted_service_show_the_same_again() {
    let redis = Redis::start();
    let mut world = with_redis(&redis).await;
    let mut relay = Relay::start(&redis.url());
    let (repository, moved) = world.tracked("acme/tool", WAITS).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    let mut reader = Reader::connect(&relay.address()).await;
    reader.until("update", |update| update["line"] == "it begins\n").await;

    relay.kill();
    while reader.next().await.is_some() {}
    relay.go_on();
    reader = Reader::connect(&relay.address()).await;
    reader.until("status", |status| !status[&id].is_null()).await;

    world.kill();
    // The relay has it from Redis, with or without the service.
    relay.kill();
    relay.go_on();
    reader = Reader::connect(&relay.address()).await;
    reader.until("status", |status| !status[&id].is_null()).await;
    world.start().await;
    go(&world);
    let line = reader.until("update", |update| update["id"] == *id).await;
    assert_eq!((&line["line"], &line["offset"]), (&json!("it goes on\n"), &json!(10)));
    reader.until("history", |history| history[0]["outcome"] == "success").await;
    world.end().await;
}

#[tokio::test]
async fn sync_shows_everybody_the_pictures_again() {
    let redis = Redis::start();
    let world = with_redis(&redis).await;
    let relay = Relay::start(&redis.url());
    let mut readers = [Reader::connect(&relay.address()).await, Reader::connect(&embedded(&world)).await];
    for reader in &mut readers {
        reader.greeting().await;
    }
    assert_eq!(redis.ask(&["DEL", "autobuilder-current", "autobuilder-history"]), "2");
    assert_eq!(world.client.json("/build/sync").await["status"], "success");
    for reader in &mut readers {
        reader.until("history", |history| history[0]["repository"] == "acme/builds").await;
        reader.until("status", |status| *status == json!({})).await;
    }
    assert_eq!(redis.ask(&["EXISTS", "autobuilder-current", "autobuilder-history"]), "2");
    world.end().await;
}

#[tokio::test]
async fn only_pages_of_the_service_and_programs_may_watch() {
    let redis = Redis::start();
    let world = World::with("[relay]\npublic_url = 'wss://live.example'\n").await;
    let relay = Relay::start(&redis.url());
    for address in [relay.address(), embedded(&world)] {
        let host = address.replace("ws://", "http://");
        let own = host.strip_suffix("/buildio").unwrap_or(&host);
        assert!(Reader::from_page(&address, own).await.is_ok(), "{address}");
        for evil in ["https://evil.example", "null", "", "http://127.0.0.1:1", "https://builds.example.evil.example"] {
            assert_eq!(Reader::from_page(&address, evil).await.err(), Some(403), "{evil} at {address}");
        }
    }
    assert!(Reader::from_page(&relay.address(), "https://builds.example").await.is_ok());
    assert!(Reader::from_page(&embedded(&world), "https://live.example").await.is_ok());
    let wrong = format!("{}/other", relay.address());
    assert_eq!(Reader::from_page(&wrong, "https://builds.example").await.err(), Some(404));
    assert_eq!(world.client.get("/buildio").await.status(), 426);
    assert!(http(&relay.address(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.starts_with("HTTP/1.1 426"));
    world.end().await;
}

/// What a relay answers to a plain request.
async fn http(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address.trim_start_matches("ws://")).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_relay_that_cannot_work_says_what_to_change() {
    let without = Relay::configured("").run();
    assert_eq!(without.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&without.stderr).contains("`redis.url` is not set"));
    let nonsense = Relay::configured("http://ada:hunter2@127.0.0.1").run();
    assert_eq!(nonsense.status.code(), Some(2));
    let said = String::from_utf8_lossy(&nonsense.stderr).into_owned();
    assert!(said.contains("redis://") && !said.contains("hunter2"), "{said}");
    let relay = Relay::configured("redis://127.0.0.1:1");
    let _taken = TcpListener::bind(relay.address().trim_start_matches("ws://")).unwrap();
    let taken = relay.run();
    assert_eq!(taken.status.code(), Some(2));
    let said = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert!(said.contains("could not listen on") && said.contains("relay.listen"), "{said}");
}

#[tokio::test]
async fn pages_are_told_of_the_relay_and_may_connect_there() {
    let redis = Redis::start();
    let settings = format!("[redis]\nurl = '{}'\n[relay]\npublic_url = 'https://live.example/ws'\n", redis.url());
    let world = World::with(&settings).await;
    let page = world.client.get("/monitor").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("connect-src 'self' wss://live.example/ws;"), "{policy}");
    assert!(page.text().await.unwrap().contains(r#"<meta name="relay" content="wss://live.example/ws">"#));
    world.end().await;
}

#[tokio::test]
async fn a_relay_says_that_the_service_is_gone_and_that_it_came_back() {
    let redis = Redis::start();
    let mut world = with_redis(&redis).await;
    let relay = Relay::start(&redis.url());
    let mut reader = Reader::connect(&relay.address()).await;
    reader.greeting().await;
    world.kill();
    let is_deserted = |link: &Value| link["connected"] == true && link["live"] == false;
    let gone = reader.until("bus", is_deserted).await;
    assert!(gone["message"].as_str().unwrap().contains("the service has not been heard of"), "{gone}");
    // Who comes now is told as well.
    let mut late = Reader::connect(&relay.address()).await;
    late.until("bus", is_deserted).await;
    world.start().await;
    for reader in [&mut reader, &mut late] {
        reader.until("bus", |link| *link == json!({"connected": true, "live": true})).await;
    }
    world.end().await;
}

#[tokio::test]
async fn what_becomes_of_viewers_and_of_the_bus_is_counted() {
    let mut redis = Redis::start();
    let world = with_redis(&redis).await;
    let reader = Reader::connect(&embedded(&world)).await;
    let counted = async |line: &str| world.client.text("/metrics").await.lines().any(|one| one == line);
    assert!(counted("autobuilder_viewers 1").await);
    for line in [
        "autobuilder_viewers_skipped_total 0",
        "autobuilder_viewers_cut_total 0",
        "autobuilder_bus_connected 1",
        "autobuilder_bus_dropped_total{to=\"pages\"} 0",
        "autobuilder_bus_dropped_total{to=\"relays\"} 0",
    ] {
        assert!(counted(line).await, "{line}: {}", world.client.text("/metrics").await);
    }
    let mut other = Reader::connect(&embedded(&world)).await;
    redis.stop();
    other.until("bus", |link| link["connected"] == false).await;
    assert!(counted("autobuilder_bus_connected 0").await);
    drop(reader);
    world.end().await;
}
