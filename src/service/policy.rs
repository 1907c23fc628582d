//! From the configuration file to what the parts want.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use crate::{
    catalog::{Grant, Policy},
    config::{self, Config, ConfigError},
    hook,
    model::{Branch, ByteSize, GitRef, HumanDuration, Limits, Recipe, Repository},
    publish::{Bootstrap, KeepArtifacts},
};

/// All the operator says: defaults, exceptions, and pipelines.
pub(super) fn whole_policy(config: &Config) -> Result<Policy, ConfigError> {
    Ok(Policy { pipelines: config.pipelines()?, ..policy(config)? })
}

/// The operator's defaults and exceptions, as the catalog applies them. Without pipelines, which make
/// base images, and so are only for a service.
pub fn policy(config: &Config) -> Result<Policy, ConfigError> {
    let build = &config.build;
    Ok(Policy {
        default_baseimage: build.default_baseimage.clone(),
        limits: Limits {
            timeout: build.timeout,
            stall_timeout: build.stall_timeout,
            memory: build.memory,
            cpus: build.cpus,
            pids: build.pids,
            log_limit: build.log_limit,
        },
        grants: config.grant.iter().map(grant).collect::<Result<_, _>>()?,
        pipelines: Vec::new(),
    })
}

fn grant(grant: &config::Grant) -> Result<Grant, ConfigError> {
    let repository = grant
        .repository
        .parse()
        .map_err(|error| ConfigError::Invalid(format!("a [[grant]]'s `repository`: {error}")))?;
    let mut secrets: Vec<_> = grant.secrets.keys().cloned().collect();
    secrets.sort();
    Ok(Grant {
        repository,
        branch: (!grant.branch.is_empty()).then(|| grant.branch.clone()),
        capabilities: grant.capabilities.clone(),
        memory: grant.memory,
        timeout: grant.timeout,
        network: grant.network.clone(),
        secrets,
    })
}

/// The machine that kernels are delivered to besides, if there is one.
pub(super) fn bootstrap(config: &Config) -> Option<Bootstrap> {
    let kernel = &config.kernel;
    let token = kernel.bootstrap_token.get().cloned().unwrap_or_default();
    (!kernel.bootstrap_url.is_empty()).then(|| Bootstrap::new(&kernel.bootstrap_url, token))
}

/// The hub's token, if it is another one. The same one may have been renewed meanwhile.
pub(super) fn new_hub_token(before: &Config, after: &Config) -> Option<SecretString> {
    let token = |config: &Config| config.hub.token.get().cloned().unwrap_or_default();
    let (before, after) = (token(before), token(after));
    (before.expose_secret() != after.expose_secret()).then_some(after)
}

/// How deliveries are checked.
fn hook(config: &Config) -> hook::Config {
    hook::Config {
        secrets: config.webhook.secret.all().to_vec(),
        allow_unsigned: config.webhook.allow_unsigned,
        allow_sha1: config.webhook.allow_sha1,
    }
}

/// What changes at once when the configuration is read again, besides what is built.
pub(super) struct Live {
    pub(super) hook: Arc<ArcSwap<hook::Config>>,
    pub(super) grants: Arc<ArcSwap<Vec<config::Grant>>>,
    pub(super) keep_logs: watch::Sender<HumanDuration>,
    pub(super) keep_artifacts: watch::Sender<KeepArtifacts>,
    pub(super) reserve: watch::Sender<ByteSize>,
}

impl Live {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            hook: Arc::new(ArcSwap::from_pointee(hook(config))),
            grants: Arc::new(ArcSwap::from_pointee(config.grant.clone())),
            keep_logs: watch::Sender::new(config.store.keep_logs),
            keep_artifacts: watch::Sender::new(keep_artifacts(config)),
            reserve: watch::Sender::new(config.store.reserve),
        }
    }

    /// Tells whoever goes by it.
    pub(super) fn change(&self, config: &Config) {
        self.hook.store(Arc::new(hook(config)));
        self.grants.store(Arc::new(config.grant.clone()));
        self.keep_logs.send_replace(config.store.keep_logs);
        self.keep_artifacts.send_replace(keep_artifacts(config));
        self.reserve.send_replace(config.store.reserve);
    }
}

fn keep_artifacts(config: &Config) -> KeepArtifacts {
    KeepArtifacts { newest: config.store.keep_artifacts, at_least: config.store.keep_artifacts_for.0 }
}

/// Values of the secrets that a recipe asks for and was granted.
pub fn secrets(
    grants: &[config::Grant],
    repository: &Repository,
    git_ref: &GitRef,
    recipe: &Recipe,
) -> BTreeMap<String, String> {
    let branch = git_ref.branch().map(Branch::as_str);
    let covers = |grant: &&config::Grant| {
        grant.repository == repository.as_str() && (grant.branch.is_empty() || Some(grant.branch.as_str()) == branch)
    };
    let granted = grants.iter().filter(covers).flat_map(|grant| &grant.secrets);
    granted
        .filter(|(name, _)| recipe.secrets.contains(name))
        .filter_map(|(name, value)| Some((name.clone(), value.get()?.expose_secret().to_owned())))
        .collect()
}

/// Sections that changed and cannot change while the service runs.
pub(super) fn needs_restart(before: &Config, after: &Config) -> Vec<String> {
    let live = ["webhook", "grant"];
    let table = |config: &Config| {
        let mut table = toml::Table::try_from(config).unwrap_or_default();
        if let Some(toml::Value::Table(kernel)) = table.get_mut("kernel") {
            // Part of each recipe, and so of the policy.
            kernel.retain(|key, _| !["pipeline", "prefix", "fallback"].contains(&key));
        }
        if let Some(toml::Value::Table(store)) = table.get_mut("store") {
            let live = ["keep_logs", "keep_artifacts", "keep_artifacts_for", "reserve"];
            store.retain(|key, _| !live.contains(&key));
        }
        table
    };
    let (before, after) = (table(before), table(after));
    let changed = |name: &&String| !live.contains(&name.as_str()) && before.get(*name) != after.get(*name);
    after.keys().filter(changed).cloned().collect()
}
