//! A million lines of eighty bytes, as fast as they can be printed, and who watches.
//!
//! Our time is from the delivery to the outcome: fetching, the container, the whole log on the disk.
//! The floors are one `docker run` of the same script into a file, with the engine's default log driver
//! and without one. All are taken in turns, since the machine is never the same for long.

mod crowd;

use std::{
    fs::{self, File},
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::task::{JoinSet, spawn_blocking};

use crate::{
    push::millis,
    report::{Limit, Table, median},
    wire::{self, Request},
    world::{World, docker::IMAGE, repository::Repository},
};
use crowd::{Crowd, Watcher, tells_end};

const LINES: usize = 1_000_000;
const LINE: usize = 80;
const ROUNDS: usize = 5;

/// Runs with viewers that come at any time.
const JOINED: usize = 50;
const JOINING: usize = 8;

/// Lines at a pace that people read.
const MODERATE: usize = 500;
const PACE: Duration = Duration::from_millis(20);
const WATCHERS: usize = 20;

/// After its number, each line has the same words.
fn words() -> String {
    let words = " is one of a million lines, and each of them is as wide as a terminal";
    format!("{words:<width$}\n", width = LINE - 8)
}

/// All that is printed.
fn expected() -> Vec<u8> {
    let words = words();
    let mut all = (1..=LINES).map(|n| format!("{n:07}{words}")).collect::<String>();
    // Words stand between numbers, not after the last.
    all.truncate(length() - 1);
    all.push('\n');
    all.into_bytes()
}

fn length() -> usize {
    LINES * LINE - words().len() + 1
}

/// busybox' quickest way to lines that differ.
fn flood() -> String {
    format!("seq -w -s '{}' {LINES}", words())
}

pub(super) async fn measure() -> Table {
    let world = World::new().await;
    let script = format!("#!/bin/sh\n{}\necho content >/target/result.tar.gz\n", flood());
    let (repository, moved) = world.tracked("acme/tool", &script).await;
    let first = world.built(&repository, &moved).await;
    let expected = expected();
    assert!(log(&world, first["id"].as_str().unwrap()).await == expected, "the log is not what was printed");
    let mut times: [Vec<f64>; 5] = Default::default();
    for round in 0..ROUNDS {
        times[0].push(engine(&world, "json-file").await);
        times[1].push(engine(&world, "none").await);
        for (place, viewers, stalled) in [(2, 0, 0), (3, 100, 0), (4, 500, 500)] {
            let crowd = Crowd::gather(&world.client.address, viewers, stalled).await;
            times[place].push(build(&world, &repository, &format!("{round} {viewers}")).await.0);
            drop(crowd);
        }
    }
    let peak = peak(world.pid());
    let [json, none, alone, hundred, thousand] = times.map(median);
    let mut table = Table::new(format!("{LINES} lines of {LINE} bytes (medians of {ROUNDS} in turns)"));
    table.against("nobody watches, over `docker run` to a file", (alone, json), "ms", None);
    table.against("... with no log driver", (alone, none), "ms", Some(Limit::RatioAtMost(1.0)));
    table.against("100 viewers, over nobody", (hundred, alone), "ms", Some(Limit::RatioAtMost(1.15)));
    table.against("1,000 viewers, half stalled, over nobody", (thousand, alone), "ms", Some(Limit::RatioAtMost(1.3)));
    table.number("most memory resident", peak, "MiB", Some(Limit::AtMost(128.0)));
    let history = history_meanwhile(&world, &repository).await;
    table.number("GET /build/history meanwhile, 99 of 100", history, "ms", Some(Limit::AtMost(50.0)));
    let late = latency(&world).await;
    table.number("a line on its way, 99 of 100, 1,000 viewers", late, "ms", Some(Limit::AtMost(250.0)));
    let wrong = joined(&world, &repository, &expected).await;
    table.number(
        format!("viewers with a wrong byte, of {}", JOINED * JOINING),
        wrong as f64,
        "",
        Some(Limit::AtMost(0.0)),
    );
    world.end().await;
    table
}

/// One `docker run` of the same into a file.
async fn engine(world: &World, driver: &'static str) -> f64 {
    let path = world.path().join("output");
    spawn_blocking(move || {
        let since = Instant::now();
        let ran = Command::new("docker")
            .args(["run", "--rm", "--network", "none", "--log-driver", driver, IMAGE, "sh", "-c", &flood()])
            .stdout(File::create(&path).unwrap())
            .stderr(Stdio::null())
            .status();
        let took = millis(since.elapsed());
        assert!(ran.unwrap().success());
        assert_eq!(fs::metadata(&path).unwrap().len() as usize, length());
        took
    })
    .await
    .unwrap()
}

/// From the delivery to the outcome, and the build's id.
async fn build(world: &World, repository: &Repository, stamp: &str) -> (f64, String) {
    let moved = repository.push("main", &[("round", stamp)]);
    let since = Instant::now();
    let id = world.deliver(repository, &moved).await.remove(0);
    loop {
        let build = world.client.json(&format!("/api/builds/{id}")).await;
        if !build["outcome"].is_null() {
            let took = millis(since.elapsed());
            assert_eq!(build["outcome"], "success", "{build}");
            return (took, id);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn log(world: &World, id: &str) -> Vec<u8> {
    world.client.get(&format!("/report/{id}")).await.bytes().await.unwrap().to_vec()
}

/// What somebody waits for the history while a build floods and a thousand watch.
async fn history_meanwhile(world: &World, repository: &Repository) -> f64 {
    let crowd = Crowd::gather(&world.client.address, 500, 500).await;
    let good = |answer: &[u8]| answer.starts_with(b"HTTP/1.1 200");
    let request = Request::get("/build/history");
    let load = wire::load(&world.client.address, 1, Duration::from_secs(2), &request, good);
    let (load, _) = tokio::join!(load, build(world, repository, "history"));
    drop(crowd);
    load.percentile(99)
}

/// How long lines take from the script to viewers, one of which in fifty looks at them.
async fn latency(world: &World) -> f64 {
    let script = "#!/bin/sh\nmkfifo /target/feed\necho it begins\ncat /target/feed\nrm /target/feed\n\
        echo content >/target/result.tar.gz\n";
    let (repository, moved) = world.tracked("acme/paced", script).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    world.client.until(&id, |build| build["monitor"].as_str().is_some_and(|seen| seen.contains("it begins"))).await;
    let crowd = Crowd::gather(&world.client.address, 500 - WATCHERS, 500).await;
    let began = Instant::now();
    let address = &world.client.address;
    let watchers = join_all((0..WATCHERS).map(|_| Watcher::connect(address, &id))).await;
    let mut watching = JoinSet::new();
    for watcher in watchers {
        watching.spawn(watch(watcher, id.clone(), began));
    }
    let folder = world.tmp().join(format!("autobuilder-{}", world.instance()));
    let feed = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path().join("target/feed");
    spawn_blocking(move || {
        let mut feed = File::options().write(true).open(feed).unwrap();
        for _ in 0..MODERATE {
            writeln!(feed, "{:<79}", began.elapsed().as_micros()).unwrap();
            std::thread::sleep(PACE);
        }
    })
    .await
    .unwrap();
    let mut late: Vec<f64> = watching.join_all().await.concat();
    drop(crowd);
    assert_eq!(late.len(), MODERATE * WATCHERS, "a moderate stream is shown whole");
    late.sort_by(f64::total_cmp);
    late[(late.len() - 1) * 99 / 100]
}

/// How late each line came, in milliseconds.
async fn watch(mut watcher: Watcher, id: String, began: Instant) -> Vec<f64> {
    let mut late = Vec::new();
    loop {
        let (at, event) = watcher.next().await;
        if event["event"] == "update" {
            let printed =
                event["payload"]["line"].as_str().unwrap().lines().filter_map(|line| line.trim().parse().ok());
            late.extend(
                printed.map(|micros| millis(at.duration_since(began).saturating_sub(Duration::from_micros(micros)))),
            );
        } else if tells_end(&event, &id) {
            return late;
        }
    }
}

/// Viewers that come at any time; how many of them have a byte that is not the log's, twice, or nowhere.
async fn joined(world: &World, repository: &Repository, expected: &[u8]) -> usize {
    let mut wrong = 0;
    for round in 0..JOINED {
        let moved = repository.push("main", &[("round", &format!("joined {round}"))]);
        let id = world.deliver(repository, &moved).await.remove(0);
        let waits = (0..JOINING).map(|n| Duration::from_micros((round * 7919 + n * 104_729) as u64 % 1_500_000));
        let mut joining = JoinSet::new();
        for wait in waits {
            joining.spawn(join(world.client.address.clone(), id.clone(), wait));
        }
        for pushed in joining.join_all().await {
            wrong += usize::from(!fits(&pushed, expected));
        }
        wrong += usize::from(log(world, &id).await != expected);
    }
    wrong
}

/// What one viewer was pushed.
async fn join(address: String, id: String, wait: Duration) -> Vec<Value> {
    tokio::time::sleep(wait).await;
    let mut watcher = Watcher::connect(&address, &id).await;
    let mut pushed = Vec::new();
    loop {
        let (_, mut event) = watcher.next().await;
        if tells_end(&event, &id) {
            return pushed;
        }
        if event["event"] == "update" {
            pushed.push(event["payload"].take());
        }
    }
}

/// Whether each piece is the log's, where it says, and none comes twice: with what lies between read from
/// the log, it is the log.
fn fits(pushed: &[Value], expected: &[u8]) -> bool {
    let mut end = 0;
    pushed.iter().all(|update| {
        let offset = update["offset"].as_u64().unwrap() as usize;
        let line = update["line"].as_str().unwrap().as_bytes();
        let fits = offset >= end && expected.get(offset..offset + line.len()) == Some(line);
        end = offset + line.len();
        fits
    }) && (pushed.is_empty() || end == expected.len())
}

/// The most memory that a process ever had resident, in MiB.
fn peak(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
