//! What a viewer sees, from the bus to the last message.

use std::{net::IpAddr, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Board, LogTail, Relay, Snapshot, Viewer, follow, show};
use crate::{
    bus::{Bus, Events},
    model::{Build, BuildId, BuildState, Cause, Ending, Outcome, Stage, Timestamp, example},
};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct World {
    events: Events,
    board: Board,
    relay: Relay,
    _stop: DropGuard,
}

fn world() -> World {
    with_snapshot(|| std::future::ready(Some(Snapshot::default())))
}

/// The parts of a service, from events to viewers.
fn with_snapshot<S>(snapshot: impl Fn() -> S + Send + 'static) -> World
where
    S: Future<Output = Option<Snapshot>> + Send + 'static,
{
    let (events, bus, stop) = (Events::new(), Bus::embedded(), CancellationToken::new());
    let (board, relay) = (Board::new(vec![bus.clone()]), Relay::within(bus.subscribe(), None));
    tokio::spawn(follow(board.clone(), events.subscribe(), snapshot, stop.clone()));
    tokio::spawn(relay.clone().run(stop.clone()));
    World { events, board, relay, _stop: stop.drop_guard() }
}

impl World {
    /// Lets somebody in as the service's door does.
    fn viewer(&self, only: Option<BuildId>) -> Viewer {
        self.board.publish();
        self.relay.viewer(HERE, only).unwrap()
    }
}

fn build() -> Build {
    let state = BuildState::Running { stage: Stage::Building, delay: None };
    Build { state, attempt: 1, ..example::build("acme/tool", "refs/heads/main") }
}

async fn next(viewer: &mut Viewer) -> Value {
    serde_json::from_slice(viewer.next().await.expect("the relay is there").payload()).unwrap()
}

/// The payload of the next event of that name.
async fn payload(viewer: &mut Viewer, event: &str) -> Value {
    loop {
        let mut message = next(viewer).await;
        if message["event"] == event {
            return message["payload"].take();
        }
    }
}

#[tokio::test]
async fn a_viewer_first_gets_history_then_status() {
    let world = world();
    let build = Arc::new(build());
    world.board.seed(Snapshot { unfinished: vec![build.clone()], ..Snapshot::default() });
    let mut viewer = world.viewer(None);
    assert_eq!(next(&mut viewer).await, json!({"event": "history", "payload": []}));
    let status = next(&mut viewer).await;
    assert_eq!(status["event"], "status");
    assert_eq!(status["payload"][build.id.to_string()]["status"], "building");
}

#[tokio::test]
async fn a_build_that_ends_is_in_the_history_before_it_leaves_the_status() {
    let world = world();
    let mut viewer = world.viewer(None);
    assert_eq!(payload(&mut viewer, "status").await, json!({}));
    let mut build = build();
    world.events.build_changed(Arc::new(build.clone()));
    assert_eq!(payload(&mut viewer, "status").await[build.id.to_string()]["attempt"], 1);
    let (outcome, cause) = (Outcome::Failure, Cause::ExitCode);
    build.state =
        BuildState::Finished(Ending { outcome, cause, message: "exit 1".into(), exit_code: Some(1), artifact: None });
    build.ended = Some(Timestamp::from_millis(5));
    world.events.build_changed(Arc::new(build.clone()));
    assert_eq!(next(&mut viewer).await["payload"][0]["outcome"], "failure");
    assert_eq!(next(&mut viewer).await, json!({"event": "status", "payload": {}}));
    assert_eq!((&*world.board.status_json(), world.board.history_json().contains("exit 1")), ("{}", true));
}

#[tokio::test]
async fn the_last_lines_of_a_flood_come_before_the_news_of_its_end() {
    let world = world();
    let mut build = build();
    world.events.build_changed(Arc::new(build.clone()));
    let mut viewer = world.viewer(None);
    let _crowd: Vec<Viewer> = (0..1000).map(|_| world.viewer(None)).collect();
    let flood = Bytes::from("line\n".repeat(40_000));
    let end = flood.len() as u64;
    world.events.output(build.id, 0, flood);
    payload(&mut viewer, "status").await;
    let (outcome, cause) = (Outcome::Failure, Cause::ExitCode);
    build.state =
        BuildState::Finished(Ending { outcome, cause, message: "exit 1".into(), exit_code: Some(1), artifact: None });
    world.events.build_changed(Arc::new(build.clone()));
    let mut shown = 0;
    loop {
        let message = next(&mut viewer).await;
        match message["event"].as_str().unwrap() {
            "update" => shown = message["payload"]["end"].as_u64().unwrap(),
            "history" if message["payload"] != json!([]) => break,
            _ => {}
        }
    }
    assert_eq!(shown, end);
}

#[tokio::test]
async fn a_viewer_joins_the_log_and_the_stream_without_a_gap_or_a_double() {
    let world = world();
    let build = Arc::new(build());
    world.events.build_changed(build.clone());
    let text: Vec<u8> = (0..2000).flat_map(|n| format!("línea {n}\n").into_bytes()).collect();
    let writer = {
        let (events, text, id) = (world.events.clone(), text.clone(), build.id);
        tokio::spawn(async move {
            let mut offset = 0;
            for chunk in text.chunks(257) {
                events.output(id, offset, Bytes::copy_from_slice(chunk));
                offset += chunk.len() as u64;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    };
    let mut viewer = world.viewer(Some(build.id));
    let (mut seen, mut end) = (Vec::new(), None);
    while end != Some(text.len() as u64) {
        let update = payload(&mut viewer, "update").await;
        let offset = update["offset"].as_u64().unwrap();
        assert_eq!(offset, end.unwrap_or(offset), "updates follow each other");
        seen.extend_from_slice(update["line"].as_str().unwrap().as_bytes());
        end = update["end"].as_u64();
    }
    writer.await.unwrap();
    assert_eq!(seen, text[text.len() - seen.len()..], "and the log has the bytes before the first");
}

#[tokio::test]
async fn updates_are_limited_to_the_build_a_viewer_asked_for() {
    let world = world();
    let (wanted, other) = (Arc::new(build()), Arc::new(build()));
    world.board.seed(Snapshot { unfinished: vec![wanted.clone(), other.clone()], ..Snapshot::default() });
    let mut viewer = world.viewer(Some(wanted.id));
    world.events.output(other.id, 0, Bytes::from_static(b"not for you"));
    world.events.output(wanted.id, 0, Bytes::from_static(b"for you"));
    let update = payload(&mut viewer, "update").await;
    assert_eq!(update, json!({"id": wanted.id, "line": "for you", "offset": 0, "end": 7}));
}

#[tokio::test(start_paused = true)]
async fn a_slow_viewer_is_skipped_forward_and_in_the_end_let_go() {
    let world = world();
    let build = Arc::new(build());
    world.events.build_changed(build.clone());
    let mut slow = world.viewer(None);
    slow.next().await.expect("the history");
    slow.next().await.expect("the status");
    let (mut notices, mut offset) = (0, 0);
    loop {
        // More news than the ring holds, each told by itself.
        for _ in 0..100 {
            world.events.output(build.id, offset, Bytes::from_static(b"line\n"));
            offset += 5;
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        let Some(message) = slow.next().await else { break };
        let message: Value = serde_json::from_slice(message.payload()).unwrap();
        assert_eq!(message["event"], "skipped", "{message}");
        notices += 1;
        assert_eq!(next(&mut slow).await["event"], "history", "the pictures follow the notice");
        let status = next(&mut slow).await;
        assert!(status["payload"][build.id.to_string()]["monitor"].as_str().unwrap().ends_with("line"));
        assert_eq!(status["payload"][build.id.to_string()]["monitor_end"], offset - 1);
    }
    assert_eq!(notices, 20);
    drop(slow);
    assert_eq!(world.relay.viewers(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_was_away_for_a_while_gets_the_newest_pictures_once() {
    let world = world();
    let mut viewer = world.viewer(None);
    payload(&mut viewer, "status").await;
    for _ in 0..500 {
        world.events.build_changed(Arc::new(build()));
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let first = payload(&mut viewer, "status").await.as_object().unwrap().len();
    assert!(first > 400, "the first that is told has {first} builds");
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_changes_is_told_at_most_ten_times_a_second() {
    let world = world();
    let mut viewer = world.viewer(None);
    payload(&mut viewer, "status").await;
    let began = tokio::time::Instant::now();
    let events = world.events.clone();
    tokio::spawn(async move {
        for _ in 0..1000 {
            events.build_changed(Arc::new(build()));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let (mut told, mut shown) = (0, 0);
    while shown < 1000 {
        shown = payload(&mut viewer, "status").await.as_object().unwrap().len();
        told += 1;
    }
    assert!(told <= 11 && began.elapsed() < Duration::from_secs(5), "{told} in {:?}", began.elapsed());
}

#[tokio::test]
async fn a_fresh_picture_is_taken_and_told_when_somebody_asks() {
    let build = Arc::new(build());
    let tail = LogTail { end: 8, bytes: Bytes::from_static(b"the log\n") };
    let snapshot = {
        let build = build.clone();
        move || {
            let (unfinished, tails) = (vec![build.clone()], [(build.id, tail.clone())].into());
            std::future::ready(Some(Snapshot { unfinished, tails, ..Snapshot::default() }))
        }
    };
    let world = with_snapshot(snapshot);
    let mut viewer = world.viewer(None);
    assert_eq!(payload(&mut viewer, "status").await, json!({}));
    for _ in 0..2 {
        world.events.refresh();
        assert_eq!(payload(&mut viewer, "history").await, json!([]));
        assert_eq!(payload(&mut viewer, "status").await[build.id.to_string()]["monitor"], "the log");
    }
}

#[tokio::test]
async fn a_socket_carries_what_the_viewer_sees_and_ends_with_the_other_side() {
    let world = world();
    let build = Arc::new(build());
    world.events.build_changed(build.clone());
    let (ours, theirs) = tokio::io::duplex(1000);
    let shown = tokio::spawn(show(ours, world.viewer(None)));
    let mut reader = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
    let long = "línea\n".repeat(20_000);
    world.events.output(build.id, 0, Bytes::from(long.clone()));
    reader.send(Message::Ping("still there?".into())).await.unwrap();
    let (mut seen, mut ponged) = (0, false);
    while seen < long.len() as u64 {
        match reader.next().await.unwrap().unwrap() {
            Message::Pong(_) => ponged = true,
            message => {
                let message: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
                seen = message["payload"]["end"].as_u64().unwrap_or(seen);
            }
        }
    }
    while !ponged {
        ponged = reader.next().await.unwrap().unwrap().is_pong();
    }
    drop(reader);
    shown.await.unwrap();
    assert_eq!(world.relay.viewers(), 0);
}

#[tokio::test]
async fn a_viewer_that_talks_too_much_is_shown_out() {
    let world = world();
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let shown = tokio::spawn(show(ours, world.viewer(None)));
    let mut reader = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
    reader.send(Message::text("x".repeat(5000))).await.unwrap();
    let last = async { while let Some(Ok(_)) = reader.next().await {} };
    last.await;
    shown.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_answers_nothing_is_let_go() {
    let world = world();
    let (ours, _theirs) = tokio::io::duplex(64 * 1024);
    let began = tokio::time::Instant::now();
    show(ours, world.viewer(None)).await;
    assert!(began.elapsed() > Duration::from_secs(45), "{:?}", began.elapsed());
    assert_eq!(world.relay.viewers(), 0);
}

#[tokio::test]
async fn viewers_are_told_to_come_back_when_the_service_leaves() {
    let mut world = world();
    let mut viewer = world.viewer(None);
    payload(&mut viewer, "status").await;
    world._stop = CancellationToken::new().drop_guard();
    assert!(viewer.next().await.is_none());
}
