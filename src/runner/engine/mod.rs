//! The only door to the container engine (bollard): Docker, or anything that speaks its API.
//!
//! Every call has its own deadline, because a stopped engine accepts connections and never answers.
//! Streams have none; they are watched by what comes out of them.

mod base;
mod base_name;
mod connection;
mod container;
mod error;
mod events;
mod image;
mod network;
mod spec;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bollard::Docker;
use tokio::{sync::OnceCell, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use connection::Connection;
use events::Events;
use image::Images;

pub use base::{BaseImage, Origin};
pub(super) use container::ContainerState;
pub use container::Owned;
pub use error::EngineError;
pub(super) use events::{Seen, Watch};
pub use image::{Image, ImageError, PullProgress};
pub use spec::Bind;
pub(super) use spec::{ContainerSpec, Purpose};

const OLDEST_API: &str = "1.41";
const QUICK: Duration = Duration::from_secs(30);
const SLOW: Duration = Duration::from_secs(120);

/// Labels that say whose a thing is; nothing without ours is ever touched.
mod label {
    pub(super) const INSTANCE: &str = "autobuilder.instance";
    pub(super) const BUILD: &str = "autobuilder.build";
    pub(super) const ATTEMPT: &str = "autobuilder.attempt";
    pub(super) const KIND: &str = "autobuilder.kind";
    /// The kind of a base image; where it comes from is in the labels below.
    pub(super) const BASE: &str = "base";
    pub(super) const BASE_REPOSITORY: &str = "autobuilder.base.repository";
    pub(super) const BASE_REF: &str = "autobuilder.base.ref";
    pub(super) const BASE_COMMIT: &str = "autobuilder.base.commit";
    pub(super) const BASE_BUILD: &str = "autobuilder.base.build";
    pub(super) const BASE_POSITION: &str = "autobuilder.base.position";
    pub(super) const BASE_PARENT: &str = "autobuilder.base.parent";
}

/// A connection to the engine; clones share it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Arc<Connection>,
    instance: String,
    events: Arc<Events>,
    images: Images,
    network: OnceCell<String>,
    _listening: DropGuard,
}

impl Engine {
    /// Prepares a connection to `host`, else to `DOCKER_HOST`, else to the usual socket, and begins
    /// to listen for the ends of `instance`'s containers. Connects when first needed, so the service
    /// starts without the engine.
    pub fn new(host: Option<&str>, instance: &str) -> Result<Self, EngineError> {
        let connection = Arc::new(Connection::new(host)?);
        let events = Arc::new(Events::default());
        let stop = CancellationToken::new();
        let listening = Arc::clone(&events).listen(Arc::clone(&connection), own(instance));
        tokio::spawn(stop.clone().run_until_cancelled_owned(listening));
        let inner = Inner {
            connection,
            instance: instance.to_owned(),
            events,
            images: Images::default(),
            network: OnceCell::new(),
            _listening: stop.drop_guard(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The engine's name and version; an error if it is too old.
    pub async fn version(&self) -> Result<String, EngineError> {
        let version = self.call("tell its version", QUICK, self.docker()?.version()).await?;
        let api = version.api_version.unwrap_or_default();
        if number(&api) < number(OLDEST_API) {
            return Err(EngineError::TooOld { found: api, needed: OLDEST_API });
        }
        Ok(version.version.unwrap_or_default())
    }

    /// Whether the engine answers, within five seconds.
    pub async fn ping(&self) -> Result<(), EngineError> {
        self.call("answer", Duration::from_secs(5), self.docker()?.ping()).await.map(drop)
    }

    fn docker(&self) -> Result<&Docker, EngineError> {
        self.inner.connection.docker()
    }

    async fn call<T>(
        &self,
        doing: &'static str,
        deadline: Duration,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, EngineError> {
        match timeout(deadline, call).await {
            Ok(answer) => answer.map_err(|error| EngineError::new(doing, error)),
            Err(_) => Err(EngineError::Silent { doing, deadline }),
        }
    }

    /// Filters that match only what carries this instance's label.
    fn own(&self) -> HashMap<String, Vec<String>> {
        own(&self.inner.instance)
    }
}

fn own(instance: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{}={instance}", label::INSTANCE)])])
}

/// `1.41` as (1, 41): as text, 1.5 would be newer.
fn number(api: &str) -> (u32, u32) {
    let (major, minor) = api.split_once('.').unwrap_or((api, "0"));
    (major.parse().unwrap_or(0), minor.parse().unwrap_or(0))
}

/// An idempotent removal: gone already, or just being removed by somebody else, is as good.
fn unless_gone(result: Result<(), EngineError>) -> Result<(), EngineError> {
    match result {
        Err(EngineError::Refused { status: 404 | 409, .. }) => Ok(()),
        other => other,
    }
}
