//! A sign of life of the service, for relays: a key that expires by itself.
//!
//! Pictures come only when something changes, so their absence says nothing. A key leaves the topics, and whoever
//! reads them, as they are; and a service that starts again within its time was never missed.

use std::time::Duration;

use redis::{Pipeline, RedisResult, aio::MultiplexedConnection};

/// The key.
const NAME: &str = "autobuilder-alive";

/// How often it is set at least, and how often it is looked for.
pub(super) const PULSE: Duration = Duration::from_secs(3);

/// How long it stays: some pulses, as one may be late.
const STAYS: Duration = Duration::from_secs(8);

/// How long a service may take to come back to a Redis that lost all it knew.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Says, with whatever else is carried, that the service lives.
pub(super) fn say(pipeline: &mut Pipeline) {
    pipeline.cmd("SET").arg(NAME).arg("1").arg("PX").arg(STAYS.as_millis() as u64).ignore();
}

/// Whether the service lives, as far as this Redis knows.
pub(super) async fn ask(connection: &mut MultiplexedConnection) -> RedisResult<bool> {
    redis::cmd("EXISTS").arg(NAME).query_async(connection).await
}
