//! A forge's answer on its way to libgit2: streamed, and given up when the forge falls silent.
//!
//! Silence counts only while we wait for the forge. When libgit2 is the slow one, nothing is read from the forge, and
//! a packfile of any size passes through the buffers of two sockets.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::trouble::{Remembered, Trouble};

/// A body that remembers why it broke off.
pub(super) struct Watched {
    body: reqwest::Body,
    silence: Duration,
    /// Runs while the forge is waited for.
    patience: Option<Pin<Box<Sleep>>>,
    trouble: Remembered,
}

impl Watched {
    pub(super) fn new(body: reqwest::Body, silence: Duration, trouble: Remembered) -> Self {
        Self { body, silence, patience: None, trouble }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Trouble;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Trouble>>> {
        let this = &mut *self;
        let trouble = match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Err(error))) => Trouble::request(&error),
            Poll::Ready(Some(Ok(frame))) => {
                this.patience = None;
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                let after = this.silence;
                ready!(this.patience.get_or_insert_with(|| Box::pin(sleep(after))).as_mut().poll(cx));
                Trouble::Silent { after }
            }
        };
        this.trouble.remember(&trouble);
        Poll::Ready(Some(Err(trouble)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
