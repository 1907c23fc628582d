//! Reads a request's body, up to a limit and a deadline.
//!
//! warp's own limit asks for a `Content-Length`, and refuses a chunked body however small.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use warp::http::StatusCode;

use super::reply::Problem;

/// How long a client may take to send a body.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much is read of a body that is not wanted.
const MOST_PASSED: usize = 256 << 20;

/// The whole body, if it is at most `limit` bytes.
pub(super) async fn read<S, B>(body: S, limit: usize) -> Result<Bytes, Problem>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    match tokio::time::timeout(PATIENCE, collect(body, limit)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    }
}

/// Reads a body that is not wanted, so that the client comes to read the answer: one whose body is still on
/// its way when we close loses it. Not for ever.
pub(super) async fn pass_over<S, B>(body: S)
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let _late = tokio::time::timeout(PATIENCE, pass(std::pin::pin!(body))).await;
}

async fn pass<S, B>(mut body: std::pin::Pin<&mut S>)
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let mut passed = 0;
    while let Some(Ok(piece)) = body.next().await {
        passed += piece.remaining();
        if passed > MOST_PASSED {
            return;
        }
    }
}

async fn collect<S, B>(body: S, limit: usize) -> Result<Bytes, Problem>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let mut body = std::pin::pin!(body);
    let mut whole = BytesMut::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| Problem::bad_request(format!("the body could not be read: {error}")))?;
        if whole.len() + piece.remaining() > limit {
            pass(body.as_mut()).await;
            let message = format!("the body is larger than {} MiB", limit >> 20);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        whole.put(piece);
    }
    Ok(whole.freeze())
}
