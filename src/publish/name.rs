//! Which names the hub gives out and serves.

use super::PublishError;

/// Leaves room within the 255 bytes of file systems.
const LONGEST: usize = 250;

/// Whether this is a single visible name: it can neither leave the directory nor reach what the hub
/// keeps for itself behind a dot.
pub(super) fn is_visible(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= LONGEST
        && !name.starts_with('.')
        && !name.contains(|c: char| c == '/' || c.is_control())
}

pub(super) fn check(name: &str) -> Result<(), PublishError> {
    if is_visible(name) { Ok(()) } else { Err(PublishError::Name(name.escape_debug().take(300).collect())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_the_directory_or_hides() {
        for name in
            ["", ".", "..", "../x", "a/b", "/etc/passwd", ".records", ".incoming", "a\0", "a\nb", &"a".repeat(251)]
        {
            assert!(check(name).is_err(), "{name:?}");
        }
        for name in ["acme-tool-main.flist", "-x", "a..b", "é", "a b", "%2e%2e"] {
            assert!(check(name).is_ok(), "{name:?}");
        }
    }
}
