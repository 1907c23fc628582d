//! Where files stand in the configuration repository, and which refs their places name.
//!
//! A pushed name is never joined into a path to be opened: files are listed once, and a push is
//! looked up among their names.

use super::problem::Problem;
use crate::model::{GitRef, Repository};

/// The endings of branch files.
pub(super) const ENDINGS: [&str; 2] = [".yaml", ".yml"];

const LAYOUT: &str = "move it to `<org>/<repository>/<branch>.yaml`";

/// The path without its ending; none for what is no branch file.
pub(super) fn stem(path: &str) -> Option<&str> {
    // No organisation begins with a dot: `.github/workflows/ci.yaml` belongs to somebody else.
    if path.starts_with('.') {
        return None;
    }
    ENDINGS.iter().find_map(|ending| path.strip_suffix(ending))
}

/// Every repository and branch a file may stand for, the shortest repository first.
///
/// `group/sub/tool/main.yaml` is the branch `tool/main` of `group/sub`, or, on a forge with
/// sub-groups, the branch `main` of `group/sub/tool`. Only one of the two repositories exists.
pub(super) fn splits(stem: &str) -> Vec<(Repository, GitRef)> {
    let split = |(at, _)| {
        let branch = stem.get(at + 1..)?.parse().ok()?;
        Some((stem.get(..at)?.parse().ok()?, GitRef::Branch(branch)))
    };
    stem.match_indices('/').skip(1).filter_map(split).collect()
}

/// Why a file that ends like a branch file stands where none can.
pub(super) fn misplaced(path: &str, stem: &str) -> Problem {
    if stem.matches('/').count() < 2 {
        return Problem::of_file(path, "this file does not stand in the directory of a repository", LAYOUT);
    }
    let segments: Vec<&str> = stem.splitn(3, '/').collect();
    let repository = segments[..2].join("/");
    match (repository.parse::<Repository>(), format!("refs/heads/{}", segments[2]).parse::<GitRef>()) {
        (Err(error), _) => Problem::of_file(path, error, LAYOUT),
        (_, Err(error)) => Problem::of_file(path, error, "name the file after the branch it stands for"),
        (Ok(_), Ok(_)) => Problem::of_file(path, "this file names no branch", LAYOUT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(stem: &str) -> Vec<String> {
        splits(stem).iter().map(|(repository, branch)| format!("{repository} {}", branch.name())).collect()
    }

    #[test]
    fn a_nested_file_may_be_a_branch_with_slashes_or_a_sub_group() {
        assert_eq!(names("acme/tool/main"), ["acme/tool main"]);
        assert_eq!(names("group/sub/tool/main"), ["group/sub tool/main", "group/sub/tool main"]);
        assert!(names("acme/main").is_empty());
    }

    #[test]
    fn what_is_no_branch_file_is_left_alone() {
        assert_eq!(stem("acme/tool/main.yml"), Some("acme/tool/main"));
        for path in ["README.md", "acme/tool/notes.txt", ".github/workflows/ci.yaml", ".gitlab-ci.yml"] {
            assert_eq!(stem(path), None, "{path}");
        }
    }

    #[test]
    fn a_misplaced_file_is_told_where_to_stand() {
        assert!(misplaced("acme/x.yaml", "acme/x").help.contains("<org>/<repository>/<branch>.yaml"));
        assert!(misplaced("a b/c/x.yaml", "a b/c/x").message.contains("`a b/c` is not a repository"));
        assert!(misplaced("a/b/x..y.yaml", "a/b/x..y").message.contains("x..y"));
    }
}
