//! The service's configuration: a file, the environment over it, and where each value came from.
//!
//! The file is read strictly: an unknown key is an error that points at it. Then the environment is
//! laid over: `AUTOBUILDER_<SECTION>_<KEY>`, and the two names that other programs share,
//! `TMP_DIRECTORY` and `DOCKER_HOST`. A secret may come from a file of its own (`token_file`).

mod forge;
mod overlay;
mod pipeline;
mod secret;
mod sections;
mod show;
mod zero_hub;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::{
    overlay::Source,
    secret::{Secret, Secrets},
    sections::{
        Binary, Build, Catalog, Docker, Github, Grant, Hub, HubKind, Kernel, Pipeline, Poll, Redis, Relay, Server,
        Store, Webhook,
    },
};
use crate::model::Repository;

/// Every section; the fields are the keys of `config.sample.toml`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each section says what it is, and config.sample.toml each key")]
pub struct Config {
    pub server: Server,
    pub webhook: Webhook,
    pub github: Github,
    pub catalog: Catalog,
    pub poll: Poll,
    pub build: Build,
    pub grant: Vec<Grant>,
    pub docker: Docker,
    pub hub: Hub,
    pub binary: Binary,
    pub kernel: Kernel,
    pub store: Store,
    pub redis: Redis,
    pub relay: Relay,
    /// Where each value that is not the default came from, by `section.key`.
    #[serde(skip)]
    pub sources: BTreeMap<String, Source>,
}

/// The configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file, or a secret's file, cannot be read.
    #[error("could not read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is wrong; the text has line and column.
    #[error("`{path}` is not a valid configuration:\n{problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What and where.
        problem: String,
    },
    /// A variable of the environment is wrong.
    #[error("the environment variable `{name}` is not valid: {problem}")]
    Environment {
        /// The variable.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A combination that cannot work.
    #[error("{0}")]
    Invalid(String),
}

impl Config {
    /// Reads `file`, then the environment. `None` means defaults and environment alone.
    pub fn load(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let text = match file {
            Some(path) => {
                fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?
            }
            None => String::new(),
        };
        let mut config = overlay::read(&text, file.unwrap_or(Path::new("config.toml")), environment)?;
        config.resolve_directories()?;
        Ok(config)
    }

    /// From here on every directory is absolute: the container engine mounts some of them, and knows
    /// nothing of the directory we were started in.
    fn resolve_directories(&mut self) -> Result<(), ConfigError> {
        let Self { build, store, hub, binary, kernel, .. } = self;
        let all = [
            &mut build.tmp_directory,
            &mut store.directory,
            &mut hub.directory,
            &mut binary.directory,
            &mut kernel.directory,
        ];
        for directory in all.into_iter().filter(|directory| !directory.as_os_str().is_empty()) {
            *directory = std::path::absolute(&*directory)
                .map_err(|source| ConfigError::Read { path: directory.clone(), source })?;
        }
        Ok(())
    }

    /// What `serve` needs beyond well-formed values.
    pub fn check(&self) -> Result<Repository, ConfigError> {
        let invalid = |text: &str| Err(ConfigError::Invalid(text.to_owned()));
        if self.catalog.repository.is_empty() {
            return invalid("`catalog.repository` is not set: name the configuration repository, like `acme/builds`");
        }
        if self.webhook.secret.is_empty() && !self.webhook.allow_unsigned {
            return invalid(
                "`webhook.secret` is not set, so anybody could start builds: set it (the forge's hook has the same), \
                 or say `webhook.allow_unsigned = true` if only you can reach this service",
            );
        }
        if self.build.parallel == 0 {
            return invalid("`build.parallel` is 0, so nothing would ever be built: set it to at least 1");
        }
        if self.hub.kind == HubKind::ZeroHub {
            zero_hub::check(&self.hub)?;
        }
        self.check_relay()?;
        if !self.github.clone_url.contains("{repository}") {
            return invalid("`github.clone_url` must contain `{repository}`");
        }
        self.pipelines()?;
        self.forge()?;
        self.catalog
            .repository
            .parse()
            .map_err(|problem| ConfigError::Invalid(format!("`catalog.repository`: {problem}")))
    }

    /// What the relay needs, and pages that are told of it.
    pub fn check_relay(&self) -> Result<(), ConfigError> {
        let url = &self.relay.public_url;
        let known = ["ws://", "wss://", "http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
        // It becomes part of a header and of a page.
        let plain = url.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/?=&%[]".contains(c));
        if url.is_empty() || (known && plain) {
            return Ok(());
        }
        Err(ConfigError::Invalid(format!("`relay.public_url`: `{url}` is not an address like wss://live.example")))
    }
}

#[cfg(test)]
mod tests;
