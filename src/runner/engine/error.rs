//! What can go wrong with the engine, as sentences that carry the engine's own words.

use std::time::Duration;

use bollard::errors::Error as Foreign;
use thiserror::Error;

/// The engine could not do what it was asked to.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The address is no address.
    #[error("`{host}` is not an address of a container engine ({reason}): use `unix:///path` or `tcp://host:port`")]
    Address {
        /// What was configured.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The engine is older than what is needed.
    #[error("the container engine speaks API {found}, at least {needed} is needed: update Docker or Podman")]
    TooOld {
        /// What it speaks.
        found: String,
        /// What is needed.
        needed: &'static str,
    },
    /// It did not answer in time.
    #[error("the container engine did not answer within {} s when asked to {doing}", deadline.as_secs())]
    Silent {
        /// What it was asked to do.
        doing: &'static str,
        /// How long it had.
        deadline: Duration,
    },
    /// It answered with an error.
    #[error("the container engine could not {doing}: {message}")]
    Refused {
        /// What it was asked to do.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
        /// Its own words.
        message: String,
    },
    /// The connection could not be made or broke.
    #[error("the container engine cannot be reached to {doing}: {message}")]
    Unreachable {
        /// What it was asked to do.
        doing: &'static str,
        /// What the connection said.
        message: String,
    },
}

impl EngineError {
    pub(super) fn new(doing: &'static str, error: Foreign) -> Self {
        match error {
            Foreign::DockerResponseServerError { status_code, message } => {
                Self::Refused { doing, status: status_code, message }
            }
            Foreign::DockerStreamError { error } => Self::Refused { doing, status: 500, message: error },
            other => Self::Unreachable { doing, message: chain(&other) },
        }
    }

    /// The HTTP status, if the engine gave one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether what was asked for stands against something that exists.
    pub(super) fn is_conflict(&self) -> bool {
        self.status() == Some(409)
    }

    /// Whether the thing asked about does not exist.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }
}

/// An error with all its sources: the outermost alone says only "client error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = inner.source();
    }
    text
}
