//! The pages, and the files they are made of.

use warp::{
    Filter, Rejection,
    http::{HeaderValue, header},
    path::Tail,
    reply::Response,
};

use super::{
    Answer, Shared, answer,
    assets::{self, Asset},
    get,
    reply::{self, Problem},
    report, repositories,
    status::split_path,
    with,
};
use crate::model::{BuildId, NotARepository, Repository};

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    let monitor = warp::path::end()
        .or(warp::path!("monitor"))
        .unify()
        .and(get())
        .and(with(parts))
        .and_then(|parts: Shared| answer(async move { Ok(live_page(assets::MONITOR, &parts)) }));
    let build =
        warp::path!("build" / BuildId).and(get()).and(with(parts)).and_then(|id, parts| answer(build(id, parts)));
    let repository = warp::path!("repo" / ..)
        .and(warp::path::tail())
        .and(get())
        .and(with(parts))
        .and_then(|tail, parts| answer(repository(tail, parts)));
    let icon = warp::path!("favicon.ico").and(get()).and_then(|| answer(asset("icon.svg".to_owned())));
    let asset = warp::path!("assets" / String).and(get()).and_then(|name| answer(asset(name)));
    monitor.or(build).unify().or(repository).unify().or(icon).unify().or(asset).unify().boxed()
}

fn page(asset: Asset) -> Response {
    with_life(reply::with_type(asset.bytes.into(), asset.content_type))
}

fn with_life(mut response: Response) -> Response {
    // A new version of the service brings new pages at once.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A page that follows the board; it is told where, if not here.
fn live_page(asset: Asset, parts: &Shared) -> Response {
    let Some(relay) = &parts.relay_url else { return page(asset) };
    let text = String::from_utf8_lossy(asset.bytes);
    let told = text.replacen("</head>", &format!("<meta name=\"relay\" content=\"{relay}\">\n</head>"), 1);
    with_life(reply::with_type(told.into(), asset.content_type))
}

async fn build(id: BuildId, parts: Shared) -> Answer {
    report::find(&parts, id).await?;
    Ok(live_page(assets::BUILD, &parts))
}

async fn repository(tail: Tail, parts: Shared) -> Answer {
    let shown = split_path(tail.as_str())?.shown();
    let name: Repository = shown.parse().map_err(|error: NotARepository| Problem::not_found(error.to_string()))?;
    if repositories::is_known(&parts, &name).await? {
        return Ok(page(assets::REPOSITORY));
    }
    Err(Problem::not_found(format!(
        "nothing was built of `{name}`, and no file of the configuration repository is about it"
    )))
}

async fn asset(name: String) -> Answer {
    assets::find(&name).map(page).ok_or_else(|| Problem::not_found(format!("the page has no file `{name}`")))
}
