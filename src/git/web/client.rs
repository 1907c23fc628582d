//! The HTTP client of all mirrors, made when the first of them needs it.
//!
//! It reads the system's certificates (or `SSL_CERT_FILE`) and the usual proxy variables once, then. A service whose
//! repositories are all `file://` never makes it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use reqwest::{Client, redirect::Policy};

use super::trouble::Trouble;
use crate::tls;

/// How long a forge may take to accept a connection, TLS included.
pub(super) const CONNECT: Duration = Duration::from_secs(15);

/// Long enough that one fetch's requests share a connection, short enough that none is found closed by the forge.
const KEEP: Duration = Duration::from_secs(5);

/// The way to forges. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    client: Arc<OnceLock<Client>>,
    /// How long a forge may send nothing while an answer is due.
    pub(super) silence: Duration,
}

impl Upstream {
    pub(crate) fn new(silence: Duration) -> Self {
        Self { client: Arc::default(), silence }
    }

    pub(super) fn client(&self) -> Result<Client, Trouble> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        tls::install();
        // libgit2 follows redirects itself, by the rules of `redirect`.
        let made = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(KEEP)
            .build()
            .map_err(|error| Trouble::client(&error))?;
        Ok(self.client.get_or_init(|| made).clone())
    }
}
