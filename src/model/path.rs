//! Paths that a recipe names, checked where they enter.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// A path below some directory: no `..`, no leading `/`, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelativePath(Box<str>);

/// An absolute directory inside a build's container, like `/target`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AbsoluteDir(Box<str>);

/// Why a text is not such a path.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NotAPath {
    /// A relative path was expected.
    #[error("`{0}` must be a relative path without `..`")]
    NotRelative(String),
    /// An absolute path was expected.
    #[error("`{0}` must be an absolute path without `..`, like `/target`")]
    NotAbsolute(String),
    /// The directory belongs to the system of every container.
    #[error("`{0}` belongs to the system of the container: choose another directory, like `/target`")]
    Reserved(String),
    /// It has control characters or is too long.
    #[error("{0:?} has control characters or is longer than 255 bytes")]
    Unprintable(String),
}

/// Directories whose replacement by an empty mount breaks every program in the container.
const RESERVED: [&str; 13] =
    ["/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var"];

fn check_text(text: &str) -> Result<(), NotAPath> {
    if text.len() > 255 || text.chars().any(char::is_control) {
        return Err(NotAPath::Unprintable(text.to_owned()));
    }
    Ok(())
}

fn only_names(text: &str) -> bool {
    text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

impl RelativePath {
    /// A word of ours, which is a path as well.
    pub(super) fn word(word: &'static str) -> Self {
        Self(word.into())
    }

    /// The path, with `/` between its parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its last part.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl AbsoluteDir {
    /// `/target`, where a script leaves its artifact unless its recipe says otherwise.
    pub fn target() -> Self {
        Self("/target".into())
    }

    /// The path, without a `/` at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RelativePath {
    type Err = NotAPath;

    fn from_str(text: &str) -> Result<Self, NotAPath> {
        check_text(text)?;
        let plain = text.strip_prefix("./").unwrap_or(text);
        if only_names(plain) { Ok(Self(plain.into())) } else { Err(NotAPath::NotRelative(text.to_owned())) }
    }
}

impl FromStr for AbsoluteDir {
    type Err = NotAPath;

    fn from_str(text: &str) -> Result<Self, NotAPath> {
        check_text(text)?;
        let plain = if text.len() > 1 { text.trim_end_matches('/') } else { text };
        if RESERVED.contains(&plain)
            || plain.starts_with("/proc/")
            || plain.starts_with("/sys/")
            || plain.starts_with("/dev/")
        {
            return Err(NotAPath::Reserved(text.to_owned()));
        }
        match plain.strip_prefix('/') {
            Some(rest) if only_names(rest) => Ok(Self(plain.into())),
            _ => Err(NotAPath::NotAbsolute(text.to_owned())),
        }
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

as_text!(RelativePath);
as_text!(AbsoluteDir);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_stays_below() {
        assert_eq!("./a/b.sh".parse::<RelativePath>().unwrap().as_str(), "a/b.sh");
        for text in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "a\nb"] {
            assert!(text.parse::<RelativePath>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn archives_cannot_hide_the_system() {
        assert_eq!("/tmp/archives/".parse::<AbsoluteDir>().unwrap().as_str(), "/tmp/archives");
        for text in ["/", "/etc", "/proc/self", "target", "/a/../etc", "/usr/"] {
            assert!(text.parse::<AbsoluteDir>().is_err(), "{text}");
        }
    }
}
