//! Makes repositories: for the demonstration, and for tests.

use std::path::Path;

use git2::{FileMode, Oid, Repository, Signature, build::TreeUpdateBuilder};

use super::{GitError, heads::commit_id};
use crate::model::{CommitId, GitRef};

/// A bare repository that one writes commits to, without a work tree.
pub struct Author {
    repository: Repository,
}

const DOING: &str = "write a commit";

impl Author {
    /// Creates a bare repository whose default branch is `main`.
    pub fn create(directory: &Path) -> Result<Self, GitError> {
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).external_template(false).initial_head("main").mkpath(true);
        let repository = Repository::init_opts(directory, &options).map_err(GitError::mirror("create a repository"))?;
        Ok(Self { repository })
    }

    /// Opens one that is there.
    pub fn open(directory: &Path) -> Result<Self, GitError> {
        Ok(Self { repository: Repository::open(directory).map_err(GitError::mirror("open a repository"))? })
    }

    /// Commits these files (path, content; a script's name ends in `.sh` and is executable) on top of a branch or tag,
    /// and moves it.
    pub fn commit(&self, git_ref: &GitRef, message: &str, files: &[(&str, &[u8])]) -> Result<CommitId, GitError> {
        let commit = self.write(&git_ref.to_string(), message, files).map_err(GitError::mirror(DOING))?;
        commit_id(commit).ok_or_else(|| GitError::mirror(DOING)(git2::Error::from_str("no commit")))
    }

    fn write(&self, name: &str, message: &str, files: &[(&str, &[u8])]) -> Result<Oid, git2::Error> {
        let parent = self.repository.find_reference(name).and_then(|tip| tip.peel_to_commit()).ok();
        let base = match &parent {
            Some(parent) => parent.tree()?,
            None => self.repository.find_tree(self.repository.treebuilder(None)?.write()?)?,
        };
        let mut update = TreeUpdateBuilder::new();
        for (path, content) in files {
            let mode = if path.ends_with(".sh") { FileMode::BlobExecutable } else { FileMode::Blob };
            update.upsert(*path, self.repository.blob(content)?, mode);
        }
        let tree = self.repository.find_tree(update.create_updated(&self.repository, &base)?)?;
        let who = Signature::now("Autobuilder", "autobuilder@localhost")?;
        let parents: Vec<_> = parent.iter().collect();
        let oid = self.repository.commit(None, &who, &who, message, &tree, &parents)?;
        self.repository.reference(name, oid, true, message)?;
        Ok(oid)
    }
}
