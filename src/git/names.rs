//! Names in a tree that may be written to disk: git's own rules, on every file system git knows.

/// Why an entry of this name is not written; none if it may be.
pub(super) fn refuse(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() || name == b"." || name == b".." {
        return Some("is not a file name");
    }
    if name.contains(&b'/') || name.contains(&0) {
        return Some("has a slash or a zero byte in one name");
    }
    if name.len() > 255 {
        return Some("has a name longer than 255 bytes");
    }
    if is_dot_git(name) { Some("would be taken for a repository's `.git`") } else { None }
}

/// `.git` as some file system would see it: in other case, with characters it ignores, or as a short name.
fn is_dot_git(name: &[u8]) -> bool {
    let plain: String = String::from_utf8_lossy(name).chars().filter(|c| !is_ignored(*c)).collect();
    let lower = plain.to_ascii_lowercase();
    let stem = lower.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    matches!(stem, ".git" | "git~1")
}

/// What HFS+ leaves out when it compares names.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_a_repository_are_refused() {
        for name in [".git", ".GIT", ".Git.", ".git ", "git~1", "GIT~1", ".git::$INDEX_ALLOCATION", ".g\u{200c}it"] {
            assert!(refuse(name.as_bytes()).is_some(), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a\0b"] {
            assert!(refuse(name.as_bytes()).is_some(), "{name:?}");
        }
    }

    #[test]
    fn odd_names_are_only_names() {
        for name in [".gitignore", ".github", "git", "-x", "$(id)", "a b", "a\nb", "é", "a:b"] {
            assert!(refuse(name.as_bytes()).is_none(), "{name}");
        }
        assert!(refuse(b"\xff\xfe").is_none());
    }
}
