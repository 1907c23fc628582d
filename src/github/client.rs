//! The connection to the API, made when it is first needed.

use std::{
    error::Error,
    sync::{Arc, OnceLock},
    time::Duration,
};

use octocrab::Octocrab;
use reqwest::{Response, Url, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use thiserror::Error;

use super::answer::Failure;
use crate::{model::Repository, tls};

/// From the first byte sent to the last received.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection holds buffers and keys.
const IDLE: Duration = Duration::from_secs(20);

/// Where the API is, and who we are there.
#[derive(Debug, Clone)]
pub struct Config {
    /// `https://api.github.com`, or with the path of an Enterprise server or of Gitea.
    pub api_url: String,
    /// Sent to that host alone.
    pub token: SecretString,
}

/// The forge's API; clones share the connection.
#[derive(Clone)]
pub struct Github(Arc<Shared>);

struct Shared {
    base: String,
    token: SecretString,
    client: OnceLock<Octocrab>,
}

/// Why the API cannot be used as configured.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadApi {
    /// The address makes no sense.
    #[error("`github.api_url` is `{0}`: write the address of the forge's API, like https://api.github.com")]
    Address(String),
    /// GitLab has other calls.
    #[error("`github.api_url` is `{0}`, GitLab's: commit statuses there are not supported; leave the key out")]
    GitLab(String),
    /// The token cannot stand in a header.
    #[error("`github.token` has characters that no token has: is there a line break in it?")]
    Token,
}

impl Github {
    /// Checks the configuration; connects to nothing.
    pub fn new(config: Config) -> Result<Self, BadApi> {
        let Config { api_url, token } = config;
        let base = api_url.trim_end_matches('/').to_owned();
        let url = Url::parse(&base).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        match url {
            None => return Err(BadApi::Address(api_url)),
            // A password in the address would be in every log.
            Some(url) if !url.username().is_empty() || url.query().is_some() || url.fragment().is_some() => {
                return Err(BadApi::Address("…".to_owned()));
            }
            Some(url) if url.path().contains("/api/v4") => return Err(BadApi::GitLab(api_url)),
            Some(_) => {}
        }
        if !token.expose_secret().chars().all(|c| c.is_ascii_graphic()) {
            return Err(BadApi::Token);
        }
        Ok(Self(Arc::new(Shared { base, token, client: OnceLock::new() })))
    }

    /// Sends `body` to a path below a repository's own.
    pub(super) async fn post<B: Serialize>(
        &self,
        repository: &Repository,
        path: &str,
        body: &B,
    ) -> Result<Response, Failure> {
        let answer = self.client()?._post(self.address(repository, path), Some(body)).await;
        // As reqwest has it, it can be read piece by piece.
        answer.map(|answer| Response::from(answer.map(reqwest::Body::wrap))).map_err(|error| away(&error))
    }

    /// Asks at a path below a repository's own.
    pub(super) async fn get(&self, repository: &Repository, path: &str) -> Result<Response, Failure> {
        let answer = self.client()?._get(self.address(repository, path)).await;
        answer.map(|answer| Response::from(answer.map(reqwest::Body::wrap))).map_err(|error| away(&error))
    }

    /// Changes what is at a path below a repository's own.
    pub(super) async fn patch<B: Serialize>(
        &self,
        repository: &Repository,
        path: &str,
        body: &B,
    ) -> Result<Response, Failure> {
        let answer = self.client()?._patch(self.address(repository, path), Some(body)).await;
        answer.map(|answer| Response::from(answer.map(reqwest::Body::wrap))).map_err(|error| away(&error))
    }

    /// Whether it is Gitea or Forgejo, by its path.
    pub(super) fn is_gitea(&self) -> bool {
        self.0.base.ends_with("/api/v1")
    }

    /// Whole, because octocrab leaves out a prefix that the path seems to have already.
    fn address(&self, repository: &Repository, path: &str) -> String {
        format!("{}/repos/{repository}/{path}", self.0.base)
    }

    fn client(&self) -> Result<&Octocrab, Failure> {
        if let Some(client) = self.0.client.get() {
            return Ok(client);
        }
        tls::install();
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .build()
            .map_err(|error| away(&error))?;
        let made = Octocrab::builder()
            .base_uri(self.0.base.as_str())
            .map_err(|error| away(&error))?
            .personal_token(self.0.token.clone())
            .build_with_reqwest(http)
            .map_err(|error| away(&error))?;
        Ok(self.0.client.get_or_init(|| made))
    }
}

/// The deepest cause says most: `connection refused` rather than `error sending request`.
fn away(error: &dyn Error) -> Failure {
    let mut deepest: &dyn Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    Failure::away(format!("the forge cannot be reached: {deepest}"))
}
