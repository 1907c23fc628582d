//! The bus over Redis: one task carries what is published there, one for each reader brings it back.
//!
//! Redis is for screens only, so it may be away, slow or new at any time: nobody waits for it. Each
//! task connects again by itself and begins with the newest pictures, which Redis also keeps under keys
//! with the topics' names. What was published meanwhile is not caught up with: the pictures say how far
//! each log had come, and the log itself has every byte.

mod address;
mod alive;
mod carry;
mod listen;

use std::sync::{Arc, OnceLock};

use secrecy::SecretString;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

pub use self::address::NotAnAddress;
use self::{address::Address, carry::Outbox};
use super::{Link, Message, mailbox::Mailbox};

/// A bus over one Redis. Clones share its tasks, which end with the last of them.
#[derive(Debug, Clone)]
pub struct Redis {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: Address,
    outbox: Arc<Outbox>,
    link: watch::Sender<Link>,
    /// Starts with the first message: who only reads needs none.
    carrier: OnceLock<AbortOnDropHandle<()>>,
}

impl Redis {
    pub(super) fn new(url: &SecretString) -> Result<Self, NotAnAddress> {
        let address = Address::parse(url)?;
        let (link, _) = watch::channel(Link::away(format!("{address} was not reached yet")));
        let shared = Shared { address, outbox: Arc::default(), link, carrier: OnceLock::new() };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(super) fn publish(&self, message: Message) {
        self.shared.outbox.put(message);
        self.carry();
    }

    pub(super) fn keep(&self, message: Message) {
        self.shared.outbox.keep(message);
        self.carry();
    }

    pub(super) fn subscribe(&self) -> (Arc<Mailbox>, AbortOnDropHandle<()>) {
        let mailbox = Arc::new(Mailbox::default());
        let listener = listen::listen(self.shared.address.clone(), Arc::clone(&mailbox), self.shared.link.clone());
        (mailbox, AbortOnDropHandle::new(tokio::spawn(listener)))
    }

    pub(super) fn link(&self) -> watch::Receiver<Link> {
        self.shared.link.subscribe()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.shared.outbox.dropped()
    }

    pub(super) async fn flushed(&self) {
        self.shared.outbox.emptied().await;
    }

    fn carry(&self) {
        let shared = &self.shared;
        shared.carrier.get_or_init(|| {
            let carrier = carry::carry(shared.address.clone(), Arc::clone(&shared.outbox), shared.link.clone());
            AbortOnDropHandle::new(tokio::spawn(carrier))
        });
    }
}
