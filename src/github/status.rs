//! `POST /repos/{owner}/{repo}/statuses/{sha}` (GitHub's "Create a commit status"; Gitea has the same).

use serde::Serialize;

use super::{Answered, Failure, Github, answer::judge};
use crate::model::{CommitId, CommitStatus, Repository};

#[derive(Serialize)]
struct NewStatus<'a> {
    state: &'static str,
    context: &'a str,
    description: &'a str,
    target_url: &'a str,
}

impl Github {
    /// Sets a status of a commit; `page` is what it links to.
    pub async fn set_status(
        &self,
        repository: &Repository,
        commit: &CommitId,
        status: &CommitStatus,
        page: &str,
    ) -> Result<Answered, Failure> {
        let CommitStatus { state, context, description } = status;
        let body = NewStatus { state: state.as_str(), context, description, target_url: page };
        judge(self.post(repository, &format!("statuses/{commit}"), &body).await?).await
    }
}
