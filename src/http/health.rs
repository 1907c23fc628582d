//! For machines that watch machines: alive, ready, counted.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;
use warp::{
    Filter, Rejection,
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{
    Answer, Shared, answer, get,
    reply::{self, Problem},
    with,
};
use crate::{bus::Bus, metrics::Screens};

/// What the service knows of the parts it stands on; the sentence says what is wrong.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Health {
    /// The container engine: none if it answers.
    pub engine: Option<String>,
    /// The disks: none if builds have room.
    pub disk: Option<String>,
    /// What room there is.
    pub disks: Vec<Disk>,
    /// The directory shared with containers: none if both see the same.
    pub tmp_directory: Option<String>,
    /// The hub, if it is elsewhere: none if it takes artifacts. While it does not they wait, and the
    /// service is ready all the same.
    pub hub: Option<String>,
    /// Whether builds are taken up again and the service works as it should.
    pub started: bool,
}

/// The room for one of the service's directories.
#[derive(Debug, Clone, Serialize)]
pub struct Disk {
    /// The directory.
    pub path: PathBuf,
    /// Bytes that may still be written.
    pub free: u64,
    /// Bytes in all.
    pub size: u64,
    /// How many more files there may be; none if the file system does not count them.
    pub files: Option<u64>,
}

impl Health {
    /// What keeps builds from starting, if something does.
    pub fn trouble(&self) -> Option<&str> {
        self.engine.as_deref().or(self.disk.as_deref())
    }
}

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    let alive = warp::path!("healthz").and(get()).and_then(|| answer(async { Ok(reply::text("ok\n")) }));
    let ready = warp::path!("readyz").and(get()).and(with(parts)).and_then(|parts| answer(ready(parts)));
    let metrics = warp::path!("metrics").and(get()).and(with(parts)).and_then(|parts| answer(metrics(parts)));
    alive.or(ready).unify().or(metrics).unify().boxed()
}

async fn ready(parts: Shared) -> Answer {
    let health = parts.health.borrow().clone();
    let store = parts.database.read(crate::store::history::board).await.err().map(|error| error.to_string());
    let catalog = parts.sync.is_loaded();
    // Told, and no reason to be taken out of service: builds do not need it.
    let bus = parts.bus.as_ref().and_then(|bus| bus.link().borrow().trouble().map(str::to_owned));
    let well =
        store.is_none() && health.trouble().is_none() && health.tmp_directory.is_none() && health.started && catalog;
    let body = json!({
        "status": if well { "ready" } else { "not ready" },
        "store": store,
        "engine": health.engine,
        "disk": health.disk,
        "disks": health.disks,
        "tmp_directory": health.tmp_directory,
        "hub": health.hub,
        "catalog": if catalog { None } else { Some(unread(&parts)) },
        "bus": bus,
        "started": health.started,
    });
    let code = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(reply::status(code, reply::json(&body)?))
}

fn unread(parts: &Shared) -> String {
    let why = parts.sync.last_error().map(|error| format!(": {error}")).unwrap_or_default();
    format!("the configuration repository has not been read yet{why}")
}

fn screens(parts: &Shared) -> Screens {
    let here = parts.relay.counted();
    Screens {
        viewers: here.viewers,
        skipped: here.skipped,
        cut: here.cut,
        connected: parts.bus.as_ref().is_none_or(|bus| bus.link().borrow().trouble().is_none()),
        lost_here: here.dropped,
        lost_elsewhere: parts.bus.as_ref().map_or(0, Bus::dropped),
    }
}

async fn metrics(parts: Shared) -> Answer {
    let (queued, running) = parts
        .database
        .read(crate::store::history::board)
        .await
        .map_err(|error| Problem::unavailable("the store could not be read", &error))?;
    parts.metrics.set_board(queued, running);
    parts.metrics.set_screens(screens(&parts));
    let mut response = reply::text(parts.metrics.render());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    );
    Ok(response)
}
