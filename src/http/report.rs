//! Logs as text, while a build runs and after.

use serde::Deserialize;
use warp::{
    Filter, Rejection,
    http::{HeaderMap, HeaderValue, StatusCode},
    path::Tail,
    reply::Response,
};

use super::{
    Answer, Parts, Shared, answer, build_id,
    builds::store_failed,
    get,
    range::{self, Content},
    reply::{self, Problem},
    status::split_path,
    with,
};
use crate::{
    model::{Build, BuildId, BuildState, Timestamp},
    store::{builds, history},
};

/// The most lines `?tail=` gives.
const LONGEST_TAIL: usize = 100_000;

#[derive(Debug, Deserialize)]
struct ReportQuery {
    tail: Option<usize>,
    /// A part of the log, in bytes, as a link can name it: a line that is too long for the page.
    from: Option<u64>,
    count: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct LogsQuery {
    script: Option<String>,
    tail: Option<usize>,
}

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    let report = warp::path!("report" / String)
        .and(get())
        .and(with(parts))
        .and(warp::query())
        .and(warp::header::headers_cloned())
        .and_then(|id, parts, query, headers| answer(report(id, parts, query, headers)));
    let logs = warp::path!("build" / "logs" / ..)
        .and(warp::path::tail())
        .and(get())
        .and(with(parts))
        .and(warp::query())
        .and(warp::header::headers_cloned())
        .and_then(|tail, parts, query, headers| answer(logs(tail, parts, query, headers)));
    report.or(logs).unify().boxed()
}

async fn report(id: String, parts: Shared, query: ReportQuery, headers: HeaderMap) -> Answer {
    let id = build_id(&id)?;
    let build = find(&parts, id).await?;
    let part = query.from.map(|from| (from, query.count.unwrap_or(u64::MAX)));
    send(&parts, &build, query.tail, part, &headers)
}

pub(super) async fn find(parts: &Shared, id: BuildId) -> Result<Build, Problem> {
    let found = parts.database.read(move |tx| builds::find(tx, id)).await.map_err(|error| store_failed(&error))?;
    found.map(|(_, build)| build).ok_or_else(|| Problem::not_found(format!("there is no build `{id}`")))
}

async fn logs(tail: Tail, parts: Shared, query: LogsQuery, headers: HeaderMap) -> Answer {
    let path = split_path(tail.as_str())?;
    let mut newest = None;
    // An org may have sub-groups and a branch may have slashes: the longest repository wins.
    for (repository, name) in path.splits() {
        let script = query.script.clone();
        newest = parts
            .database
            .read(move |tx| history::newest(tx, &repository, Some(&name), script.as_deref()))
            .await
            .map_err(|error| store_failed(&error))?;
        if newest.is_some() {
            break;
        }
    }
    let build = newest.ok_or_else(|| Problem::not_found(format!("there is no build of `{}`", path.shown())))?;
    send(&parts, &build, query.tail, None, &headers)
}

/// What is said of a build without a log: it was removed, if the build is that old or had a container to write it.
pub(super) fn without_log(parts: &Parts, build: &Build) -> Result<(), Problem> {
    let (Some(ended), Some(_)) = (build.ended, build.started) else { return Ok(()) };
    let keep = *parts.keep_logs.borrow();
    let message = if !keep.0.is_zero() && Timestamp::now().since(ended) >= keep.0 {
        format!("the log was removed: logs are kept for {} (store.keep_logs)", keep.in_words())
    } else if build.container.is_some() {
        "there is no log of this build any more: its file was removed".to_owned()
    } else {
        return Ok(());
    };
    Err(Problem::new(StatusCode::GONE, message))
}

fn send(parts: &Shared, build: &Build, tail: Option<usize>, part: Option<(u64, u64)>, headers: &HeaderMap) -> Answer {
    let failed = |error: std::io::Error| Problem::unavailable("the log could not be read", &error);
    let mut response = match (parts.logs.open(build.id).map_err(failed)?, tail) {
        (None, _) => {
            without_log(parts, build)?;
            reply::text("")
        }
        (Some(_), Some(lines)) => reply::text(parts.logs.tail(build.id, lines.min(LONGEST_TAIL)).map_err(failed)?),
        (Some((file, size)), None) => {
            let content = Content { file, size, content_type: "text/plain; charset=utf-8", etag: None };
            match part {
                Some((from, count)) => range::part(content, from, count)?,
                None => range::send(content, headers)?,
            }
        }
    };
    let state = match build.state {
        BuildState::Finished(_) => "complete",
        BuildState::Queued { .. } | BuildState::Running { .. } => "growing",
    };
    response.headers_mut().insert("x-log-state", HeaderValue::from_static(state));
    response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
    Ok(response)
}
