//! One branch file in its place: what it stands for and which links its artifacts move.

use std::collections::HashSet;

use super::{
    branch_file::{BranchFile, Script},
    parse,
    plan::{self, Planned},
    policy::Policy,
    problem::Problem,
    source::SourceFile,
};
use crate::model::{ArtifactName, GitRef, NameTooLong, Repository};

/// A good file. Immutable; a changed file is another entry.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) text: Vec<u8>,
    pub(super) file: BranchFile,
    /// The repositories and branches its path may name, the shortest repository first.
    pub(super) splits: Vec<(Repository, GitRef)>,
    /// The links that builds of an exact file move; nobody else may.
    pub(super) links: Vec<(String, usize)>,
}

impl Entry {
    /// Reads a file whose path names at least one branch.
    pub(super) fn read(source: SourceFile, splits: Vec<(Repository, GitRef)>) -> Result<Self, Vec<Problem>> {
        let SourceFile { path, text } = source;
        let file = parse::branch_file(&path, &text)?;
        let mut entry = Self { path, text, file, splits, links: Vec::new() };
        entry.links = entry.claim()?;
        Ok(entry)
    }

    /// Every link with the index of its script; two scripts of one file cannot share one.
    fn claim(&self) -> Result<Vec<(String, usize)>, Vec<Problem>> {
        let mut links = Vec::new();
        let mut problems = Vec::new();
        for (repository, git_ref) in &self.splits {
            let mut taken = HashSet::new();
            for (index, script) in self.file.scripts.iter().enumerate() {
                match link(script, repository, git_ref) {
                    Ok(link) if taken.insert(link.clone()) => links.push((link, index)),
                    Ok(link) => {
                        let message = format!("another script of this file already publishes `{link}`");
                        problems.push(self.at(index, "tag", &message, "give one of the two a `tag` of its own"));
                    }
                    Err(error) => problems.push(self.at(index, "tag", &error.to_string(), "use a shorter `tag`")),
                }
            }
        }
        match problems.is_empty() {
            true if self.file.is_pattern() => Ok(Vec::new()),
            true => Ok(links),
            // The other splits say the same in other words.
            false => Err(problems.into_iter().take(self.file.scripts.len()).collect()),
        }
    }

    /// Every script, planned for one ref of one repository.
    pub(super) fn plans(&self, repository: &Repository, git_ref: &GitRef, policy: &Policy) -> Vec<Planned> {
        let scripts = self.file.scripts.iter();
        scripts.map(|script| plan::judged(plan::plan(script, repository, git_ref, policy))).collect()
    }

    /// What an exact file asks for and may not have, whichever repository its path names.
    pub(super) fn excess(&self, policy: &Policy) -> Vec<Problem> {
        if self.file.is_pattern() {
            return Vec::new();
        }
        let of_split = |(repository, git_ref): &(Repository, GitRef)| {
            let of_script = |(index, script)| {
                let (_, excess) = plan::plan(script, repository, git_ref, policy);
                excess.into_iter().map(move |one| self.at(index, one.key, &one.message, &one.help))
            };
            self.file.scripts.iter().enumerate().flat_map(of_script).collect::<Vec<_>>()
        };
        // A path that may name two repositories is at fault only if neither may have it.
        let found: Vec<Vec<Problem>> = self.splits.iter().map(of_split).collect();
        if found.iter().any(Vec::is_empty) { Vec::new() } else { found.into_iter().next().unwrap_or_default() }
    }

    /// A problem at a key of a script.
    pub(super) fn at(&self, script: usize, key: &str, message: &str, help: &str) -> Problem {
        match self.file.scripts.get(script) {
            Some(script) => Problem::at(&self.path, script.places.of(key), message, help),
            None => Problem::of_file(&self.path, message, help),
        }
    }
}

/// The link a script's builds move.
pub(super) fn link(script: &Script, repository: &Repository, git_ref: &GitRef) -> Result<String, NameTooLong> {
    let section = &script.section;
    ArtifactName::link_of(section.format, repository, section.tag.as_deref(), git_ref, section.artifact.file_name())
}
