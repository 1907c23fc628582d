//! Whether a bus carries, for whoever has to say so.

use std::time::SystemTime;

/// The way to the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// What is published arrives.
    There,
    /// It would, but nobody publishes: the service is gone, or cannot get there.
    Deserted {
        /// Since when that is known.
        since: SystemTime,
    },
    /// It does not.
    Away {
        /// Since when.
        since: SystemTime,
        /// A sentence about it, without secrets.
        why: String,
    },
}

impl Link {
    /// Away since now.
    pub(super) fn away(why: impl Into<String>) -> Self {
        Self::Away { since: SystemTime::now(), why: why.into() }
    }

    /// Why it does not carry; nothing while it does.
    pub fn trouble(&self) -> Option<&str> {
        match self {
            Self::There => None,
            Self::Deserted { .. } => Some("the service has not been heard of for some seconds"),
            Self::Away { why, .. } => Some(why),
        }
    }
}
