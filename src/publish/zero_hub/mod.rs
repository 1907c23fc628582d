//! The Zero-OS hub: keeps an artifact safe here until it is there, verified, with its link.
//!
//! ```text
//! Collected ─▶ outgoing/ (copied, hashed, read to its end) ─▶ who am I? ─▶ upload ─▶ compared ─▶ link
//! ```
//!
//! The hub may be away for hours, refuse, or say "success" when it stored nothing, so taking an
//! artifact over and delivering it are two steps with a durable place between them. Each step of a
//! delivery can be repeated; what is done is written down before the next begins.

mod archive;
mod client;
mod delivery;
mod error;
mod ledger;
mod outgoing;
mod reply;
mod token;
mod turn;
mod upload;

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use secrecy::SecretString;
use tokio::sync::Notify;

use self::{client::Client, ledger::Ledger, outgoing::Outgoing, turn::Turns};
pub use self::{
    error::{Again, HubError},
    turn::Turn,
};
use super::{Collected, LinkOrder, PublishError, name};
use crate::model::{ArtifactName, BuildId};

/// Is told, line by line, how a delivery goes.
pub type Tell<'a> = dyn Fn(String) + Send + Sync + 'a;

/// How to reach a hub, and where artifacts wait for it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its address, without `/api`.
    pub url: String,
    /// Whose name to publish under; empty: the token's own.
    pub user: String,
    /// The token.
    pub token: SecretString,
    /// Where a token that has ended is renewed; empty: nowhere.
    pub refresh_url: String,
    /// Where artifacts wait until the hub has them.
    pub directory: PathBuf,
}

/// A Zero-OS hub. Clones are the same hub.
#[derive(Clone)]
pub struct ZeroHub {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    outgoing: Outgoing,
    ledger: Ledger,
    turns: Turns,
}

impl ZeroHub {
    /// Opens the place where artifacts wait. Does not speak to the hub.
    pub fn open(config: &Config) -> Result<Self, PublishError> {
        let (outgoing, ledger) = (Outgoing::open(&config.directory)?, Ledger::open(&config.directory)?);
        Ok(Self { inner: Arc::new(Inner { client: Client::new(config), outgoing, ledger, turns: Turns::new() }) })
    }

    /// Takes an artifact over, durably. Blocks for as long as copying and reading it takes. An error if
    /// it is no archive that a hub could unpack, or if its link belongs to another ref.
    pub fn keep(&self, artifact: Collected, name: &ArtifactName, order: &LinkOrder) -> Result<(), PublishError> {
        name::check(&name.versioned)?;
        name::check(&name.link)?;
        self.inner.ledger.allows(&name.link, order)?;
        self.inner.outgoing.keep(order.build, artifact, name)
    }

    /// Whether an artifact of this build waits to be delivered.
    pub fn has(&self, build: BuildId) -> bool {
        self.inner.outgoing.has(build)
    }

    /// Makes an artifact that was kept of an ended build that of a new one. False if none was.
    pub fn hand_over(&self, from: BuildId, to: BuildId) -> Result<bool, PublishError> {
        self.inner.outgoing.hand_over(from, to)
    }

    /// Lets an artifact go: it is delivered, or nobody wants it any more.
    pub fn release(&self, build: BuildId) -> Result<(), PublishError> {
        if let Ok(parcel) = self.inner.outgoing.read(build)
            && !parcel.linked
        {
            self.inner.ledger.withdraw(&parcel.name.link, build)?;
        }
        self.inner.outgoing.remove(build)
    }

    /// Keeps an artifact for some days, although its build has ended, so that another try needs no
    /// other build.
    pub fn set_aside(&self, build: BuildId) -> Result<(), PublishError> {
        self.inner.ledger.withdraw(&self.inner.outgoing.read(build)?.name.link, build)?;
        self.inner.outgoing.set_aside(build)
    }

    /// Removes every artifact that belongs to no build in `live` and is not set aside.
    pub fn sweep(&self, live: &HashSet<BuildId>) -> Result<(), PublishError> {
        self.inner.outgoing.sweep(live)
    }

    /// Removes every artifact that was set aside for long enough.
    pub fn expire(&self) -> Result<(), PublishError> {
        self.inner.outgoing.expire()
    }

    /// Waits until it may speak to the hub: after a pause, unless hurried, and one at a time.
    pub async fn turn(&self, hurry: &Notify) -> Turn<'_> {
        self.inner.turns.take(hurry).await
    }

    /// Waits until the hub is given time to recover.
    pub async fn resting(&self) {
        self.inner.turns.resting().await;
    }

    /// Waits until the hub is given time to recover from something else than `known`, and says from what.
    pub async fn trouble(&self, known: &str) -> String {
        self.inner.turns.trouble(known).await
    }

    /// Uses another token from now on; who waits for the hub tries at once.
    pub fn take_token(&self, token: SecretString) {
        self.inner.client.take_token(token);
        self.inner.turns.end_pause();
    }

    /// Asks the hub under which name it knows us.
    pub async fn preflight(&self) -> Result<String, HubError> {
        Ok(self.inner.client.connect().await?.username)
    }

    /// Where people fetch a flist of that name.
    pub fn address_of(&self, name: &str) -> Option<String> {
        self.inner.client.address_of(name)
    }
}
