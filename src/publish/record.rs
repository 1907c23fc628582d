//! What the hub knows about a file: whose it is, from which push, and its hash.
//!
//! A record lies in `.records/` under its file's name. It says of which file it speaks by size and
//! time of change, so one that does not fit (a file put there by hand, a torn record) is as none.

use std::{fs::Metadata, os::unix::fs::MetadataExt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::LinkOrder;
use crate::model::{BuildId, GitRef, Repository, Timestamp};

/// Where a published file comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The repository.
    pub repository: Repository,
    /// The branch or tag.
    #[serde(rename = "ref", serialize_with = "write", deserialize_with = "read")]
    pub git_ref: GitRef,
    /// The build.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub build: BuildId,
}

/// A file's record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(flatten)]
    pub(super) origin: Origin,
    /// The link it was published for; a record that does not say is no ground to remove a file.
    #[serde(default)]
    pub(super) link: String,
    /// Where the push stands among the pushes of its ref.
    pub(super) position: i64,
    pub(super) sha256: String,
    pub(super) size: u64,
    /// Nanoseconds since the epoch.
    pub(super) modified: i64,
}

impl Origin {
    pub(super) fn of(order: &LinkOrder) -> Self {
        let LinkOrder { repository, git_ref, build, .. } = order.clone();
        Self { repository, git_ref, build }
    }

    /// Whether it is the repository and ref of this push.
    pub(super) fn is_of(&self, order: &LinkOrder) -> bool {
        self.repository == order.repository && self.git_ref == order.git_ref
    }
}

impl Record {
    pub(super) fn new(order: &LinkOrder, link: &str, sha256: &str, file: &Metadata) -> Self {
        Self {
            origin: Origin::of(order),
            link: link.to_owned(),
            position: order.position,
            sha256: sha256.to_owned(),
            size: file.len(),
            modified: nanoseconds(file),
        }
    }

    /// Whether the name was given to this repository and ref.
    pub(super) fn is_of(&self, order: &LinkOrder) -> bool {
        self.origin.is_of(order)
    }

    /// Whether this is the file that the record speaks of.
    pub(super) fn describes(&self, file: &Metadata) -> bool {
        self.size == file.len() && self.modified == nanoseconds(file)
    }
}

fn nanoseconds(file: &Metadata) -> i64 {
    file.mtime().saturating_mul(1_000_000_000).saturating_add(file.mtime_nsec())
}

/// When a file was changed last.
pub(super) fn modified(file: &Metadata) -> Timestamp {
    Timestamp::from_millis(nanoseconds(file).div_euclid(1_000_000))
}

fn write<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn read<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}
