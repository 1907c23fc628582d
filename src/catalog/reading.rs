//! What reading the configuration repository came to, for people.

use std::fmt::Write;

use super::{Applied, Problem, Severity, render};
use crate::model::{Branch, CommitId, Repository};

/// A tree that was read and put in force.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Its commit.
    pub commit: CommitId,
    /// Its branch.
    pub branch: Branch,
    /// What it changed.
    pub applied: Applied,
    /// How many repositories are watched now.
    pub repositories: usize,
    /// How many recipes there are now.
    pub recipes: usize,
    /// Files that were passed over, and why.
    pub skipped: Vec<String>,
}

impl Reading {
    /// How it ended, in a sentence that depends on the tree alone.
    pub fn verdict(&self) -> String {
        match mistakes(&self.applied.problems) {
            Some(mistakes) => mistakes,
            None => format!("{} repositories, {} recipes", self.repositories, self.recipes),
        }
    }

    /// What it changed, and how it ended.
    pub fn summary(&self) -> String {
        let Applied { added, changed, removed, problems, .. } = &self.applied;
        let counts = [(added.len(), "added"), (changed.len(), "changed"), (removed.len(), "removed")];
        let changes = counts.iter().filter(|(count, _)| *count > 0).map(|(count, verb)| format!("{count} {verb}"));
        let changes = changes.collect::<Vec<_>>().join(", ");
        let changes = if changes.is_empty() { "nothing changed".to_owned() } else { changes };
        match mistakes(problems) {
            Some(mistakes) => format!("configuration reloaded: {changes}; {mistakes}"),
            None => format!("configuration reloaded: {changes}"),
        }
    }

    /// All of it, as the log of the build that it is in the history.
    pub fn log(&self, repository: &Repository) -> String {
        let mut log = format!("Reading {} of {repository} at {}\n", self.branch, self.commit);
        let Applied { added, changed, removed, kept, problems } = &self.applied;
        for (verb, paths) in [("added", added), ("changed", changed), ("removed", removed)] {
            for path in paths {
                let _ = writeln!(log, "{verb:<8} {path}");
            }
        }
        for path in kept {
            let _ = writeln!(log, "kept     {path}: its last good version stays in force");
        }
        for line in &self.skipped {
            let _ = writeln!(log, "skipped  {line}");
        }
        if added.is_empty() && changed.is_empty() && removed.is_empty() {
            log.push_str("Nothing changed.\n");
        }
        if !problems.is_empty() {
            let _ = write!(log, "\n{}\n", render(problems, false));
        }
        let _ = writeln!(log, "In force: {} repositories, {} recipes.", self.repositories, self.recipes);
        log
    }
}

/// How many mistakes there are, and the first; none if no branch is hurt.
pub(super) fn mistakes(problems: &[Problem]) -> Option<String> {
    let mut errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    let first = errors.next()?;
    match errors.count() {
        0 => Some(format!("1 problem: {first}")),
        more => Some(format!("{} problems, the first: {first}", more + 1)),
    }
}
