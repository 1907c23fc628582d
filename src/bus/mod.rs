//! From what happens to what relays show, within the process or over Redis.
//!
//! ```text
//! events ─▶ board ─▶ bus ─▶ relay, relay, …
//! ```
//!
//! [`Events`] are typed and stay in the process: whoever changes a build tells them, the board is
//! drawn from them. The [`Bus`] carries what the board shows to relays, as the payloads that their
//! viewers get, on topics with the names that 0-autobuilder gave them. It has two backends that pass one
//! contract (`tests/bus.rs`): nothing that publishes ever waits or fails, a reader that comes late or
//! was away gets the newest pictures, and one that reads slowly misses output, never a picture.

mod embedded;
mod events;
mod link;
mod mailbox;
mod message;
mod redis;

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::watch;

use self::{embedded::Embedded, mailbox::Mailbox, redis::Redis};
pub use self::{
    events::{Event, Events, Output, Subscription},
    link::Link,
    message::{Message, NotAMessage, Topic, Update},
    redis::NotAnAddress,
};

/// Carries pictures and output from the board to relays. Cloning it gives another handle.
#[derive(Debug, Clone)]
pub enum Bus {
    /// To relays in this process.
    Embedded(Embedded),
    /// To relays anywhere.
    Redis(Redis),
}

/// One reader's messages. Dropping it ends the reading.
#[derive(Debug)]
pub struct Inbox {
    mailbox: Arc<Mailbox>,
    /// What fills it, if that is a task.
    _listener: Option<tokio_util::task::AbortOnDropHandle<()>>,
}

impl Bus {
    /// A bus within this process.
    pub fn embedded() -> Self {
        Self::Embedded(Embedded::new())
    }

    /// A bus over the Redis at this address; it need not be there yet. Needs a runtime.
    pub fn redis(url: &SecretString) -> Result<Self, NotAnAddress> {
        Redis::new(url).map(Self::Redis)
    }

    /// Tells all readers. Never waits and never fails: what cannot be carried away soon enough is
    /// dropped, the oldest output first, and of pictures all but the newest.
    pub fn publish(&self, message: Message) {
        match self {
            Self::Embedded(bus) => bus.publish(message),
            Self::Redis(bus) => bus.publish(message),
        }
    }

    /// Keeps a newer picture for readers to come, without telling those that are there.
    pub fn keep(&self, message: Message) {
        match self {
            Self::Embedded(bus) => bus.keep(message),
            Self::Redis(bus) => bus.keep(message),
        }
    }

    /// Reads the newest pictures, and everything from now on.
    pub fn subscribe(&self) -> Inbox {
        match self {
            Self::Embedded(bus) => Inbox { mailbox: bus.subscribe(), _listener: None },
            Self::Redis(bus) => {
                let (mailbox, listener) = bus.subscribe();
                Inbox { mailbox, _listener: Some(listener) }
            }
        }
    }

    /// Whether it carries.
    pub fn link(&self) -> watch::Receiver<Link> {
        match self {
            Self::Embedded(bus) => bus.link(),
            Self::Redis(bus) => bus.link(),
        }
    }

    /// Pieces of output that were dropped on their way to relays elsewhere, since it took too long.
    pub fn dropped(&self) -> u64 {
        match self {
            // Each reader has a mailbox of its own, and its own losses.
            Self::Embedded(_) => 0,
            Self::Redis(bus) => bus.dropped(),
        }
    }

    /// Waits until what was published is on its way.
    pub async fn flushed(&self) {
        match self {
            Self::Embedded(_) => {}
            Self::Redis(bus) => bus.flushed().await,
        }
    }
}

impl Inbox {
    /// Waits until there is something to take.
    pub async fn arrived(&self) {
        self.mailbox.arrived().await;
    }

    /// Pieces of output that were dropped, since they were not taken soon enough.
    pub fn dropped(&self) -> u64 {
        self.mailbox.dropped()
    }

    /// Takes all that is there: output first, then the history, then the current builds.
    pub fn take(&self) -> Vec<Message> {
        self.mailbox.take()
    }
}
