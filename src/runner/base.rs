//! Which base image serves a ref.
//!
//! A branch is built on the image of the branch it was made from, as far as its name tells: of all that
//! have an image, the longest whose name is its own or begins its own, up to a separator.

use super::engine::BaseImage;
use crate::model::{BaseOf, Branch, GitRef};

/// The image for a ref; else that of the first fallback branch that has one.
pub(super) fn choose<'a>(images: &'a [BaseImage], git_ref: &GitRef, fallback: &[Branch]) -> Option<&'a BaseImage> {
    let branches = || closest(images.iter().filter(|image| !image.origin.git_ref.is_tag()), git_ref.name());
    // A tag's own release comes first; a branch never stands on a tag that happens to have its name.
    let tags = || closest(images.iter().filter(|image| image.origin.git_ref.is_tag()), git_ref.name());
    let own = if git_ref.is_tag() { tags().or_else(branches) } else { branches() };
    own.or_else(|| {
        let of = |branch: &Branch| {
            let of_branch = images.iter().filter(move |image| image.origin.git_ref.branch() == Some(branch));
            of_branch.max_by(|a, b| a.age(b))
        };
        fallback.iter().find_map(of)
    })
}

fn closest<'a>(images: impl Iterator<Item = &'a BaseImage>, name: &str) -> Option<&'a BaseImage> {
    let fitting = images.filter(|image| begins(image.origin.git_ref.name(), name));
    fitting.max_by(|a, b| {
        let length = |image: &BaseImage| image.origin.git_ref.name().len();
        length(a).cmp(&length(b)).then_with(|| a.age(b))
    })
}

/// Whether `start` is the name, or ends where a separator of it stands.
fn begins(start: &str, name: &str) -> bool {
    match name.strip_prefix(start) {
        Some(rest) => rest.chars().next().is_none_or(|next| !next.is_alphanumeric()),
        None => false,
    }
}

/// Why there is none, with all there is.
pub(super) fn none(images: &[BaseImage], base: &BaseOf, git_ref: &GitRef) -> String {
    let mut names: Vec<_> = images.iter().map(|image| format!("`{}`", image.origin.git_ref.name())).collect();
    names.sort();
    names.dedup();
    let there = if names.is_empty() { "none at all".to_owned() } else { names.join(", ") };
    let fallback: Vec<_> = base.fallback.iter().map(|branch| format!("`{branch}`")).collect();
    let fallback = if fallback.is_empty() { "nothing".to_owned() } else { fallback.join(" or ") };
    format!(
        "`{0}` has no base image for `{1}`: there is {there}; push a branch of `{0}` that `{1}` begins with, or {fallback} \
         (`kernel.fallback`)",
        base.repository,
        git_ref.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{BuildId, Timestamp},
        runner::engine::Origin,
    };

    fn image(git_ref: &str, position: i64) -> BaseImage {
        BaseImage {
            id: format!("{git_ref} {position}"),
            origin: Origin {
                repository: "acme/initramfs".parse().unwrap(),
                git_ref: git_ref.parse().unwrap(),
                commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
                build: BuildId::new(),
                position,
                parent: String::new(),
            },
            created: Timestamp::from_millis(0),
            size: 0,
            names: Vec::new(),
        }
    }

    fn chosen(images: &[&str], git_ref: &str) -> Option<String> {
        let images: Vec<_> = images.iter().map(|git_ref| image(git_ref, 1)).collect();
        let fallback = ["master", "main"].map(|name| name.parse().unwrap());
        choose(&images, &git_ref.parse().unwrap(), &fallback).map(|image| image.origin.git_ref.to_string())
    }

    #[test]
    fn the_longest_beginning_at_a_separator_counts() {
        let images = ["refs/heads/1.1.0-alpha", "refs/heads/1.1.0", "refs/heads/development", "refs/heads/main"];
        for (name, found) in [
            ("1.1.0-alpha-issue-155", "1.1.0-alpha"),
            ("1.1.0-beta", "1.1.0"),
            ("1.1.0", "1.1.0"),
            ("development2", "main"),
            ("development/two", "development"),
            ("dev", "main"),
        ] {
            assert_eq!(chosen(&images, &format!("refs/heads/{name}")), Some(format!("refs/heads/{found}")), "{name}");
        }
    }

    #[test]
    fn a_tag_stands_on_tags_first_and_a_branch_never_does() {
        let images = ["refs/tags/v1", "refs/heads/v1", "refs/heads/master"];
        assert_eq!(chosen(&images, "refs/tags/v1-rc").unwrap(), "refs/tags/v1");
        assert_eq!(chosen(&images, "refs/heads/v1-rc").unwrap(), "refs/heads/v1");
        assert_eq!(chosen(&images[..1], "refs/heads/v1"), None);
        assert_eq!(chosen(&images[1..], "refs/tags/v1").unwrap(), "refs/heads/v1");
    }

    #[test]
    fn of_two_images_of_a_branch_the_newer_push_counts() {
        let images = [image("refs/heads/main", 7), image("refs/heads/main", 8), image("refs/heads/main", 6)];
        assert_eq!(choose(&images, &"refs/heads/main".parse().unwrap(), &[]).unwrap().origin.position, 8);
    }

    #[test]
    fn without_any_the_sentence_lists_what_there_is() {
        assert_eq!(chosen(&["refs/heads/dev"], "refs/heads/x"), None);
        let base = BaseOf { repository: "acme/initramfs".parse().unwrap(), fallback: vec!["main".parse().unwrap()] };
        let images = [image("refs/heads/dev", 1), image("refs/heads/dev", 2)];
        let sentence = none(&images, &base, &"refs/heads/x".parse().unwrap());
        assert!(sentence.contains("for `x`: there is `dev`; ") && sentence.contains("or `main`"), "{sentence}");
    }
}
