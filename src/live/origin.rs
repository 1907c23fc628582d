//! Whose pages may watch.
//!
//! A browser says which page asks for a websocket, and sends along whatever lets the reader in; so a
//! page of somebody else must not watch through its reader's browser. Programs name no page, and could
//! name any: they are let in.

use tokio_tungstenite::tungstenite::http::{HeaderMap, header};

/// The pages that may watch.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// By their whole address, without a path.
    addresses: Vec<String>,
    /// By their port, on the host that the websocket itself was asked for.
    ports: Vec<u16>,
}

impl Origins {
    /// Pages at these addresses, and those at these ports of the same host.
    pub fn new<'a>(addresses: impl IntoIterator<Item = &'a str>, ports: impl IntoIterator<Item = u16>) -> Self {
        let addresses = addresses.into_iter().filter_map(origin_of).collect();
        Self { addresses, ports: ports.into_iter().collect() }
    }

    /// Whether a request with these headers may watch.
    pub fn admit(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        // One that nobody can read is no page of ours; nor is who names two.
        let origin = origins.next().map(|origin| origin.to_str().unwrap_or(""));
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        origins.next().is_none() && self.allow(origin, host)
    }

    /// Whether a page of this origin may watch at this host.
    fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        if self.addresses.iter().any(|address| address == origin) {
            return true;
        }
        let page = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
        let (Some(page), Some(host)) = (page, host) else { return false };
        let (page_host, page_port) = split(page);
        let (host_name, host_port) = split(host);
        let same_host = page_host.eq_ignore_ascii_case(host_name);
        same_host && (page_port == host_port || page_port.is_some_and(|port| self.ports.contains(&port)))
    }
}

/// `https://builds.example` of `https://builds.example/monitor`.
fn origin_of(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let scheme = match scheme {
        "ws" => "http",
        "wss" => "https",
        other => other,
    };
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    Some(format!("{scheme}://{}", host.to_ascii_lowercase()))
}

/// Host and port; an address of IPv6 has colons of its own, and brackets around it.
fn split(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.contains(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (authority, None),
        },
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_and_programs_may_watch() {
        let ours = Origins::new(["https://builds.example/", "wss://live.example/ws"], [5560]);
        let allow = |origin| ours.allow(origin, Some("relay.example:3333"));
        assert!(allow(None));
        for good in [
            "https://builds.example",
            "https://live.example",
            "http://relay.example:3333",
            "https://relay.example:3333",
            "http://relay.example:5560",
        ] {
            assert!(allow(Some(good)), "{good}");
        }
        for evil in [
            "null",
            "",
            "https://evil.example",
            "http://builds.example",
            "https://builds.example.evil.example",
            "https://builds.example:8443",
            "file://relay.example:3333",
            "http://relay.example:80",
            "http://relay.example",
            "http://relay.example:5560.evil.example",
            "http://relay.example:5560@evil.example",
        ] {
            assert!(!allow(Some(evil)), "{evil}");
        }
    }

    #[test]
    fn who_names_two_pages_or_one_that_cannot_be_read_is_not_let_in() {
        let ours = Origins::default();
        let admit = |origins: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, header::HeaderValue::from_static("relay.example"));
            for origin in origins {
                headers.append(header::ORIGIN, header::HeaderValue::from_bytes(origin).unwrap());
            }
            ours.admit(&headers)
        };
        assert!(admit(&[]) && admit(&[b"https://relay.example"]));
        assert!(!admit(&[b"https://relay.example", b"https://evil.example"]));
        assert!(!admit(&[b"\xff"]));
    }

    #[test]
    fn a_host_without_a_port_and_one_of_ipv6_are_understood() {
        let ours = Origins::new([], [5560]);
        assert!(ours.allow(Some("https://builds.example"), Some("builds.example")));
        assert!(ours.allow(Some("http://[::1]:5560"), Some("[::1]:3333")));
        assert!(!ours.allow(Some("http://[::1]:1"), Some("[::1]:3333")));
        assert!(!ours.allow(Some("https://builds.example"), None));
    }
}
