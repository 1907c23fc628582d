//! Refs as a remote lists them, and the questions that need nothing more.

use std::sync::Arc;

use git2::Oid;

use super::{
    GitError, Mirrors, blocking,
    mirror::Mirror,
    source::{Listing, Source},
};
use crate::model::{CommitId, GitRef, Repository};

/// One branch or tag of a remote.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// The full name.
    pub(super) name: String,
    /// What it points to: for an annotated tag, the tag object.
    pub(super) oid: Oid,
    /// What an annotated tag is about.
    pub(super) peeled: Option<Oid>,
}

impl Head {
    pub(super) fn commit(&self) -> Oid {
        self.peeled.unwrap_or(self.oid)
    }

    pub(super) fn is_tag(&self) -> bool {
        self.name.starts_with("refs/tags/")
    }
}

/// Folds the `…^{}` lines of an advertisement into the tags they belong to, and leaves out what is neither a
/// branch nor a tag (pull requests, notes).
pub(super) fn fold(lines: impl Iterator<Item = (String, Oid)>) -> Vec<Head> {
    let mut heads: Vec<Head> = Vec::new();
    for (name, oid) in lines {
        match (name.strip_suffix("^{}"), heads.last_mut()) {
            (Some(tag), Some(last)) if last.name == tag => last.peeled = Some(oid),
            (None, _) if name.starts_with("refs/heads/") || name.starts_with("refs/tags/") => {
                heads.push(Head { name, oid, peeled: None });
            }
            _ => {}
        }
    }
    heads
}

/// A branch or tag as the remote has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteHead {
    /// Which.
    pub git_ref: GitRef,
    /// What it points to: for an annotated tag, the tag object.
    pub object: CommitId,
    /// The commit it stands at.
    pub commit: CommitId,
}

pub(super) fn commit_id(oid: Oid) -> Option<CommitId> {
    oid.to_string().parse().ok()
}

impl Mirrors {
    /// Every branch and tag of the repository, asked over the network.
    pub async fn list_heads(&self, repository: &Repository) -> Result<Vec<RemoteHead>, GitError> {
        let listing = list(self, self.mirror(repository)).await?;
        let known = |head: &Head| {
            Some(RemoteHead {
                git_ref: head.name.parse().ok()?,
                object: commit_id(head.oid)?,
                commit: commit_id(head.commit())?,
            })
        };
        Ok(listing.heads.iter().filter_map(known).collect())
    }

    /// The commit a branch or tag stands at now, asked over the network; none if there is no such ref.
    pub async fn head_of(&self, repository: &Repository, git_ref: &GitRef) -> Result<Option<CommitId>, GitError> {
        let name = git_ref.to_string();
        let listing = list(self, self.mirror(repository)).await?;
        Ok(listing.heads.iter().find(|head| head.name == name).and_then(|head| commit_id(head.commit())))
    }
}

async fn list(mirrors: &Mirrors, mirror: Arc<Mirror>) -> Result<Listing, GitError> {
    let _use = mirror.share().await;
    let doing = format!("list the refs of {}", mirror.what);
    blocking::run(mirrors.timeout(), &doing, move |abandoned| {
        let repository = mirror.open()?;
        Source::open(&mirror, abandoned)?.list(&repository)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotated_tag_stands_at_its_commit() {
        let oid = |digit: &str| Oid::from_str(&digit.repeat(40)).unwrap();
        let lines = [
            ("HEAD", oid("1")),
            ("refs/heads/main", oid("1")),
            ("refs/pull/1/head", oid("2")),
            ("refs/tags/v1", oid("3")),
            ("refs/tags/v1^{}", oid("1")),
        ];
        let heads = fold(lines.into_iter().map(|(name, oid)| (name.to_owned(), oid)));
        let seen: Vec<_> = heads.iter().map(|head| (head.name.as_str(), head.commit())).collect();
        assert_eq!(seen, [("refs/heads/main", oid("1")), ("refs/tags/v1", oid("1"))]);
    }
}
