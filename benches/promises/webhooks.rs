//! Signed deliveries of 8 KB to a branch that nobody builds, each written down before its answer.

use std::time::Duration;

use crate::{
    push::TRIVIAL,
    report::{Limit, Table},
    wire::{self, Request},
    world::{
        World,
        client::{SECRET, payload, sign},
        repository::Moved,
    },
};

const CONNECTIONS: usize = 16;
const SIZE: usize = 8 * 1024;
const TIME: Duration = Duration::from_secs(6);

pub(super) async fn measure() -> Table {
    let world = World::new().await;
    let (_, moved) = world.tracked("acme/tool", TRIVIAL).await;
    let elsewhere = Moved { git_ref: "refs/heads/elsewhere".to_owned(), ..moved };
    let request = request(&elsewhere);
    let good =
        |answer: &[u8]| answer.starts_with(b"HTTP/1.1 200") && answer.windows(9).any(|part| part == b"\"ignored\"");
    wire::load(&world.client.address, CONNECTIONS, Duration::from_secs(1), &request, good).await;
    // Other delivery ids than those just used.
    let load = wire::load(&world.client.address, CONNECTIONS, TIME, &second(request), good).await;
    world.end().await;
    let mut table = Table::new(format!("Signed deliveries of 8 KB to an untracked branch, {CONNECTIONS} connections"));
    table.number("answered in a second", load.per_second, "", Some(Limit::AtLeast(5_000.0)));
    table.number("99 of 100 answered within", load.percentile(99), "ms", Some(Limit::AtMost(20.0)));
    table.number("half of them within", load.percentile(50), "ms", None);
    table
}

fn request(moved: &Moved) -> Request {
    let mut payload = payload("acme/tool", moved);
    let missing = SIZE - payload.to_string().len();
    payload["repository"]["description"] = "x".repeat(missing - r#","description":"""#.len()).into();
    let body = payload.to_string();
    let head = format!(
        "POST /hook/monitor-watch HTTP/1.1\r\nHost: bench\r\nX-GitHub-Event: push\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nX-Hub-Signature-256: {}\r\n\
         X-GitHub-Delivery: 00000000-0000-4000-8000-0000",
        body.len(),
        sign(SECRET, body.as_bytes())
    );
    let counter_at = Some(head.len());
    Request { bytes: format!("{head}00000000\r\n\r\n{body}").into_bytes(), counter_at }
}

fn second(mut request: Request) -> Request {
    let before = request.counter_at.unwrap_or(0) - 1;
    request.bytes[before] = b'1';
    request
}
