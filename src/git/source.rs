//! Where a mirror's objects come from: over HTTP, or from a directory named by `file://`.
//!
//! libgit2's own local transport sends every branch and re-sends every annotated tag's whole tree each time;
//! ours sends what is missing. Both kinds list the refs first and then bring the wanted ones.

use git2::{Oid, Repository};

use super::{
    GitError,
    blocking::{Abandoned, OnProgress, Progress},
    heads::Head,
    local::Local,
    mirror::Mirror,
    web::Web,
};

/// An opened remote repository.
pub(super) enum Source<'mirror> {
    Local(Local<'mirror>),
    Web(Web<'mirror>),
}

impl<'mirror> Source<'mirror> {
    pub(super) fn open(mirror: &'mirror Mirror, abandoned: &Abandoned) -> Result<Self, GitError> {
        match mirror.address.local_path() {
            Some(path) => Local::open(mirror, &path, abandoned.clone()).map(Self::Local),
            None => Web::open(mirror, abandoned.clone()).map(Self::Web),
        }
    }

    /// Every branch and tag there, and the branch that `HEAD` names.
    pub(super) fn list(&self, into: &Repository) -> Result<Listing, GitError> {
        match self {
            Self::Local(local) => local.list(),
            Self::Web(web) => web.list(into),
        }
    }

    /// Brings the objects of these heads, without touching a ref.
    pub(super) fn bring(&self, into: &Repository, heads: &[&Head], on: Option<&OnProgress>) -> Result<(), GitError> {
        match self {
            Self::Local(local) => local.bring(into, heads.iter().map(|head| head.oid), on),
            Self::Web(web) => web.bring(into, heads.iter().map(|head| head.name.as_str()), on),
        }
    }

    /// Brings one commit by its id, if the remote hands it out.
    pub(super) fn bring_commit(&self, into: &Repository, oid: Oid, on: Option<&OnProgress>) -> Result<(), GitError> {
        match self {
            Self::Local(local) => local.bring(into, [oid].into_iter(), on),
            Self::Web(web) => web.bring(into, [oid.to_string().as_str()].into_iter(), on),
        }
    }
}

/// What a remote says it has.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) heads: Vec<Head>,
    /// The full name of the branch `HEAD` stands for.
    pub(super) default: Option<String>,
}

pub(super) fn unreachable(mirror: &Mirror, error: &git2::Error) -> GitError {
    GitError::Unreachable {
        what: mirror.what.clone(),
        url: mirror.address.url(),
        reason: error.message().trim_end().to_owned(),
    }
}

pub(super) fn report(on: Option<&OnProgress>, now: &git2::Progress<'_>) {
    if let Some(on) = on {
        on(Progress { done: now.received_objects(), total: now.total_objects(), bytes: now.received_bytes() });
    }
}
