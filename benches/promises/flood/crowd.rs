//! Viewers by the hundred, as cheap as they can be: they share the machine with what is measured.

use std::{thread::JoinHandle, time::Instant};

use futures_util::StreamExt;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};

const ASK: &str = "GET /buildio HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// Viewers on a thread of their own, until they are dropped.
pub(super) struct Crowd {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    /// So many that read and so many that never do; ends when all are connected.
    pub(super) async fn gather(address: &str, reading: usize, stalled: usize) -> Self {
        let address = address.trim_start_matches("http://").to_owned();
        let (stop, stopped) = oneshot::channel();
        let (ready, gathered) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut idle = Vec::new();
                for n in 0..reading + stalled {
                    let socket = connect(&address).await;
                    // Mixed, so that neither kind is served first.
                    if n % 2 == 0 && idle.len() < stalled || n >= 2 * reading {
                        idle.push(socket);
                    } else {
                        tokio::spawn(read(socket));
                    }
                }
                ready.send(()).unwrap();
                let _ = stopped.await;
            });
        });
        gathered.await.unwrap();
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn connect(address: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(ASK.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    socket.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
    socket
}

async fn read(mut socket: TcpStream) {
    let mut buffer = vec![0; 16 * 1024];
    while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

/// One that looks at what it reads.
pub(super) struct Watcher {
    socket: tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>,
}

impl Watcher {
    pub(super) async fn connect(address: &str, id: &str) -> Self {
        let address = address.replace("http://", "ws://");
        Self { socket: tokio_tungstenite::connect_async(format!("{address}/buildio?build={id}")).await.unwrap().0 }
    }

    /// The next event, and when it came.
    pub(super) async fn next(&mut self) -> (Instant, Value) {
        loop {
            let message = self.socket.next().await.unwrap().unwrap();
            if message.is_text() {
                return (Instant::now(), serde_json::from_str(message.to_text().unwrap()).unwrap());
            }
        }
    }
}

/// Whether an event says that the build has ended.
pub(super) fn tells_end(event: &Value, id: &str) -> bool {
    event["event"] == "history" && event["payload"].as_array().unwrap().iter().any(|build| build["id"] == *id)
}
