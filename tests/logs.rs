//! Logs that stay usable: every byte as it was written, any window and any search, while a build runs and after.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod common;

use common::{World, client::PATIENCE, docker::IMAGE};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Writes what builds write at their worst, waits to be told to go on, and writes some more.
const HOSTILE: &str = "#!/bin/sh
printf 'first\\n 10%%\\r 50%%\\r100%%\\r\\n\\033[31mred\\033[0m \\303\\251\\n'
printf 'nul \\000 and \\377\\376 bytes\\n\\n'
head -c 10000000 /dev/zero | tr '\\000' x
printf 'needle at its end\\n'
seq 1 30000 | sed 's/^/line /'
printf 'waiting'
while [ ! -e /target/go ]; do sleep 0.05; done
printf ' no more\\nlast, without an end'
exit 3
";

fn hostile(done: bool) -> Vec<u8> {
    let mut log = b"first\n 10%\r 50%\r100%\r\n\x1b[31mred\x1b[0m \xc3\xa9\nnul \0 and \xff\xfe bytes\n\n".to_vec();
    log.resize(log.len() + 10_000_000, b'x');
    log.extend(b"needle at its end\n");
    log.extend((1..=30_000).flat_map(|number| format!("line {number}\n").into_bytes()));
    log.extend(b"waiting");
    if done {
        log.extend(b" no more\nlast, without an end");
    }
    log
}

fn go(world: &World) {
    let instance = world.tmp().join(format!("autobuilder-{}", world.instance()));
    for build in std::fs::read_dir(instance).unwrap() {
        std::fs::write(build.unwrap().path().join("target/go"), "").unwrap();
    }
}

/// Waits until the script waits, woken by the live page's websocket.
async fn until_waiting(world: &World, id: &str) {
    let address = world.client.address.replace("http://", "ws://");
    let (mut live, _) = tokio_tungstenite::connect_async(format!("{address}/buildio?build={id}")).await.unwrap();
    while world.client.text(&format!("/report/{id}?tail=1")).await != "waiting" {
        tokio::time::timeout(PATIENCE, live.next()).await.unwrap().unwrap().unwrap();
    }
}

