//! Which redirects of a forge are followed: a renamed repository on the same host, and from `http` to `https` there.
//!
//! Whatever else would take the token, or what is built, to a place that nobody configured.

use reqwest::Url;

/// Where a forge's `Location` leads, if libgit2 may go there; else the place it may not go to.
pub(super) fn target(asked: &Url, location: &str) -> Result<Url, String> {
    let Ok(to) = asked.join(location) else { return Err("an address that cannot be read".to_owned()) };
    let same_host = to.host() == asked.host();
    let safer = asked.scheme() == "http" && to.scheme() == "https";
    if same_host && (safer || to.origin() == asked.origin()) {
        Ok(to)
    } else {
        // The path may hold what was only meant for the one who was sent there.
        Err(to.origin().ascii_serialization())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(asked: &str, location: &str) -> Result<String, String> {
        target(&asked.parse().unwrap(), location).map(String::from)
    }

    const REFS: &str = "https://forge.org/acme/tool.git/info/refs?service=git-upload-pack";

    #[test]
    fn a_renamed_repository_is_followed_on_its_host() {
        for location in ["https://FORGE.org/acme/new.git/info/refs?s", "/acme/new.git/info/refs?s", "//forge.org:443/n"]
        {
            assert!(from(REFS, location).unwrap().starts_with("https://forge.org/"), "{location}");
        }
        assert_eq!(from("http://forge.org:3000/a", "https://forge.org/a").unwrap(), "https://forge.org/a");
    }

    #[test]
    fn another_host_port_or_a_less_safe_scheme_is_not() {
        for location in ["https://evil.org/a", "//evil.org/a", "http://forge.org/a", "https://forge.org:444/a"] {
            assert!(from(REFS, location).is_err(), "{location}");
        }
        assert_eq!(from(REFS, "https://evil.org/a?key=secret").unwrap_err(), "https://evil.org");
        assert!(from("http://forge.org/a", "http://forge.org:81/a").is_err());
    }
}
