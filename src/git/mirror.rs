//! The bare mirrors: one per address, made on first use, shared by all builds of it.
//!
//! A mirror's directory is named after its address: readable at its front, and told apart by a hash at its end, so
//! two addresses never share one. Whoever reads a mirror's objects (a fetch, or a container that has them
//! mounted) holds a [`MirrorUse`]; compaction removes packs only while nobody does.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::{
    Config, GitError,
    address::{Address, Template},
    retire, stale,
    web::Upstream,
};
use crate::model::Repository;

/// The mirrors of all repositories. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mirrors(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    template: Template,
    token: Option<SecretString>,
    timeout: Duration,
    upstream: Upstream,
    known: Mutex<HashMap<Address, Arc<Mirror>>>,
}

/// One mirror and its locks.
#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) address: Address,
    pub(super) directory: PathBuf,
    /// What errors call it: a repository's name, or an address.
    pub(super) what: String,
    /// Only for the host of `clone_url`.
    pub(super) token: Option<SecretString>,
    /// The way to forges, shared by all mirrors.
    pub(super) upstream: Upstream,
    making: Mutex<()>,
    fetching: Arc<tokio::sync::Mutex<()>>,
    users: Arc<RwLock<()>>,
}

/// Keeps a mirror's objects where they are, until dropped: hold it as long as a container has them mounted.
#[derive(Debug)]
pub struct MirrorUse {
    objects: PathBuf,
    _shared: OwnedRwLockReadGuard<()>,
}

impl MirrorUse {
    /// The directory to mount, read-only.
    pub fn objects(&self) -> &Path {
        &self.objects
    }
}

impl Mirrors {
    /// Checks the configuration; touches no disk.
    pub fn new(config: Config) -> Result<Self, GitError> {
        // As git does, trust zlib's checksum when an object is read: its hash was checked when it came over the network,
        // and hashing 80 MB of files again doubles the time of a checkout.
        git2::opts::strict_hash_verification(false);
        let template = Template::parse(&config.clone_url)?;
        let Config { token, mirrors: directory, timeout, silence, .. } = config;
        let upstream = Upstream::new(silence);
        Ok(Self(Arc::new(Shared { directory, template, token, timeout, upstream, known: Mutex::default() })))
    }

    /// The directory of a repository's objects, there before anything is fetched. Blocks, briefly.
    pub fn objects(&self, repository: &Repository) -> Result<PathBuf, GitError> {
        let mirror = self.mirror(repository);
        mirror.open()?;
        Ok(mirror.directory.join("objects"))
    }

    /// Marks a repository's mirror as used, for a container that was taken up again after a restart.
    pub async fn in_use(&self, repository: &Repository) -> MirrorUse {
        self.mirror(repository).share().await
    }

    pub(super) fn template(&self) -> &Template {
        &self.0.template
    }

    pub(super) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// Where all mirrors lie.
    pub(super) fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// Does `work` with a mirror's directory while nobody uses it or begins to; `None` if somebody does. Short work:
    /// all who look for a mirror wait.
    pub(super) fn unused<T>(&self, directory: &Path, work: impl FnOnce() -> T) -> Option<T> {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.values().find(|mirror| mirror.directory == directory).map(Arc::clone);
        let Some(mirror) = found else { return Some(work()) };
        let (Ok(_fetching), Some(_alone)) = (mirror.fetching.try_lock(), mirror.try_alone()) else { return None };
        let done = work();
        // The map and this function have it, and nobody else: it is forgotten.
        if Arc::strong_count(&mirror) == 2 {
            known.remove(&mirror.address);
        }
        Some(done)
    }

    /// Every mirror that was used since the start.
    pub(super) fn known(&self) -> Vec<Arc<Mirror>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect()
    }

    pub(super) fn mirror(&self, repository: &Repository) -> Arc<Mirror> {
        self.mirror_of(self.0.template.address(repository), repository.as_str())
    }

    /// Where a repository's mirror lies, if it has one.
    pub(super) fn directory_of(&self, repository: &Repository) -> PathBuf {
        self.0.directory.join(directory_name(&self.0.template.address(repository)))
    }

    pub(super) fn mirror_of(&self, address: Address, what: &str) -> Arc<Mirror> {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        let made = known.entry(address.clone()).or_insert_with(|| {
            Arc::new(Mirror {
                directory: self.0.directory.join(directory_name(&address)),
                what: what.to_owned(),
                token: self.0.token.clone().filter(|_| self.0.template.trusts(&address)),
                address,
                upstream: self.0.upstream.clone(),
                making: Mutex::default(),
                fetching: Arc::default(),
                users: Arc::default(),
            })
        });
        Arc::clone(made)
    }
}

impl Mirror {
    pub(super) async fn share(&self) -> MirrorUse {
        MirrorUse { objects: self.directory.join("objects"), _shared: Arc::clone(&self.users).read_owned().await }
    }

    /// Waits until nobody else fetches into this mirror.
    pub(super) async fn fetch_alone(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.fetching).lock_owned().await
    }

    /// The mirror for oneself, if nobody uses it now.
    pub(super) fn try_alone(&self) -> Option<OwnedRwLockWriteGuard<()>> {
        Arc::clone(&self.users).try_write_owned().ok()
    }

    pub(super) fn exists(&self) -> bool {
        self.directory.join("HEAD").exists()
    }

    /// Opens the mirror, made first if it is not there.
    pub(super) fn open(&self) -> Result<git2::Repository, GitError> {
        {
            // A build's fetch and the making of its container both come here first.
            let _one = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            if !self.exists() {
                create(&self.directory)?;
            }
        }
        stale::sweep_once(&self.directory);
        retire::mark_used(&self.directory);
        git2::Repository::open_bare(&self.directory).map_err(GitError::mirror("open"))
    }
}

/// `HEAD` is written last: without it a directory is no mirror yet, and the next start makes it anew.
fn create(directory: &Path) -> Result<(), GitError> {
    const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n";
    for part in ["objects/pack", "objects/info", "refs/heads", "refs/tags"] {
        let path = directory.join(part);
        fs::create_dir_all(&path).map_err(GitError::disk("create", path))?;
    }
    for (part, text) in [("config", CONFIG), ("HEAD.new", "ref: refs/heads/main\n")] {
        let path = directory.join(part);
        fs::write(&path, text).map_err(GitError::disk("write", path))?;
    }
    fs::rename(directory.join("HEAD.new"), directory.join("HEAD")).map_err(GitError::disk("write", directory))
}

fn directory_name(address: &Address) -> String {
    let url = address.url();
    let plain: String =
        url.chars().map(|c| if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '-' }).collect();
    let front = plain[plain.len().saturating_sub(60)..].trim_start_matches(['-', '.']);
    let hash = Sha256::digest(url.as_bytes());
    let digits: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{front}-{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_repositories_share_a_directory() {
        let mirrors = Mirrors::new(Config::new("/nowhere")).unwrap();
        let name = |repository: &str| mirrors.mirror(&repository.parse().unwrap()).directory.clone();
        let names = ["a/b-c", "a-b/c", "a/b/c", "A/b-c", "a/b_c"].map(name);
        for (i, one) in names.iter().enumerate() {
            assert_eq!(one.parent(), Some(Path::new("/nowhere")));
            assert!(names[i + 1..].iter().all(|other| other != one), "{names:?}");
        }
    }
}
