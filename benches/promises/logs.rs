//! A log of a gigabyte: what counting its lines costs the one who writes it, any window, and searches.
//!
//! The log is written by the service's own writer into the data directory of a service that runs, as the log of a
//! build that has ended. It lies in the page cache, for the service and for `grep`.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use autobuilder::{
    logs::{LogWriter, Logs},
    model::BuildId,
};
use tokio::net::TcpStream;

use crate::{
    push::{TRIVIAL, millis},
    report::{Limit, Table, median},
    wire::{self, Request},
    world::World,
};

const LINES: u64 = 10_000_000;
/// Each of a hundred bytes.
const FEW: u64 = 10_000;
const WINDOWS: usize = 2_000;
const ROUNDS: usize = 5;

/// What a build prints that is written as fast as it can.
const FLOOD: u64 = 1_000_000;

/// Searches as the service knows them, and as `grep` does.
const SEARCHES: [(&str, &str, &str, &str); 5] = [
    ("a text", "q=undefined%20reference", "-F", "undefined reference"),
    ("a text in any case", "q=UNDEFINED%20REFERENCE&case=false", "-iF", "UNDEFINED REFERENCE"),
    ("alternatives", "q=error:%7Cfatal:%7Cpanicked&regex=true", "-E", "error:|fatal:|panicked"),
    ("a line's end", "q=Error%20%5B0-9%5D%2B%24&regex=true", "-E", "Error [0-9]+$"),
    ("classes alone", "q=%5Ba-z%5D%5B0-9%5D%7B4%7D-%5B0-9%5D%7B2%7D&regex=true", "-E", "[a-z][0-9]{4}-[0-9]{2}"),
];

pub(super) async fn measure() -> Table {
    let mut table = Table::new(format!("A log of {LINES} lines, {} MB", LINES / 10_000));
    flood(&mut table);
    let world = World::new().await;
    let (repository, first) = world.tracked("acme/tool", TRIVIAL).await;
    let logs = Logs::new(world.path().join("data/logs")).unwrap();
    let (mut ids, mut moved) = (Vec::new(), first);
    for lines in [LINES, FEW] {
        let build = world.built(&repository, &moved).await;
        let id: BuildId = build["id"].as_str().unwrap().parse().unwrap();
        logs.remove(id).unwrap();
        write(&mut logs.writer(id).unwrap(), lines);
        ids.push(id);
        moved = repository.push("main", &[("more", "more")]);
    }
    reopen(&mut table, &logs, ids[0]);
    windows(&mut table, &world, ids[0], ids[1]).await;
    let file = file_of(&world.path().join("data/logs"), ids[0]);
    for search in SEARCHES {
        searches(&mut table, &world, ids[0], &file, search).await;
    }
    world.end().await;
    table
}

/// A line of a hundred bytes.
fn line(number: u64) -> Vec<u8> {
    let mut line = format!("[{number:>9}] cc -O2 -Wall -c -o build/objects/part_{number:08}.o src/part_{number:08}.c")
        .into_bytes();
    line.resize(99, b' ');
    line.push(b'\n');
    line
}

fn write(log: &mut LogWriter, lines: u64) {
    let mut piece = Vec::new();
    for number in 0..lines {
        piece.extend(line(number));
        if piece.len() > 60_000 || number + 1 == lines {
            log.append(&piece).unwrap();
            piece.clear();
        }
    }
}

