//! Builds as JSON: what waits and runs, what was, what came.

use std::io;

use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use warp::{
    Filter, Rejection, Reply,
    http::{HeaderValue, header},
    reply::Response,
};

use super::{
    Answer, Shared, answer, build_id, get,
    reply::{self, Problem},
    with,
};
use crate::{
    live::Board,
    model::{Build, BuildDocument, Outcome},
    store::{deliveries, history},
};

/// How many builds a page of the history has.
const PAGE: u32 = 25;
const LARGEST_PAGE: u32 = 500;

/// How many deliveries are shown.
const DELIVERIES: u32 = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HistoryQuery {
    limit: Option<u32>,
    before: Option<String>,
    after: Option<String>,
    repository: Option<String>,
    branch: Option<String>,
    script: Option<String>,
    author: Option<String>,
    status: Option<String>,
}

#[derive(Debug, Deserialize)]
struct DeliveriesQuery {
    limit: Option<u32>,
}

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    let status = warp::path!("build" / "status")
        .and(get())
        .and(with(parts))
        .and_then(|parts: Shared| answer(async move { Ok(reply::json_shared(board(&parts).await.status_json())) }));
    let newest =
        warp::path!("build" / "history").and(get()).and(without_query()).and(with(parts)).and_then(|parts: Shared| {
            answer(async move { Ok(reply::json_shared(board(&parts).await.history_json())) })
        });
    let page = warp::path!("build" / "history")
        .and(get())
        .and(with(parts))
        .and(warp::query())
        .and_then(|parts, query| answer(page(parts, query)));
    let full = warp::path!("build" / "history" / "full")
        .and(get())
        .and(with(parts))
        .and_then(|parts: Shared| answer(async move { Ok(full(parts)) }));
    let sync = warp::path!("build" / "sync")
        .and(get())
        .and(with(parts))
        .and_then(|parts: Shared| answer(async move { sync(&parts) }));
    let ledger = warp::path!("deliveries")
        .and(get())
        .and(with(parts))
        .and(warp::query())
        .and_then(|parts, query| answer(ledger(parts, query)));
    status.or(newest).unify().or(page).unify().or(full).unify().or(sync).unify().or(ledger).unify().boxed()
}

/// The board, with every change that was made before now.
async fn board(parts: &Shared) -> &Board {
    parts.board.caught_up(parts.events.told()).await;
    &parts.board
}

/// Passes only a request without a query: the answer to that one is kept ready.
fn without_query() -> impl Filter<Extract = (), Error = Rejection> + Copy {
    warp::query::raw()
        .or(warp::any().map(String::new))
        .unify()
        .and_then(|query: String| async move { if query.is_empty() { Ok(()) } else { Err(warp::reject::not_found()) } })
        .untuple_one()
}

/// Builds as one JSON array.
fn documents(builds: &[Build]) -> Vec<BuildDocument<'_>> {
    builds.iter().map(|build| BuildDocument::new(build, "")).collect()
}

async fn page(parts: Shared, query: HistoryQuery) -> Answer {
    let page = history::Page {
        limit: query.limit.unwrap_or(PAGE).min(LARGEST_PAGE),
        before: query.before.as_deref().map(build_id).transpose()?,
        after: query.after.as_deref().map(build_id).transpose()?,
        repository: query.repository,
        branch: query.branch,
        script: query.script,
        author: query.author,
        outcomes: query.status.as_deref().map(outcomes).transpose()?.unwrap_or_default(),
    };
    let builds = parts.database.read(move |tx| history::page(tx, &page)).await.map_err(|error| store_failed(&error))?;
    reply::json(&documents(&builds))
}

/// `error` means all that 0-autobuilder's readers call an error; the finer words mean themselves.
fn outcomes(status: &str) -> Result<Vec<Outcome>, Problem> {
    if status == "error" {
        return Ok(Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Success).collect());
    }
    status
        .split(',')
        .map(|word| {
            Outcome::from_word(word).ok_or_else(|| {
                let known = Outcome::ALL.map(Outcome::as_str).join(", ");
                Problem::bad_request(format!("`{word}` is not a status of a finished build: {known}"))
            })
        })
        .collect()
}

/// The whole history as one array, read and sent page by page.
fn full(parts: Shared) -> Response {
    let (sender, mut receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        if let Err(error) = send_all(&parts, &sender).await {
            // The reader sees a broken body, never a short history that looks whole.
            let _ = sender.send(Err(io::Error::other(error))).await;
        }
    });
    let pieces = stream::poll_fn(move |context| receiver.poll_recv(context));
    let mut response = warp::reply::stream(pieces).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn send_all(parts: &Shared, sender: &mpsc::Sender<io::Result<Bytes>>) -> Result<(), crate::sqlite::Error> {
    let mut before = None;
    let mut separator = "[";
    loop {
        let wanted = history::Page { limit: LARGEST_PAGE, before, ..history::Page::default() };
        let builds = parts.database.read(move |tx| history::page(tx, &wanted)).await?;
        let mut piece = String::new();
        for document in documents(&builds) {
            piece.push_str(separator);
            piece.push_str(&serde_json::to_string(&document).unwrap_or_else(|_| "null".to_owned()));
            separator = ",";
        }
        before = builds.last().map(|build| build.id);
        let last = builds.len() < LARGEST_PAGE as usize;
        if last {
            piece.push_str(if separator == "[" { "[]" } else { "]" });
        }
        // A reader who went away wants no more.
        if sender.send(Ok(piece.into())).await.is_err() || last {
            return Ok(());
        }
    }
}

fn sync(parts: &Shared) -> Answer {
    parts.events.refresh();
    reply::json(&json!({"status": "success"}))
}

async fn ledger(parts: Shared, query: DeliveriesQuery) -> Answer {
    let limit = query.limit.unwrap_or(DELIVERIES).min(1_000);
    let found =
        parts.database.read(move |tx| deliveries::latest(tx, limit)).await.map_err(|error| store_failed(&error))?;
    let lines: Vec<_> = found
        .iter()
        .map(|line| {
            json!({
                "id": line.id.as_ref().map(ToString::to_string),
                "received": line.received,
                "event": line.event,
                "repository": line.repository,
                "ref": line.git_ref,
                "after": line.after,
                "verdict": line.verdict.as_str(),
                "reason": line.reason,
                "builds": line.builds,
            })
        })
        .collect();
    reply::json(&lines)
}

pub(super) fn store_failed(error: &crate::sqlite::Error) -> Problem {
    Problem::unavailable("the store could not be read", error)
}
