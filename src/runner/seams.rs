//! What the runner needs from its neighbours, and no more: a source, a publisher, a journal.

use std::path::Path;

use bytes::Bytes;
use thiserror::Error;

use super::{
    collect::Collected,
    engine::{Bind, PullProgress},
};
use crate::model::{Artifact, Build, BuildId, Cause, CommitInfo, Outcome, Stage};

/// Why a neighbour could not do its part.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct Fault {
    /// The fixed word for it.
    pub cause: Cause,
    /// Whose doing it is.
    pub outcome: Outcome,
    /// Whether another attempt may help.
    pub retryable: bool,
    /// A sentence for people.
    pub message: String,
}

/// Brings the commit of a build to a directory.
pub trait Source: Send + Sync + 'static {
    /// Directories the checkout relies on (objects of a mirror), to be mounted read-only. Their host
    /// directories exist when this returns; they are filled later. Must be quick.
    fn binds(&self, build: &Build) -> Result<Vec<Bind>, Fault>;

    /// Fills the empty directory `workspace` with the build's commit. A container that mounts the
    /// directory is made meanwhile, so the directory itself must stay the same one. Gives what the commit
    /// says of itself, if the build does not know.
    fn prepare(
        &self,
        build: &Build,
        workspace: &Path,
    ) -> impl Future<Output = Result<Option<CommitInfo>, Fault>> + Send;
}

/// What became of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handed {
    /// It is published.
    Published(Artifact),
    /// It is safe, and will be published without the build's container or workspace.
    Kept,
}

/// Publishes what a build left.
pub trait Publisher: Send + Sync + 'static {
    /// Takes the open file over; to be repeated without harm, because a restart may do so.
    fn publish(&self, build: &Build, collected: Collected) -> impl Future<Output = Result<Handed, Fault>> + Send;
}

/// What a running build tells.
#[derive(Debug, Clone)]
pub enum Progress {
    /// It reached this stage.
    Stage(Stage),
    /// What its commit says of itself, which no delivery told.
    Commit(CommitInfo),
    /// Its base image is being pulled.
    Pull(PullProgress),
    /// The digest of its base image.
    Image(String),
    /// The id of its container.
    Container(String),
    /// Output, already in the log, that begins at this byte of it.
    Output {
        /// Where in the log it begins.
        offset: u64,
        /// The bytes as they are.
        bytes: Bytes,
    },
}

/// Is told how builds go.
pub trait Journal: Send + Sync + 'static {
    /// Notes one thing. Called on the build's path: must neither block nor wait. Output may be
    /// dropped for slow readers, who find it in the log.
    fn note(&self, build: BuildId, progress: Progress);
}
