//! Whether the forge's API may be used, and as whom.

use super::{Config, ConfigError, Github as Section};
use crate::github::{self, Github};

impl Config {
    /// The forge's API; none without a token for it.
    ///
    /// The token is first of all git's, for the host of `clone_url`. The default `api_url` is
    /// GitHub's, so with another forge the token goes there only if somebody wrote that forge's.
    pub fn forge(&self) -> Result<Option<Github>, ConfigError> {
        let Section { api_url, clone_url, token, .. } = &self.github;
        let is_default = *api_url == Section::default().api_url;
        if is_default && !clone_url.starts_with("https://github.com/") {
            return Ok(None);
        }
        let Some(token) = token.get().cloned() else { return Ok(None) };
        let config = github::Config { api_url: api_url.clone(), token };
        Github::new(config).map(Some).map_err(|problem| ConfigError::Invalid(problem.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(keys: &str) -> Config {
        toml::from_str(&format!("[github]\n{keys}\n")).unwrap()
    }

    #[test]
    fn a_token_goes_to_the_forge_it_is_for() {
        assert!(with("").forge().unwrap().is_none());
        assert!(with("token = 't'").forge().unwrap().is_some());
        let elsewhere = "token = 't'\nclone_url = 'https://git.example.org/{repository}.git'";
        assert!(with(elsewhere).forge().unwrap().is_none());
        assert!(with(&format!("{elsewhere}\napi_url = 'https://git.example.org/api/v1/'")).forge().unwrap().is_some());
    }

    #[test]
    fn an_api_that_cannot_be_called_is_refused() {
        for (keys, word) in [
            ("token = 't'\napi_url = 'api.github.com'", "github.api_url"),
            ("token = 't'\napi_url = 'https://gitlab.com/api/v4'", "GitLab"),
            ("token = 't'\napi_url = 'https://me:password@forge/api/v3'", "github.api_url"),
            ("token = \"t\\nt\"", "github.token"),
        ] {
            let refused = with(keys).forge().err().unwrap().to_string();
            assert!(refused.contains(word) && !refused.contains("password"), "{refused}");
        }
    }
}
