//! The only place that sees all parts: puts them together, and takes them apart again.
//!
//! The listener opens first, with the catalog of the run before in force, so that no push is turned
//! away while the engine, the forge and interrupted builds are looked after.

mod adapters;
mod assemble;
mod diary;
mod hooks;
mod hub;
mod journal;
mod pictures;
mod policy;
mod porter;
mod pulse;
mod relay;
mod retention;
mod space;
mod tidy;
mod watched;
mod worker;

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use thiserror::Error;
use tokio::net::TcpListener;
use tracing::{error, info, warn};

use self::policy::Live;
pub use self::{
    adapters::{GitSource, HubPublisher, Uses},
    assemble::public_url,
    policy::{policy, secrets},
    relay::{RelayError, RelayProcess},
    tidy::keep,
};
use crate::{
    bus::Events,
    catalog::{CatalogSync, Keeper},
    config::{Config, ConfigError},
    http,
    intake::Intake,
    model::Build,
    publish::Hub,
    shutdown::Shutdown,
    sqlite::{self, Database},
    store,
};

/// A running service; clones are the same one.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    address: SocketAddr,
    shutdown: Shutdown,
    catalog: Arc<Keeper>,
    sync: Arc<CatalogSync>,
    intake: Arc<Intake>,
    events: Events,
    database: Database,
    live: Live,
    hub: Hub,
    config: ArcSwap<Config>,
    /// Held as long as anything uses the data directory.
    _lock: store::Lock,
}

/// Why the service cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another service uses the data directory.
    #[error(transparent)]
    InUse(#[from] store::InUse),
    /// The address is taken, or not ours.
    #[error("could not listen on {address}: {source}; set `server.listen`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A directory could not be made or read.
    #[error("could not use `{path}`: {source}")]
    Directory {
        /// The directory.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database could not be opened.
    #[error(transparent)]
    Open(#[from] sqlite::OpenError),
    /// The database could not be read.
    #[error(transparent)]
    Store(#[from] sqlite::Error),
    /// The engine's address makes no sense.
    #[error(transparent)]
    Engine(#[from] crate::runner::EngineError),
    /// The clone address makes no sense.
    #[error(transparent)]
    Git(#[from] crate::git::GitError),
    /// The address of Redis makes no sense.
    #[error(transparent)]
    Bus(#[from] crate::bus::NotAnAddress),
    /// The artifacts' directory cannot be used.
    #[error(transparent)]
    Publish(#[from] crate::publish::PublishError),
}

impl Service {
    /// Starts everything; returns as soon as pushes are taken.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let shutdown = Shutdown::new();
        let parts = assemble::parts(&config, &shutdown).await?;
        let listen = config.server.listen;
        let listener =
            TcpListener::bind(listen).await.map_err(|source| StartError::Listen { address: listen, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address: listen, source })?;
        let assemble::Parts { lock, routes, catalog, sync, live, background } = parts;
        let (events, database, intake) = (routes.events.clone(), routes.database.clone(), Arc::clone(&routes.intake));
        let hub = routes.hub.clone();
        let (leaving, served) = (shutdown.clone(), http::routes(routes));
        shutdown.spawn(async move { http::serve(listener, served, leaving).await });
        background.start();
        info!("Listening on http://{address}");
        Ok(Self {
            inner: Arc::new(Inner {
                address,
                shutdown,
                catalog,
                sync,
                intake,
                events,
                database,
                live,
                hub,
                config: ArcSwap::from_pointee(config),
                _lock: lock,
            }),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.inner.address
    }

    /// Ends when a catalog is in force.
    pub async fn catalog_loaded(&self) {
        self.inner.sync.loaded().await;
    }

    /// What is built from what, for a person at the terminal.
    pub fn watched(&self) -> String {
        watched::describe(&self.inner.catalog.current())
    }

    /// Waits until the newest build of a branch has ended, and says how.
    pub async fn until_ended(&self, repository: &str, name: &str) -> Result<String, sqlite::Error> {
        let mut news = self.inner.events.subscribe();
        loop {
            let (repository, name) = (repository.to_owned(), name.to_owned());
            let newest = self.inner.database.read(move |tx| store::history::newest(tx, &repository, Some(&name), None));
            if let Some(ending) = newest.await?.as_ref().and_then(Build::ending) {
                return Ok(match &ending.artifact {
                    Some(artifact) => format!("{}: published {}\n", ending.outcome.as_str(), artifact.name),
                    None => format!("{}: {}\n", ending.outcome.as_str(), ending.message),
                });
            }
            if news.next().await.is_none() {
                return Err(sqlite::Error::Closed);
            }
        }
    }

    /// Takes over what of a changed configuration can change in a running service, and reads the
    /// catalog again.
    pub async fn reload(&self, config: Config) {
        match (config.check(), policy::whole_policy(&config)) {
            (Ok(_), Ok(policy)) => {
                self.inner.live.change(&config);
                self.inner.catalog.set_policy(policy);
                let before = self.inner.config.load();
                if let Some((hub, token)) = self.inner.hub.zero().zip(policy::new_hub_token(&before, &config)) {
                    hub.take_token(token);
                }
                for section in policy::needs_restart(&before, &config) {
                    warn!("[{section}] has changed, and takes effect at the next start");
                }
                self.inner.config.store(Arc::new(config));
                info!("Configuration reloaded");
            }
            (Err(error), _) | (_, Err(error)) => error!("The configuration stays as it was: {error}"),
        }
        // The failure is in the log already.
        let _ = self.inner.intake.reread().await;
    }

    /// Claims nothing more, finishes what runs, then leaves.
    pub fn drain(&self) {
        self.inner.shutdown.drain();
    }

    /// Whether nothing more is claimed.
    pub fn is_draining(&self) -> bool {
        self.inner.shutdown.is_draining()
    }

    /// Leaves at once; running containers go on, and the next start takes them up again.
    pub fn leave(&self) {
        self.inner.shutdown.leave();
    }

    /// Ends when the service has left.
    pub async fn finished(&self) {
        self.inner.shutdown.draining().await;
        self.inner.shutdown.finished().await;
    }
}
