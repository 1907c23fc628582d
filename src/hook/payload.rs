//! The parts of a push payload that are read, of all three forges; all else is skipped unparsed.
//!
//! Texts are borrowed from the body where JSON allows it, and `null` is the same as missing, for
//! forges differ in which of the two they send.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};

/// How many commits of a push are kept for display.
const MOST_COMMITS: usize = 50;

/// A push, as GitHub, Gitea or GitLab writes it.
#[derive(Debug, Deserialize)]
pub(super) struct PushPayload<'a> {
    #[serde(borrow, default, rename = "ref")]
    pub(super) git_ref: Text<'a>,
    #[serde(borrow, default)]
    pub(super) before: Text<'a>,
    #[serde(borrow, default)]
    pub(super) after: Text<'a>,
    /// GitHub only.
    #[serde(default)]
    pub(super) deleted: Option<bool>,
    /// GitHub, and Gitea since 1.16.
    #[serde(borrow, default)]
    pub(super) head_commit: Option<Commit<'a>>,
    /// GitLab only: the commit that `after` leads to, also when `after` is a tag object.
    #[serde(borrow, default)]
    pub(super) checkout_sha: Text<'a>,
    #[serde(borrow, default)]
    pub(super) commits: Commits<'a>,
    #[serde(borrow, default)]
    pub(super) repository: Option<Repo<'a>>,
    #[serde(borrow, default)]
    pub(super) project: Option<Project<'a>>,
}

/// A pull request, as GitHub or Gitea writes it.
#[derive(Debug, Deserialize)]
pub(super) struct PullPayload<'a> {
    #[serde(borrow, default)]
    pub(super) action: Text<'a>,
    pub(super) number: u64,
    #[serde(borrow)]
    pub(super) pull_request: PullRequest<'a>,
    #[serde(borrow)]
    pub(super) repository: Repo<'a>,
}

/// From where to where it goes.
#[derive(Debug, Deserialize)]
pub(super) struct PullRequest<'a> {
    #[serde(borrow)]
    pub(super) head: PullEnd<'a>,
    #[serde(borrow)]
    pub(super) base: PullEnd<'a>,
}

/// One end of a pull request. The repository it names is not read.
#[derive(Debug, Deserialize)]
pub(super) struct PullEnd<'a> {
    #[serde(borrow, default, rename = "ref")]
    pub(super) branch: Text<'a>,
    #[serde(borrow, default)]
    pub(super) sha: Text<'a>,
}

/// Any other event, of which only the repository is of interest.
#[derive(Debug, Default, Deserialize)]
pub(super) struct OtherPayload<'a> {
    #[serde(borrow, default)]
    pub(super) repository: Option<Repo<'a>>,
    #[serde(borrow, default)]
    pub(super) project: Option<Project<'a>>,
}

/// GitHub's and Gitea's repository. GitLab has one too, without the full name.
#[derive(Debug, Deserialize)]
pub(super) struct Repo<'a> {
    #[serde(borrow, default)]
    pub(super) full_name: Text<'a>,
}

/// GitLab's repository.
#[derive(Debug, Deserialize)]
pub(super) struct Project<'a> {
    #[serde(borrow, default)]
    pub(super) path_with_namespace: Text<'a>,
}

/// One commit.
#[derive(Debug, Deserialize)]
pub(super) struct Commit<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) message: Text<'a>,
    #[serde(borrow, default)]
    pub(super) timestamp: Text<'a>,
    #[serde(borrow, default)]
    pub(super) url: Text<'a>,
    #[serde(borrow, default)]
    pub(super) author: Option<Person<'a>>,
}

/// Who wrote a commit.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Person<'a> {
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) email: Text<'a>,
    #[serde(borrow, default)]
    pub(super) username: Text<'a>,
}

/// A string; empty where the payload has `null` or nothing. Serde's own `Cow` would copy always
/// within an `Option`.
#[derive(Debug, Default)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or null")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

/// The first commits of a push; the rest is skipped without being kept.
#[derive(Debug, Default)]
pub(super) struct Commits<'a>(pub(super) Vec<Commit<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Commits<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CommitsVisitor;

        impl<'de> Visitor<'de> for CommitsVisitor {
            type Value = Commits<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of commits or null")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Commits<'de>, A::Error> {
                let mut commits = Vec::new();
                while commits.len() < MOST_COMMITS {
                    match list.next_element()? {
                        Some(commit) => commits.push(commit),
                        None => return Ok(Commits(commits)),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Commits(commits))
            }

            fn visit_unit<E>(self) -> Result<Commits<'de>, E> {
                Ok(Commits::default())
            }
        }

        deserializer.deserialize_any(CommitsVisitor)
    }
}
