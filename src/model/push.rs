//! What a forge told us: repository, ref, tip, commits.

use serde::{Deserialize, Serialize};

use super::{CommitId, GitRef, Repository};

/// One push of one ref, already verified and parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// Where it was pushed.
    pub repository: Repository,
    /// Which branch or tag moved.
    pub git_ref: GitRef,
    /// Where the ref stood before; [`Tip::None`] for a new ref.
    pub before: Tip,
    /// Where the ref stands now; [`Tip::None`] for a deletion. For an annotated tag this may be the
    /// tag object: it orders pushes, and is never what is built.
    pub after: Tip,
    /// What is built: the head *commit*. None for a deletion.
    pub commit: Option<CommitId>,
    /// Who wrote the head commit, as it says itself. For display only, never a proof of identity.
    pub author: Option<Author>,
    /// The head commit's message.
    pub message: String,
    /// The pushed commits as the forge listed them; may be empty or cut off.
    pub commits: Vec<CommitInfo>,
}

/// Where a ref stands: at an object, or nowhere (forges write all zeros).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tip {
    /// The ref does not exist.
    None,
    /// The id of the commit or tag object the ref points to.
    At(CommitId),
}

/// A name and an address, as a commit carries them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The address; empty if not given.
    #[serde(default)]
    pub email: String,
    /// The name of the forge's user; empty if not given.
    #[serde(default)]
    pub username: String,
}

/// One commit of a push, for display.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitInfo {
    /// The commit's id.
    pub id: String,
    /// Its message.
    pub message: String,
    /// When it was written, as the forge says it.
    #[serde(default)]
    pub timestamp: String,
    /// The forge's page of it.
    #[serde(default)]
    pub url: String,
    /// Who wrote it.
    #[serde(default)]
    pub author: Author,
}

impl Push {
    /// Who wrote what was pushed: the head commit, or the newest one listed if the forge names no head.
    pub fn written_by(&self) -> Option<&Author> {
        self.author.as_ref().or_else(|| Some(&self.commits.last()?.author))
    }

    /// A commit that a person asks for, in the shape of a push: nothing is known of what was before.
    pub fn by_hand(repository: Repository, git_ref: GitRef, commit: CommitId) -> Self {
        Self {
            repository,
            git_ref,
            before: Tip::None,
            after: Tip::At(commit.clone()),
            commit: Some(commit),
            author: None,
            message: String::new(),
            commits: Vec::new(),
        }
    }

    /// Whether nobody told who wrote the head commit, or its message.
    pub fn lacks_words(&self) -> bool {
        self.author.is_none() || self.message.is_empty()
    }

    /// Takes over what is lacking from what the commit says of itself.
    pub fn fill(&mut self, said: CommitInfo) {
        if self.message.is_empty() {
            self.message = said.message;
        }
        self.author.get_or_insert(said.author);
    }
}

impl Tip {
    /// The object's id; forty zeros if there is none.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "0000000000000000000000000000000000000000",
            Self::At(commit) => commit.as_str(),
        }
    }

    /// The object's id, if there is one.
    pub fn commit(&self) -> Option<&CommitId> {
        match self {
            Self::None => None,
            Self::At(commit) => Some(commit),
        }
    }
}

impl From<Option<CommitId>> for Tip {
    fn from(commit: Option<CommitId>) -> Self {
        commit.map_or(Self::None, Self::At)
    }
}
