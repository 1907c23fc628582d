//! Search in logs: matches as they are found, one JSON object a line.
//!
//! A search reads a log as fast as the disk gives it, so few run at once, each ends at a limit of matches and of
//! time, and each stops when its reader has gone.

mod all;
mod feed;
mod one;

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};
use warp::{Filter, Rejection, http::StatusCode, reply::Response};

use super::{
    Shared, answer, get,
    query::{number, switch},
    reply::Problem,
    with,
};
use crate::logs::{Pattern, PatternError};

/// How many matches come if nobody says, and at most.
const MATCHES: u64 = 1_000;
const MOST_MATCHES: u64 = 10_000;

/// How many searches in single logs run at once; in all logs one does.
const AT_ONCE: usize = 4;

/// How long a search waits for its turn before it is refused.
const WAIT: Duration = Duration::from_secs(3);

/// What is searched for, and how much of it is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchQuery {
    q: Option<String>,
    regex: Option<String>,
    case: Option<String>,
    limit: Option<String>,
    // Of one build:
    from: Option<String>,
    backward: Option<String>,
    // Of all builds:
    repository: Option<String>,
    branch: Option<String>,
}

/// Where searches take turns.
#[derive(Clone)]
struct Turns(Arc<Semaphore>);

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    let (few, single) = (Turns::new(AT_ONCE), Turns::new(1));
    let one = warp::path!("build" / String / "search")
        .and(get())
        .and(with(parts))
        .and(warp::query())
        .and_then(move |id, parts, query| answer(one::search(id, parts, query, few.clone())));
    let all = warp::path!("search")
        .and(get())
        .and(with(parts))
        .and(warp::query())
        .and_then(move |parts, query| answer(all::search(parts, query, single.clone())));
    one.or(all).unify().boxed()
}

impl SearchQuery {
    /// Compiles what is searched for, off the async threads: a large expression takes milliseconds.
    async fn pattern(&self) -> Result<Arc<Pattern>, Problem> {
        let text = self.q.clone().ok_or_else(|| Problem::bad_request("say what to look for: `?q=…`"))?;
        let is_regex = switch("regex", self.regex.as_deref())?.unwrap_or(false);
        let case = switch("case", self.case.as_deref())?.unwrap_or(true);
        let compile = move || if is_regex { Pattern::expression(&text, case) } else { Pattern::text(&text, case) };
        let compiled =
            spawn_blocking(compile).await.map_err(|error| Problem::unavailable("the search broke off", &error))?;
        compiled.map(Arc::new).map_err(|error: PatternError| Problem::bad_request(error.to_string()))
    }

    fn limit(&self) -> Result<usize, Problem> {
        let limit = number("limit", self.limit.as_deref(), 1)?.unwrap_or(MATCHES).min(MOST_MATCHES);
        Ok(usize::try_from(limit).unwrap_or(usize::MAX))
    }
}

impl Turns {
    fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// A turn, held until it is dropped.
    async fn take(&self) -> Result<OwnedSemaphorePermit, Problem> {
        match tokio::time::timeout(WAIT, Arc::clone(&self.0).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => {
                let message = "as many searches run as the service allows at once; try again in some seconds";
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, message))
            }
        }
    }
}
