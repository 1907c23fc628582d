//! The files of a branch, read straight from the mirror's objects: how the catalog gets its configuration.

use std::sync::Arc;

use git2::{ObjectType, Oid, Repository as Store, TreeWalkMode, TreeWalkResult};

use super::{
    GitError, Mirrors,
    blocking::{self, Abandoned},
    fetch,
    heads::{Head, commit_id},
    mirror::Mirror,
    reach,
    source::Source,
};
use crate::model::{Branch, CommitId, Repository};

/// How much of a tree is read.
#[derive(Debug, Clone, Copy)]
pub struct TreeLimits {
    /// More files than this refuse the whole tree.
    pub files: usize,
    /// A larger file is skipped, and reported.
    pub file_bytes: usize,
}

/// A branch's files at one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The commit they are from.
    pub commit: CommitId,
    /// The branch that was read: the one asked for, or the remote's default.
    pub branch: Branch,
    /// Path and content, in the tree's order.
    pub files: Vec<(String, Vec<u8>)>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
}

/// An entry that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path; odd bytes replaced.
    pub path: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why an entry was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// It is a symbolic link.
    Link,
    /// It is a submodule.
    Submodule,
    /// It is larger than [`TreeLimits::file_bytes`].
    TooLarge,
    /// Its path is not UTF-8.
    Name,
}

impl Mirrors {
    /// Fetches a branch (none: the remote's default) and reads its files.
    pub async fn read_tree(
        &self,
        repository: &Repository,
        branch: Option<&Branch>,
        limits: TreeLimits,
    ) -> Result<Tree, GitError> {
        let mirror = self.mirror(repository);
        let _usage = mirror.share().await;
        let _alone = mirror.fetch_alone().await;
        let name = branch.map(|branch| format!("refs/heads/{branch}"));
        let doing = format!("fetch {repository} from {}", mirror.address.url());
        let work = move |abandoned: &Abandoned| {
            let store = mirror.open()?;
            let name = fetch::update(&mirror, &store, name.as_deref(), None, abandoned)?;
            read(&mirror, &store, &name, limits)
        };
        blocking::run(self.timeout(), &doing, work).await
    }

    /// Fetches a commit that a pull request proposes and reads its files. It is asked for under the
    /// request's own name in this repository, whichever fork it comes from.
    pub async fn read_proposal(
        &self,
        repository: &Repository,
        number: u64,
        commit: &CommitId,
        limits: TreeLimits,
    ) -> Result<Tree, GitError> {
        let mirror = self.mirror(repository);
        let _usage = mirror.share().await;
        let _alone = mirror.fetch_alone().await;
        let (name, commit) = (format!("refs/pull/{number}/head"), commit.clone());
        let doing = format!("fetch {name} of {repository} from {}", mirror.address.url());
        let work = move |abandoned: &Abandoned| {
            let store = mirror.open()?;
            let gone =
                || GitError::NotOnRef { what: mirror.what.clone(), git_ref: name.clone(), commit: commit.to_string() };
            let oid = Oid::from_str(commit.as_str()).map_err(|_| gone())?;
            let head = Head { name: name.clone(), oid, peeled: None };
            Source::open(&mirror, abandoned)?.bring(&store, &[&head], None)?;
            store.odb().and_then(|odb| odb.refresh()).map_err(GitError::mirror("read objects"))?;
            store.find_commit(oid).map_err(|_| gone())?;
            let branch = format!("pull/{number}").parse().map_err(|_| gone())?;
            read_commit(&store, oid, branch, limits)
        };
        blocking::run(self.timeout(), &doing, work).await
    }

    /// The same from what the last fetch left, without any network.
    pub async fn cached_tree(
        &self,
        repository: &Repository,
        branch: Option<&Branch>,
        limits: TreeLimits,
    ) -> Result<Tree, GitError> {
        let mirror = self.mirror(repository);
        let _usage = mirror.share().await;
        let name = branch.map(|branch| format!("refs/heads/{branch}"));
        let work = move |_: &Abandoned| cached(&mirror, name, limits);
        blocking::run(self.timeout(), &format!("read {repository}"), work).await
    }
}

