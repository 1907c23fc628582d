//! Submodules: each fetched into a mirror of its own, at exactly the recorded commit, to a bounded depth and number.
//!
//! A submodule's `.git` gets a small pack of that one commit and is marked shallow, so nothing more needs mounting.
//! Its path is a directory that the tree above it just created, so no link can lie on the way there.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
};

use git2::{Oid, Repository as Store};

use super::{
    GitError, Mirrors,
    address::Address,
    blocking::{self, Abandoned},
    checkout::{self, Written},
    heads::commit_id,
    mirror::Mirror,
    modules,
    plan::{Entry, Plan},
    source::Source,
    workspace::Objects,
};
use crate::model::CommitId;

const DEEPEST: usize = 8;
const MOST: usize = 200;
/// `.gitmodules` of the largest projects has a few hundred kilobytes.
const LARGEST_LIST: usize = 1 << 20;

/// A submodule as a tree records it.
#[derive(Debug)]
pub(super) struct Module {
    path: String,
    url: String,
    commit: Oid,
}

/// A submodule that waits to be written.
struct Pending {
    parent: Address,
    directory: PathBuf,
    module: Module,
    shown: String,
    depth: usize,
}

impl Module {
    /// All submodules of a tree that have an address. The others stay empty directories, as a plain clone leaves them.
    pub(super) fn read_all(store: &Store, plan: &Plan, notes: &mut Vec<String>) -> Result<Vec<Self>, GitError> {
        if plan.modules.is_empty() {
            return Ok(Vec::new());
        }
        let urls = match plan.files.iter().find(|entry| entry.path == b".gitmodules") {
            Some(list) => modules::parse(&read_list(store, list)?),
            None => Default::default(),
        };
        let mut modules = Vec::new();
        for entry in &plan.modules {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            match urls.get(&path) {
                Some(url) => modules.push(Self { url: url.clone(), commit: entry.oid, path }),
                None => notes.push(format!("submodule `{path}` has no url in .gitmodules: its directory stays empty")),
            }
        }
        Ok(modules)
    }
}

fn read_list(store: &Store, list: &Entry) -> Result<String, GitError> {
    let blob = store.find_blob(list.oid).map_err(GitError::mirror("read .gitmodules"))?;
    if blob.size() > LARGEST_LIST {
        return Err(refused(".gitmodules", "the file .gitmodules is larger than 1 MiB"));
    }
    Ok(String::from_utf8_lossy(blob.content()).into_owned())
}

fn refused(path: &str, rule: &str) -> GitError {
    GitError::Submodule { path: path.to_owned(), rule: rule.to_owned() }
}

impl Mirrors {
    /// Checks out these submodules and theirs; returns how many there were.
    pub(super) async fn submodules(
        &self,
        parent: &Address,
        directory: &Path,
        modules: Vec<Module>,
        notes: &mut Vec<String>,
    ) -> Result<usize, GitError> {
        let pend = |parent: &Address, directory: &Path, above: &str, depth, module: Module| Pending {
            parent: parent.clone(),
            directory: directory.join(&module.path),
            shown: format!("{above}{}", module.path),
            module,
            depth,
        };
        let mut queue: VecDeque<Pending> =
            modules.into_iter().map(|module| pend(parent, directory, "", 1, module)).collect();
        let mut done = 0;
        while let Some(next) = queue.pop_front() {
            if next.depth > DEEPEST {
                return Err(refused(&next.shown, "submodules may be nested at most 8 deep"));
            }
            if done + queue.len() >= MOST {
                return Err(refused(&next.shown, "a checkout may have at most 200 submodules"));
            }
            let address = self.template().submodule(&next.parent, &next.module.url);
            let address = address.map_err(|rule| refused(&next.shown, &rule))?;
            let written = self.submodule(address.clone(), &next).await?;
            let above = format!("{}/", next.shown);
            notes.extend(written.notes);
            queue.extend(
                written
                    .modules
                    .into_iter()
                    .map(|module| pend(&address, &next.directory, &above, next.depth + 1, module)),
            );
            done += 1;
        }
        Ok(done)
    }

    async fn submodule(&self, address: Address, pending: &Pending) -> Result<Written, GitError> {
        let url = address.url();
        let mirror = self.mirror_of(address, &format!("submodule `{}`", pending.shown));
        let _usage = mirror.share().await;
        let alone = mirror.fetch_alone().await;
        let doing = format!("fetch submodule `{}` from {url}", pending.shown);
        let (store, oid, shown) = (Arc::clone(&mirror), pending.module.commit, pending.shown.clone());
        let work = move |abandoned: &Abandoned| bring(&store, oid, &shown, abandoned);
        let commit = blocking::run(self.timeout(), &doing, work).await?;
        drop(alone);
        let directory = pending.directory.clone();
        let doing = format!("check out submodule `{}`", pending.shown);
        let work = move |abandoned: &Abandoned| {
            let written = checkout::write(&mirror, &commit, "", &directory, &Objects::Own, abandoned)?;
            pack_one(&mirror, oid, &directory)?;
            Ok(written)
        };
        blocking::run(self.timeout(), &doing, work).await
    }
}

/// Makes the recorded commit available: by its id where the host hands it out so, else with all branches and tags.
fn bring(mirror: &Mirror, oid: Oid, shown: &str, abandoned: &Abandoned) -> Result<CommitId, GitError> {
    let store = mirror.open()?;
    let is_here = || store.find_commit(oid).is_ok();
    if !is_here() {
        let source = Source::open(mirror, abandoned)?;
        if let Err(error) = source.bring_commit(&store, oid, None)
            && matches!(error, GitError::NoRepository { .. } | GitError::Denied { .. } | GitError::Abandoned)
        {
            return Err(error);
        }
        if !is_here() {
            let listing = source.list(&store)?;
            source.bring(&store, &listing.heads.iter().collect::<Vec<_>>(), None)?;
        }
    }
    let commit = commit_id(oid).filter(|_| is_here()).ok_or_else(|| {
        refused(shown, &format!("{} has no commit {oid}, which is recorded for it", mirror.address.url()))
    })?;
    abandoned.check()?;
    // A ref keeps the commit through compaction, although no branch of ours may hold it.
    store.reference(&format!("refs/pins/{oid}"), oid, true, "recorded").map_err(GitError::mirror("set a ref"))?;
    Ok(commit)
}

/// Gives a checked-out submodule its own objects: the commit, its tree and its files.
fn pack_one(mirror: &Mirror, oid: Oid, directory: &Path) -> Result<(), GitError> {
    let pack = || {
        let store = Store::open_bare(&mirror.directory)?;
        let mut builder = store.packbuilder()?;
        builder.insert_commit(oid)?;
        builder.write(&directory.join(".git/objects/pack"), 0o444)
    };
    pack().map_err(GitError::mirror("pack a submodule's commit"))
}
