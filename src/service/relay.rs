//! The relay as a process of its own: a bus over Redis, what it brings, and a door for viewers.

use std::net::SocketAddr;

use thiserror::Error;
use tokio::net::TcpListener;
use tracing::info;

use super::public_url;
use crate::{
    bus::{Bus, NotAnAddress},
    config::{Config, ConfigError},
    live::{self, Origins, Relay},
    shutdown::Shutdown,
};

/// A running relay.
pub struct RelayProcess {
    address: SocketAddr,
    shutdown: Shutdown,
}

/// Why the relay cannot start. That Redis is away is none.
#[derive(Debug, Error)]
pub enum RelayError {
    /// There is nothing that could feed it.
    #[error(
        "`redis.url` is not set: the relay is fed by Redis alone. Name the Redis that the service has, or use the \
         websocket of the service itself, at /buildio"
    )]
    NoRedis,
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address of Redis makes no sense.
    #[error(transparent)]
    Bus(#[from] NotAnAddress),
    /// The address is taken, or not ours.
    #[error("could not listen on {address}: {source}; set `relay.listen`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

impl RelayProcess {
    /// Starts it; returns as soon as viewers are let in.
    pub async fn start(config: &Config) -> Result<Self, RelayError> {
        config.check_relay()?;
        let bus = redis(config)?.ok_or(RelayError::NoRedis)?;
        let listen = config.relay.listen;
        let failed = |source| RelayError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shutdown = Shutdown::new();
        let relay = Relay::fed_by(bus.subscribe(), bus.link());
        shutdown.spawn(relay.clone().run(shutdown.leave_token()));
        shutdown.spawn(live::open(listener, relay, origins(config), shutdown.leave_token()));
        info!("Listening on ws://{address}; what is shown comes with Redis");
        Ok(Self { address, shutdown })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets every viewer go; ends soon after.
    pub async fn leave(&self) {
        self.shutdown.leave();
        self.shutdown.finished().await;
    }
}

/// The bus to relays elsewhere, if one is configured.
pub(super) fn redis(config: &Config) -> Result<Option<Bus>, NotAnAddress> {
    config.redis.url.get().map(Bus::redis).transpose()
}

/// Whose pages may watch: the service's own, by every address it is known to have.
pub(super) fn origins(config: &Config) -> Origins {
    let service = public_url(config);
    let addresses = [service.as_str(), config.relay.public_url.as_str()];
    Origins::new(addresses, [config.server.listen.port(), config.relay.listen.port()])
}

/// Where browsers reach the relay, as an address of a websocket.
pub(super) fn url(config: &Config) -> Option<String> {
    let url = config.relay.public_url.as_str();
    let secure = url.strip_prefix("https").map(|rest| format!("wss{rest}"));
    let plain = || url.strip_prefix("http").map(|rest| format!("ws{rest}"));
    (!url.is_empty()).then(|| secure.or_else(plain).unwrap_or_else(|| url.to_owned()))
}
