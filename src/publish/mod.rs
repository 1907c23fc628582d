//! Where artifacts go: versioned files, and links that always mean the newest.
//!
//! There are two kinds of hub: directories of this machine, and a Zero-OS hub (`zero_hub/`). What
//! follows is the former.
//!
//! ```text
//! Collected ─▶ .incoming/ ─▶ synced, verified ─▶ versioned name ─▶ link
//! ```
//!
//! Each arrow into a visible name is one `rename`, so a reader finds a whole file or none. What a
//! file is (whose, from which push, with which hash) stands in `.records/` under the file's name;
//! the order of pushes is read there too: a link is as new as the record of what it points to, and
//! there is no second book that a crash could leave at odds with the links.

mod boot_archive;
mod bootstrap;
mod error;
mod hub;
mod incoming;
mod kernels;
mod listing;
mod name;
mod prune;
mod record;
mod served;
mod shelf;
pub mod zero_hub;

use std::{fs::File, path::PathBuf};

pub use bootstrap::{Bootstrap, BootstrapError};
pub use error::PublishError;
pub use hub::DirectoryHub;
pub use kernels::Kernels;
pub use listing::{Entry, newest_first};
pub use prune::KeepArtifacts;
pub use record::Origin;
pub use served::Served;
pub use zero_hub::ZeroHub;

use crate::model::{Artifact, ArtifactName, BuildId, Format, GitRef, Repository};

/// Where artifacts go. Clones are the same hub.
#[derive(Clone)]
pub enum Hub {
    /// Into directories of this machine.
    Directory(DirectoryHub),
    /// Flists to a Zero-OS hub; what it does not take into directories of this machine.
    Zero {
        /// The hub.
        flists: ZeroHub,
        /// Where binaries go.
        binaries: DirectoryHub,
    },
}

/// What became of an artifact.
#[derive(Debug)]
pub enum Taken {
    /// It is published.
    Published(Published),
    /// It is safe with us, and to be delivered by [`ZeroHub::deliver`].
    Kept,
}

impl Hub {
    /// Takes an artifact over; when this returns, it is safe. Blocks as long as the disk takes.
    pub fn take(
        &self,
        artifact: Collected,
        name: &ArtifactName,
        format: Format,
        order: &LinkOrder,
    ) -> Result<Taken, PublishError> {
        match (self, format) {
            (Self::Zero { flists, .. }, Format::Flist) => flists.keep(artifact, name, order).map(|()| Taken::Kept),
            (Self::Directory(hub), _) | (Self::Zero { binaries: hub, .. }, Format::Binary) => {
                hub.publish(artifact, name, format, order).map(Taken::Published)
            }
        }
    }

    /// What is kept, and served, by ourselves.
    pub fn directory(&self) -> &DirectoryHub {
        match self {
            Self::Directory(hub) | Self::Zero { binaries: hub, .. } => hub,
        }
    }

    /// The hub to which artifacts must be delivered, if it is such a one.
    pub fn zero(&self) -> Option<&ZeroHub> {
        match self {
            Self::Directory(_) => None,
            Self::Zero { flists, .. } => Some(flists),
        }
    }
}

/// Where the directory hub keeps what it publishes.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory of flists.
    pub directory: PathBuf,
    /// The directory of binaries; the same one if not given.
    pub binary_directory: Option<PathBuf>,
}

/// What a build left, already opened: it is published from this very descriptor.
#[derive(Debug)]
pub struct Collected {
    /// A regular file, open for reading.
    pub file: File,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, as 64 hexadecimal digits in lower case.
    pub sha256: String,
}

/// Whose link it is and where its push stands; it decides whether the link moves.
#[derive(Debug, Clone)]
pub struct LinkOrder {
    /// The repository that was pushed.
    pub repository: Repository,
    /// The branch or tag that was pushed.
    pub git_ref: GitRef,
    /// Where the push stands among the pushes of that ref.
    pub position: i64,
    /// The build that made the artifact.
    pub build: BuildId,
}

/// An artifact that is published, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The artifact.
    pub artifact: Artifact,
    /// Whether its link means it now.
    pub link: LinkMoved,
}

/// Whether a link moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkMoved {
    /// The link points to the artifact.
    Yes,
    /// The link stays where a newer push brought it.
    No {
        /// The build the link points to.
        newer: BuildId,
    },
}
