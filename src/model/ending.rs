//! How a build ended, in a form that history, page and forge all understand.

use serde::{Deserialize, Serialize};

use super::Artifact;

/// Whose doing the end was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The artifact is published.
    Success,
    /// The recipe's fault: its author has to change something. Never tried again.
    Failure,
    /// Our fault (after all attempts), or a timeout.
    Error,
    /// Somebody ended it.
    Cancelled,
    /// Its commit is no longer on its branch.
    Superseded,
}

/// What exactly ended it: a fixed word for programs, beside the sentence for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// All went well.
    Published,
    /// The script ended with an exit code other than 0, or by a signal.
    ExitCode,
    /// The memory limit was reached.
    OutOfMemory,
    /// The script wrote more than the log limit.
    LogLimit,
    /// The whole build took too long.
    Timeout,
    /// The script was silent for too long.
    Stall,
    /// There is no such script at the commit.
    MissingScript,
    /// The script exited 0 and left no artifact.
    MissingArtifact,
    /// What the script left is no regular file, or cannot be taken safely.
    BadArtifact,
    /// The base image does not exist, or cannot run a script.
    BaseImage,
    /// The registry or the network refused the base image.
    Pull,
    /// The recipe asks for more than it was granted.
    Grant,
    /// The repository could not be fetched or checked out.
    Source,
    /// The commit is not, or no longer, on its branch.
    Gone,
    /// The container engine failed, or was restarted.
    Engine,
    /// The disk of the service failed or is full.
    Disk,
    /// The kernel does not boot.
    Boot,
    /// The artifact could not be published.
    Publish,
    /// Cancelled by a person.
    Cancelled,
    /// The configuration repository was read; mistakes in it make a failure.
    Configuration,
}

/// The end of a build. Written once, never changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// Whose doing.
    pub outcome: Outcome,
    /// What exactly.
    pub cause: Cause,
    /// A sentence for people; empty for a success.
    pub message: String,
    /// The script's exit code, if it ran to an end of its own.
    pub exit_code: Option<i64>,
    /// What was published.
    pub artifact: Option<Artifact>,
}

impl Ending {
    /// The good end.
    pub fn published(artifact: Artifact) -> Self {
        Self {
            outcome: Outcome::Success,
            cause: Cause::Published,
            message: String::new(),
            exit_code: Some(0),
            artifact: Some(artifact),
        }
    }

    /// The end of a build that a person ended.
    pub fn cancelled() -> Self {
        Self {
            outcome: Outcome::Cancelled,
            cause: Cause::Cancelled,
            message: "cancelled".to_owned(),
            exit_code: None,
            artifact: None,
        }
    }
}

macro_rules! keyword {
    ($name:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $name {
            /// The word it goes by in the database, the API and the metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// From that word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

keyword!(Outcome {
    Success => "success",
    Failure => "failure",
    Error => "error",
    Cancelled => "cancelled",
    Superseded => "superseded",
});

keyword!(Cause {
    Published => "published",
    ExitCode => "exit-code",
    OutOfMemory => "out-of-memory",
    LogLimit => "log-limit",
    Timeout => "timeout",
    Stall => "stall",
    MissingScript => "missing-script",
    MissingArtifact => "missing-artifact",
    BadArtifact => "bad-artifact",
    BaseImage => "base-image",
    Pull => "pull",
    Grant => "grant",
    Source => "source",
    Gone => "gone",
    Engine => "engine",
    Disk => "disk",
    Boot => "boot",
    Publish => "publish",
    Cancelled => "cancelled",
    Configuration => "configuration",
});

pub(crate) use keyword;

impl Outcome {
    /// Every outcome, for metrics and filters.
    pub const ALL: [Self; 5] = [Self::Success, Self::Failure, Self::Error, Self::Cancelled, Self::Superseded];
}
