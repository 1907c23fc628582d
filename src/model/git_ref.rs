//! Refs as a push names them, checked by git's own rules (`git check-ref-format`, git 2.47).
//!
//! A branch is all that follows `refs/heads/`, slashes kept: `feature/main` is not `main`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// A branch or a tag; nothing else starts a build.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GitRef {
    /// `refs/heads/…`
    Branch(Branch),
    /// `refs/tags/…`
    Tag(Tag),
}

/// A branch's name: all that follows `refs/heads/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Branch(Box<str>);

/// A tag's name: all that follows `refs/tags/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Box<str>);

/// Why a text is no ref we build.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NotARef {
    /// It is neither below `refs/heads/` nor below `refs/tags/`.
    #[error("`{0}` is neither a branch (refs/heads/…) nor a tag (refs/tags/…)")]
    OtherNamespace(String),
    /// Git itself would refuse the name.
    #[error("`{0}` is not a name git allows for a branch or tag")]
    Malformed(String),
}

impl GitRef {
    /// The branch's or tag's own name, as shown to people and used in names of artifacts.
    pub fn name(&self) -> &str {
        match self {
            Self::Branch(branch) => branch.as_str(),
            Self::Tag(tag) => tag.as_str(),
        }
    }

    /// The branch, if it is one.
    pub fn branch(&self) -> Option<&Branch> {
        match self {
            Self::Branch(branch) => Some(branch),
            Self::Tag(_) => None,
        }
    }

    /// Whether this is a tag.
    pub fn is_tag(&self) -> bool {
        matches!(self, Self::Tag(_))
    }
}

impl FromStr for GitRef {
    type Err = NotARef;

    fn from_str(text: &str) -> Result<Self, NotARef> {
        if let Some(name) = text.strip_prefix("refs/heads/") {
            name.parse().map(Self::Branch)
        } else if let Some(name) = text.strip_prefix("refs/tags/") {
            name.parse().map(Self::Tag)
        } else {
            Err(NotARef::OtherNamespace(text.to_owned()))
        }
    }
}

impl fmt::Display for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(branch) => write!(f, "refs/heads/{branch}"),
            Self::Tag(tag) => write!(f, "refs/tags/{tag}"),
        }
    }
}

macro_rules! ref_name {
    ($name:ident) => {
        impl $name {
            /// The name, without its `refs/…/` prefix.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotARef;

            fn from_str(name: &str) -> Result<Self, NotARef> {
                if is_ref_name(name) { Ok(Self(name.into())) } else { Err(NotARef::Malformed(name.to_owned())) }
            }
        }

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

ref_name!(Branch);
ref_name!(Tag);

/// The rules of `git check-ref-format`, plus a bound on the length (file systems allow 255 bytes).
fn is_ref_name(name: &str) -> bool {
    let forbidden = |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    !name.is_empty()
        && name.len() <= 240
        && name != "@"
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && !name.contains(forbidden)
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_keeps_its_slashes_and_is_not_its_last_part() {
        let git_ref: GitRef = "refs/heads/evil/main".parse().unwrap();
        assert_eq!(git_ref.name(), "evil/main");
        assert_eq!(git_ref.to_string(), "refs/heads/evil/main");
    }

    #[test]
    fn a_tag_is_not_a_branch_of_the_same_name() {
        let tag: GitRef = "refs/tags/main".parse().unwrap();
        assert!(tag.is_tag());
        assert_ne!(tag, "refs/heads/main".parse().unwrap());
    }

    #[test]
    fn names_git_allows_are_allowed_however_odd() {
        for name in ["-x", "--upload-pack=touch${IFS}pwn", "$(id)", "a;id", "a'b", "é", "{a,b}", "a#b", "%0d"] {
            assert!(format!("refs/heads/{name}").parse::<GitRef>().is_ok(), "{name}");
        }
    }

    #[test]
    fn names_git_refuses_are_refused() {
        for name in [
            "",
            "a..b",
            "a b",
            "a.lock",
            "a/b.lock/c",
            "@{x",
            "a/../b",
            "a\tb",
            "a\u{1b}b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a.",
        ] {
            assert!(format!("refs/heads/{name}").parse::<GitRef>().is_err(), "{name:?}");
        }
        assert!(matches!("main".parse::<GitRef>(), Err(NotARef::OtherNamespace(_))));
    }
}
