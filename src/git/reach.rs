//! Whether a commit is here, and lies on a ref: the proof that what is built was pushed to where it says.

use git2::{Odb, OdbLookupFlags, Oid, Repository};

use super::GitError;

/// Whether the object is here, without looking again for new packs when it is not.
pub(super) fn is_here(odb: &Odb<'_>, oid: Oid) -> bool {
    odb.exists_ext(oid, OdbLookupFlags::NO_REFRESH)
}

/// The commit a ref of the mirror stands at, through annotated tags.
pub(super) fn tip(repository: &Repository, name: &str) -> Option<Oid> {
    Some(repository.find_reference(name).ok()?.peel_to_commit().ok()?.id())
}

/// Whether `commit` is the tip, or one of its ancestors.
pub(super) fn is_on(repository: &Repository, tip: Oid, commit: Oid) -> Result<bool, GitError> {
    if tip == commit {
        return Ok(true);
    }
    if repository.find_commit(commit).is_err() {
        return Ok(false);
    }
    repository.graph_descendant_of(tip, commit).map_err(GitError::mirror("follow the history"))
}
