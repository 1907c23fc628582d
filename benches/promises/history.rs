//! The history of a long life, against that of a short one.

use std::time::Duration;

use crate::{
    report::{Limit, Table, median},
    stored,
    wire::{self, Request},
    world::World,
};

const MANY: u32 = 100_000;
const FEW: u32 = 1_000;
const CONNECTIONS: usize = 16;
const ROUNDS: usize = 5;
/// Two loads of the same service differ by as much.
const NOISE: f64 = 0.1;
const TIME: Duration = Duration::from_millis(1000);

pub(super) async fn measure() -> Table {
    let (long, short) = (stored::world(MANY).await, stored::world(FEW).await);
    let mut table = Table::new(format!("The history of {MANY} builds over that of {FEW}, {CONNECTIONS} connections"));
    let least = Some(Limit::AtLeast(3_000.0));
    for (what, path) in [
        ("GET /build/history", "/build/history".to_owned()),
        ("... of one repository", "/build/history?repository=acme/r7".to_owned()),
        ("... of one author", "/build/history?author=Ada".to_owned()),
        ("... of an author in one repository", "/build/history?author=Ada&repository=acme/r7".to_owned()),
        ("... before a build", format!("/build/history?before=01900000000070008000{:012x}", FEW / 2)),
    ] {
        let (measured, floor) = in_turns(&long, &short, &Request::get(&path)).await;
        let plain = !path.contains('?');
        table.number(format!("{what}: answers in a second"), measured, "", least.filter(|_| plain));
        table.against(format!("{what}: no slower"), (measured, floor), "", Some(Limit::RatioAtLeast(1.0 - NOISE)));
    }
    long.end().await;
    short.end().await;
    table
}

async fn in_turns(long: &World, short: &World, request: &Request) -> (f64, f64) {
    let good = |answer: &[u8]| answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"}]");
    let (mut measured, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (world, rates) in [(long, &mut measured), (short, &mut floor)] {
            rates.push(wire::load(&world.client.address, CONNECTIONS, TIME, request, good).await.per_second);
        }
    }
    (median(measured), median(floor))
}
