//! All the ways an attempt can end without an artifact: whose fault, which word, which sentence.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::{
    boot::BootError,
    collect::CollectError,
    engine::{EngineError, ImageError},
    seams::Fault,
};
use crate::model::{ByteSize, Cause, CommitId, Ending, HumanDuration, NotAPath, Outcome, RelativePath};

/// Why an attempt ended without an artifact.
#[derive(Debug, Error)]
pub enum RunError {
    /// The script ended by itself, badly.
    #[error("the script `{script}` ended with {}", describe(*code))]
    ExitCode {
        /// The script.
        script: RelativePath,
        /// Its exit code; 128 and more stand for signals.
        code: i64,
    },
    /// It needed more memory than it may have.
    #[error("the build ran out of memory: it may use {limit}; raise `memory` in the recipe, or use less")]
    OutOfMemory {
        /// What it may use.
        limit: ByteSize,
        /// The script's exit code.
        code: i64,
    },
    /// It took too long.
    #[error("the build was ended after {0}, its `timeout`")]
    Timeout(HumanDuration),
    /// It was silent for too long.
    #[error("the build was ended: it wrote nothing for {0}, its `stall_timeout`")]
    Stall(HumanDuration),
    /// It wrote too much.
    #[error("the build was ended: it wrote more than {0} to its log")]
    LogLimit(ByteSize),
    /// The commit has no such script.
    #[error("there is no script `{script}` at commit {}", commit.short())]
    MissingScript {
        /// The script.
        script: RelativePath,
        /// The commit.
        commit: CommitId,
    },
    /// The script left nothing that can be published.
    #[error(transparent)]
    Artifact(#[from] CollectError),
    /// There is no base image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// No base image of another pipeline fits.
    #[error("{0}")]
    NoBase(String),
    /// Every script is started by a shell.
    #[error("the base image `{0}` has no `/bin/sh` to start a script with")]
    NoShell(String),
    /// The repository's name cannot be a directory of a container.
    #[error("the checkout cannot be mounted: {0}")]
    Mount(#[from] NotAPath),
    /// Two mounts would lie on one another.
    #[error("the recipe's `archives` is `{0}`, where the service mounts something else: choose another directory")]
    Archives(String),
    /// The engine refuses what the recipe asks for.
    #[error("the container engine refuses what the recipe asks for: {0}")]
    Refused(String),
    /// Host and engine see different directories.
    #[error(
        "the container engine does not see `{path}`: when the service runs in a container itself, mount its \
         `build.tmp_directory` (TMP_DIRECTORY) at the same path inside as on the host"
    )]
    HiddenDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Somebody else ended the container.
    #[error("the container was ended from outside, by {}: the engine or the machine stopped it, not the script", describe(*code))]
    Killed {
        /// Its exit code.
        code: i64,
    },
    /// The container is gone.
    #[error("the container disappeared before its end was known: somebody removed it, or the engine lost it")]
    Vanished,
    /// The disk of the service failed.
    #[error("`{}` could not be used: {source}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The script failed, and there was no room left for what it writes.
    #[error(
        "the script `{script}` ended with {} while the disk of `{}` was full: make room there", describe(*code), path.display()
    )]
    NoRoom {
        /// The script.
        script: RelativePath,
        /// Its exit code.
        code: i64,
        /// Where there is no room.
        path: PathBuf,
    },
    /// The source could not be brought.
    #[error(transparent)]
    Source(Fault),
    /// The kernel must not be published.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The artifact could not be published.
    #[error(transparent)]
    Publish(Fault),
    /// Somebody ended it.
    #[error("the build was cancelled")]
    Cancelled,
}

