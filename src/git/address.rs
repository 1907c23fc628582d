//! Addresses of repositories: made from `clone_url` alone, or resolved from a `.gitmodules` under strict rules.
//!
//! A submodule's address comes from whoever can push, so it may only name what could not harm: a place on the host
//! of `clone_url`, or a public `https://` one (which is never sent the token).

use std::{borrow::Cow, ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use percent_encoding::percent_decode_str;

use super::GitError;
use crate::model::Repository;

const PLACE: &str = "{repository}";

const ONLY: &str = "only relative addresses (like ../lib.git), https:// ones, and ones on the host of github.clone_url \
                    are allowed";

/// An address that may be fetched from: scheme, host and path, without any user or password.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Address {
    /// Scheme, `://`, host and port: the unit a credential is bound to.
    origin: String,
    /// With its leading slash.
    path: String,
}

/// `clone_url`, checked.
#[derive(Debug, Clone)]
pub(super) struct Template {
    before: Address,
    after: String,
}

fn parse(text: &str) -> Result<Address, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("is not a URL: expected https://, http:// or file://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err("has white space, backslashes or control characters");
    }
    if host.contains('@') {
        return Err("carries a user name or password");
    }
    match scheme {
        "https" | "http" if !host.is_empty() => {}
        "file" if host.is_empty() => {}
        "https" | "http" => return Err("names no host"),
        "file" => return Err("must be an absolute path, like file:///srv/git"),
        _ => return Err("must begin with https://, http:// or file://"),
    }
    Ok(Address { origin: format!("{scheme}://{}", host.to_ascii_lowercase()), path: path.to_owned() })
}

impl Address {
    /// As shown in errors.
    pub(super) fn url(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }

    /// Scheme, `://`, host and port.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// What follows the host, with its leading slash.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Where a `file://` address points.
    pub(super) fn local_path(&self) -> Option<PathBuf> {
        let bytes: Cow<'_, [u8]> = percent_decode_str(&self.path).into();
        (self.origin == "file://").then(|| PathBuf::from(OsStr::from_bytes(&bytes)))
    }

    /// Whether some part of the path, however encoded, leads upwards.
    fn climbs(&self) -> bool {
        let bytes: Cow<'_, [u8]> = percent_decode_str(&self.path).into();
        bytes.split(|b| *b == b'/').any(|part| part == b".." || part.contains(&0))
    }
}

impl Template {
    pub(super) fn parse(clone_url: &str) -> Result<Self, GitError> {
        let bad = |rule| GitError::CloneUrl { clone_url: without_user(clone_url), rule };
        let (before, after) = clone_url.split_once(PLACE).ok_or(bad("must contain {repository}"))?;
        let before = parse(before).map_err(bad)?;
        if before.path.is_empty() {
            return Err(bad("must have a `/` before {repository}"));
        }
        Ok(Self { before, after: after.to_owned() })
    }

    /// Where a repository is fetched from.
    pub(super) fn address(&self, repository: &Repository) -> Address {
        let path = format!("{}{repository}{}", self.before.path, self.after);
        Address { origin: self.before.origin.clone(), path }
    }

    /// Whether the token may be sent there.
    pub(super) fn trusts(&self, address: &Address) -> bool {
        address.origin == self.before.origin
    }

    /// Where a submodule named so by the repository at `parent` is fetched from; or the rule it breaks.
    pub(super) fn submodule(&self, parent: &Address, named: &str) -> Result<Address, String> {
        let refuse = |why: &str| Err(format!("its url {why} (`{}`); {ONLY}", shown(named)));
        let relative = named.starts_with("./") || named.starts_with("../");
        let address = match if relative { join(parent, named) } else { parse(named) } {
            Ok(address) => address,
            Err(why) => return refuse(why),
        };
        if address.climbs() {
            return refuse("climbs with `..`");
        }
        if self.trusts(&address) {
            // Below `file://` there is no host to stop at, so the directory of the repositories is the limit.
            let outside = address.origin == "file://" && !address.path.starts_with(&self.before.path);
            return if outside { refuse("leaves the directory of github.clone_url") } else { Ok(address) };
        }
        if address.origin.starts_with("https://") { Ok(address) } else { refuse("is on another host or scheme") }
    }
}

