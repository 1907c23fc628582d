//! The files of a directory as some revision has them: what a working tree is compared with.

use std::path::Path;

use git2::{ErrorCode, Repository};

use super::{
    GitError, TreeLimits,
    tree::{Reader, too_many},
};

/// A file: its path, with `/` between the parts, and its content.
type PathAndBytes = (String, Vec<u8>);

/// The files below `directory` at `revision` of the git repository it belongs to; `None` without a
/// revision means `HEAD`, and a directory outside of any repository, or without a commit, has none.
/// Blocks.
pub fn files_at(
    directory: &Path,
    revision: Option<&str>,
    limits: TreeLimits,
) -> Result<Option<Vec<PathAndBytes>>, GitError> {
    let store = match Repository::discover(directory) {
        Ok(store) => store,
        Err(error) if error.code() == ErrorCode::NotFound && revision.is_none() => return Ok(None),
        Err(source) => return Err(GitError::mirror("open the working tree's repository")(source)),
    };
    let commit = match store.revparse_single(revision.unwrap_or("HEAD")).and_then(|object| object.peel_to_commit()) {
        Ok(commit) => commit.id(),
        Err(_) if revision.is_none() => return Ok(None),
        Err(source) => return Err(GitError::mirror("find the revision")(source)),
    };
    let mut reader = Reader::new(limits);
    if let Some(path) = reader.walk(&store, commit).map_err(GitError::mirror("read the files"))? {
        return Err(too_many(&commit.to_string(), path));
    }
    let prefix = prefix(&store, directory);
    let below = |(path, bytes): PathAndBytes| Some((path.strip_prefix(&prefix)?.to_owned(), bytes));
    Ok(Some(reader.files.into_iter().filter_map(below).collect()))
}

/// Where the directory stands in the repository: empty, or with a `/` at its end.
fn prefix(store: &Repository, directory: &Path) -> String {
    let inside = || {
        let root = store.workdir()?.canonicalize().ok()?;
        let path = directory.canonicalize().ok()?.strip_prefix(root).ok()?.to_str()?.to_owned();
        (!path.is_empty()).then(|| format!("{path}/"))
    };
    inside().unwrap_or_default()
}
