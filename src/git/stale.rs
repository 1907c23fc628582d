//! What a killed process left in a mirror: lock files that would block every later fetch, and half-written packs.
//!
//! Only one service works on a data directory, so when it opens a mirror for the first time, whatever lies there
//! belongs to no one alive.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

static SWEPT: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);

/// Sweeps a mirror the first time this process meets it.
pub(super) fn sweep_once(mirror: &Path) {
    let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if swept.get_or_insert_default().insert(mirror.to_owned()) {
        sweep(mirror);
    }
}

/// Removes lock files and half-written packs. What cannot be removed will be named by the fetch that trips over it.
pub(super) fn sweep(mirror: &Path) {
    remove_below(&mirror.join("refs"), &|name| name.ends_with(".lock"));
    remove_in(mirror, &|name| name.ends_with(".lock"));
    remove_in(&mirror.join("objects/pack"), &|name| {
        name.ends_with(".lock") || name.starts_with("pack_git2_") || name.starts_with("tmp_")
    });
}

fn remove_in(directory: &Path, stale: &dyn Fn(&str) -> bool) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(stale) && fs::remove_file(entry.path()).is_ok() {
            tracing::warn!(path = %entry.path().display(), "Removed what a killed fetch left in a mirror");
        }
    }
}

fn remove_below(directory: &Path, stale: &dyn Fn(&str) -> bool) {
    remove_in(directory, stale);
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path(), stale);
        }
    }
}
