//! Measures what `docs/design.md` promises, on this machine, now.
//!
//! Times alone say little: machines differ, and so does one machine from hour to hour. So each time is
//! taken in turns with a floor (the bare engine, a plain clone, a small store) in the same run, and what
//! is compared with a limit is their ratio. Prints tables, and writes the same as `target/bench.json`.
//! With words as arguments, only what has one of them in its name is measured.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that fails ends by panicking"
)]
#![allow(clippy::disallowed_methods, reason = "what is measured is a process, which gives no event to wait for")]
#![allow(clippy::module_inception, clippy::type_complexity, reason = "the tests' own world, used here as it is")]

#[path = "../../tests/page/browser.rs"]
#[allow(dead_code, clippy::expect_used, reason = "the tests' own browser, of which a part is enough")]
mod browser;
mod checkout;
mod engine;
mod flood;
mod floor;
mod history;
mod idle;
mod logs;
mod many;
mod page;
mod push;
mod report;
mod stored;
mod webhooks;
mod wire;
#[path = "../../tests/common/mod.rs"]
mod world;

use std::{future::Future, pin::Pin};

use report::Table;

type Measured = Pin<Box<dyn Future<Output = Table>>>;

/// In the order of the promises; each ends what it started.
const ALL: [(&str, fn() -> Measured); 9] = [
    ("push", || Box::pin(push::measure())),
    ("many", || Box::pin(many::measure())),
    ("checkout", || Box::pin(checkout::measure())),
    ("webhooks", || Box::pin(webhooks::measure())),
    ("history", || Box::pin(history::measure())),
    ("flood", || Box::pin(flood::measure())),
    ("logs", || Box::pin(logs::measure())),
    ("idle", || Box::pin(idle::measure())),
    ("page", || Box::pin(page::measure())),
];

fn main() {
    // `cargo bench` adds options of its own.
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut tables = Vec::new();
    for (name, measure) in ALL.into_iter().filter(|(name, _)| wanted(name)) {
        println!("measuring: {name} ...");
        let table = runtime.block_on(measure());
        println!("{table}");
        tables.push((name, table));
    }
    report::write(&tables);
}
