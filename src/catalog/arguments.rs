//! What a pipeline's script is called with: words with places that each push fills.

use thiserror::Error;

use crate::model::{GitRef, Repository};

/// The places, and what they stand for.
const PLACES: [(&str, &str); 4] = [
    ("{branch}", "the branch's or tag's name"),
    ("{name}", "the repository's name without its org"),
    ("{repository}", "the repository as `org/name`"),
    ("{release}", "`release` for a tag, else nothing"),
];

/// The arguments of a script. One that comes out empty is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments(Vec<String>);

/// A place that nothing is known of.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{argument}` has braces around what is no place; there is {}", known())]
pub struct UnknownPlace {
    argument: String,
}

fn known() -> String {
    PLACES.map(|(place, meaning)| format!("`{place}` ({meaning})")).join(", ")
}

impl Default for Arguments {
    /// As the build scripts of 0-initramfs are called: `<branch> <repository name> [release]`.
    fn default() -> Self {
        Self(["{branch}", "{name}", "{release}"].map(str::to_owned).to_vec())
    }
}

impl Arguments {
    /// Checks that every place is one of ours.
    pub fn new(words: Vec<String>) -> Result<Self, UnknownPlace> {
        let rest = |word: &String| PLACES.iter().fold(word.clone(), |rest, (place, _)| rest.replace(place, ""));
        match words.iter().find(|word| rest(word).contains(['{', '}', '\0'])) {
            Some(argument) => Err(UnknownPlace { argument: argument.clone() }),
            None => Ok(Self(words)),
        }
    }

    /// The words for one ref.
    pub(super) fn fill(&self, repository: &Repository, git_ref: &GitRef) -> Vec<String> {
        let release = if git_ref.is_tag() { "release" } else { "" };
        let values = [git_ref.name(), repository.name(), repository.as_str(), release];
        // Part by part: a branch may itself be called `{release}`.
        let word = |template: &String| {
            let (mut word, mut rest) = (String::new(), template.as_str());
            while let Some(open) = rest.find('{') {
                word.push_str(&rest[..open]);
                rest = &rest[open..];
                let found = PLACES.iter().zip(values).find(|((place, _), _)| rest.starts_with(place));
                let Some(((place, _), value)) = found else { break };
                word.push_str(value);
                rest = &rest[place.len()..];
            }
            word + rest
        };
        self.0.iter().map(word).filter(|word| !word.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(arguments: &Arguments, git_ref: &str) -> Vec<String> {
        arguments.fill(&"acme/initramfs".parse().unwrap(), &git_ref.parse().unwrap())
    }

    #[test]
    fn a_script_learns_branch_name_and_whether_it_is_a_release() {
        let arguments = Arguments::default();
        assert_eq!(filled(&arguments, "refs/heads/feature/x"), ["feature/x", "initramfs"]);
        assert_eq!(filled(&arguments, "refs/tags/v1.0"), ["v1.0", "initramfs", "release"]);
        assert_eq!(filled(&arguments, "refs/heads/{release}"), ["{release}", "initramfs"]);
    }

    #[test]
    fn words_of_the_operators_own_stay_and_unknown_places_are_named() {
        let arguments = Arguments::new(vec!["--for={repository}".into(), "-v".into(), String::new()]).unwrap();
        assert_eq!(filled(&arguments, "refs/heads/main"), ["--for=acme/initramfs", "-v"]);
        let error = Arguments::new(vec!["{brnach}".into()]).unwrap_err().to_string();
        assert!(error.contains("`{brnach}`") && error.contains("`{branch}`"), "{error}");
    }
}
