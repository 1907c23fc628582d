//! What a build's state is called at the forge, and the sentence that goes with it.

use std::time::Duration;

use crate::model::{Build, BuildState, Cause, CommitState, CommitStatus, Ending, Outcome, Recipe, Stage};

/// The status of a build as it stands. Every script has a context of its own, so that those of one
/// commit do not replace each other's verdicts.
pub(super) fn status(prefix: &str, build: &Build) -> CommitStatus {
    let (state, description) = match &build.state {
        BuildState::Queued { reason: None, .. } => (CommitState::Pending, "waiting for its turn".to_owned()),
        BuildState::Queued { reason: Some(reason), .. } => (CommitState::Pending, format!("trying again: {reason}")),
        BuildState::Running { stage: Stage::Uploading, delay: Some(reason) } => {
            (CommitState::Pending, format!("built, waits for the hub to take it: {reason}"))
        }
        BuildState::Running { .. } if build.attempt > 1 => {
            (CommitState::Pending, format!("building, attempt {}", build.attempt))
        }
        BuildState::Running { .. } => (CommitState::Pending, "building".to_owned()),
        BuildState::Finished(ending) => (verdict(ending.outcome), sentence(build, ending)),
    };
    CommitStatus::new(state, &context(prefix, &build.recipe), &description)
}

/// `autobuilder/autobuild/flist.sh special`.
fn context(prefix: &str, recipe: &Recipe) -> String {
    let slash = if prefix.is_empty() { "" } else { "/" };
    let tag = recipe.tag.iter().map(|tag| format!(" {tag}")).collect::<String>();
    format!("{prefix}{slash}{}{tag}", recipe.script)
}

/// Only what the pusher can mend is a failure.
fn verdict(outcome: Outcome) -> CommitState {
    match outcome {
        Outcome::Success => CommitState::Success,
        Outcome::Failure => CommitState::Failure,
        Outcome::Error | Outcome::Cancelled | Outcome::Superseded => CommitState::Error,
    }
}

fn sentence(build: &Build, ending: &Ending) -> String {
    if let Some(artifact) = &ending.artifact {
        return format!("published {}, {}", artifact.name, size(artifact.size));
    }
    let message = &ending.message;
    if build.recipe.is_of_service() {
        return message.clone();
    }
    match (ending.outcome, ending.cause, ending.exit_code) {
        (Outcome::Failure, Cause::ExitCode, Some(code)) => match (build.started, build.ended) {
            (Some(started), Some(ended)) => {
                format!("failed: exit code {code} after {}", duration(ended.since(started)))
            }
            _ => format!("failed: exit code {code}"),
        },
        (Outcome::Failure, ..) => format!("failed: {message}"),
        (Outcome::Error, ..) => format!("error: {message}"),
        (Outcome::Superseded, ..) => format!("superseded: {message}"),
        (Outcome::Success | Outcome::Cancelled, ..) => message.clone(),
    }
}

/// `42s`, `3m 12s`, `1h 2m`.
fn duration(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        seconds => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `812 B`, `4.1 MiB`.
fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, shift)| bytes >= 1 << shift) {
        Some((unit, shift)) => {
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Artifact, ArtifactName, Timestamp, example};

    fn said(state: BuildState) -> (CommitState, String) {
        let mut build = example::build("acme/tool", "refs/heads/main");
        build.attempt = 1;
        build.started = Some(Timestamp::from_millis(1_000));
        build.ended = Some(Timestamp::from_millis(193_500));
        build.state = state;
        let status = status("autobuilder", &build);
        assert_eq!(status.context, "autobuilder/build.sh");
        (status.state, status.description)
    }

    fn ended(outcome: Outcome, cause: Cause, message: &str, exit_code: Option<i64>) -> (CommitState, String) {
        said(BuildState::Finished(Ending { outcome, cause, message: message.into(), exit_code, artifact: None }))
    }

    #[test]
    fn a_verdict_says_what_came_out() {
        let name = ArtifactName { versioned: "acme-tool-main-0123456789.flist".into(), link: String::new() };
        let artifact = Artifact { name, size: 4_300_800, sha256: String::new() };
        let published = said(BuildState::Finished(Ending::published(artifact)));
        assert_eq!(published, (CommitState::Success, "published acme-tool-main-0123456789.flist, 4.1 MiB".into()));
        let failed = ended(Outcome::Failure, Cause::ExitCode, "the script ended with exit code 2", Some(2));
        assert_eq!(failed, (CommitState::Failure, "failed: exit code 2 after 3m 12s".into()));
        let timeout = ended(Outcome::Error, Cause::Timeout, "not done after 45m", None);
        assert_eq!(timeout, (CommitState::Error, "error: not done after 45m".into()));
        assert_eq!(said(BuildState::Finished(Ending::cancelled())), (CommitState::Error, "cancelled".into()));
    }

    #[test]
    fn what_has_not_ended_is_pending_and_says_why() {
        let waiting = said(BuildState::Queued { not_before: None, reason: Some("the engine was away".into()) });
        assert_eq!(waiting, (CommitState::Pending, "trying again: the engine was away".into()));
        assert_eq!(
            said(BuildState::Running { stage: Stage::Building, delay: None }),
            (CommitState::Pending, "building".into())
        );
        let waits = said(BuildState::Running { stage: Stage::Uploading, delay: Some("the hub is away".into()) });
        assert_eq!(waits, (CommitState::Pending, "built, waits for the hub to take it: the hub is away".into()));
    }

    #[test]
    fn a_tag_makes_another_context() {
        let mut build = example::build("acme/tool", "refs/heads/main");
        build.recipe.tag = Some("special".into());
        assert_eq!(status("ci", &build).context, "ci/build.sh special");
    }
}
