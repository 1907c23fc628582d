//! What a Zero-OS hub needs of its section, beyond well-formed values.

use super::{ConfigError, Hub};

/// The first thing that cannot work, as a sentence.
pub(super) fn check(hub: &Hub) -> Result<(), ConfigError> {
    let invalid = |text: String| Err(ConfigError::Invalid(text));
    if hub.url.is_empty() {
        return invalid("`hub.kind` is \"zero-hub\", and `hub.url` is not set: give the hub's address".to_owned());
    }
    address("hub.url", &hub.url)?;
    if hub.url.trim_end_matches('/').ends_with("/api") {
        return invalid(format!("`hub.url` is `{}`: leave the `/api` out", hub.url));
    }
    if hub.token.get().is_none() {
        return invalid(
            "`hub.kind` is \"zero-hub\", and `hub.token` is not set: the hub takes nothing without".to_owned(),
        );
    }
    if !hub.user.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\,;/%".contains(&byte)) {
        return invalid(format!("`hub.user` is `{}`, which cannot be the name of a user at a hub", hub.user));
    }
    if hub.refresh_url.is_empty() { Ok(()) } else { address("hub.refresh_url", &hub.refresh_url) }
}

/// An address that can be shown: a password in it would come into the log.
fn address(key: &str, url: &str) -> Result<(), ConfigError> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map_or("", |rest| rest.split(['/', '?']).next().unwrap_or_default());
    let problem = if host.is_empty() || url.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
        "it must be like `https://hub.example.org`"
    } else if host.contains('@') {
        "leave the user and the password out; `hub.token` is for that"
    } else {
        return Ok(());
    };
    Err(ConfigError::Invalid(format!("`{key}` is not an address that can be used: {problem}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(keys: &str) -> Hub {
        toml::from_str(&format!("kind = 'zero-hub'\n{keys}")).unwrap()
    }

    #[test]
    fn each_thing_that_is_missing_or_wrong_is_named() {
        let good = "url = 'https://hub.example.org/'\ntoken = 'x'\nuser = 'acme.3bot'\n";
        assert!(check(&hub(good)).is_ok());
        assert!(check(&hub("url = 'http://127.0.0.1:5555'\ntoken = 'x'\nrefresh_url = 'https://a/b?c=d'")).is_ok());
        for (keys, word) in [
            ("token = 'x'", "`hub.url` is not set"),
            ("url = 'https://hub.example.org'", "`hub.token`"),
            ("url = 'https://hub.example.org/api/'\ntoken = 'x'", "leave the `/api` out"),
            ("url = 'hub.example.org'\ntoken = 'x'", "`hub.url`"),
            ("url = 'https://'\ntoken = 'x'", "`hub.url`"),
            ("url = 'https://a:b@hub.example.org'\ntoken = 'x'", "password"),
            ("url = 'https://a'\ntoken = 'x'\nuser = 'a; b=c'", "`hub.user`"),
            ("url = 'https://a'\ntoken = 'x'\nrefresh_url = 'ftp://a'", "`hub.refresh_url`"),
        ] {
            let error = check(&hub(keys)).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
