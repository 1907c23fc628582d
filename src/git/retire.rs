//! Removes mirrors: one that is damaged, and those that nobody needs any more.
//!
//! A mirror holds nothing that the forge does not have. When it was used last is the time of its `HEAD`, so a
//! restart forgets nothing, and mirrors of submodules, whose addresses stand in commits alone, have it too.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{GitError, Mirrors};
use crate::model::Repository;

/// Ends the name of a mirror that is being removed: half of one must not be taken for a whole one.
const ASIDE: &str = ".discarded";

impl Mirrors {
    /// Removes a repository's mirror, so that the next fetch makes it anew. False if somebody uses it now. One that
    /// was damaged by a loss of power must not fail builds for ever.
    pub async fn discard(&self, repository: &Repository) -> Result<bool, GitError> {
        let mirror = self.mirror(repository);
        let _fetching = mirror.fetch_alone().await;
        let Some(alone) = mirror.try_alone() else { return Ok(false) };
        let removal = move || {
            let _alone = alone;
            remove(&aside(&mirror.directory)?)
        };
        tokio::task::spawn_blocking(removal).await.map_err(|_| GitError::Abandoned)?.map(|()| true)
    }

    /// Removes every mirror that was not used for so long, but none of these repositories', and what a removal that
    /// was interrupted left. Returns how many went.
    pub async fn retire(&self, unused: Duration, but: Vec<Repository>) -> Result<usize, GitError> {
        let mirrors = self.clone();
        let removal = move || mirrors.retire_all(unused, &but);
        tokio::task::spawn_blocking(removal).await.map_err(|_| GitError::Abandoned)?
    }

    fn retire_all(&self, unused: Duration, but: &[Repository]) -> Result<usize, GitError> {
        let needed: HashSet<PathBuf> = but.iter().map(|repository| self.directory_of(repository)).collect();
        let entries = match fs::read_dir(self.directory()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries.map_err(GitError::disk("list", self.directory()))?,
        };
        let mut removed = 0;
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| !needed.contains(path)) {
            if path.to_string_lossy().ends_with(ASIDE) {
                remove(&path)?;
            } else if was_unused(&path, unused) {
                // Once more, now that nobody can begin to use it.
                let put_aside = self.unused(&path, || was_unused(&path, unused).then(|| aside(&path)).transpose());
                if let Some(Some(path)) = put_aside.transpose()? {
                    remove(&path)?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

/// Notes that a mirror is used. What cannot be noted lets it be fetched anew some day.
pub(super) fn mark_used(mirror: &Path) {
    let _unnoted = File::open(mirror.join("HEAD")).and_then(|head| head.set_modified(SystemTime::now()));
}

/// Whether it is a mirror, and was last used that long ago.
fn was_unused(mirror: &Path, long: Duration) -> bool {
    let used = fs::metadata(mirror.join("HEAD")).and_then(|head| head.modified());
    used.is_ok_and(|used| used.elapsed().is_ok_and(|since| since >= long))
}

fn aside(mirror: &Path) -> Result<PathBuf, GitError> {
    let mut name = mirror.as_os_str().to_owned();
    name.push(ASIDE);
    let aside = PathBuf::from(name);
    remove(&aside)?;
    fs::rename(mirror, &aside).map_err(GitError::disk("remove", mirror))?;
    Ok(aside)
}

fn remove(directory: &Path) -> Result<(), GitError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(GitError::disk("remove", directory)(error)),
        _ => Ok(()),
    }
}
