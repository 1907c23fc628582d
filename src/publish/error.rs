//! Why an artifact could not be published.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::{
    record::Origin,
    zero_hub::{Again, HubError},
};

/// Why an artifact could not be published, or the hub not be read.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The name would leave the directory, or be hidden in it.
    #[error("`{0}` cannot be the name of an artifact: it must be one visible file name of at most 250 bytes")]
    Name(String),
    /// What arrived is not what was collected.
    #[error(
        "the copy in the hub has SHA-256 {found} ({copied} bytes) where {expected} ({size} bytes) was collected: \
             the file changed meanwhile, or the disk or memory is failing"
    )]
    Damaged {
        /// The hash taken when the artifact was collected.
        expected: String,
        /// The size then.
        size: u64,
        /// The hash of what was written.
        found: String,
        /// How much was written.
        copied: u64,
    },
    /// Two refs make the same name.
    #[error("`{name}` already belongs to `{}` of `{}`: give one of the two recipes a `tag`", owner.git_ref, owner.repository)]
    Owned {
        /// The name of the link.
        name: String,
        /// Who has it.
        owner: Box<Origin>,
    },
    /// Two pipelines make the same kernel's name.
    #[error(
        "`{name}` already belongs to `{}` of `{}`: limit the `branches` of one of the two pipelines",
        owner.git_ref, owner.repository
    )]
    KernelOwned {
        /// The name of the link.
        name: String,
        /// Who has it.
        owner: Box<Origin>,
    },
    /// A file where the link belongs, or the other way round.
    #[error("`{name}` is already the name of a {occupant} in the hub: give the recipe a `tag`, or move that away")]
    Taken {
        /// The name.
        name: String,
        /// What stands there.
        occupant: &'static str,
    },
    /// It is not what a hub unpacks.
    #[error("the artifact is no whole archive that a hub could unpack ({0}): leave a `.tar.gz` made by `tar -czf`")]
    Archive(String),
    /// The Zero-OS hub did not take it.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The file system refused.
    #[error("could not {doing} in `{}`", directory.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The directory of the hub.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl PublishError {
    /// Whether the recipe's author can mend it, by another name or tag.
    pub fn is_recipes_fault(&self) -> bool {
        match self {
            Self::Name(_) | Self::Owned { .. } | Self::KernelOwned { .. } | Self::Taken { .. } | Self::Archive(_) => {
                true
            }
            Self::Hub(error) => matches!(error, HubError::LinkTaken(_)),
            Self::Damaged { .. } | Self::Io { .. } => false,
        }
    }

    /// Whether a delivery that failed is worth another try.
    pub fn again(&self) -> Again {
        match self {
            Self::Hub(error) => error.again(),
            Self::Io { .. } => Again::FewTimes,
            _ => Again::Never,
        }
    }

    /// Whether there is no room left: no fault of the build, and worth another try later.
    pub fn is_disk_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_faults() {
        let failed = |code| PublishError::Io {
            doing: "write the artifact",
            directory: "/hub".into(),
            source: io::Error::from_raw_os_error(code),
        };
        let (no_space, quota, input_output) = (28, 122, 5);
        assert!(failed(no_space).is_disk_full() && failed(quota).is_disk_full());
        assert!(!failed(input_output).is_disk_full());
    }
}
