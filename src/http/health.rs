//! For machines that watch machines: alive, ready, counted.

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

/// What the service knows of the parts it stands on; the sentence says what is wrong.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Health {
    /// The container engine: none if it answers.
    pub engine: Option<String>,
    /// The disks that builds write to: none if they have room.
    pub disk: Option<String>,
    /// The directory shared with containers: none if both see the same.
    pub tmp_directory: Option<String>,
    /// The hub, if it is elsewhere: none if it takes artifacts. While it does not they wait, and the
    /// service is ready all the same.
    pub hub: Option<String>,
    /// Whether builds are taken up again and the service works as it should.
    pub started: bool,
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
    let bus = parts.link.as_ref().and_then(|link| link.borrow().trouble().map(str::to_owned));
    let trouble = [&store, &health.engine, &health.disk, &health.tmp_directory];
    let well = trouble.iter().all(|trouble| trouble.is_none()) && health.started && catalog;
    let body = json!({
        "status": if well { "ready" } else { "not ready" },
        "store": store,
        "engine": health.engine,
        "disk": health.disk,
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

async fn metrics(parts: Shared) -> Answer {
    let (queued, running) = parts
        .database
        .read(crate::store::history::board)
        .await
        .map_err(|error| Problem::unavailable("the store could not be read", &error))?;
    parts.metrics.set_board(queued, running);
    let mut response = reply::text(parts.metrics.render());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    );
    Ok(response)
}
