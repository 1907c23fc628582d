//! The catalog as JSON; and calls that change something: build, cancel, retry. Those only with the
//! bearer token, never by a cookie, so no page elsewhere can make a browser call them.

use bytes::Buf;
use futures_util::Stream;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;
use warp::{
    Filter, Rejection,
    http::{HeaderMap, StatusCode},
    reply::Response,
};

use super::{
    Answer, Shared, answer, body, build_id, get,
    reply::{self, Problem},
    with,
};
use crate::{
    intake::{Order, OrderError},
    lifecycle::CommandError,
    model::BuildDocument,
};

/// The largest request.
const LARGEST: usize = 64 << 10;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderBody {
    repository: String,
    #[serde(rename = "ref")]
    git_ref: String,
    commit: Option<String>,
    script: Option<String>,
}

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    let order = warp::path!("api" / "builds")
        .and(warp::post())
        .and(with(parts))
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .and_then(|parts, headers, body| answer(order(parts, headers, body)));
    let command = warp::path!("api" / "builds" / String / String)
        .and(warp::post())
        .and(with(parts))
        .and(warp::header::headers_cloned())
        .and_then(|id, verb, parts, headers| answer(command(id, verb, parts, headers)));
    let catalog = warp::path!("api" / "catalog")
        .and(get())
        .and(with(parts))
        .and_then(|parts| answer(async move { catalog(&parts) }));
    order.or(command).unify().or(catalog).unify().boxed()
}

/// Whether the caller may change something.
fn authorize(parts: &Shared, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(token) = &parts.api_token else {
        let message = "calls that change something are off: set `server.api_token` to allow them";
        return Err(Problem::new(StatusCode::FORBIDDEN, message));
    };
    let given = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "send `Authorization: Bearer <server.api_token>`"))?;
    if bool::from(given.as_bytes().ct_eq(token.expose_secret().as_bytes())) {
        Ok(())
    } else {
        Err(Problem::new(StatusCode::UNAUTHORIZED, "the token is not `server.api_token`"))
    }
}

async fn order(parts: Shared, headers: HeaderMap, body: impl Stream<Item = Result<impl Buf, warp::Error>>) -> Answer {
    authorize(&parts, &headers)?;
    let body = body::read(body, LARGEST).await?;
    let wanted: OrderBody = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("expected {{repository, ref, commit?, script?}}: {error}")))?;
    let order = parse(wanted).map_err(Problem::bad_request)?;
    match parts.intake.order(order).await {
        Ok(builds) => {
            Ok(reply::status(StatusCode::ACCEPTED, reply::json(&json!({"status": "success", "builds": builds}))?))
        }
        Err(error @ (OrderError::Untracked(_) | OrderError::NoScript { .. } | OrderError::NoRef(..))) => {
            Err(Problem::not_found(error.to_string()))
        }
        Err(OrderError::Source(error)) => Err(Problem::new(StatusCode::BAD_GATEWAY, error.to_string())),
        Err(OrderError::Command(error)) => Err(refused(&error)),
    }
}

/// A ref without `refs/…/` is a branch.
fn parse(wanted: OrderBody) -> Result<Order, String> {
    let full =
        if wanted.git_ref.starts_with("refs/") { wanted.git_ref } else { format!("refs/heads/{}", wanted.git_ref) };
    Ok(Order {
        repository: wanted.repository.parse().map_err(|error| format!("{error}"))?,
        git_ref: full.parse().map_err(|error| format!("{error}"))?,
        commit: wanted.commit.map(|commit| commit.parse()).transpose().map_err(|error| format!("{error}"))?,
        script: wanted.script.map(|script| script.parse()).transpose().map_err(|error| format!("{error}"))?,
    })
}

async fn command(id: String, verb: String, parts: Shared, headers: HeaderMap) -> Answer {
    authorize(&parts, &headers)?;
    let id = build_id(&id)?;
    let done = match verb.as_str() {
        "cancel" => parts.lifecycle.cancel(id).await,
        "retry" => parts.lifecycle.retry(id).await,
        _ => return Err(Problem::not_found(format!("`{verb}` is not something a build can do: cancel or retry"))),
    };
    let build = done.map_err(|error| refused(&error))?;
    let answer = json!({"status": "success", "builds": [build.id], "build": BuildDocument::new(&build, "")});
    Ok(reply::status(StatusCode::ACCEPTED, reply::json(&answer)?))
}

fn refused(error: &CommandError) -> Problem {
    match error {
        CommandError::Unknown(_) => Problem::not_found(error.to_string()),
        CommandError::Ended(..) | CommandError::NotEnded(_) | CommandError::OfService(_) => {
            Problem::new(StatusCode::CONFLICT, error.to_string())
        }
        CommandError::Store(_) => Problem::unavailable("the order could not be kept", error),
    }
}

/// What is watched, and what is wrong with it.
fn catalog(parts: &Shared) -> Answer {
    let catalog = parts.catalog.current();
    let (repositories, recipes) = catalog.counts();
    reply::json(&json!({
        "revision": parts.sync.revision(),
        "loaded": parts.sync.loaded_at(),
        "error": parts.sync.last_error(),
        "repositories": repositories,
        "recipes": recipes,
        "problems": catalog.problems(),
        "hooks": parts.hook_troubles.all(),
    }))
}
