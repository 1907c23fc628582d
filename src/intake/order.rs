//! Builds that a person asks for, without a push.

use thiserror::Error;

use super::Intake;
use crate::{
    catalog::Planned,
    git::GitError,
    lifecycle::{CommandError, NewBuild, Wanted},
    model::{BuildId, CommitId, GitRef, Push, RelativePath, Repository},
};

/// What is to be built.
#[derive(Debug, Clone)]
pub struct Order {
    /// Of which repository.
    pub repository: Repository,
    /// Of which branch or tag.
    pub git_ref: GitRef,
    /// At which commit; where the ref stands now if none is given.
    pub commit: Option<CommitId>,
    /// By which script; all of them if none is given.
    pub script: Option<RelativePath>,
}

/// Why an order cannot be carried out.
#[derive(Debug, Error)]
pub enum OrderError {
    /// The catalog knows nothing of it.
    #[error("{0}")]
    Untracked(String),
    /// The branch file has no such script.
    #[error("`{repository}` {name} has no script `{script}`: it has {known}")]
    NoScript {
        /// The repository.
        repository: Repository,
        /// The branch or tag.
        name: String,
        /// What was asked for.
        script: RelativePath,
        /// What there is.
        known: String,
    },
    /// The ref does not exist.
    #[error("`{0}` has no `{1}`")]
    NoRef(Repository, GitRef),
    /// The repository could not be asked.
    #[error("could not look up the commit: {0}")]
    Source(#[from] GitError),
    /// The order could not be kept.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl Intake {
    /// Builds a ref as it stands now, or one commit of it.
    pub async fn order(&self, order: Order) -> Result<Vec<BuildId>, OrderError> {
        let Order { repository, git_ref, commit, script } = order;
        let mut builds = self.wanted(&repository, &git_ref).map_err(OrderError::Untracked)?;
        if let Some(script) = script {
            builds = choose(builds, &repository, &git_ref, script)?;
        }
        let commit = match commit {
            Some(commit) => commit,
            None => self
                .mirrors
                .head_of(&repository, &git_ref)
                .await?
                .ok_or_else(|| OrderError::NoRef(repository.clone(), git_ref.clone()))?,
        };
        let push = Push::by_hand(repository, git_ref, commit.clone());
        Ok(self.lifecycle.build(Wanted { push, commit, builds }).await?)
    }
}

fn choose(
    builds: Vec<NewBuild>,
    repository: &Repository,
    git_ref: &GitRef,
    script: RelativePath,
) -> Result<Vec<NewBuild>, OrderError> {
    let known: Vec<_> = builds.iter().map(|build| format!("`{}`", build.recipe.script)).collect();
    let chosen: Vec<_> = builds.into_iter().filter(|build| build.recipe.script == script).collect();
    if chosen.is_empty() {
        let (repository, name) = (repository.clone(), git_ref.name().to_owned());
        return Err(OrderError::NoScript { repository, name, script, known: known.join(", ") });
    }
    Ok(chosen)
}

impl From<Planned> for NewBuild {
    fn from(planned: Planned) -> Self {
        match planned {
            Planned::Ready(recipe) => Self { recipe, refusal: None },
            Planned::Refused { recipe, reason } => Self { recipe, refusal: Some(reason) },
        }
    }
}
