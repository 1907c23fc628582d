//! A build as JSON: what the API, the live page and the history all show.
//!
//! Readers written for 0-autobuilder look for these names and expect `error` to be null while all
//! is well, so a field may be added here but none may be renamed. Lists and texts that come from a
//! forge are bounded: a push of two thousand commits must not make every page of history heavy.

use serde::Serialize;

use super::{Author, Build, BuildId, BuildState, Cause, CommitId, CommitInfo, Outcome, Repository, Timestamp};

/// The newest commits of a push that are shown.
const MOST_COMMITS: usize = 20;

/// The longest commit message shown, in bytes.
const LONGEST_MESSAGE: usize = 4096;

/// Everything a screen shows of one build.
#[derive(Debug, Serialize)]
pub struct BuildDocument<'a> {
    id: BuildId,
    number: u64,
    status: &'static str,
    outcome: Option<Outcome>,
    cause: Option<Cause>,
    name: &'a str,
    repository: &'a Repository,
    branch: &'a str,
    #[serde(rename = "ref")]
    git_ref: String,
    commit: &'a CommitId,
    script: &'a str,
    tag: Option<&'a str>,
    format: &'static str,
    baseimage: String,
    baseimage_digest: Option<&'a str>,
    author: Option<&'a Author>,
    message: &'a str,
    commits: Vec<CommitDocument<'a>>,
    queued: Timestamp,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    error: Option<&'a str>,
    exit_code: Option<i64>,
    artifact: Option<&'a str>,
    artifact_link: Option<&'a str>,
    artifact_size: Option<u64>,
    artifact_sha256: Option<&'a str>,
    docker: &'a str,
    monitor: &'a str,
    attempt: u32,
    usual: Option<f64>,
}

/// One commit of the push.
#[derive(Debug, Serialize)]
struct CommitDocument<'a> {
    id: &'a str,
    message: &'a str,
    timestamp: &'a str,
    url: &'a str,
    author: &'a Author,
}

/// A commit of which only the head is known may have no author.
const NOBODY: &Author = &Author { name: String::new(), email: String::new(), username: String::new() };

impl<'a> BuildDocument<'a> {
    /// The build as it stands, with the last lines of its log.
    pub fn new(build: &'a Build, monitor: &'a str) -> Self {
        let ending = build.ending();
        let artifact = ending.and_then(|ending| ending.artifact.as_ref());
        Self {
            id: build.id,
            number: build.number,
            status: status(&build.state),
            outcome: ending.map(|ending| ending.outcome),
            cause: ending.map(|ending| ending.cause),
            name: build.repository().name(),
            repository: build.repository(),
            branch: build.git_ref().name(),
            git_ref: build.git_ref().to_string(),
            commit: &build.commit,
            script: build.recipe.script.as_str(),
            tag: build.recipe.tag.as_deref(),
            format: build.recipe.product.as_str(),
            baseimage: build.recipe.baseimage.to_string(),
            baseimage_digest: build.baseimage_digest.as_deref(),
            author: build.push.written_by(),
            message: cut(&build.push.message),
            commits: commits(build),
            queued: build.queued,
            started: build.started,
            ended: build.ended,
            error: error(&build.state),
            exit_code: ending.and_then(|ending| ending.exit_code),
            artifact: artifact.map(|artifact| artifact.name.versioned.as_str()),
            artifact_link: artifact.map(|artifact| artifact.name.link.as_str()),
            artifact_size: artifact.map(|artifact| artifact.size),
            artifact_sha256: artifact.map(|artifact| artifact.sha256.as_str()),
            docker: build.container.as_deref().unwrap_or(""),
            monitor,
            attempt: build.attempt,
            usual: build.usual.map(|usual| usual.as_secs_f64()),
        }
    }
}

/// `queued`, a stage, then only `success` or `error`: `outcome` says the end finely.
fn status(state: &BuildState) -> &'static str {
    match state {
        BuildState::Queued { .. } => "queued",
        BuildState::Running { stage, .. } => stage.as_str(),
        BuildState::Finished(ending) if ending.outcome == Outcome::Success => "success",
        BuildState::Finished(_) => "error",
    }
}

/// Why it ended badly, what keeps it from going on, or what went wrong with the attempt before the one
/// it waits for.
fn error(state: &BuildState) -> Option<&str> {
    match state {
        BuildState::Queued { reason, .. } => reason.as_deref(),
        BuildState::Running { delay, .. } => delay.as_deref(),
        BuildState::Finished(ending) if ending.outcome == Outcome::Success => None,
        BuildState::Finished(ending) => Some(&ending.message),
    }
}

