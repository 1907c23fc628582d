//! An answer that grows, a JSON object a line (`application/x-ndjson`).

use std::{borrow::Cow, future::Future, io, ops::Not, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use thiserror::Error;
use tokio::sync::mpsc;
use warp::{
    Reply,
    http::{HeaderValue, header},
    reply::Response,
};

use crate::logs::Hit;

/// How long a reader may leave what was found unread.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a search ends early.
#[derive(Debug, Error)]
pub(super) enum Stop {
    /// Its reader has gone, or does not read.
    #[error("the reader has gone")]
    Gone,
    /// A log or the store could not be read.
    #[error("{0}")]
    Failed(#[from] io::Error),
    /// It was not done in its time.
    #[error("the search took too long: search for something rarer, or in fewer builds")]
    TooLong,
}

/// The writer's end.
#[derive(Clone)]
pub(super) struct Feed(mpsc::Sender<io::Result<Bytes>>);

/// A line that matches.
#[derive(Serialize)]
pub(super) struct HitDocument<'a> {
    number: u64,
    offset: u64,
    text: Cow<'a, str>,
    /// The text that matched first in this line.
    #[serde(rename = "match")]
    matched: Cow<'a, str>,
    /// Whether the text is only the part of the line around the match.
    #[serde(skip_serializing_if = "Not::not")]
    cut: bool,
}

impl<'a> From<&'a Hit> for HitDocument<'a> {
    fn from(hit: &'a Hit) -> Self {
        Self {
            number: hit.number,
            offset: hit.offset,
            text: String::from_utf8_lossy(&hit.bytes),
            matched: String::from_utf8_lossy(&hit.bytes[hit.matched.clone()]),
            cut: hit.cut,
        }
    }
}

/// An answer that `work` writes. If it fails the body breaks off, so that a reader never takes it for whole.
pub(super) fn answer<F>(work: impl FnOnce(Feed) -> F) -> Response
where
    F: Future<Output = Result<(), Stop>> + Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel(1);
    let feed = Feed(sender);
    let work = work(feed.clone());
    tokio::spawn(async move {
        match work.await {
            Ok(()) | Err(Stop::Gone) => {}
            Err(failure) => {
                tracing::warn!("A search broke off: {failure}");
                let _ = feed.0.send(Err(io::Error::other(failure))).await;
            }
        }
    });
    let pieces = stream::poll_fn(move |context| receiver.poll_recv(context));
    let mut response = warp::reply::stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that collects answers would hide what is found until the end.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

impl Feed {
    /// Whether there is still a reader.
    pub(super) fn has_reader(&self) -> Result<(), Stop> {
        if self.0.is_closed() { Err(Stop::Gone) } else { Ok(()) }
    }

    /// Sends some objects at once.
    pub(super) async fn send<D: Serialize>(&self, documents: impl Iterator<Item = D>) -> Result<(), Stop> {
        let mut piece = Vec::new();
        for document in documents {
            serde_json::to_writer(&mut piece, &document).map_err(io::Error::from)?;
            piece.push(b'\n');
        }
        if piece.is_empty() {
            return self.has_reader();
        }
        match tokio::time::timeout(PATIENCE, self.0.send(Ok(piece.into()))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Stop::Gone),
        }
    }
}
