//! Log and stream, joined by byte offsets: whoever comes whenever has every byte once.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use crate::{
    common::{World, redis::Redis},
    embedded,
    process::Relay,
    reader::Reader,
    with_redis,
};

/// Bursts and pauses, then a flood: 6 MB.
const PRINTS: &str = r#"#!/bin/sh
for burst in 1 2 3 4 5 6; do
    awk -v b=$burst 'BEGIN { for (n = 0; n < 2000; n++) printf "burst %d line %06d: %s\n", b, n, "ünïcödé is kept whole" }'
    sleep 0.2
done
awk 'BEGIN { for (n = 0; n < 80000; n++) printf "flood %08d %050d\n", n, n }'
echo content >/target/result.tar.gz
"#;

/// One stretch of a log.
struct Piece {
    offset: u64,
    bytes: Vec<u8>,
}

/// Reads along from whenever it comes to the end of the build.
async fn read_along(address: String, id: String, wait: Duration) -> (u64, Vec<Piece>, u64) {
    tokio::time::sleep(wait).await;
    let mut reader = Reader::connect(&format!("{address}?build={id}")).await;
    let (mut pieces, mut end, mut skips): (Vec<Piece>, _, _) = (Vec::new(), 0, 0);
    loop {
        let (event, payload) = reader.next().await.expect("the websocket stays open");
        match event.as_str() {
            "update" => {
                let offset = payload["offset"].as_u64().unwrap();
                assert!(offset >= end, "{offset} was shown before: {end}");
                skips += u64::from(!pieces.is_empty() && offset > end);
                let bytes = payload["line"].as_str().unwrap().as_bytes().to_vec();
                end = payload["end"].as_u64().unwrap();
                assert_eq!(offset + bytes.len() as u64, end);
                pieces.push(Piece { offset, bytes });
            }
            "history" if ended(&payload, &id) => return (end, pieces, skips),
            _ => {}
        }
    }
}

fn ended(history: &Value, id: &str) -> bool {
    history.as_array().unwrap().iter().any(|build| build["id"] == *id)
}

/// Fills what was not pushed from the log, as a page does.
async fn whole(world: &World, id: &str, pieces: Vec<Piece>, length: u64) -> Vec<u8> {
    let mut all = Vec::new();
    for piece in pieces {
        fill(world, id, &mut all, piece.offset).await;
        all.extend_from_slice(&piece.bytes);
    }
    fill(world, id, &mut all, length).await;
    all
}

async fn fill(world: &World, id: &str, all: &mut Vec<u8>, until: u64) {
    let from = all.len() as u64;
    if from < until {
        let request = world.client.request(reqwest::Method::GET, &format!("/report/{id}"));
        let answer = request.header("range", format!("bytes={from}-{}", until - 1)).send().await.unwrap();
        assert_eq!(answer.status(), 206);
        all.extend_from_slice(&answer.bytes().await.unwrap());
    }
}

#[tokio::test]
async fn whoever_joins_whenever_has_every_byte_of_the_log_once() {
    let redis = Redis::start();
    let world = with_redis(&redis).await;
    let relay = Relay::start(&redis.url());
    let (repository, moved) = world.tracked("acme/tool", PRINTS).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    let waits = (0..24).map(|n| Duration::from_millis(n * 70));
    let addresses = [embedded(&world), format!("{}/", relay.address())];
    let readers = waits
        .zip(addresses.iter().cycle())
        .map(|(wait, address)| tokio::spawn(read_along(address.clone(), id.clone(), wait)));
    let read: Vec<_> = join_all(readers).await.into_iter().map(Result::unwrap).collect();
    let log = world.client.get(&format!("/report/{id}")).await.bytes().await.unwrap();
    assert!(log.len() > 5_000_000, "{}", log.len());
    assert!(read.iter().any(|(_, _, skips)| *skips > 0), "a flood is not pushed whole");
    for (end, pieces, _) in read {
        assert!(end == 0 || end == log.len() as u64, "the last lines were not shown: {end}");
        assert!(whole(&world, &id, pieces, log.len() as u64).await == log, "not the log");
    }
    world.end().await;
}

#[tokio::test]
async fn viewers_that_stall_cost_nobody_anything() {
    let world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", PRINTS).await;
    let mut stalled = Vec::new();
    for _ in 0..50 {
        stalled.push(Reader::connect(&embedded(&world)).await);
    }
    let id = world.deliver(&repository, &moved).await.remove(0);
    let (end, pieces, _) = read_along(embedded(&world), id.clone(), Duration::ZERO).await;
    let log = world.client.get(&format!("/report/{id}")).await.bytes().await.unwrap();
    assert_eq!(end, log.len() as u64);
    assert!(whole(&world, &id, pieces, end).await == log);
    drop(stalled);
    world.end().await;
}
