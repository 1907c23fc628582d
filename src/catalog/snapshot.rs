//! One state of the configuration repository, complete and immutable.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use super::{
    assemble,
    entry::{self, Entry},
    impact::Impact,
    layout::ENDINGS,
    pipeline::Pipeline,
    plan::{Planned, judged, plan},
    policy::Policy,
    problem::{Problem, Severity},
    source::{SourceFile, UnreadableDirectory, read_directory},
};
use crate::model::{GitRef, Repository};

/// What is built from which ref of which repository.
#[derive(Debug, Default)]
pub struct Catalog {
    pub(super) policy: Arc<Policy>,
    pub(super) revision: Option<String>,
    /// Active files by path.
    pub(super) entries: BTreeMap<String, Arc<Entry>>,
    /// Files that are active in an older version than the tree's.
    pub(super) kept: BTreeSet<String>,
    /// Files of which no version was ever good. They still stand before patterns.
    pub(super) broken: BTreeSet<String>,
    /// The path of the exact file whose builds move a link.
    pub(super) links: HashMap<String, String>,
    pub(super) problems: Vec<Problem>,
}

/// What a push concerns.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// These scripts, at least one.
    Recipes(Vec<Planned>),
    /// The file for this ref has never been right, so nothing is known to build.
    Broken {
        /// The file to mend.
        path: String,
    },
    /// No file is about the repository.
    UnknownRepository,
    /// There are files about the repository, and none about this ref.
    UnknownRef,
}

/// One active file, for people.
#[derive(Debug)]
pub struct Watched<'c> {
    /// The file.
    pub path: &'c str,
    /// The repository its path names (on a forge with sub-groups a longer one may be meant).
    pub repository: &'c Repository,
    /// The branch its path names; only a label if there are patterns.
    pub label: &'c str,
    /// Patterns of branches.
    pub branches: Vec<&'c str>,
    /// Patterns of tags.
    pub tags: Vec<&'c str>,
    /// Whether it asks to be polled.
    pub poll: bool,
    /// Its scripts, planned for the label.
    pub recipes: Vec<Planned>,
}

impl Catalog {
    /// The catalog of these files, with all their problems.
    pub fn read(files: Vec<SourceFile>, policy: &Policy) -> Self {
        let before = Self { policy: Arc::new(policy.clone()), ..Self::default() };
        assemble::after(&before, Arc::clone(&before.policy), None, files)
    }

    /// Everything that is wrong, by path and place.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether anything is wrong that hurts a branch.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// How many repositories and recipes are active.
    pub fn counts(&self) -> (usize, usize) {
        let repositories: BTreeSet<_> = self.watched().map(|watched| watched.repository).collect();
        let recipes = self.entries.values().map(|entry| entry.file.scripts.len()).sum();
        (repositories.len(), recipes)
    }

    /// The commit it was read from, if it was read from one.
    pub fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// What a push of this ref builds: the scripts of its file, and the pipelines.
    pub fn lookup(&self, repository: &Repository, git_ref: &GitRef) -> Lookup {
        let pipelines = self.policy.pipelines_for(repository, git_ref);
        match self.lookup_file(repository, git_ref) {
            Lookup::Recipes(planned) => Lookup::Recipes(planned.into_iter().chain(pipelines).collect()),
            without if pipelines.is_empty() => without,
            _ => Lookup::Recipes(pipelines),
        }
    }

    /// The operator's pipelines.
    pub fn pipelines(&self) -> &[Pipeline] {
        &self.policy.pipelines
    }

    /// An exact file wins over patterns; of several patterns that match, the first by path.
    fn lookup_file(&self, repository: &Repository, git_ref: &GitRef) -> Lookup {
        if let Some(found) = self.exact(repository, git_ref) {
            return found;
        }
        let mut matching = self.about(repository).filter(|entry| stands_for(entry, git_ref));
        match matching.next() {
            Some(entry) => Lookup::Recipes(self.planned_by_pattern(entry, repository, git_ref)),
            None if self.tracks_repository(repository) => Lookup::UnknownRef,
            None => Lookup::UnknownRepository,
        }
    }

    /// Whether any file, or pipeline, is about the repository.
    pub fn tracks_repository(&self, repository: &Repository) -> bool {
        self.about(repository).next().is_some()
            || below(&self.broken, repository)
            || self.policy.builds_kernels_of(repository)
    }

