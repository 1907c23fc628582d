//! Pushes that were found by looking, because no delivery told of them.

use std::collections::HashSet;

use super::{
    Lifecycle, NewBuild, NotKept,
    accept::{keep_builds, keep_push},
};
use crate::{
    model::{CommitId, Delivery, GitRef, Push, Repository, Tip},
    store::{
        deliveries, hooks,
        pushes::{self, Known},
    },
};

impl Lifecycle {
    /// What is known of a repository's refs.
    pub async fn known(&self, repository: &Repository) -> Result<Known, NotKept> {
        let repository = repository.clone();
        Ok(self.database.read(move |tx| pushes::known(tx, &repository)).await?)
    }

    /// The repositories whose webhook was heard.
    pub async fn hooked(&self) -> Result<HashSet<String>, NotKept> {
        Ok(self.database.read(hooks::all_heard).await?)
    }

    /// Whether a push that left the ref there was ever accepted.
    pub async fn was_accepted(
        &self,
        repository: &Repository,
        git_ref: &GitRef,
        object: &CommitId,
    ) -> Result<bool, NotKept> {
        let (repository, git_ref, object) = (repository.clone(), git_ref.clone(), object.clone());
        Ok(self.database.read(move |tx| pushes::was_accepted(tx, &repository, &git_ref, &object)).await?)
    }

    /// Accepts a push that was found. False if the ref has moved since it was looked at: then a
    /// delivery came first.
    pub async fn catch_up(
        &self,
        delivery: Delivery,
        push: Push,
        commit: CommitId,
        wanted: Vec<NewBuild>,
    ) -> Result<bool, NotKept> {
        let outbox = self.outbox.clone();
        let builds = self
            .database
            .write(move |tx| {
                let head = pushes::head(tx, &push.repository, &push.git_ref)?;
                if head.as_deref().unwrap_or(Tip::None.as_str()) != push.before.as_str() {
                    return Ok(None);
                }
                let row = keep_push(tx, &push, &commit, delivery.received)?;
                pushes::mark_found(tx, row)?;
                let builds = keep_builds(tx, &outbox, row, &push, &wanted)?;
                deliveries::record(tx, &delivery, Some(row))?;
                Ok(Some(builds))
            })
            .await?;
        let Some(builds) = builds else { return Ok(false) };
        self.announce(builds);
        self.bell.notify_one();
        Ok(true)
    }

    /// Remembers that a repository was looked at, and had these tags.
    pub async fn polled(&self, repository: &Repository, tags: Vec<GitRef>) -> Result<(), NotKept> {
        let repository = repository.clone();
        Ok(self.database.write(move |tx| pushes::remember(tx, &repository, &tags)).await?)
    }

    /// A ref is gone, unless it has moved since it was looked at.
    pub async fn ref_gone(&self, repository: &Repository, git_ref: &GitRef, stood: &str) -> Result<(), NotKept> {
        let (repository, git_ref, stood) = (repository.clone(), git_ref.clone(), stood.to_owned());
        Ok(self
            .database
            .write(move |tx| match pushes::head(tx, &repository, &git_ref)? {
                Some(head) if head == stood => pushes::move_head(tx, &repository, &git_ref, &Tip::None),
                _ => Ok(()),
            })
            .await?)
    }
}
