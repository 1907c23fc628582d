//! The name under which a person sees a base image: `<org>/<repo>:<branch>` where that is legal.
//!
//! A name the engine refuses would leave an image without one each time, so it is made to fit before.
//! The rules are those of the reference grammar of the distribution project (`reference.go`).

use sha2::{Digest, Sha256};

use crate::model::{GitRef, Repository};

const LONGEST_TAG: usize = 128;

/// Names in the order of preference: the plain one if it is legal, and one that says in hexadecimal
/// what its legal characters cannot.
pub(super) fn candidates(repository: &Repository, git_ref: &GitRef) -> Vec<String> {
    let (path, tag) = (repository.as_str(), git_ref.name());
    let mut names = Vec::new();
    if is_path(path) && is_tag(tag) {
        names.push(format!("{path}:{tag}"));
    }
    let digest = Sha256::digest(format!("{repository} {git_ref}"));
    let digits: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    let start: String = fitting(tag).chars().take(LONGEST_TAG - 1 - digits.len()).collect();
    names.push(format!("{}:{start}-{digits}", fitting_path(path)));
    names
}

/// Lower-case letters and digits, with `.`, `_`, `__` or any number of `-` between.
fn is_path(path: &str) -> bool {
    let is_part = |part: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let mut between = part.split(plain).filter(|between| !between.is_empty());
        part.starts_with(plain)
            && part.ends_with(plain)
            && between.all(|signs| matches!(signs, "." | "_" | "__") || signs.bytes().all(|sign| sign == b'-'))
    };
    path.len() <= 200 && path.split('/').all(is_part)
}

fn is_tag(tag: &str) -> bool {
    !tag.is_empty() && tag.len() <= LONGEST_TAG && fitting(tag) == tag
}

/// Every character that no tag may have becomes a `-`; the first may not be a sign at all.
fn fitting(tag: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let plain = tag.chars().map(|c| if legal(c) { c } else { '-' });
    plain.enumerate().map(|(at, c)| if at == 0 && matches!(c, '.' | '-') { '_' } else { c }).collect()
}

fn fitting_path(path: &str) -> String {
    let lower = path.to_ascii_lowercase();
    if is_path(&lower) {
        return lower;
    }
    let parts = lower.split('/').map(|part| {
        let plain: String = part.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let trimmed = plain.trim_matches('-');
        if trimmed.is_empty() { "x".to_owned() } else { trimmed.to_owned() }
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(repository: &str, git_ref: &str) -> Vec<String> {
        candidates(&repository.parse().unwrap(), &git_ref.parse().unwrap())
    }

    #[test]
    fn a_person_sees_repository_and_branch() {
        assert_eq!(of("acme/0-initramfs", "refs/heads/1.1.0-alpha")[0], "acme/0-initramfs:1.1.0-alpha");
        assert_eq!(of("acme/a_b.c--d", "refs/heads/main")[0], "acme/a_b.c--d:main");
    }

    #[test]
    fn every_name_is_legal_and_no_two_refs_share_one() {
        let odd = ["feature/x", "feature-x", "feature+x", "-x", ".x", "é", &"a".repeat(240)];
        let mut all = Vec::new();
        for name in odd.iter().filter(|name| !name.starts_with('.')) {
            for repository in ["acme/tool", "Acme/Tool", "a-/-b_"] {
                let names = of(repository, &format!("refs/heads/{name}"));
                for name in &names {
                    let (path, tag) = name.rsplit_once(':').unwrap();
                    assert!(is_path(path) && is_tag(tag), "{name}");
                }
                all.extend(names);
            }
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_ne!(of("acme/tool", "refs/heads/v1")[1], of("acme/tool", "refs/tags/v1")[1]);
    }
}