/// `../lib.git` next to `https://host/acme/tool.git` is `https://host/acme/lib.git`, as git has it.
fn join(parent: &Address, relative: &str) -> Result<Address, &'static str> {
    let mut parts: Vec<&str> = parent.path.trim_matches('/').split('/').collect();
    for part in relative.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." if parts.pop().is_some() => {}
            ".." => return Err("climbs above the host"),
            "" => return Err("has an empty part"),
            name => parts.push(name),
        }
    }
    parse(&format!("{}/{}", parent.origin, parts.join("/")))
}

/// An address with a password in it must not reach a log through the error that refuses it.
fn without_user(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…@{}", &url[..scheme], &url[at + 1..]),
        _ => url.to_owned(),
    }
}

fn shown(url: &str) -> String {
    without_user(url).chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(clone_url: &str, named: &str) -> Result<String, String> {
        let template = Template::parse(clone_url).unwrap();
        let parent = template.address(&"acme/tool".parse().unwrap());
        template.submodule(&parent, named).map(|address| address.url())
    }

    const GITHUB: &str = "https://github.com/{repository}.git";
    const FILES: &str = "file:///srv/git/{repository}";

    #[test]
    fn relative_addresses_are_siblings() {
        assert_eq!(resolve(GITHUB, "../lib.git").unwrap(), "https://github.com/acme/lib.git");
        assert_eq!(resolve(GITHUB, "../../other/lib/").unwrap(), "https://github.com/other/lib");
        assert_eq!(resolve(FILES, "../lib").unwrap(), "file:///srv/git/acme/lib");
        assert_eq!(resolve(FILES, "./lib").unwrap(), "file:///srv/git/acme/tool/lib");
    }

    #[test]
    fn absolute_addresses_are_https_or_on_the_same_host() {
        assert_eq!(resolve(GITHUB, "https://example.org/x.git").unwrap(), "https://example.org/x.git");
        assert_eq!(
            resolve("http://forge:3000/{repository}", "http://forge:3000/a/b").unwrap(),
            "http://forge:3000/a/b"
        );
        assert_eq!(resolve(FILES, "file:///srv/git/acme/lib").unwrap(), "file:///srv/git/acme/lib");
    }

    #[test]
    fn whatever_else_is_refused_by_name_of_the_rule() {
        for (clone_url, named) in [
            (GITHUB, "ext::sh -c touch% /tmp/pwn"),
            (GITHUB, "-u./x"),
            (GITHUB, "--upload-pack=touch /tmp/pwn"),
            (GITHUB, "file:///etc"),
            (GITHUB, "/etc"),
            (GITHUB, "git@github.com:acme/lib.git"),
            (GITHUB, "ssh://git@github.com/acme/lib"),
            (GITHUB, "http://github.com/acme/lib"),
            (GITHUB, "https://user:password@github.com/acme/lib"),
            (GITHUB, "../../../../etc"),
            (GITHUB, "https://github.com/a/%2e%2e/b"),
            (GITHUB, "https://github.com/a\r"),
            (GITHUB, ""),
            (FILES, "../../../secret"),
            (FILES, "file:///etc"),
            (FILES, "file:///srv/git/../../etc"),
            (FILES, "file:///srv/git/%2e%2e/%2e%2e/etc"),
            (FILES, "file://host/srv/git/x"),
        ] {
            let refused = resolve(clone_url, named).unwrap_err();
            assert!(refused.contains("are allowed") && !refused.contains("password@"), "{named}: {refused}");
        }
    }

    #[test]
    fn a_token_is_for_one_host_scheme_and_port() {
        let template = Template::parse(GITHUB).unwrap();
        assert!(template.trusts(&parse("https://GitHub.com/x").unwrap()));
        for url in ["http://github.com/x", "https://github.com:444/x", "https://github.com.evil.org/x"] {
            assert!(!template.trusts(&parse(url).unwrap()), "{url}");
        }
    }

    #[test]
    fn a_clone_url_that_cannot_work_is_refused() {
        for url in ["https://github.com/x.git", "ssh://h/{repository}", "https://h{repository}", "{repository}"] {
            assert!(Template::parse(url).is_err(), "{url}");
        }
        let refused = Template::parse("https://x:hunter2@github.com/{repository}").unwrap_err();
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
}
