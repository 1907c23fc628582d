//! Makes and mends the webhooks by which a forge tells us of pushes.
//!
//! Ours is known by where it delivers; all others are left alone. A secret cannot be read back, so
//! what a hook of ours was last given is remembered as a digest, and the hook is mended when that is
//! not what it should have, or not known.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use crate::{
    github::{Failure, Github, Hook, HookSettings},
    model::Repository,
    sqlite::Database,
    store::hooks,
};

/// Between two calls that make something; forges limit them by the minute.
const GAP: Duration = Duration::from_secs(1);

/// How long a forge in trouble is left alone, at first and at most.
const FIRST_REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(600);

/// Where pushes are delivered, and where those to the configuration repository.
const WATCH: &str = "/hook/monitor-watch";
const UPDATE: &str = "/hook/monitor-update";

/// What keeps hooks from being made, by repository, for people.
#[derive(Debug, Clone, Default)]
pub struct HookTroubles(Arc<Mutex<BTreeMap<String, String>>>);

impl HookTroubles {
    /// A sentence for each repository whose hook could not be made.
    pub fn all(&self) -> BTreeMap<String, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, repository: &Repository, trouble: Option<String>) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match trouble {
            Some(trouble) => troubles.insert(repository.to_string(), trouble),
            None => troubles.remove(repository.as_str()),
        };
    }
}

/// Makes and mends webhooks.
pub struct Installer {
    github: Github,
    database: Database,
    /// How the forge reaches us.
    public_url: String,
    troubles: HookTroubles,
    /// What was looked at since the start, and with which settings.
    seen: HashMap<Repository, String>,
}

/// What was done about one repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Made,
    Mended,
    WellAlready,
}

impl Installer {
    /// An installer of hooks that deliver to `public_url`.
    pub fn new(github: Github, database: Database, public_url: String, troubles: HookTroubles) -> Self {
        Self { github, database, public_url, troubles, seen: HashMap::new() }
    }

    /// Sees to the hooks of these repositories that were not seen to before; the first is the
    /// configuration repository. Each comes with others that may be meant if it does not exist.
    pub async fn see_to(&mut self, repositories: Vec<(Repository, Vec<Repository>)>, secret: Option<SecretString>) {
        for (place, (repository, others)) in repositories.into_iter().enumerate() {
            let settings = self.settings(place == 0, secret.clone());
            let digest = digest(&settings);
            if self.seen.get(&repository) == Some(&digest) {
                continue;
            }
            self.see_to_one(&repository, &others, &settings, &digest).await;
            self.seen.insert(repository, digest);
        }
    }

    async fn see_to_one(&self, first: &Repository, others: &[Repository], settings: &HookSettings, digest: &str) {
        let mut refused = None;
        for repository in std::iter::once(first).chain(others) {
            match self.patiently(repository, settings, digest).await {
                Ok(Done::WellAlready) => return self.troubles.set(first, None),
                Ok(done) => {
                    let verb = if done == Done::Made { "Made" } else { "Mended" };
                    info!("{verb} the webhook of `{repository}`");
                    self.troubles.set(first, None);
                    return tokio::time::sleep(GAP).await;
                }
                Err(failure) => _ = refused.get_or_insert(failure),
            }
        }
        if let Some(failure) = refused {
            let trouble = trouble(first, settings, &failure);
            warn!("{trouble}");
            self.troubles.set(first, Some(trouble));
        }
    }

    /// Waits for a forge that is in trouble; gives up only what it refuses.
    async fn patiently(&self, repository: &Repository, settings: &HookSettings, digest: &str) -> Result<Done, Failure> {
        let mut rest = FIRST_REST;
        loop {
            match self.ensure(repository, settings, digest).await {
                Err(Failure::Later { rest: wanted, reason }) => {
                    if rest == FIRST_REST {
                        warn!("The webhook of `{repository}` waits: {reason}");
                    }
                    let said = format!("the webhook of `{repository}` waits for the forge: {reason}");
                    self.troubles.set(repository, Some(said));
                    tokio::time::sleep(rest.max(wanted.unwrap_or_default())).await;
                    rest = (rest * 2).min(LONGEST_REST);
                }
                done => return done,
            }
        }
    }

    async fn ensure(&self, repository: &Repository, settings: &HookSettings, digest: &str) -> Result<Done, Failure> {
        let hooks = self.github.hooks(repository).await?;
        let done = match hooks.iter().find(|hook| self.is_ours(hook)) {
            None => {
                self.github.make_hook(repository, settings).await?;
                Done::Made
            }
            Some(hook) if is_well(hook, settings) && self.was_given(repository, digest).await => Done::WellAlready,
            Some(hook) => {
                self.github.mend_hook(repository, hook, settings).await?;
                Done::Mended
            }
        };
        if done != Done::WellAlready {
            let (repository, digest) = (repository.clone(), digest.to_owned());
            let kept = self.database.write(move |tx| hooks::made(tx, &repository, &digest)).await;
            if let Err(failure) = kept {
                warn!("A webhook will be mended again at the next start: {failure}");
            }
        }
        Ok(done)
    }

    async fn was_given(&self, repository: &Repository, digest: &str) -> bool {
        let repository = repository.clone();
        let given = self.database.read(move |tx| hooks::made_by(tx, &repository)).await;
        given.is_ok_and(|given| given.as_deref() == Some(digest))
    }

    fn settings(&self, is_configuration: bool, secret: Option<SecretString>) -> HookSettings {
        let (path, events) =
            if is_configuration { (UPDATE, &["push", "pull_request"][..]) } else { (WATCH, &["push"][..]) };
        HookSettings {
            url: format!("{}{path}", self.public_url),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            secret,
        }
    }

    fn is_ours(&self, hook: &Hook) -> bool {
        [WATCH, UPDATE].into_iter().any(|path| hook.url == format!("{}{path}", self.public_url))
    }
}

/// Whether it tells of all we need.
fn is_well(hook: &Hook, settings: &HookSettings) -> bool {
    hook.active && settings.events.iter().all(|event| hook.events.contains(event))
}

fn digest(settings: &HookSettings) -> String {
    let secret = settings.secret.as_ref().map_or("", |secret| secret.expose_secret());
    let text = format!("{}\n{}\n{secret}", settings.url, settings.events.join(","));
    Sha256::digest(text.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn trouble(repository: &Repository, settings: &HookSettings, failure: &Failure) -> String {
    let advice = match failure {
        Failure::Refused { code: 401, .. } => "check `github.token`",
        _ => {
            "the token needs to manage webhooks of that repository (GitHub: `admin:repo_hook`, or Webhooks: write; \
             Gitea: `write:repository` of one of its administrators)"
        }
    };
    format!(
        "the webhook of `{repository}` could not be made: {failure}; {advice}, or add one by hand: {} as \
         application/json, with the secret of `webhook.secret`, for {}",
        settings.url,
        settings.events.join(" and ")
    )
}