/// The newest commits of the push; the head commit alone if the forge listed none.
fn commits(build: &Build) -> Vec<CommitDocument<'_>> {
    let listed = &build.push.commits;
    if listed.is_empty() {
        return vec![CommitDocument {
            id: build.commit.as_str(),
            message: cut(&build.push.message),
            timestamp: "",
            url: "",
            author: build.push.author.as_ref().unwrap_or(NOBODY),
        }];
    }
    listed[listed.len().saturating_sub(MOST_COMMITS)..].iter().map(CommitDocument::from).collect()
}

impl<'a> From<&'a CommitInfo> for CommitDocument<'a> {
    fn from(commit: &'a CommitInfo) -> Self {
        Self {
            id: &commit.id,
            message: cut(&commit.message),
            timestamp: &commit.timestamp,
            url: &commit.url,
            author: &commit.author,
        }
    }
}

fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(LONGEST_MESSAGE)]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{Artifact, ArtifactName, Ending, Stage, example};

    fn document(build: &Build) -> Value {
        serde_json::to_value(BuildDocument::new(build, "one\ntwo")).unwrap()
    }

    fn ended(outcome: Outcome, cause: Cause, message: &str) -> BuildState {
        BuildState::Finished(Ending { outcome, cause, message: message.into(), exit_code: None, artifact: None })
    }

    #[test]
    fn a_waiting_build_has_no_outcome_and_no_times() {
        let value = document(&example::build("acme/tool", "refs/heads/feature/x"));
        assert_eq!(value["status"], "queued");
        assert_eq!((&value["name"], &value["repository"]), (&json!("tool"), &json!("acme/tool")));
        assert_eq!((&value["branch"], &value["ref"]), (&json!("feature/x"), &json!("refs/heads/feature/x")));
        for key in ["outcome", "cause", "error", "started", "ended", "exit_code", "artifact", "baseimage_digest"] {
            assert!(value[key].is_null(), "{key} of {value}");
        }
        assert_eq!(value["docker"], "");
        assert_eq!(value["monitor"], "one\ntwo");
    }

    #[test]
    fn status_is_the_stage_and_then_one_of_two_words() {
        let mut build = example::build("acme/tool", "refs/heads/main");
        build.state = BuildState::Running { stage: Stage::Uploading, delay: None };
        assert_eq!(document(&build)["status"], "uploading");
        build.state = ended(Outcome::Cancelled, Cause::Cancelled, "cancelled by a person");
        let value = document(&build);
        assert_eq!((&value["status"], &value["outcome"]), (&json!("error"), &json!("cancelled")));
        assert_eq!(value["error"], "cancelled by a person");
        build.state = ended(Outcome::Success, Cause::Published, "");
        assert_eq!((&document(&build)["status"], &document(&build)["error"]), (&json!("success"), &Value::Null));
    }

    #[test]
    fn an_artifact_is_named_sized_and_hashed() {
        let mut build = example::build("acme/tool", "refs/heads/main");
        let name = ArtifactName { versioned: "acme-tool-main-0123456789".into(), link: "acme-tool-main".into() };
        build.state = BuildState::Finished(Ending {
            outcome: Outcome::Success,
            cause: Cause::Published,
            message: String::new(),
            exit_code: Some(0),
            artifact: Some(Artifact { name, size: 7, sha256: "ab".repeat(32) }),
        });
        let value = document(&build);
        assert_eq!(value["artifact"], "acme-tool-main-0123456789");
        assert_eq!((&value["artifact_link"], &value["artifact_size"]), (&json!("acme-tool-main"), &json!(7)));
    }

    #[test]
    fn a_push_without_a_list_of_commits_shows_its_head() {
        let value = document(&example::build("acme/tool", "refs/heads/main"));
        assert_eq!(value["commits"][0]["id"], value["commit"]);
        assert_eq!(value["commits"][0]["author"]["name"], "Ada");
        assert_eq!(
            (&value["author"], &value["message"]),
            (&value["commits"][0]["author"], &value["commits"][0]["message"])
        );
    }

    #[test]
    fn a_huge_push_is_shown_by_its_newest_commits() {
        let mut build = example::build("acme/tool", "refs/heads/main");
        let commit = |n: usize| CommitInfo { id: n.to_string(), message: "é".repeat(4000), ..CommitInfo::default() };
        build.push.commits = (0..2048).map(commit).collect();
        let value = document(&build);
        let shown = value["commits"].as_array().unwrap();
        assert_eq!((shown.len(), &shown[19]["id"]), (20, &json!("2047")));
        assert_eq!(shown[0]["message"].as_str().unwrap().len(), 4096);
    }
}
