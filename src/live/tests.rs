//! What a viewer sees, from the bus to the last message.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Board, LogTail, Snapshot, Viewer, follow};
use crate::{
    bus::Bus,
    model::{Build, BuildId, BuildState, Cause, Ending, Outcome, Stage, Timestamp, example},
};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct World {
    bus: Bus,
    board: Board,
    _stop: DropGuard,
}

fn world() -> World {
    let (bus, board, stop) = (Bus::new(), Board::new(), CancellationToken::new());
    let nothing = || std::future::ready(Some(Snapshot::default()));
    tokio::spawn(follow(board.clone(), bus.subscribe(), nothing, stop.clone()));
    World { bus, board, _stop: stop.drop_guard() }
}

fn build() -> Build {
    let state = BuildState::Running { stage: Stage::Building, delay: None };
    Build { state, attempt: 1, ..example::build("acme/tool", "refs/heads/main") }
}

async fn next(viewer: &mut Viewer) -> Value {
    serde_json::from_str(&viewer.next().await.expect("the board is there")).unwrap()
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
    let mut viewer = world.board.viewer(HERE, None).unwrap();
    assert_eq!(next(&mut viewer).await, json!({"event": "history", "payload": []}));
    let status = next(&mut viewer).await;
    assert_eq!(status["event"], "status");
    assert_eq!(status["payload"][build.id.to_string()]["status"], "building");
}

#[tokio::test]
async fn a_build_that_ends_is_in_the_history_before_it_leaves_the_status() {
    let world = world();
    let mut viewer = world.board.viewer(HERE, None).unwrap();
    assert_eq!(payload(&mut viewer, "status").await, json!({}));
    let mut build = build();
    world.bus.build_changed(Arc::new(build.clone()));
    assert_eq!(payload(&mut viewer, "status").await[build.id.to_string()]["attempt"], 1);
    let (outcome, cause) = (Outcome::Failure, Cause::ExitCode);
    build.state =
        BuildState::Finished(Ending { outcome, cause, message: "exit 1".into(), exit_code: Some(1), artifact: None });
    build.ended = Some(Timestamp::from_millis(5));
    world.bus.build_changed(Arc::new(build.clone()));
    assert_eq!(next(&mut viewer).await["payload"][0]["outcome"], "failure");
    assert_eq!(next(&mut viewer).await, json!({"event": "status", "payload": {}}));
    assert_eq!((&*world.board.status_json(), world.board.history_json().contains("exit 1")), ("{}", true));
}

#[tokio::test]
async fn a_viewer_joins_the_log_and_the_stream_without_a_gap_or_a_double() {
    let world = world();
    let build = Arc::new(build());
    world.bus.build_changed(build.clone());
    let text: Vec<u8> = (0..2000).flat_map(|n| format!("línea {n}\n").into_bytes()).collect();
    let writer = {
        let (bus, text, id) = (world.bus.clone(), text.clone(), build.id);
        tokio::spawn(async move {
            let mut offset = 0;
            for chunk in text.chunks(257) {
                bus.output(id, offset, Bytes::copy_from_slice(chunk));
                offset += chunk.len() as u64;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    };
    let mut viewer = world.board.viewer(HERE, Some(build.id)).unwrap();
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
    let mut viewer = world.board.viewer(HERE, Some(wanted.id)).unwrap();
    world.bus.output(other.id, 0, Bytes::from_static(b"not for you"));
    world.bus.output(wanted.id, 0, Bytes::from_static(b"for you"));
    let update = payload(&mut viewer, "update").await;
    assert_eq!(update, json!({"id": wanted.id, "line": "for you", "offset": 0, "end": 7}));
}

#[tokio::test(start_paused = true)]
async fn a_slow_viewer_is_skipped_forward_and_in_the_end_let_go() {
    let world = world();
    let build = Arc::new(build());
    world.bus.build_changed(build.clone());
    let mut slow = world.board.viewer(HERE, None).unwrap();
    slow.next().await.expect("the history");
    slow.next().await.expect("the status");
    let mut notices = 0;
    loop {
        // More news than the ring holds, each told by itself.
        for _ in 0..150 {
            world.bus.build_changed(build.clone());
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        let Some(message) = slow.next().await else { break };
        assert!(message.contains(r#""event":"skipped""#), "{message}");
        notices += 1;
        for event in ["history", "status"] {
            assert_eq!(next(&mut slow).await["event"], event, "the picture follows the notice");
        }
    }
    assert_eq!(notices, 20);
    drop(slow);
    assert_eq!(world.board.viewers(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_changes_is_told_at_most_ten_times_a_second() {
    let world = world();
    let mut viewer = world.board.viewer(HERE, None).unwrap();
    payload(&mut viewer, "status").await;
    let began = tokio::time::Instant::now();
    let bus = world.bus.clone();
    tokio::spawn(async move {
        for _ in 0..1000 {
            bus.build_changed(Arc::new(build()));
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
async fn a_fresh_picture_is_taken_when_somebody_asks() {
    let (bus, board, stop) = (Bus::new(), Board::new(), CancellationToken::new());
    let build = Arc::new(build());
    let tail = LogTail { end: 9, bytes: Bytes::from_static(b"the log\n") };
    let snapshot = {
        let build = build.clone();
        move || {
            let (unfinished, tails) = (vec![build.clone()], [(build.id, tail.clone())].into());
            std::future::ready(Some(Snapshot { unfinished, tails, ..Snapshot::default() }))
        }
    };
    let task = tokio::spawn(follow(board.clone(), bus.subscribe(), snapshot, stop.clone()));
    let mut viewer = board.viewer(HERE, None).unwrap();
    assert_eq!(payload(&mut viewer, "status").await, json!({}));
    bus.refresh();
    assert_eq!(payload(&mut viewer, "status").await[build.id.to_string()]["monitor"], "the log");
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn forwarding_ends_when_the_other_side_is_gone() {
    let world = world();
    let id = BuildId::new();
    let viewer = world.board.viewer(HERE, Some(id)).unwrap();
    let (sender, receiver) = futures_channel();
    drop(receiver);
    viewer.forward(sender).await;
    assert_eq!(world.board.viewers(), 0);
}

/// A sink as a websocket is one: it fails once the reader is gone.
fn futures_channel() -> (impl futures_util::Sink<Arc<str>> + Unpin, tokio::sync::mpsc::Receiver<Arc<str>>) {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let sink = futures_util::sink::unfold(sender, async |sender, text| {
        sender.send(text).await?;
        Ok::<_, tokio::sync::mpsc::error::SendError<Arc<str>>>(sender)
    });
    (Box::pin(sink), receiver)
}
