//! A forge's side of the wire: signs a push and delivers it, as the demonstration's repositories do.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use hmac::{Hmac, Mac, digest::KeyInit};
use hyper::{Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::json;
use sha2::Sha256;
use thiserror::Error;
use tokio::net::TcpStream;

use crate::model::{CommitInfo, Push, Tip};

/// A push could not be delivered.
#[derive(Debug, Error)]
pub enum DeliverError {
    /// Nobody listens.
    #[error("could not reach {0}: {1}")]
    Connect(SocketAddr, io::Error),
    /// The connection broke.
    #[error("the delivery was interrupted: {0}")]
    Http(#[from] hyper::Error),
    /// It was not taken.
    #[error("the service answered {0}")]
    Refused(StatusCode),
}

/// Delivers `push` in GitHub's form.
pub async fn deliver(address: SocketAddr, secret: &[u8], push: &Push) -> Result<(), DeliverError> {
    let body = payload(push).to_string();
    let stream = TcpStream::connect(address).await.map_err(|error| DeliverError::Connect(address, error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::post("/hook/monitor-watch")
        .header("host", address.to_string())
        .header("content-type", "application/json")
        .header("content-length", body.len())
        .header("x-github-event", "push")
        .header("x-github-delivery", uuid::Uuid::now_v7().to_string())
        .header("x-hub-signature-256", signature(secret, body.as_bytes()))
        .body(Whole(Some(body.into())));
    // Every part of it is ours and well-formed.
    let Ok(request) = request else { return Err(DeliverError::Refused(StatusCode::BAD_REQUEST)) };
    let exchange = async {
        let response = sender.send_request(request).await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(DeliverError::Refused(status)),
        }
    };
    tokio::select! {
        done = exchange => done,
        ended = connection => Err(ended.err().map_or(DeliverError::Refused(StatusCode::BAD_GATEWAY), DeliverError::Http)),
    }
}

fn payload(push: &Push) -> serde_json::Value {
    let head = push.commits.last();
    json!({
        "ref": push.git_ref.to_string(),
        "before": push.before.as_str(),
        "after": push.after.as_str(),
        "created": push.before == Tip::None,
        "deleted": push.after == Tip::None,
        "forced": false,
        "base_ref": null,
        "compare": "",
        "commits": push.commits,
        "head_commit": head,
        "repository": {"full_name": push.repository, "name": push.repository.name()},
        "pusher": {"name": head.map_or("", |commit: &CommitInfo| commit.author.name.as_str())},
    })
}

fn signature(secret: &[u8], body: &[u8]) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(secret) else { return String::new() };
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// A body in one piece.
struct Whole(Option<Bytes>);

impl hyper::body::Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(hyper::body::Frame::data(bytes))))
    }
}
