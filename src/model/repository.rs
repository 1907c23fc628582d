//! A repository's name as forges write it: `org/name`, or `group/sub-group/name` on GitLab.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;

/// The longest segment a forge allows (GitHub: 100 characters for a repository).
const LONGEST_SEGMENT: usize = 100;

/// `org/name`; each segment is letters, digits, `.`, `_` and `-`, so it is safe in a path or a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository(Box<str>);

/// Why a text does not name a repository.
#[derive(Debug, Error)]
#[error("`{0}` is not a repository: expected `org/name` of letters, digits, `.`, `_` and `-`")]
pub struct NotARepository(pub String);

impl Repository {
    /// All but the last segment: `org`, or `group/sub-group`.
    pub fn org(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(org, _)| org)
    }

    /// The last segment.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// `org/name` as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_segment(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !text.is_empty() && text.len() <= LONGEST_SEGMENT && !matches!(text, "." | "..") && text.chars().all(plain)
}

impl FromStr for Repository {
    type Err = NotARepository;

    fn from_str(text: &str) -> Result<Self, NotARepository> {
        let segments = text.split('/').count();
        if (2..=20).contains(&segments) && text.split('/').all(is_segment) {
            Ok(Self(text.into()))
        } else {
            Err(NotARepository(text.to_owned()))
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Repository {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Repository {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sub_group_belongs_to_the_org() {
        let repository: Repository = "group/sub/tool".parse().unwrap();
        assert_eq!((repository.org(), repository.name()), ("group/sub", "tool"));
    }

    #[test]
    fn what_could_leave_a_directory_is_no_repository() {
        for text in ["tool", "acme/..", "../acme/tool", "acme//tool", "acme/a b", "acme/tool/", "acme/$(id)", ""] {
            assert!(text.parse::<Repository>().is_err(), "{text}");
        }
    }
}