    /// Whether a file asks for the repository to be polled, hook or not.
    pub fn polls(&self, repository: &Repository) -> bool {
        self.about(repository).any(|entry| entry.file.poll)
    }

    /// Every repository that files or pipelines are about, and others that the same path may name instead.
    pub fn repositories(&self) -> impl Iterator<Item = (Repository, Vec<Repository>)> {
        let of_files = self.entries.values().filter_map(|entry| {
            let mut readings = entry.splits.iter().map(|(repository, _)| repository.clone());
            Some((readings.next()?, readings.collect()))
        });
        let of_pipelines = self.policy.pipelines.iter().map(|pipeline| (pipeline.repository.clone(), Vec::new()));
        of_files.chain(of_pipelines)
    }

    /// Every active file, by path.
    pub fn watched(&self) -> impl Iterator<Item = Watched<'_>> {
        self.entries.values().filter_map(|entry| {
            let (repository, git_ref) = entry.splits.first()?;
            Some(Watched {
                path: &entry.path,
                repository,
                label: git_ref.name(),
                branches: entry.file.branches.iter().map(|pattern| pattern.text.as_str()).collect(),
                tags: entry.file.tags.iter().map(|pattern| pattern.text.as_str()).collect(),
                poll: entry.file.poll,
                recipes: entry.plans(repository, git_ref, &self.policy),
            })
        })
    }

    fn exact(&self, repository: &Repository, git_ref: &GitRef) -> Option<Lookup> {
        let branch = git_ref.branch()?;
        for ending in ENDINGS {
            let path = format!("{repository}/{branch}{ending}");
            match self.entries.get(&path) {
                Some(entry) if entry.file.is_pattern() => {}
                Some(entry) => return Some(Lookup::Recipes(entry.plans(repository, git_ref, &self.policy))),
                None if self.broken.contains(&path) => return Some(Lookup::Broken { path }),
                None => {}
            }
        }
        None
    }

    /// Active files below the repository's directory.
    fn about(&self, repository: &Repository) -> impl Iterator<Item = &Arc<Entry>> {
        let directory = format!("{repository}/");
        let from = self.entries.range(directory.clone()..);
        from.take_while(move |(path, _)| path.starts_with(&directory)).map(|(_, entry)| entry)
    }

    /// Two refs can want one link (`a/b` and `a-b`). For exact files that is found when they are read; here the
    /// exact file keeps its link.
    fn planned_by_pattern(&self, entry: &Entry, repository: &Repository, git_ref: &GitRef) -> Vec<Planned> {
        let one = |script| {
            let (recipe, excess) = plan(script, repository, git_ref, &self.policy);
            let reason = match entry::link(script, repository, git_ref) {
                Err(error) => error.to_string(),
                Ok(link) => match self.links.get(&link) {
                    Some(owner) => format!("`{link}` belongs to the builds of `{owner}`: rename the ref"),
                    None => return judged((recipe, excess)),
                },
            };
            Planned::Refused { recipe, reason }
        };
        entry.file.scripts.iter().map(one).collect()
    }
}

impl Catalog {
    /// The catalog of a working tree on disk, with all its problems.
    pub fn load_directory(directory: &Path, policy: &Policy) -> Result<Self, UnreadableDirectory> {
        let tree = read_directory(directory)?;
        let mut catalog = Self::read(tree.files, policy);
        catalog.problems.extend(tree.warnings);
        Ok(catalog)
    }

    /// What a working tree on disk would change if it were this catalog's next tree.
    pub fn impact_of_directory(&self, directory: &Path) -> Result<Impact, UnreadableDirectory> {
        let tree = read_directory(directory)?;
        let mut impact = self.impact_of(tree.files);
        impact.problems.extend(tree.warnings);
        Ok(impact)
    }
}

/// Whether a pattern of the file matches the ref.
fn stands_for(entry: &Entry, git_ref: &GitRef) -> bool {
    let patterns = if git_ref.is_tag() { &entry.file.tags } else { &entry.file.branches };
    patterns.iter().any(|pattern| pattern.matches(git_ref.name()))
}

fn below(paths: &BTreeSet<String>, repository: &Repository) -> bool {
    let directory = format!("{repository}/");
    paths.range(directory.clone()..).next().is_some_and(|path| path.starts_with(&directory))
}
