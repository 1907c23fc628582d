//! The pages, and the files they are made of.

use warp::{
    Filter, Rejection,
    http::{HeaderValue, header},
    reply::Response,
};

use super::{
    Answer, Shared, answer,
    assets::{self, Asset},
    get,
    reply::{self, Problem},
    report, with,
};
use crate::model::BuildId;

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    let monitor = warp::path::end()
        .or(warp::path!("monitor"))
        .unify()
        .and(get())
        .and_then(|| answer(async { Ok(page(assets::MONITOR)) }));
    let build =
        warp::path!("build" / BuildId).and(get()).and(with(parts)).and_then(|id, parts| answer(build(id, parts)));
    let asset = warp::path!("assets" / String).and(get()).and_then(|name| answer(asset(name)));
    monitor.or(build).unify().or(asset).unify().boxed()
}

fn page(asset: Asset) -> Response {
    let mut response = reply::with_type(asset.bytes.into(), asset.content_type);
    // A new version of the service brings new pages at once.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

async fn build(id: BuildId, parts: Shared) -> Answer {
    report::find(&parts, id).await?;
    Ok(page(assets::BUILD))
}

async fn asset(name: String) -> Answer {
    assets::find(&name).map(page).ok_or_else(|| Problem::not_found(format!("the page has no file `{name}`")))
}
