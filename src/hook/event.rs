//! What a delivery says, once it is understood, and why it may not be.

use thiserror::Error;

use super::headers::Forge;
use crate::model::{Branch, CommitId, DeliveryId, Push, Repository};

/// A delivery, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Who sent it.
    pub forge: Forge,
    /// The forge's id for it, if it gave one that can be kept.
    pub delivery: Option<DeliveryId>,
    /// The event as the forge names it: `push`, `Tag Push Hook`, `workflow_run`.
    pub name: String,
    /// What it says.
    pub event: Event,
}

/// What a delivery says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A greeting, when a webhook is made.
    Ping,
    /// A branch or tag moved, or went: then [`Push::commit`] is none.
    Push(Box<Push>),
    /// A pull request was opened, or proposes other commits now.
    Proposal(Proposal),
    /// Genuine, and nothing to us.
    Ignored(Ignored),
}

/// What a pull request proposes. Where its commits come from is not said: they are asked for in the
/// repository itself, under the request's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The repository it is made to.
    pub repository: Repository,
    /// Its number there.
    pub number: u64,
    /// The branch it is to be merged into.
    pub base: Branch,
    /// The last of its commits.
    pub commit: CommitId,
}

/// A delivery that asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Why, in a sentence.
    pub reason: String,
    /// The repository it names, if it names one.
    pub repository: Option<Repository>,
    /// The ref it names, as the forge writes it and fit to be shown.
    pub git_ref: Option<String>,
}

/// Why a delivery cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unreadable {
    /// No header says what it is.
    #[error("no `X-GitHub-Event` header (nor Gitea's or GitLab's): this is not a forge's webhook")]
    NoEvent,
    /// Neither JSON nor a form.
    #[error("the content type is `{0}`: send `application/json` or `application/x-www-form-urlencoded`")]
    ContentType(String),
    /// A form without what it should carry.
    #[error("the form does not begin with `payload=`")]
    NoPayload,
    /// The text is no JSON, or not of the shape the event has.
    #[error("the payload is not what forges send: {0}")]
    Json(String),
    /// A field that is needed is missing or holds what it cannot.
    #[error("the payload's `{field}` is no good: {reason}")]
    Field {
        /// Its path in the payload.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}
