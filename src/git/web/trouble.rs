//! Why a forge's answer never came, or broke off: in words, since libgit2 only sees a closed connection.

use std::{
    error::Error as StdError,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use thiserror::Error;

use super::client::CONNECT;
use crate::tls;

/// Fragments that fit after "could not fetch acme/tool from https://forge/acme/tool.git: ".
#[derive(Debug, Error)]
pub(super) enum Trouble {
    #[error("could not open a port on the loopback for libgit2: {0}")]
    Port(io::Error),
    #[error("could not prepare for TLS: {0} (is the package ca-certificates there?)")]
    Client(String),
    #[error("no connection after {}s", CONNECT.as_secs())]
    Connect,
    #[error("it sent nothing for {}s", after.as_secs_f32())]
    Silent { after: Duration },
    #[error("{0}")]
    Certificate(String),
    #[error("cannot redirect to {to}, which is another host or less safe")]
    Redirect { to: String },
    #[error("the proxy wants a user and a password: put them into HTTPS_PROXY or HTTP_PROXY")]
    Proxy,
    #[error("{0}")]
    Failed(String),
}

impl Trouble {
    pub(super) fn client(error: &reqwest::Error) -> Self {
        Self::Client(innermost(error).to_string())
    }

    pub(super) fn request(error: &reqwest::Error) -> Self {
        if let Some(refusal) = tls::refusal(error) {
            Self::Certificate(refusal)
        } else if error.is_connect() && error.is_timeout() {
            Self::Connect
        } else {
            Self::Failed(innermost(error).to_string())
        }
    }
}

/// What the layers above it say is "error sending request", "client error", and the like.
fn innermost<'error>(error: &'error (dyn StdError + 'static)) -> &'error (dyn StdError + 'static) {
    std::iter::successors(Some(error), |error| (*error).source()).last().unwrap_or(error)
}

/// The last trouble of a gateway, until somebody tells it. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Remembered(Arc<Mutex<Option<String>>>);

impl Remembered {
    pub(super) fn remember(&self, trouble: &Trouble) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble.to_string());
    }

    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
