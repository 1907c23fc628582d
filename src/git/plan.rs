//! Reads a commit's tree into a list of what to write, and refuses what must not be written.
//!
//! A tree of a few kilobytes can stand for billions of files (each level naming the one below ten times), so what one
//! commit may unfold to is bounded.

use git2::{ObjectType, Oid, Repository};

use super::{GitError, names};

const MOST_ENTRIES: usize = 1_000_000;
const LONGEST_PATH: usize = 4000;

/// What a tree holds, each list in the tree's order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Directories, parents first; those of submodules too.
    pub(super) directories: Vec<String8>,
    /// Regular files.
    pub(super) files: Vec<Entry>,
    /// Symbolic links.
    pub(super) links: Vec<Entry>,
    /// Submodules.
    pub(super) modules: Vec<Entry>,
}

/// A path below the root, in whatever bytes its author used.
pub(super) type String8 = Vec<u8>;

/// One leaf of the tree.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) path: String8,
    pub(super) oid: Oid,
    /// One of git's five: 100644, 100755, 120000, 160000 (octal).
    pub(super) mode: u32,
}

pub(super) const LINK: u32 = 0o120_000;
pub(super) const MODULE: u32 = 0o160_000;
pub(super) const FILE: u32 = 0o100_644;
pub(super) const PROGRAM: u32 = 0o100_755;

impl Plan {
    pub(super) fn read(store: &Repository, commit: Oid) -> Result<Self, GitError> {
        let tree = store
            .find_commit(commit)
            .and_then(|commit| commit.tree())
            .map_err(GitError::mirror("read the commit's tree"))?;
        let mut plan = Self::default();
        plan.add(store, &tree, &mut String8::new(), &commit.to_string())?;
        Ok(plan)
    }

    fn add(
        &mut self,
        store: &Repository,
        tree: &git2::Tree<'_>,
        path: &mut String8,
        commit: &str,
    ) -> Result<(), GitError> {
        let above = path.len();
        for entry in tree {
            let name = entry.name_bytes();
            if above > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            if let Some(rule) = names::refuse(name).or_else(|| self.refuse(path, name, &entry)) {
                let path = String::from_utf8_lossy(path).into_owned();
                return Err(GitError::Tree { commit: commit.to_owned(), path, rule });
            }
            let leaf = |mode| Entry { path: path.clone(), oid: entry.id(), mode };
            match (entry.kind(), entry.filemode_raw().cast_unsigned()) {
                (Some(ObjectType::Tree), _) => {
                    self.directories.push(path.clone());
                    let below = store.find_tree(entry.id()).map_err(GitError::mirror("read a tree"))?;
                    self.add(store, &below, path, commit)?;
                }
                (Some(ObjectType::Commit), _) => {
                    self.directories.push(path.clone());
                    self.modules.push(leaf(MODULE));
                }
                (_, LINK) => self.links.push(leaf(LINK)),
                (_, mode) => self.files.push(leaf(if mode & 0o100 == 0 { FILE } else { PROGRAM })),
            }
            path.truncate(above);
        }
        Ok(())
    }

    fn refuse(&self, path: &[u8], name: &[u8], entry: &git2::TreeEntry<'_>) -> Option<&'static str> {
        let entries = self.files.len() + self.links.len() + self.directories.len();
        if entries >= MOST_ENTRIES {
            Some("is the 1,000,001st entry, and that is too many")
        } else if path.len() > LONGEST_PATH {
            Some("is a path longer than 4000 bytes")
        } else if name.eq_ignore_ascii_case(b".gitmodules") && entry.filemode_raw().cast_unsigned() == LINK {
            Some("must not be a symbolic link")
        } else {
            None
        }
    }
}
