//! Holds the catalog that is in force, and puts the next one in its place.
//!
//! Readers take a snapshot and are never disturbed; a change is one swap of a pointer, so no push
//! ever sees half of it.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::{
    assemble,
    entry::Entry,
    policy::Policy,
    problem::{Problem, Severity},
    snapshot::Catalog,
    source::SourceFile,
};

/// The catalog in force.
#[derive(Debug)]
pub struct Keeper {
    current: ArcSwap<Catalog>,
    /// One change at a time: each is made from the one before.
    changing: Mutex<()>,
}

/// What a change did, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Files that were not active before.
    pub added: Vec<String>,
    /// Files that are active in another version than before.
    pub changed: Vec<String>,
    /// Files that are no longer active.
    pub removed: Vec<String>,
    /// Files that are wrong now, and stay active in their last good version.
    pub kept: Vec<String>,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

impl Applied {
    /// Whether any file is wrong.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }
}

impl Keeper {
    /// An empty catalog under this policy.
    pub fn new(policy: Policy) -> Self {
        let empty = Catalog { policy: Arc::new(policy), ..Catalog::default() };
        Self { current: ArcSwap::from_pointee(empty), changing: Mutex::new(()) }
    }

    /// The catalog now. It stays as it is while the caller holds it.
    pub fn current(&self) -> Arc<Catalog> {
        self.current.load_full()
    }

    /// Puts a tree in force. The caller has read all of it: a file that is not given is no longer tracked.
    pub fn apply(&self, revision: String, files: Vec<SourceFile>) -> Applied {
        self.change(|before| assemble::after(before, Arc::clone(&before.policy), Some(revision), files))
    }

    /// After a restart: what [`Keeper::good_files`] gave before it. Without this, a file that is wrong in the tree
    /// would have no last good version.
    pub fn restore(&self, revision: String, files: Vec<SourceFile>) -> Applied {
        self.apply(revision, files)
    }

    /// Puts another policy in force, with the files that are active.
    pub fn set_policy(&self, policy: Policy) -> Applied {
        self.change(|before| assemble::after(before, Arc::new(policy), before.revision.clone(), files_of(before)))
    }

    /// The active version of every file, to be kept across a restart.
    pub fn good_files(&self) -> Vec<SourceFile> {
        files_of(&self.current())
    }

    fn change(&self, next: impl FnOnce(&Catalog) -> Catalog) -> Applied {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current();
        let after = Arc::new(next(&before));
        self.current.store(Arc::clone(&after));
        difference(&before, &after)
    }
}

fn files_of(catalog: &Catalog) -> Vec<SourceFile> {
    let file = |entry: &Arc<Entry>| SourceFile { path: entry.path.clone(), text: entry.text.clone() };
    catalog.entries.values().map(file).collect()
}

fn difference(before: &Catalog, after: &Catalog) -> Applied {
    let mut applied = Applied {
        kept: after.kept.iter().cloned().collect(),
        problems: after.problems.clone(),
        removed: before.entries.keys().filter(|path| !after.entries.contains_key(*path)).cloned().collect(),
        ..Applied::default()
    };
    for (path, entry) in &after.entries {
        match before.entries.get(path) {
            None => applied.added.push(path.clone()),
            Some(old) if old.text != entry.text => applied.changed.push(path.clone()),
            Some(_) => {}
        }
    }
    applied
}
