//! What a Zero-OS hub may answer instead of what we want, and whether to ask again.

use std::time::Duration;

use thiserror::Error;

/// Why a hub did not do what it was asked.
#[derive(Debug, Error)]
pub enum HubError {
    /// Nobody answers, or the connection broke.
    #[error("the hub at {url} could not be reached: {why}")]
    Unreachable {
        /// The hub's address.
        url: String,
        /// What the network said.
        why: String,
    },
    /// It is there, and nothing moves.
    #[error("the hub {0}")]
    Silent(String),
    /// It has a fault of its own, or too much to do.
    #[error("the hub answered {status}{said}")]
    Failing {
        /// The HTTP status.
        status: u16,
        /// Its own words, behind a colon.
        said: String,
        /// When it wants to be asked again.
        after: Option<Duration>,
    },
    /// Something else answers in its place.
    #[error("what answers at {url} is not a Zero-OS hub just now ({status}{said}): if that stays, check `hub.url`")]
    NotAHub {
        /// The hub's address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of its answer, behind a colon.
        said: String,
    },
    /// There is nothing of a hub at that address.
    #[error("there is no Zero-OS hub at {url} ({status}{said}): set `hub.url` to its address, without `/api`")]
    WrongAddress {
        /// The configured address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Its own words, behind a colon.
        said: String,
    },
    /// The token is not accepted.
    #[error("the hub refuses `hub.token` ({status}{said}): give it a new one and send the service SIGHUP")]
    Token {
        /// The HTTP status.
        status: u16,
        /// Its own words, behind a colon.
        said: String,
    },
    /// The token is somebody else's.
    #[error(
        "`hub.token` makes us `{is}` at the hub, not `{wanted}`: the token must be of `{wanted}`, or of a member \
             of it, or `hub.user` be `{is}`"
    )]
    Identity {
        /// Who we are there.
        is: String,
        /// Who we want to be.
        wanted: String,
    },
    /// It says "success", and it was none.
    #[error("the hub answered \"success\" and has not stored what was sent: {0}")]
    NotStored(String),
    /// A file where the link belongs.
    #[error(
        "`{0}` is a file in the hub, and no link can take its name: give the recipe a `tag`, or remove that file there"
    )]
    LinkTaken(String),
    /// What was uploaded is not there any more.
    #[error("`{0}` was uploaded, and is gone from the hub again")]
    Gone(String),
    /// A refusal that waiting does not mend.
    #[error("the hub refuses {what} ({status}{said})")]
    Refused {
        /// What it refuses.
        what: String,
        /// The HTTP status.
        status: u16,
        /// Its own words, behind a colon.
        said: String,
    },
    /// No client could be made.
    #[error("no connection to the hub can be made: {0}")]
    Client(String),
}

/// Whether to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// As long as it takes, but not before so much time has passed, if the hub said so.
    Later(Option<Duration>),
    /// A few times: it may have been an accident.
    FewTimes,
    /// Never: somebody must change something first.
    Never,
}

impl HubError {
    /// Whether to ask again.
    pub fn again(&self) -> Again {
        match self {
            Self::Unreachable { .. } | Self::Silent(_) | Self::NotAHub { .. } => Again::Later(None),
            Self::Failing { after, .. } => Again::Later(*after),
            Self::NotStored(_) | Self::Gone(_) => Again::FewTimes,
            Self::WrongAddress { .. }
            | Self::Token { .. }
            | Self::Identity { .. }
            | Self::LinkTaken(_)
            | Self::Refused { .. }
            | Self::Client(_) => Again::Never,
        }
    }
}
