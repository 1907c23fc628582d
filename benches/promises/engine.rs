//! The engine without anything of ours between: raw HTTP on its socket.

use bytes::Bytes;
use hyper::{Request, body::Body, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

const SOCKET: &str = "/var/run/docker.sock";

/// One connection, kept for the next call.
pub(super) struct Engine {
    sender: http1::SendRequest<Whole>,
}

/// A body in one piece.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(hyper::body::Frame::data(bytes))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

impl Engine {
    pub(super) async fn connect() -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(stream().await)).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    /// Calls, and gives the answer; panics unless it is a good one.
    pub(super) async fn call(&mut self, method: &str, path: &str, body: Value) -> Value {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(format!("/v1.41{path}"))
            .header("host", "engine")
            .header("content-type", "application/json")
            .body(Whole(Some(text.into())))
            .unwrap();
        self.sender.ready().await.unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        let status = response.status();
        let mut body = std::pin::pin!(response.into_body());
        let mut bytes = Vec::new();
        while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
            bytes.extend_from_slice(frame.unwrap().data_ref().unwrap_or(&Bytes::new()));
        }
        assert!(status.is_success(), "{method} {path}: {status} {}", String::from_utf8_lossy(&bytes));
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }

    /// How many containers with this label there are; only those that run, if `running`.
    pub(super) async fn count(&mut self, label: &str, running: bool) -> usize {
        let state = if running { r#","status":["running"]"# } else { "" };
        let filters = format!(r#"{{"label":["{label}"]{state}}}"#);
        let encoded: String = filters.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let found = self.call("GET", &format!("/containers/json?all=true&filters={encoded}"), Value::Null).await;
        found.as_array().map_or(0, Vec::len)
    }
}

async fn stream() -> UnixStream {
    UnixStream::connect(SOCKET).await.unwrap()
}

/// Attaches to a container's output; gives all of it when the container has ended.
pub(super) async fn attach(container: &str) -> tokio::task::JoinHandle<Vec<u8>> {
    let mut stream = stream().await;
    let request = format!(
        "POST /v1.41/containers/{container}/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: engine\r\n\
         Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 1024];
    let read = stream.read(&mut head).await.unwrap();
    assert!(head[..read].starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head[..read]));
    tokio::spawn(async move {
        let mut output = Vec::new();
        stream.read_to_end(&mut output).await.unwrap();
        output
    })
}
