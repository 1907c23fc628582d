//! What a delivery's sender is told.

use thiserror::Error;

use crate::{
    hook::{Refused, Unreadable},
    lifecycle::NotKept,
    model::{BuildId, Verdict},
};

/// The answer to one delivery.
#[derive(Debug)]
pub enum Answer {
    /// To a greeting.
    Pong,
    /// Everything it asks for is on the disk.
    Accepted {
        /// The builds it made; none for a push to the configuration repository.
        builds: Vec<BuildId>,
        /// What else there is to say.
        message: Option<String>,
    },
    /// It was accepted before, as these builds.
    Duplicate(Vec<BuildId>),
    /// There is nothing to build; the sentence says why.
    Ignored(String),
    /// It was not taken.
    Refused(Refusal),
}

/// Why a delivery was not taken.
#[derive(Debug, Error)]
pub enum Refusal {
    /// Not signed, or not rightly.
    #[error(transparent)]
    Signature(Refused),
    /// Not what forges send.
    #[error(transparent)]
    Unreadable(Unreadable),
    /// It could not be written down, so nothing is promised.
    #[error("the push could not be kept, deliver it again: {0}")]
    NotKept(NotKept),
    /// The configuration repository was never read yet.
    #[error("the configuration repository has not been read yet, deliver it again later")]
    NoCatalog,
    /// The service is about to end.
    #[error("the service is leaving, deliver it again later")]
    Leaving,
}

impl Answer {
    /// The verdict that is counted.
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::Pong => Verdict::Ping,
            Self::Accepted { .. } => Verdict::Accepted,
            Self::Duplicate(_) => Verdict::Duplicate,
            Self::Ignored(_) => Verdict::Ignored,
            Self::Refused(_) => Verdict::Refused,
        }
    }
}
