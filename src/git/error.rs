//! Why git work failed, and whose fault it is.
//!
//! A fault of ours or of the way there (network, disk, token) may be tried again; what the repository or its
//! recipe is to blame for (a ref that is gone, a refused submodule) stays so however often it is tried.

use std::{io, path::PathBuf, time::Duration};

use thiserror::Error;

/// Fragments that fit after "could not build: ". No text ever holds the token.
#[derive(Debug, Error)]
pub enum GitError {
    /// `clone_url` cannot be used.
    #[error("github.clone_url `{clone_url}` {rule}")]
    CloneUrl {
        /// As configured.
        clone_url: String,
        /// What is wrong with it.
        rule: &'static str,
    },
    /// The host answered that there is no such repository.
    #[error(
        "could not fetch {what} from {url}: there is no such repository, or the token may not see it; check the name, \
         github.clone_url and github.token"
    )]
    NoRepository {
        /// The repository, or the submodule.
        what: String,
        /// Its address.
        url: String,
    },
    /// The host wants other credentials.
    #[error("could not fetch {what} from {url}: access denied; check github.token")]
    Denied {
        /// The repository, or the submodule.
        what: String,
        /// Its address.
        url: String,
    },
    /// The host did not answer, or not sensibly.
    #[error("could not fetch {what} from {url}: {reason}; check github.clone_url and github.token")]
    Unreachable {
        /// The repository, or the submodule.
        what: String,
        /// Its address.
        url: String,
        /// In the words of the network, or of libgit2.
        reason: String,
    },
    /// The work took longer than it may.
    #[error("could not {doing}: not done after {}s", after.as_secs_f32())]
    TimedOut {
        /// What was tried.
        doing: String,
        /// How long it was given.
        after: Duration,
    },
    /// Whoever waited for the work has left.
    #[error("stopped before it was done")]
    Abandoned,
    /// The ref does not exist any more.
    #[error("{what} has no `{git_ref}` (any more): it was deleted, or never there")]
    RefGone {
        /// The repository.
        what: String,
        /// The ref's full name.
        git_ref: String,
    },
    /// The ref exists, and the commit is not on it.
    #[error("commit {commit} is not on `{git_ref}` of {what}: it was force-pushed away, or never there")]
    NotOnRef {
        /// The repository.
        what: String,
        /// The ref's full name.
        git_ref: String,
        /// The commit that was asked for.
        commit: String,
    },
    /// Nothing was ever fetched, and the network was not to be used.
    #[error("there is no local copy of {what} yet")]
    NotCached {
        /// The repository.
        what: String,
    },
    /// A submodule that is not fetched, by rule.
    #[error("submodule `{path}` is refused: {rule}")]
    Submodule {
        /// Where it belongs in the tree.
        path: String,
        /// The rule it breaks.
        rule: String,
    },
    /// A tree that is not written, by rule.
    #[error("the tree of {commit} cannot be checked out: `{path}` {rule}")]
    Tree {
        /// The commit (or the tree itself).
        commit: String,
        /// The entry.
        path: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// The disk said no.
    #[error("could not {doing} {}", path.display())]
    Disk {
        /// A verb: `write`, `create`.
        doing: &'static str,
        /// What was touched.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A mirror cannot be read or written.
    #[error("could not {doing} in the mirror: {}", source.message())]
    Mirror {
        /// What was tried.
        doing: &'static str,
        /// libgit2's answer.
        source: git2::Error,
    },
}

impl GitError {
    /// Whether the fault is ours or the network's, so that trying again may help.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::CloneUrl { .. }
            | Self::Denied { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Abandoned
            | Self::NotCached { .. }
            | Self::Disk { .. }
            | Self::Mirror { .. } => true,
            Self::NoRepository { .. }
            | Self::RefGone { .. }
            | Self::NotOnRef { .. }
            | Self::Submodule { .. }
            | Self::Tree { .. } => false,
        }
    }

    pub(super) fn mirror(doing: &'static str) -> impl Fn(git2::Error) -> Self {
        move |source| Self::Mirror { doing, source }
    }

    pub(super) fn disk(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { doing, path: path.into(), source }
    }
}
