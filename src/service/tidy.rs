//! Keeps small what grows by itself: base images that newer ones have replaced, after each that is made and every
//! hour; mirrors and the ledger of deliveries, every hour.

use std::{sync::Arc, time::Duration};

use tracing::{info, warn};

use crate::{
    catalog::{CatalogSync, Keeper},
    config,
    git::Mirrors,
    model::Timestamp,
    runner::{Engine, Keep},
    shutdown::Shutdown,
    sqlite::Database,
    store::deliveries,
};

/// How often it is looked for what may go.
pub(super) const OFTEN: Duration = Duration::from_secs(3600);

/// How many packs a mirror may have before its small ones become one.
pub(super) const MOST_PACKS: usize = 50;

/// How long a mirror is kept that nobody uses, if its repository is not tracked.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// How many lines of the ledger are looked at in one write: others wait for it.
const LINES_AT_ONCE: u32 = 500;

/// What is kept, as the operator says.
pub fn keep(kernel: &config::Kernel) -> Keep {
    Keep { newest: kernel.keep, at_least: kernel.keep_for.0 }
}

/// Looks at the images once.
pub(super) async fn tidy(engine: &Engine, keep: Keep) {
    if let Err(failure) = engine.prune_bases(keep).await {
        warn!("Old base images stay for now: {failure}");
    }
}

/// Looks at the mirrors for as long as the service runs, from when it is known which repositories are tracked.
pub(super) async fn tidy_mirrors(mirrors: Mirrors, catalog: Arc<Keeper>, sync: Arc<CatalogSync>, shutdown: Shutdown) {
    tokio::select! {
        () = shutdown.draining() => {}
        () = async {
            sync.loaded().await;
            loop {
                tidy_mirrors_once(&mirrors, &catalog, &sync).await;
                tokio::time::sleep(OFTEN).await;
            }
        } => {}
    }
}

async fn tidy_mirrors_once(mirrors: &Mirrors, catalog: &Keeper, sync: &CatalogSync) {
    // Builds see to the mirrors of their own repositories; there are the configuration's and submodules' besides.
    if let Err(failure) = mirrors.compact_all(MOST_PACKS).await {
        warn!("A mirror could not be packed: {failure}");
    }
    let tracked = catalog.current();
    let named = tracked.repositories().flat_map(|(first, others)| [vec![first], others].concat());
    let needed = named.chain([sync.repository().clone()]).collect();
    match mirrors.retire(UNUSED, needed).await {
        Ok(0) => {}
        Ok(removed) => info!("Removed {removed} mirror(s) of repositories that are not tracked, unused for a month"),
        Err(failure) => warn!("Mirrors that nobody needs stay for now: {failure}"),
    }
}

/// Removes old lines of the ledger for as long as the service runs.
pub(super) async fn tidy_ledger(database: Database, shutdown: Shutdown) {
    loop {
        loop {
            match database.write(|tx| deliveries::forget(tx, Timestamp::now(), LINES_AT_ONCE)).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(failure) => {
                    warn!("Old deliveries stay for now: {failure}");
                    break;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(OFTEN) => {}
            () = shutdown.draining() => return,
        }
    }
}
