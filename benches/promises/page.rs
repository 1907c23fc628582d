//! Reading a finished log of a gigabyte in the page: how soon the first lines stand there, how long any
//! leap takes, and what the tab costs.
//!
//! Chromium runs on the same cores as the service, which the times include.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use serde_json::Value;

use crate::{
    browser::Page,
    push::TRIVIAL,
    report::{Limit, Table, median},
    world::World,
};

const LINES: u64 = 10_000_000;
/// With its newline.
const LINE: usize = 100;
const OPENINGS: usize = 5;
const LEAPS: u64 = 25;

/// Resolves with the time since the page was asked for, or since `since`, when every row that is drawn has its text.
fn drawn(since: &str, rows: &str) -> String {
    format!(
        "new Promise((done) => {{
           const since = {since};
           const look = () => {{
             const rows = [...document.querySelectorAll('{rows}')];
             const isDrawn = rows.length > 0 && rows.every((row) => !row.classList.contains('pending'));
             if (isDrawn) done(performance.now() - since); else requestAnimationFrame(look);
           }};
           requestAnimationFrame(look);
         }})"
    )
}

pub(super) async fn measure() -> Table {
    let mut world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", TRIVIAL).await;
    let build = world.built(&repository, &moved).await;
    let id = build["id"].as_str().unwrap().to_owned();
    world.signal("INT");
    assert_eq!(world.left().await, Some(0));
    write_log(&world.path().join("data/logs"), &id);
    world.start().await;
    // Where a build writes its log, the index grows with it; here it is made at the first question.
    assert_eq!(world.client.json(&format!("/build/{id}/lines?tail=1")).await["total"], LINES);

    let mut table =
        Table::new(format!("The page of a build with a log of {} MB, {LINES} lines", LINES * LINE as u64 / 1_000_000));
    let address = format!("{}/build/{id}", world.client.address);
    let page = Page::new().await;
    let mut openings = Vec::new();
    for _ in 0..OPENINGS {
        page.goto("about:blank").await;
        page.goto(&address).await;
        openings.push(number(&page.value(&drawn("0", "#lines > .row")).await));
    }
    table.number("first lines on the screen", median(openings), "ms", Some(Limit::AtMost(1_000.0)));

    let (mut links, mut drags) = (Vec::new(), Vec::new());
    for leap in 1..=LEAPS {
        // Far apart, and never twice the same.
        let place = (leap * 7_919_113) % LINES + 1;
        let go = format!("(location.hash = '#L{place}', performance.now())");
        links.push(number(&page.value(&drawn(&go, &format!(".row.chosen[data-line=\"{place}\"]"))).await));
        let drag = format!(
            "((box) => {{ const now = performance.now(); box.scrollTop = {} * box.scrollHeight; return now; }})\
             (document.querySelector('#log'))",
            place as f64 / LINES as f64
        );
        drags.push(number(&page.value(&drawn(&drag, "#lines > .row")).await));
    }
    for (what, times) in [("a leap to a line", links), ("a leap of the scrollbar", drags)] {
        let worst = times.iter().copied().fold(0.0, f64::max);
        table.number(format!("{what}, median of {LEAPS}"), median(times), "ms", None);
        table.number(format!("{what}, worst of {LEAPS}"), worst, "ms", Some(Limit::AtMost(200.0)));
    }
    table.number("the tab after that", renderer(page.group()), "MB", Some(Limit::AtMost(200.0)));
    page.end().await;
    world.end().await;
    table
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Replaces a build's log, and takes its index away.
fn write_log(logs: &Path, id: &str) {
    let shard = logs.join(&id[..6]);
    for entry in fs::read_dir(&shard).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|stem| stem == id) {
            fs::remove_file(path).unwrap();
        }
    }
    let mut log = BufWriter::with_capacity(1 << 20, File::create(shard.join(format!("{id}.log"))).unwrap());
    for line in 1..=LINES {
        let text = format!("[{line:>8}] CC  drivers/net/ethernet/vendor/device/file_{line}.o");
        writeln!(log, "{text:<0$}", LINE - 1).unwrap();
    }
    log.flush().unwrap();
}

/// What the largest renderer of a process group has for itself, in MB: its proportional share, `Pss`.
fn renderer(group: u32) -> f64 {
    let largest = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let stat = fs::read_to_string(path.join("stat")).ok()?;
        // pid (name) state ppid pgrp …; the name may hold anything.
        let of_group = stat.rsplit(')').next()?.split_whitespace().nth(2)? == group.to_string();
        let is_renderer = fs::read_to_string(path.join("cmdline")).ok()?.contains("--type=renderer");
        let memory = fs::read_to_string(path.join("smaps_rollup")).ok()?;
        let kilobytes = memory.lines().find_map(|line| line.strip_prefix("Pss:"))?.trim().trim_end_matches(" kB");
        (of_group && is_renderer).then_some(kilobytes.parse::<f64>().ok()? * 1024.0 / 1e6)
    });
    largest.fold(0.0, f64::max)
}