impl RunError {
    /// The fixed word for it.
    pub fn cause(&self) -> Cause {
        match self {
            Self::ExitCode { .. } => Cause::ExitCode,
            Self::OutOfMemory { .. } => Cause::OutOfMemory,
            Self::Timeout(_) => Cause::Timeout,
            Self::Stall(_) => Cause::Stall,
            Self::LogLimit(_) => Cause::LogLimit,
            Self::MissingScript { .. } => Cause::MissingScript,
            Self::Artifact(error) => error.cause(),
            Self::Image(ImageError::Unknown { .. }) | Self::NoBase(_) | Self::NoShell(_) => Cause::BaseImage,
            Self::Image(ImageError::Pull { .. }) => Cause::Pull,
            Self::Mount(_) => Cause::Source,
            Self::Archives(_) => Cause::BadArtifact,
            Self::Refused(_) => Cause::Grant,
            Self::Image(ImageError::Engine(_))
            | Self::HiddenDirectory { .. }
            | Self::Engine(_)
            | Self::Killed { .. }
            | Self::Vanished => Cause::Engine,
            Self::Disk { .. } | Self::NoRoom { .. } => Cause::Disk,
            Self::Source(fault) | Self::Publish(fault) => fault.cause,
            Self::Boot(_) => Cause::Boot,
            Self::Cancelled => Cause::Cancelled,
        }
    }

    /// Whose doing it is.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Source(fault) | Self::Publish(fault) => fault.outcome,
            Self::Boot(BootError::NoMachine | BootError::Broken(_)) => Outcome::Error,
            _ => match self.cause() {
                Cause::Timeout | Cause::Stall | Cause::Pull | Cause::Engine | Cause::Disk => Outcome::Error,
                Cause::Cancelled => Outcome::Cancelled,
                _ => Outcome::Failure,
            },
        }
    }

    /// Whether another attempt may help: our faults, never the recipe's, never what took its time already.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Source(fault) | Self::Publish(fault) => fault.retryable,
            Self::HiddenDirectory { .. } => false,
            _ => matches!(self.cause(), Cause::Pull | Cause::Engine | Cause::Disk),
        }
    }

    /// The script's exit code, if it ended by itself.
    pub fn exit_code(&self) -> Option<i64> {
        match self {
            Self::ExitCode { code, .. } | Self::OutOfMemory { code, .. } | Self::NoRoom { code, .. } => Some(*code),
            Self::Artifact(_) | Self::Boot(_) | Self::Publish(_) => Some(0),
            _ => None,
        }
    }

    /// As the end of a build, when no further attempt follows.
    pub fn ending(&self) -> Ending {
        Ending {
            outcome: self.outcome(),
            cause: self.cause(),
            message: self.to_string(),
            exit_code: self.exit_code(),
            artifact: None,
        }
    }
}

/// `exit code 2`; `exit code 139 (signal 11, SIGSEGV)`.
fn describe(code: i64) -> String {
    let signal = match code - 128 {
        1 => "SIGHUP",
        2 => "SIGINT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ if code == 127 => return "exit code 127 (a command, or the script's interpreter, was not found)".to_owned(),
        _ if code == 126 => return "exit code 126 (a command could not be executed)".to_owned(),
        _ => return format!("exit code {code}"),
    };
    format!("exit code {code} (signal {}, {signal})", code - 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_named() {
        let error = RunError::ExitCode { script: "build.sh".parse().unwrap(), code: 139 };
        assert_eq!(error.to_string(), "the script `build.sh` ended with exit code 139 (signal 11, SIGSEGV)");
        assert_eq!(describe(3), "exit code 3");
    }

    #[test]
    fn our_faults_are_tried_again_and_the_recipes_are_not() {
        let killed = RunError::Killed { code: 137 };
        assert_eq!((killed.outcome(), killed.is_retryable()), (Outcome::Error, true));
        let timeout = RunError::Timeout("1m".parse().unwrap());
        assert_eq!((timeout.outcome(), timeout.is_retryable()), (Outcome::Error, false));
        let full = RunError::NoRoom { script: "build.sh".parse().unwrap(), code: 2, path: "/tmp".into() };
        assert_eq!((full.outcome(), full.is_retryable(), full.exit_code()), (Outcome::Error, true, Some(2)));
        assert_eq!(
            full.to_string(),
            "the script `build.sh` ended with exit code 2 while the disk of `/tmp` was full: make room there"
        );
        let limit = RunError::LogLimit(ByteSize(1));
        assert_eq!((limit.outcome(), limit.is_retryable()), (Outcome::Failure, false));
    }
}
