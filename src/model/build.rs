//! One run of one recipe at one commit.

use std::time::Duration;

use super::{
    ArtifactName, BuildId, CommitId, Ending, GitRef, NameTooLong, Product, Push, Recipe, Repository, Timestamp,
    ending::keyword,
};

/// Everything known about a build.
#[derive(Debug, Clone)]
pub struct Build {
    /// Its name.
    pub id: BuildId,
    /// Its number within its repository, from 1.
    pub number: u64,
    /// The push it belongs to.
    pub push: Push,
    /// What is built. [`Push::commit`] without the `Option`: a deletion makes no build.
    pub commit: CommitId,
    /// Where its push stands among the pushes of the same ref; links only move to higher ones.
    pub position: i64,
    /// What it does.
    pub recipe: Recipe,
    /// Where it is.
    pub state: BuildState,
    /// Which try this is, from 1; 0 before the first.
    pub attempt: u32,
    /// When it was accepted.
    pub queued: Timestamp,
    /// When its first attempt began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The digest of the image it ran in.
    pub baseimage_digest: Option<String>,
    /// The id of its container.
    pub container: Option<String>,
    /// How long its recipe usually takes, as known when it began.
    pub usual: Option<Duration>,
}

/// Where a build is.
#[derive(Debug, Clone, PartialEq)]
pub enum BuildState {
    /// Waiting for its turn.
    Queued {
        /// Not to be started before; set between two attempts.
        not_before: Option<Timestamp>,
        /// What went wrong with the attempt before, if there was one.
        reason: Option<String>,
    },
    /// In some worker's hands.
    Running {
        /// What the worker is doing.
        stage: Stage,
        /// What keeps it from going on, if something outside does.
        delay: Option<String>,
    },
    /// Terminal: a finished build never changes again.
    Finished(Ending),
}

/// Where a running build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Claimed; the image is looked for or pulled.
    Creating,
    /// The source is fetched and checked out, the container made.
    Preparing,
    /// The container starts.
    Initializing,
    /// The script runs.
    Building,
    /// The kernel is booted, and the container becomes a base image (pipelines only).
    Committing,
    /// The artifact is taken, verified and published.
    Uploading,
}

keyword!(Stage {
    Creating => "creating",
    Preparing => "preparing",
    Initializing => "initializing",
    Building => "building",
    Committing => "committing",
    Uploading => "uploading",
});

impl Build {
    /// The repository it belongs to.
    pub fn repository(&self) -> &Repository {
        &self.push.repository
    }

    /// The branch or tag it belongs to.
    pub fn git_ref(&self) -> &GitRef {
        &self.push.git_ref
    }

    /// The names its artifact gets.
    pub fn artifact_name(&self) -> Result<ArtifactName, NameTooLong> {
        let (recipe, repository, git_ref) = (&self.recipe, self.repository(), self.git_ref());
        match &recipe.product {
            Product::Kernel(kernel) => ArtifactName::of_kernel(kernel, repository, git_ref, &self.commit),
            Product::File(format) => {
                let (tag, file) = (recipe.tag.as_deref(), recipe.artifact.file_name());
                ArtifactName::new(*format, repository, tag, git_ref, &self.commit, file)
            }
        }
    }

    /// How it ended, if it did.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.state {
            BuildState::Finished(ending) => Some(ending),
            BuildState::Queued { .. } | BuildState::Running { .. } => None,
        }
    }
}
