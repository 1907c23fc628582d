//! What the service costs while nobody pushes, and how soon it serves after a start.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    push::millis,
    report::{Limit, Table, median},
    stored,
    world::World,
};

const BUILDS: u32 = 100_000;
const STARTS: usize = 11;

/// How long after a start the service is idle.
const SETTLED: Duration = Duration::from_secs(3);

pub(super) async fn measure() -> Table {
    let mut table = Table::new("Idle");
    let limit = Some(Limit::AtMost(16.0));
    let empty = ended(World::new().await).await;
    let (starts, memory) = start(&empty);
    table.number("resident, nothing stored", memory, "MiB", limit);
    table.number("start to serving, nothing stored", starts, "ms", None);
    let full = ended(stored::world(BUILDS).await).await;
    let (starts, memory) = start(&full);
    table.number(format!("resident, {BUILDS} builds stored"), memory, "MiB", limit);
    table.number(format!("start to serving, {BUILDS} builds stored"), starts, "ms", Some(Limit::AtMost(50.0)));
    empty.end().await;
    full.end().await;
    table
}

/// A world whose service has left, with its data directory.
async fn ended(mut world: World) -> World {
    world.signal("INT");
    assert_eq!(world.left().await, Some(0));
    world
}

/// The median time to the first answer, and the memory of the last one started.
fn start(world: &World) -> (f64, f64) {
    let mut times = Vec::new();
    let mut memory = 0.0;
    for round in 0..STARTS {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let since = Instant::now();
        let mut service = serve(world, &address);
        while !is_healthy(&address) {
            assert!(since.elapsed() < Duration::from_secs(30), "{}", world.log());
            sleep(Duration::from_micros(500));
        }
        times.push(millis(since.elapsed()));
        if round + 1 == STARTS {
            sleep(SETTLED);
            memory = resident(service.id());
        }
        Command::new("kill").args(["-s", "INT", &service.id().to_string()]).status().unwrap();
        service.wait().unwrap();
    }
    (median(times), memory)
}

fn serve(world: &World, address: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_autobuilder"))
        .args(["serve", "--config"])
        .arg(world.path().join("config.toml"))
        .env("AUTOBUILDER_SERVER_LISTEN", address)
        .current_dir(world.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn is_healthy(address: &str) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// `VmRSS`, in MiB.
fn resident(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