/// Every object of an answer in lines.
async fn found(world: &World, path: &str) -> Vec<Value> {
    let response = world.client.get(path).await;
    assert_eq!(response.status(), 200, "{path}");
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    response.text().await.unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Windows and searches tell what the bytes of the log are.
async fn agrees(world: &World, id: &str, log: &[u8], is_complete: bool) {
    let report = world.client.get(&format!("/report/{id}")).await.bytes().await.unwrap();
    assert!(report == log, "the log is not what the script wrote: {} bytes, not {}", report.len(), log.len());
    let lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
    let total = lines.len();

    let window = world.client.json(&format!("/build/{id}/lines?from=1&count=10")).await;
    assert_eq!((&window["total"], &window["complete"]), (&json!(total), &json!(is_complete)), "{window:.300}");
    assert_eq!(window["size"], log.len());
    let mut offset = 0;
    for (index, shown) in window["lines"].as_array().unwrap().iter().enumerate() {
        assert_eq!((&shown["number"], &shown["offset"]), (&json!(index + 1), &json!(offset)));
        let text = String::from_utf8_lossy(lines[index]);
        if shown["cut"] == true {
            assert_eq!((index, &shown["bytes"]), (5, &json!(lines[index].len())));
            assert!(text.starts_with(shown["text"].as_str().unwrap()));
        } else {
            assert_eq!(shown["text"], *text);
        }
        offset += lines[index].len() + 1;
    }

    let around = world.client.json(&format!("/build/{id}/lines?around=15000&count=3")).await;
    let texts: Vec<_> = around["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["line 14993", "line 14994", "line 14995"]);
    let tail = world.client.json(&format!("/build/{id}/lines?tail=1")).await;
    assert_eq!((&tail["lines"][0]["number"], &tail["lines"][0]["open"]), (&json!(total), &json!(true)));
    assert_eq!(tail["lines"][0]["text"], *String::from_utf8_lossy(lines[total - 1]));
    let beyond = world.client.json(&format!("/build/{id}/lines?from=10000000&count=5")).await;
    assert_eq!((&beyond["total"], &beyond["lines"]), (&json!(total), &json!([])));

    let needle = found(world, &format!("/build/{id}/search?q=needle")).await;
    assert_eq!((needle.len(), &needle[0]["number"], &needle[0]["cut"]), (1, &json!(6), &json!(true)));
    assert!(needle[0]["text"].as_str().unwrap().ends_with("xneedle at its end"));
    let nul = found(world, &format!("/build/{id}/search?q=%00%20AND&case=false")).await;
    assert_eq!((&nul[0]["number"], &nul[0]["match"]), (&json!(4), &json!("\0 and")));
    let ends = found(world, &format!("/build/{id}/search?q=%5Eline%20.*99%24&regex=true")).await;
    let numbers: Vec<_> = ends.iter().map(|hit| hit["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..300).map(|hundred| hundred * 100 + 99 + 6).collect::<Vec<_>>());
    let last = found(world, &format!("/build/{id}/search?q=line&backward=true&limit=2&from=1006")).await;
    assert_eq!((last.len(), &last[0]["text"], &last[1]["text"]), (2, &json!("line 1000"), &json!("line 999")));
    assert!(found(world, &format!("/build/{id}/search?q=no%20such%20text")).await.is_empty());
}

#[tokio::test]
async fn hostile_output_is_kept_byte_for_byte_and_found_by_line_while_it_grows_and_after() {
    let mut world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", HOSTILE).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    until_waiting(&world, &id).await;
    agrees(&world, &id, &hostile(false), false).await;

    // A crash and a torn index change nothing.
    world.kill();
    let index = find(&world.path().join("data/logs"), "lines").remove(0);
    let entries = std::fs::read(&index).unwrap();
    std::fs::write(&index, &entries[..entries.len() / 2 + 3]).unwrap();
    world.start().await;
    agrees(&world, &id, &hostile(false), false).await;

    go(&world);
    let build = world.client.ended(&id).await;
    assert_eq!((&build["outcome"], &build["exit_code"]), (&json!("failure"), &json!(3)), "{build:#}");
    agrees(&world, &id, &hostile(true), true).await;
    std::fs::remove_file(&index).unwrap();
    agrees(&world, &id, &hostile(true), true).await;
    assert_eq!(std::fs::read(&index).unwrap()[..entries.len()], entries, "the first reader made it again");
    world.end().await;
}

fn find(directory: &std::path::Path, extension: &str) -> Vec<std::path::PathBuf> {
    let shards = std::fs::read_dir(directory).unwrap().map(|shard| shard.unwrap().path());
    let files = shards.flat_map(|shard| std::fs::read_dir(shard).unwrap().map(|file| file.unwrap().path()));
    files.filter(|file| file.extension().is_some_and(|found| found == extension)).collect()
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_is_refused_with_a_sentence() {
    let world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", "#!/bin/sh\necho hello\n").await;
    let id = world.built(&repository, &moved).await["id"].as_str().unwrap().to_owned();
    for (path, code, says) in [
        (format!("/build/{id}/lines?from=0"), 400, "`from` is `0`"),
        (format!("/build/{id}/lines?around=x"), 400, "`around` is `x`"),
        (format!("/build/{id}/lines?count=-1"), 400, "`count` is `-1`"),
        (format!("/build/{id}/lines?from=1&around=1"), 400, "only one of"),
        (format!("/build/{}/lines", "0".repeat(32)), 404, "there is no build"),
        (format!("/build/{id}/search"), 400, "?q="),
        (format!("/build/{id}/search?q="), 400, "empty"),
        (
            format!("/build/{id}/search?q=a(b&regex=true"),
            400,
            "`a(b` is not a regular expression: unclosed group, at character 2",
        ),
        (format!("/build/{id}/search?q=a(b&regex=maybe"), 400, "`regex` is `maybe`"),
        (format!("/build/{id}/search?q=x{{1000}}{{1000}}&regex=true"), 400, "too large"),
        (format!("/build/{id}/search?q=a%0Ab"), 400, "line break"),
        ("/build/nothing/search?q=x".to_owned(), 404, "not a build id"),
        ("/search?q=a&from=3".to_owned(), 400, "for one build"),
    ] {
        let response = world.client.get(&path).await;
        assert_eq!(response.status(), code, "{path}");
        let answer: Value = response.json().await.unwrap();
        assert!(answer["message"].as_str().unwrap().contains(says), "{path}: {answer}");
    }
    world.end().await;
}

/// Begins a request and reads no more than the head of its answer.
async fn begin(world: &World, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.client.address.trim_start_matches("http://")).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200", "{path}");
    stream
}

#[tokio::test]
async fn searches_take_turns_and_end_when_their_reader_goes() {
    let world = World::new().await;
    // More than the kernel holds for readers who do not read.
    let script = "#!/bin/sh\nawk 'BEGIN { s = sprintf(\"%4000s\", \"x\"); for (i = 0; i < 10000; i++) print s }'\n";
    let (repository, moved) = world.tracked("acme/tool", script).await;
    let id = world.built(&repository, &moved).await["id"].as_str().unwrap().to_owned();
    let mut stalled = Vec::new();
    for _ in 0..4 {
        stalled.push(begin(&world, &format!("/build/{id}/search?q=x&limit=10000")).await);
    }
    let refused = world.client.get(&format!("/build/{id}/search?q=x&limit=1")).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"10".parse().unwrap()));
    drop(stalled);
    assert_eq!(found(&world, &format!("/build/{id}/search?q=x&limit=1")).await.len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_search_through_all_builds_says_where_it_was_seen_and_where_first() {
    let world = World::new().await;
    let script = |text: &str| format!("#!/bin/sh\necho start\n{text}\necho end\n");
    let (tool, moved) = world.tracked("acme/tool", &script("echo calm")).await;
    let mut ids = vec![world.deliver(&tool, &moved).await.remove(0)];
    world.client.ended(&ids[0]).await;
    for text in ["echo 'error: broken pipe'", "for i in $(seq 30); do echo error: $i; done", "echo calm again"] {
        let moved = tool.push("main", &[("build.sh", &script(text))]);
        let build = world.built(&tool, &moved).await;
        ids.push(build["id"].as_str().unwrap().to_owned());
    }
    let other = world.repository("acme/other");
    let moved = other.push("topic", &[("build.sh", &script("echo Error: elsewhere"))]);
    let recipe = format!("buildscripts: [build.sh]\nbuild.sh:\n  artifact: x\n  baseimage: {IMAGE}\n");
    world.track(&[("acme/other/topic.yaml", &recipe)]).await;
    let elsewhere = world.built(&other, &moved).await;

    let hits = found(&world, "/search?q=error").await;
    assert_eq!(hits.len(), 21, "twenty of one build, and one: {hits:#?}");
    assert!(hits[..20].iter().all(|hit| hit["build"] == ids[2].as_str()));
    let oldest = &hits[20];
    assert_eq!((&oldest["build"], &oldest["number"], &oldest["build_number"]), (&json!(ids[1]), &json!(2), &json!(2)));
    assert_eq!((&oldest["repository"], &oldest["branch"]), (&json!("acme/tool"), &json!("main")));
    assert_eq!((&oldest["script"], &oldest["text"]), (&json!("build.sh"), &json!("error: broken pipe")));
    for hit in &hits {
        assert_eq!((&hit["first_seen"]["build"], &hit["first_seen"]["number"]), (&json!(ids[1]), &json!(2)));
        assert_eq!(hit["first_seen"]["started"], oldest["started"]);
    }
    assert_eq!(found(&world, "/search?q=error&limit=3").await, hits[..3]);

    let everywhere = found(&world, "/search?q=ERROR&case=false").await;
    assert_eq!((everywhere.len(), &everywhere[0]["build"]), (22, &elsewhere["id"]));
    let there = found(&world, "/search?q=error&case=false&repository=acme/other&branch=topic").await;
    assert_eq!((there.len(), &there[0]["first_seen"]["build"]), (1, &elsewhere["id"]));
    assert!(found(&world, "/search?q=error&case=false&repository=acme/other&branch=main").await.is_empty());
    assert!(found(&world, "/search?q=never%20printed").await.is_empty());
    world.end().await;
}