/// Writes what a build of the issue prints, through the writer and past it, in memory.
fn flood(table: &mut Table) {
    let directory = tempfile::TempDir::new_in("/dev/shm").unwrap();
    let text: Vec<u8> = (0..FLOOD).flat_map(|number| format!("{number:079}\n").into_bytes()).collect();
    let (mut measured, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..2 * ROUNDS {
        let logs = Logs::new(directory.path()).unwrap();
        let id = BuildId::new();
        let mut log = logs.writer(id).unwrap();
        let since = Instant::now();
        text.chunks(64 << 10).for_each(|piece| log.append(piece).unwrap());
        measured.push(millis(since.elapsed()));
        drop(log);
        logs.remove(id).unwrap();
        let path = directory.path().join("plain");
        let mut plain = File::create(&path).unwrap();
        let since = Instant::now();
        text.chunks(64 << 10).for_each(|piece| plain.write_all(piece).unwrap());
        floor.push(millis(since.elapsed()));
        fs::remove_file(path).unwrap();
    }
    let what = format!("write {FLOOD} lines of 80 bytes, over a plain file");
    table.against(what, (median(measured), median(floor)), "ms", Some(Limit::RatioAtMost(1.25)));
}

/// What a restart costs a build that runs.
fn reopen(table: &mut Table, logs: &Logs, id: BuildId) {
    let since = Instant::now();
    assert_eq!(logs.writer(id).unwrap().lines(), LINES);
    table.number("open it for writing again", millis(since.elapsed()), "ms", Some(Limit::AtMost(20.0)));
}

/// Fifty lines at random places, of the large log and of the small one in turns.
async fn windows(table: &mut Table, world: &World, large: BuildId, small: BuildId) {
    let mut stream = TcpStream::connect(world.client.address.trim_start_matches("http://")).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut measured, mut floor, mut answer, mut noise) = (Vec::new(), Vec::new(), Vec::new(), 1_u64);
    for _ in 0..WINDOWS {
        for (id, lines, times) in [(large, LINES, &mut measured), (small, FEW, &mut floor)] {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = (noise >> 20) % lines + 1;
            let request = Request::get(&format!("/build/{id}/lines?around={number}&count=50"));
            let since = Instant::now();
            let whole = wire::exchange(&mut stream, &request.bytes, &mut answer).await;
            times.push(millis(since.elapsed()));
            let wanted = format!("\"number\":{number},");
            assert!(memchr::memmem::find(&answer[..whole], wanted.as_bytes()).is_some());
        }
    }
    for times in [&mut measured, &mut floor] {
        times.sort_by(f64::total_cmp);
    }
    let at = |times: &[f64], percent: usize| times[(times.len() - 1) * percent / 100];
    let constant = Some(Limit::RatioAtMost(1.5));
    table.against("50 lines anywhere, over a log of 1 MB (p50)", (at(&measured, 50), at(&floor, 50)), "ms", constant);
    table.against("50 lines anywhere, over a log of 1 MB (p99)", (at(&measured, 99), at(&floor, 99)), "ms", None);
    table.number("50 lines anywhere (p99)", at(&measured, 99), "ms", Some(Limit::AtMost(50.0)));
}

/// A search that finds nothing reads everything.
async fn searches(
    table: &mut Table,
    world: &World,
    id: BuildId,
    file: &Path,
    (what, query, option, pattern): (&str, &str, &str, &str),
) {
    let megabytes = fs::metadata(file).unwrap().len() as f64 / 1e6;
    let (mut measured, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let since = Instant::now();
        assert_eq!(world.client.text(&format!("/build/{id}/search?{query}")).await, "");
        measured.push(megabytes / since.elapsed().as_secs_f64());
        let since = Instant::now();
        let grep = Command::new("grep").env("LC_ALL", "C").args(["-c", option, pattern]).arg(file).output().unwrap();
        floor.push(megabytes / since.elapsed().as_secs_f64());
        assert_eq!(grep.stdout, b"0\n");
    }
    let (measured, floor) = (median(measured), median(floor));
    table.number(format!("search: {what}"), measured, "MB/s", Some(Limit::AtLeast(500.0)));
    table.against(format!("search: {what}, over grep"), (measured, floor), "MB/s", None);
}

fn file_of(logs: &Path, id: BuildId) -> PathBuf {
    let id = id.to_string();
    logs.join(&id[..6]).join(format!("{id}.log"))
}
