//! Brings the catalog up to date with its repository.
//!
//! At start the last good files come from the store, so pushes are judged at once and even when the
//! forge is down; then, and on each push of the configuration repository, and on `SIGHUP`, the
//! branch is fetched and its tree put in force. If that fails, what is in force stays.

use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;
use tokio::sync::{Semaphore, watch};
use tracing::{error, info, warn};

use super::{Impact, Keeper, Reading, SourceFile};
use crate::{
    git::{GitError, Mirrors, SkipReason, Tree, TreeLimits},
    model::{Branch, CommitId, Push, Repository, Timestamp},
    sqlite::{self, Database},
    store,
};

/// Which repository and branch hold the catalog.
#[derive(Debug, Clone)]
pub struct Location {
    /// The configuration repository.
    pub repository: Repository,
    /// Its branch; none means its default branch.
    pub branch: Option<Branch>,
}

/// A tree that is not in force, and may come to be.
#[derive(Debug, Clone)]
pub enum Proposed {
    /// On another branch of the configuration repository.
    Branch(Branch),
    /// By the pull request of this number.
    Pull(u64),
}

/// Why the catalog could not be brought up to date.
#[derive(Debug, Error)]
pub enum SyncError {
    /// The repository could not be read.
    #[error(transparent)]
    Git(#[from] GitError),
    /// What was read could not be kept.
    #[error(transparent)]
    Store(#[from] sqlite::Error),
}

/// More than any configuration repository needs.
const LIMITS: TreeLimits = TreeLimits { files: 5_000, file_bytes: 64 << 10 };

/// Keeps a [`Keeper`] up to date.
pub struct CatalogSync {
    location: Location,
    mirrors: Mirrors,
    database: Database,
    keeper: Arc<Keeper>,
    one_at_a_time: Semaphore,
    loaded: watch::Sender<Option<Loaded>>,
    last_error: Mutex<Option<String>>,
}

#[derive(Debug, Clone)]
struct Loaded {
    revision: String,
    at: Timestamp,
    /// The branch's own name, once it is known.
    branch: Option<String>,
}

impl CatalogSync {
    /// Nothing is loaded yet.
    pub fn new(location: Location, mirrors: Mirrors, database: Database, keeper: Arc<Keeper>) -> Self {
        Self {
            location,
            mirrors,
            database,
            keeper,
            one_at_a_time: Semaphore::new(1),
            loaded: watch::Sender::new(None),
            last_error: Mutex::default(),
        }
    }

    /// Puts the last good files of the run before in force. False if there are none.
    pub async fn restore(&self) -> Result<bool, sqlite::Error> {
        let Some((revision, files)) = self.database.read(store::catalog::kept).await? else { return Ok(false) };
        let files = files.into_iter().map(|(path, text)| SourceFile { path, text }).collect();
        self.keeper.restore(revision.clone(), files);
        let branch = self.location.branch.as_ref().map(ToString::to_string);
        self.loaded.send_replace(Some(Loaded { revision, at: Timestamp::now(), branch }));
        Ok(true)
    }

    /// Fetches the branch and puts its tree in force.
    pub async fn reload(&self) -> Result<Reading, SyncError> {
        // Never closed, so there is always a turn to wait for.
        let _turn = self.one_at_a_time.acquire().await;
        let result = self.fetch_and_apply().await;
        let mut last_error = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Ok(reading) => {
                *last_error = None;
                report(reading);
            }
            Err(failure) => {
                error!("The configuration repository could not be read, what is in force stays: {failure}");
                *last_error = Some(failure.to_string());
            }
        }
        result
    }

    async fn fetch_and_apply(&self) -> Result<Reading, SyncError> {
        let branch = self.location.branch.as_ref();
        let tree = self.mirrors.read_tree(&self.location.repository, branch, LIMITS).await?;
        let Tree { commit, branch, files, skipped } = tree;
        let skipped = skipped.iter().map(|item| format!("{}: {}", item.path, why(&item.reason))).collect();
        let revision = commit.to_string();
        let files = files.into_iter().map(|(path, text)| SourceFile { path, text }).collect();
        let applied = self.keeper.apply(revision.clone(), files);
        let kept: Vec<_> = self.keeper.good_files().into_iter().map(|file| (file.path, file.text)).collect();
        let of = revision.clone();
        self.database.write(move |tx| store::catalog::replace(tx, &of, &kept)).await?;
        self.loaded.send_replace(Some(Loaded { revision, at: Timestamp::now(), branch: Some(branch.to_string()) }));
        let (repositories, recipes) = self.keeper.current().counts();
        Ok(Reading { commit, branch, applied, repositories, recipes, skipped })
    }

    /// What a proposed tree would change. Nothing of it takes effect.
    pub async fn preview(&self, proposed: &Proposed, commit: &CommitId) -> Result<(CommitId, Impact), SyncError> {
        let repository = &self.location.repository;
        let tree = match proposed {
            Proposed::Branch(branch) => self.mirrors.read_tree(repository, Some(branch), LIMITS).await?,
            Proposed::Pull(number) => self.mirrors.read_proposal(repository, *number, commit, LIMITS).await?,
        };
        let files = tree.files.into_iter().map(|(path, text)| SourceFile { path, text }).collect();
        let catalog = self.keeper.current();
        // Parsing five thousand files takes its time.
        let impact = tokio::task::spawn_blocking(move || catalog.impact_of(files)).await;
        Ok((tree.commit, impact.map_err(|_| GitError::Abandoned)?))
    }

    /// Whether a branch is the one the catalog is read from.
    pub fn is_own_branch(&self, branch: &Branch) -> bool {
        let own = self.loaded.borrow().as_ref().and_then(|loaded| loaded.branch.clone());
        own.is_none_or(|own| branch.as_str() == own)
    }

    /// Whether the branch stands elsewhere than what is in force, asked over the network.
    pub async fn is_behind(&self) -> Result<bool, SyncError> {
        let loaded = self.loaded.borrow().clone();
        let Some(Loaded { revision, branch: Some(branch), .. }) = loaded else { return Ok(true) };
        let heads = self.mirrors.list_heads(&self.location.repository).await?;
        let stands = heads.iter().find(|head| head.git_ref.branch().is_some_and(|it| it.as_str() == branch));
        Ok(self.last_error().is_some() || stands.is_none_or(|head| head.commit.as_str() != revision))
    }

    /// Whether a push is one of the catalog itself.
    pub fn concerns(&self, push: &Push) -> bool {
        push.repository == self.location.repository
            && push.git_ref.branch().is_some_and(|branch| self.is_own_branch(branch))
    }

    /// Ends when a catalog is in force.
    pub async fn loaded(&self) {
        // The sender lives as long as this value.
        let _ = self.loaded.subscribe().wait_for(Option::is_some).await;
    }

    /// Ends when another catalog is in force than the one at `revision`.
    pub async fn changed_from(&self, revision: Option<&str>) {
        let other = |loaded: &Option<Loaded>| loaded.as_ref().is_some_and(|it| Some(it.revision.as_str()) != revision);
        let _ = self.loaded.subscribe().wait_for(other).await;
    }

    /// The configuration repository.
    pub fn repository(&self) -> &Repository {
        &self.location.repository
    }

    /// Whether a catalog is in force.
    pub fn is_loaded(&self) -> bool {
        self.loaded.borrow().is_some()
    }

    /// The commit that is in force.
    pub fn revision(&self) -> Option<String> {
        self.loaded.borrow().as_ref().map(|loaded| loaded.revision.clone())
    }

    /// Since when.
    pub fn loaded_at(&self) -> Option<Timestamp> {
        self.loaded.borrow().as_ref().map(|loaded| loaded.at)
    }

    /// Why the last try to bring it up to date failed, if it did.
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn why(reason: &SkipReason) -> &'static str {
    match reason {
        SkipReason::Link => "it is a symbolic link",
        SkipReason::Submodule => "it is a submodule",
        SkipReason::TooLarge => "it is larger than 64 KiB",
        SkipReason::Name => "its name is not UTF-8",
    }
}

fn report(reading: &Reading) {
    let Reading { applied, skipped, .. } = reading;
    for line in skipped {
        warn!("In the configuration repository a file is not read: {line}");
    }
    info!(
        "Configuration in force: {} added, {} changed, {} removed, {} problem(s)",
        applied.added.len(),
        applied.changed.len(),
        applied.removed.len(),
        applied.problems.len()
    );
    for problem in &applied.problems {
        warn!("{problem}");
    }
}