fn cached(mirror: &Arc<Mirror>, name: Option<String>, limits: TreeLimits) -> Result<Tree, GitError> {
    let nothing = || GitError::NotCached { what: mirror.what.clone() };
    if !mirror.exists() {
        return Err(nothing());
    }
    let store = mirror.open()?;
    let default = || store.head().ok().and_then(|head| head.name().ok().map(str::to_owned));
    let name = name.or_else(default).ok_or_else(nothing)?;
    if reach::tip(&store, &name).is_none() {
        return Err(nothing());
    }
    read(mirror, &store, &name, limits)
}

fn read(mirror: &Mirror, store: &Store, name: &str, limits: TreeLimits) -> Result<Tree, GitError> {
    let gone = || GitError::RefGone { what: mirror.what.clone(), git_ref: name.to_owned() };
    let tip = reach::tip(store, name).ok_or_else(gone)?;
    let branch = name.strip_prefix("refs/heads/").and_then(|name| name.parse().ok()).ok_or_else(gone)?;
    read_commit(store, tip, branch, limits)
}

fn read_commit(store: &Store, commit: Oid, branch: Branch, limits: TreeLimits) -> Result<Tree, GitError> {
    let mut reader = Reader::new(limits);
    if let Some(path) = reader.walk(store, commit).map_err(GitError::mirror("read the files"))? {
        return Err(too_many(&commit.to_string(), path));
    }
    let id = commit_id(commit).ok_or(GitError::Abandoned)?;
    Ok(Tree { commit: id, branch, files: reader.files, skipped: reader.skipped })
}

pub(super) fn too_many(commit: &str, path: String) -> GitError {
    let rule = "is one more file than may be in a configuration repository";
    GitError::Tree { commit: commit.to_owned(), path, rule }
}

pub(super) struct Reader {
    limits: TreeLimits,
    pub(super) files: Vec<(String, Vec<u8>)>,
    skipped: Vec<Skipped>,
}

impl Reader {
    pub(super) fn new(limits: TreeLimits) -> Self {
        Self { limits, files: Vec::new(), skipped: Vec::new() }
    }

    /// Reads the commit's files; the path of the first one too many, if there is one.
    pub(super) fn walk(&mut self, store: &Store, commit: Oid) -> Result<Option<String>, git2::Error> {
        let odb = store.odb()?;
        let mut stopped = Ok(None);
        let walked = store.find_commit(commit)?.tree()?.walk(TreeWalkMode::PreOrder, |above, entry| {
            if entry.kind() == Some(ObjectType::Tree) {
                return TreeWalkResult::Ok;
            }
            let path = format!("{above}{}", String::from_utf8_lossy(entry.name_bytes()));
            if self.files.len() + self.skipped.len() >= self.limits.files {
                stopped = Ok(Some(path));
                return TreeWalkResult::Abort;
            }
            match content(&odb, entry, self.limits) {
                Ok(Ok(bytes)) => self.files.push((path, bytes)),
                Ok(Err(reason)) => self.skipped.push(Skipped { path, reason }),
                Err(error) => {
                    stopped = Err(error);
                    return TreeWalkResult::Abort;
                }
            }
            TreeWalkResult::Ok
        });
        match stopped {
            Ok(None) => walked.map(|()| None),
            stopped => stopped,
        }
    }
}

fn content(
    odb: &git2::Odb<'_>,
    entry: &git2::TreeEntry<'_>,
    limits: TreeLimits,
) -> Result<Result<Vec<u8>, SkipReason>, git2::Error> {
    Ok(match (entry.kind(), entry.filemode_raw()) {
        (Some(ObjectType::Commit), _) => Err(SkipReason::Submodule),
        (_, 0o120_000) => Err(SkipReason::Link),
        _ if entry.name().is_err() => Err(SkipReason::Name),
        _ if odb.read_header(entry.id())?.0 > limits.file_bytes => Err(SkipReason::TooLarge),
        _ => Ok(odb.read(entry.id())?.data().to_vec()),
    })
}
