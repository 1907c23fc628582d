//! Where Redis is, and how to get there in bounded time. The password stays in here.

use std::{
    fmt, io,
    time::{Duration, SystemTime},
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, PushInfo, RedisError,
    RedisResult, aio::MultiplexedConnection,
};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use tokio::{sync::watch, time::timeout};
use tracing::{info, warn};

use crate::{bus::Link, tls};

/// How long connecting may take, with everything that belongs to it.
const CONNECT: Duration = Duration::from_secs(3);

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(3);

/// The first pause before Redis is tried again, and the longest.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// `redis.url` leads nowhere.
#[derive(Debug, Error)]
#[error(
    "`redis.url` is not the address of a Redis: expected redis://[user:password@]host[:port][/db], rediss:// for TLS, \
     or unix:///path"
)]
pub struct NotAnAddress;

/// One Redis. Shows its host and port, never who we are there.
#[derive(Clone)]
pub(super) struct Address {
    info: ConnectionInfo,
}

impl Address {
    pub(super) fn parse(url: &SecretString) -> Result<Self, NotAnAddress> {
        let info = url.expose_secret().trim().into_connection_info().map_err(|_| NotAnAddress)?;
        let with_pushes = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        Ok(Self { info: info.set_redis_settings(with_pushes) })
    }

    /// Connects, or says within [`CONNECT`] that it cannot. `pushed` is given what comes by itself; it
    /// must not wait.
    pub(super) async fn connect(
        &self,
        pushed: impl Fn(PushInfo) -> Result<(), redis::aio::SendError> + Send + Sync + 'static,
    ) -> RedisResult<MultiplexedConnection> {
        // `rediss://` asks for whatever this process has chosen.
        tls::install();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER))
            .set_push_sender(pushed);
        let client = Client::open(self.info.clone())?;
        match timeout(CONNECT, client.get_multiplexed_async_connection_with_config(&config)).await {
            Ok(connected) => connected,
            Err(_) => Err(RedisError::from(io::Error::from(io::ErrorKind::TimedOut))),
        }
    }

    /// Notes that Redis carries again.
    pub(super) fn found(&self, link: &watch::Sender<Link>) {
        let changed = link.send_if_modified(|link| !matches!(std::mem::replace(link, Link::There), Link::There));
        if changed {
            info!("{self} is there");
        }
    }

    /// Notes that it carries, and that there is nobody who publishes.
    pub(super) fn deserted(&self, link: &watch::Sender<Link>) {
        let changed = link.send_if_modified(|link| {
            let news = !matches!(link, Link::Deserted { .. });
            if news {
                *link = Link::Deserted { since: SystemTime::now() };
            }
            news
        });
        if changed {
            warn!("{self} is there, but no service publishes there; viewers are told");
        }
    }

    /// Notes that it does not; the log hears of it once.
    pub(super) fn lost(&self, link: &watch::Sender<Link>, failure: &RedisError) {
        let why = format!("{self} does not answer: {}", sentence(failure));
        link.send_if_modified(|link| match link {
            Link::Away { why: known, .. } if *known == why => false,
            Link::Away { why: known, .. } => {
                warn!("{why}; builds go on, relays wait");
                *known = why;
                true
            }
            Link::There | Link::Deserted { .. } => {
                warn!("{why}; builds go on, relays wait");
                *link = Link::away(why);
                true
            }
        });
    }
}

/// What went wrong, in a few words.
fn sentence(failure: &RedisError) -> String {
    if failure.is_timeout() { "it took too long".to_owned() } else { failure.to_string() }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis at {}", self.info.addr())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// How long to wait before the next try: longer each time, until one succeeds.
#[derive(Debug, Default)]
pub(super) struct Pause {
    last: Option<Duration>,
}

impl Pause {
    pub(super) fn next(&mut self) -> Duration {
        let next = self.last.map_or(SHORTEST, |last| (last * 2).min(LONGEST));
        self.last = Some(next);
        next
    }

    pub(super) fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_never_shows_its_password() {
        for url in ["redis://ada:hunter2@127.0.0.1:7/3", "rediss://:hunter2@cache.example", "redis://127.0.0.1"] {
            let address = Address::parse(&url.to_owned().into()).unwrap();
            let shown = format!("{address} {address:?}");
            assert!(!shown.contains("hunter2") && !shown.contains("ada"), "{shown}");
        }
        let wrong = Address::parse(&"http://ada:hunter2@127.0.0.1".to_owned().into()).unwrap_err();
        assert!(!wrong.to_string().contains("hunter2"));
    }

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew() {
        let mut pause = Pause::default();
        let pauses: Vec<_> = (0..8).map(|_| pause.next()).collect();
        assert!(pauses.is_sorted());
        assert_eq!((pauses[0], pauses[7]), (SHORTEST, LONGEST));
        pause.reset();
        assert_eq!(pause.next(), SHORTEST);
    }
}
