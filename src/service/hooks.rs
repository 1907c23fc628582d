//! Has the forge deliver: at start, and whenever the configuration tracks something new.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use tracing::warn;

use crate::{
    catalog::{CatalogSync, Keeper},
    config::Config,
    hook,
    model::Repository,
    report::{HookTroubles, Installer},
    shutdown::Shutdown,
    sqlite::Database,
};

use super::assemble::public_url;

/// What the installer goes by.
pub(super) struct Hooks {
    pub(super) installer: Installer,
    pub(super) catalog: Arc<Keeper>,
    pub(super) sync: Arc<CatalogSync>,
    pub(super) signing: Arc<ArcSwap<hook::Config>>,
}

/// The installer, if the operator wants one and it can work.
pub(super) fn installer(
    config: &Config,
    database: &Database,
    troubles: &HookTroubles,
) -> Result<Option<Installer>, crate::config::ConfigError> {
    if !config.webhook.install {
        return Ok(None);
    }
    let Some(github) = config.forge()? else {
        warn!("No webhook is installed: `webhook.install` needs `github.token`, for the API at `github.api_url`");
        return Ok(None);
    };
    if config.server.public_url.is_empty() {
        warn!("Webhooks are installed for {}: set `server.public_url` to what the forge can reach", public_url(config));
    }
    Ok(Some(Installer::new(github, database.clone(), public_url(config), troubles.clone())))
}

impl Hooks {
    /// Works until the service takes nothing more.
    pub(super) async fn work(mut self, shutdown: Shutdown) {
        tokio::select! {
            () = self.see_to_all() => {}
            () = shutdown.draining() => {}
        }
    }

    async fn see_to_all(&mut self) {
        self.sync.loaded().await;
        loop {
            let revision = self.sync.revision();
            let secret = self.signing.load().secrets.first().cloned();
            self.installer.see_to(self.repositories(), secret).await;
            self.sync.changed_from(revision.as_deref()).await;
        }
    }

    fn repositories(&self) -> Vec<(Repository, Vec<Repository>)> {
        let own = self.sync.repository().clone();
        let mut tracked: BTreeMap<_, _> = self.catalog.current().repositories().collect();
        tracked.remove(&own);
        std::iter::once((own, Vec::new())).chain(tracked).collect()
    }
}
