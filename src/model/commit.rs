//! A commit's name: 40 hexadecimal digits (SHA-1), or 64 (SHA-256 repositories).

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use thiserror::Error;

/// How many digits of a commit go into an artifact's name.
const SHORT: usize = 10;

/// A full commit id in lower case. The all-zero id, by which forges say "no commit", is not one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommitId(Box<str>);

/// Why a text is not a commit.
#[derive(Debug, Error)]
#[error("`{0}` is not a commit: expected 40 or 64 hexadecimal digits, not all zero")]
pub struct NotACommit(pub String);

impl CommitId {
    /// All digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first ten digits.
    pub fn short(&self) -> &str {
        &self.0[..SHORT]
    }
}

impl FromStr for CommitId {
    type Err = NotACommit;

    fn from_str(text: &str) -> Result<Self, NotACommit> {
        let hex = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
        if hex && text.bytes().any(|b| b != b'0') {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(NotACommit(text.to_owned()))
        }
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for CommitId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_ids_are_commits() {
        assert!("0123456789abcdef0123456789abcdef01234567".parse::<CommitId>().is_ok());
        for text in ["0123456789", &"0".repeat(40), "../../../../../../../../../../../../../etc", &"g".repeat(40)] {
            assert!(text.parse::<CommitId>().is_err(), "{text}");
        }
    }
}
