//! Where the lifecycle leaves what the forge is to be told.

use std::sync::Arc;

use tokio::sync::Notify;

use super::wording;
use crate::{
    model::{Build, Timestamp},
    sqlite::{Error, Tx},
    store::{builds::BuildRow, statuses},
};

/// An outbox, or the want of one: without a token nothing is queued that could never be sent.
/// Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Outbox(Option<Arc<Open>>);

#[derive(Debug)]
struct Open {
    context: String,
    /// Rung when there is something to send.
    bell: Notify,
}

impl Outbox {
    /// An outbox for statuses whose contexts begin with `context`.
    pub fn open(context: String) -> Self {
        Self(Some(Arc::new(Open { context, bell: Notify::new() })))
    }

    /// Nobody is told anything.
    pub fn closed() -> Self {
        Self(None)
    }

    /// Writes down how a build stands, in the transaction that made it stand so.
    pub fn note(&self, tx: &Tx, row: BuildRow, build: &Build) -> Result<(), Error> {
        match &self.0 {
            Some(open) => statuses::put(tx, row, build, &wording::status(&open.context, build), Timestamp::now()),
            None => Ok(()),
        }
    }

    /// After the transaction: there may be something to send.
    pub fn ring(&self) {
        if let Some(open) = &self.0 {
            open.bell.notify_one();
        }
    }

    /// Ends when there may be something to send.
    pub(super) async fn rung(&self) {
        match &self.0 {
            Some(open) => open.bell.notified().await,
            None => std::future::pending().await,
        }
    }
}
