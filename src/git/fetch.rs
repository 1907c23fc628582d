//! Brings one ref of a mirror up to date, and proves that a commit lies on it.
//!
//! The network is left out when the mirror already knows the commit on that ref: two pushes in quick succession cost
//! one fetch. Tags that point into what was fetched come along, so that `git describe` works; refs that the remote
//! deleted go, because `a` would stand in the way of `a/b`.

use std::{collections::HashMap, sync::Arc};

use git2::{ErrorCode, Oid, Repository as Store};

use super::{
    GitError, MirrorUse, Mirrors, OnProgress,
    blocking::{self, Abandoned},
    heads::{Head, commit_id},
    mirror::Mirror,
    reach,
    source::{Listing, Source},
    stale,
};
use crate::model::{CommitId, GitRef, Repository};

/// From this many new refs on, they are folded into one file.
const MANY_REFS: usize = 64;

/// A commit that is here, and was on its ref.
#[derive(Debug)]
pub struct Fetched {
    /// The commit to build.
    pub commit: CommitId,
    /// Where the ref stood; the commit itself, or a later one.
    pub tip: CommitId,
    /// Whether nothing had to be fetched.
    pub was_here: bool,
    pub(super) git_ref: GitRef,
    pub(super) mirror: Arc<Mirror>,
    pub(super) usage: MirrorUse,
}

impl Mirrors {
    /// Makes `commit` of `git_ref` available, or says why it cannot be built.
    pub async fn fetch(
        &self,
        repository: &Repository,
        git_ref: &GitRef,
        commit: &CommitId,
        on: Option<OnProgress>,
    ) -> Result<Fetched, GitError> {
        let mirror = self.mirror(repository);
        let usage = mirror.share().await;
        let alone = mirror.fetch_alone().await;
        let (store, name, wanted) = (Arc::clone(&mirror), git_ref.to_string(), commit.clone());
        let doing = format!("fetch {repository} from {}", mirror.address.url());
        let work = move |abandoned: &Abandoned| bring(&store, &name, &wanted, on.as_ref(), abandoned);
        let (tip, was_here) = blocking::run(self.timeout(), &doing, work).await?;
        drop(alone);
        Ok(Fetched { commit: commit.clone(), tip, was_here, git_ref: git_ref.clone(), mirror, usage })
    }
}

fn bring(
    mirror: &Mirror,
    name: &str,
    commit: &CommitId,
    on: Option<&OnProgress>,
    abandoned: &Abandoned,
) -> Result<(CommitId, bool), GitError> {
    let not_on_ref =
        || GitError::NotOnRef { what: mirror.what.clone(), git_ref: name.to_owned(), commit: commit.to_string() };
    let wanted = Oid::from_str(commit.as_str()).map_err(|_| not_on_ref())?;
    let store = mirror.open()?;
    let known = reach::tip(&store, name);
    if let Some(tip) = known
        && reach::is_on(&store, tip, wanted)?
    {
        return Ok((commit_id(tip).ok_or_else(not_on_ref)?, true));
    }
    update(mirror, &store, Some(name), on, abandoned)?;
    let tip = reach::tip(&store, name).ok_or_else(not_on_ref)?;
    if !reach::is_on(&store, tip, wanted)? {
        return Err(not_on_ref());
    }
    Ok((commit_id(tip).ok_or_else(not_on_ref)?, false))
}

/// Fetches one ref (none: the remote's default branch) and returns its full name.
pub(super) fn update(
    mirror: &Mirror,
    store: &Store,
    name: Option<&str>,
    on: Option<&OnProgress>,
    abandoned: &Abandoned,
) -> Result<String, GitError> {
    let source = Source::open(mirror, abandoned)?;
    let listing = source.list(store)?;
    let name = name.or(listing.default.as_deref());
    prune(store, &listing)?;
    let gone = |git_ref: &str| GitError::RefGone { what: mirror.what.clone(), git_ref: git_ref.to_owned() };
    let name = name.ok_or_else(|| gone("HEAD"))?;
    let head = listing.heads.iter().find(|head| head.name == name).ok_or_else(|| gone(name))?;
    source.bring(store, &[head], on)?;
    let tags = tags_into(store, &listing)?;
    source.bring(store, &tags, on)?;
    abandoned.check()?;
    point(mirror, store, &[&[head][..], &tags].concat())?;
    if let Some(default) = &listing.default {
        store.set_head(default).map_err(GitError::mirror("set the default branch"))?;
    }
    Ok(name.to_owned())
}

/// The tags that are new or moved, and are about something that is here.
fn tags_into<'list>(store: &Store, listing: &'list Listing) -> Result<Vec<&'list Head>, GitError> {
    let odb = store.odb().map_err(GitError::mirror("read objects"))?;
    odb.refresh().map_err(GitError::mirror("read objects"))?;
    let known = targets(store)?;
    let is_news = |head: &&Head| known.get(&head.name) != Some(&head.oid);
    Ok(listing
        .heads
        .iter()
        .filter(|head| head.is_tag() && reach::is_here(&odb, head.commit()))
        .filter(is_news)
        .collect())
}

fn targets(store: &Store) -> Result<HashMap<String, Oid>, GitError> {
    let references = store.references().map_err(GitError::mirror("list refs"))?;
    Ok(references.flatten().filter_map(|it| Some((it.name().ok()?.to_owned(), it.target()?))).collect())
}

/// Deletes the branches and tags that the remote deleted.
fn prune(store: &Store, listing: &Listing) -> Result<(), GitError> {
    let live: std::collections::HashSet<&str> = listing.heads.iter().map(|head| head.name.as_str()).collect();
    let ours = |name: &str| name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
    for name in targets(store)?.keys().filter(|name| ours(name) && !live.contains(name.as_str())) {
        let mut reference = store.find_reference(name).map_err(GitError::mirror("find a ref"))?;
        reference.delete().map_err(GitError::mirror("delete a ref"))?;
    }
    Ok(())
}

/// Points the mirror's refs where the remote's stand. A lock file in the way was left by a killed process.
pub(super) fn point(mirror: &Mirror, store: &Store, heads: &[&Head]) -> Result<(), GitError> {
    for head in heads {
        let set = || store.reference(&head.name, head.oid, true, "fetched");
        match set() {
            Err(error) if error.code() == ErrorCode::Locked => {
                stale::sweep(&mirror.directory);
                set()
            }
            done => done,
        }
        .map_err(GitError::mirror("set a ref"))?;
    }
    if heads.len() >= MANY_REFS {
        store.refdb_compress().map_err(GitError::mirror("fold refs"))?;
    }
    Ok(())
}
