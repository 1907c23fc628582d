//! Requests as fast as they are answered, over connections that stay open.
//!
//! The load shares two cores with the service, so it is made of bytes prepared beforehand, written
//! and read on one thread.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What a load did.
pub(super) struct Load {
    pub(super) per_second: f64,
    /// Of each request, in milliseconds, sorted.
    latencies: Vec<f64>,
}

impl Load {
    /// The latency that so many of a hundred requests stayed below, in milliseconds.
    pub(super) fn percentile(&self, percent: usize) -> f64 {
        self.latencies[(self.latencies.len() - 1) * percent / 100]
    }
}

/// A request's bytes, and where in them a part lies that must differ each time.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    /// Eight bytes that become a counter, in hexadecimal digits.
    pub(super) counter_at: Option<usize>,
}

impl Request {
    pub(super) fn get(path: &str) -> Self {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n").into_bytes();
        Self { bytes, counter_at: None }
    }
}

/// Repeats `request` on each of `connections` for `time`, and checks each answer with `good`.
pub(super) async fn load(
    address: &str,
    connections: usize,
    time: Duration,
    request: &Request,
    good: impl Fn(&[u8]) -> bool + Copy + Send + 'static,
) -> Load {
    let (address, request) = (address.trim_start_matches("http://").to_owned(), request.clone());
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let end = Instant::now() + time;
            let each = (0..connections).map(|number| one(&address, number, end, request.clone(), good));
            futures_util::future::join_all(each).await
        })
    });
    let found = tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    let mut latencies = found.concat();
    latencies.sort_by(f64::total_cmp);
    Load { per_second: latencies.len() as f64 / time.as_secs_f64(), latencies }
}

async fn one(
    address: &str,
    number: usize,
    end: Instant,
    mut request: Request,
    good: impl Fn(&[u8]) -> bool,
) -> Vec<f64> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut latencies, mut answer, mut count) = (Vec::new(), Vec::with_capacity(64 * 1024), 0);
    loop {
        if let Some(at) = request.counter_at {
            count += 1;
            request.bytes[at..at + 8].copy_from_slice(format!("{:08x}", number << 24 | count).as_bytes());
        }
        let since = Instant::now();
        if since >= end {
            return latencies;
        }
        let whole = exchange(&mut stream, &request.bytes, &mut answer).await;
        latencies.push(since.elapsed().as_secs_f64() * 1e3);
        assert!(good(&answer[..whole]), "{}", String::from_utf8_lossy(&answer));
    }
}

/// Sends a request and reads its answer; gives the length of it, head and body.
pub(super) async fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) -> usize {
    stream.write_all(request).await.unwrap();
    answer.clear();
    loop {
        assert!(stream.read_buf(answer).await.unwrap() > 0, "the service closed a connection");
        if let Some(whole) = length(answer)
            && answer.len() >= whole
        {
            return whole;
        }
    }
}

/// The length of an answer, head and body, when its head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).unwrap().to_ascii_lowercase();
    let (_, rest) = text.split_once("content-length: ").unwrap();
    Some(head + rest.split("\r\n").next().unwrap().parse::<usize>().unwrap())
}
