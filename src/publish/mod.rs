//! Where artifacts go: a directory of versioned files and of links that always mean the newest.
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
mod record;
mod served;
mod shelf;

use std::{fs::File, path::PathBuf};

pub use bootstrap::{Bootstrap, BootstrapError};
pub use error::PublishError;
pub use hub::DirectoryHub;
pub use kernels::Kernels;
pub use listing::Entry;
pub use record::Origin;
pub use served::Served;

use crate::model::{Artifact, BuildId, GitRef, Repository};

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
