//! One build with all that is known of its way, and the queue with its reasons.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use warp::{Filter, Rejection, reply::Response};

use super::{
    Answer, Shared, answer, build_id,
    builds::store_failed,
    get,
    reply::{self, Problem},
    with,
};
use crate::{
    lifecycle::{Queue, Waiting},
    model::{Build, BuildDocument, BuildId, BuildState},
    store::{
        builds, recipes,
        stages::{self, Entered},
        statuses,
    },
};

/// How many waiting builds `/api/queue` lists.
const LISTED: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueueQuery {
    limit: Option<usize>,
}

/// A build, its stages, its neighbours, and its place in the queue.
#[derive(Serialize)]
struct Detail<'a> {
    #[serde(flatten)]
    build: BuildDocument<'a>,
    stages: Vec<Value>,
    previous: Option<BuildId>,
    next: Option<BuildId>,
    queue: Option<Value>,
    /// Why the forge does not show its status.
    status_refused: Option<String>,
}

/// What the store has about one build.
struct Known {
    build: Build,
    stages: Vec<Entered>,
    previous: Option<BuildId>,
    next: Option<BuildId>,
    status_refused: Option<String>,
}

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    let build = warp::path!("api" / "builds" / String)
        .and(get())
        .and(with(parts))
        .and_then(|id, parts| answer(build(id, parts)));
    let queue = warp::path!("api" / "queue")
        .and(get())
        .and(with(parts))
        .and(warp::query())
        .and_then(|parts, query| answer(queue(parts, query)));
    build.or(queue).unify().boxed()
}

async fn build(id: String, parts: Shared) -> Answer {
    let id = build_id(&id)?;
    let known = known(&parts, id).await?;
    let queue = match &known.build.state {
        BuildState::Queued { .. } => waiting(&parts).await?.waiting.iter().find(|it| it.id == id).map(place),
        BuildState::Running { .. } | BuildState::Finished(_) => None,
    };
    reply::json(&Detail {
        build: BuildDocument::new(&known.build, ""),
        stages: known.stages.iter().map(stage).collect(),
        previous: known.previous,
        next: known.next,
        queue,
        status_refused: known.status_refused,
    })
}

async fn known(parts: &Shared, id: BuildId) -> Result<Known, Problem> {
    let found = parts.database.read(move |tx| {
        let Some((row, mut build)) = builds::find(tx, id)? else { return Ok(None) };
        if build.started.is_none() {
            let (repository, name) = (build.repository().as_str(), build.git_ref().name());
            build.usual = recipes::usual(tx, repository, name, build.recipe.script.as_str())?;
        }
        let (previous, next) = recipes::neighbours(tx, row)?;
        let (stages, status_refused) = (stages::of(tx, row)?, statuses::refusal(tx, id)?);
        Ok(Some(Known { build, stages, previous, next, status_refused }))
    });
    let found = found.await.map_err(|error| store_failed(&error))?;
    found.ok_or_else(|| Problem::not_found(format!("there is no build `{id}`")))
}

fn stage(entered: &Entered) -> Value {
    json!({
        "stage": entered.stage.as_str(),
        "attempt": entered.attempt,
        "started": entered.at.as_secs_f64(),
        "offset": entered.offset,
    })
}

fn place(waiting: &Waiting) -> Value {
    json!({"position": waiting.position, "reason": waiting.reason})
}

/// The queue, with what keeps every build from starting.
async fn waiting(parts: &Shared) -> Result<Queue, Problem> {
    let found = parts.lifecycle.queue(parts.places, trouble(parts)).await;
    found.map_err(|error| Problem::unavailable("the queue could not be read", &error))
}

fn trouble(parts: &Shared) -> Option<String> {
    let health = parts.health.borrow();
    match health.engine.as_ref().or(health.disk.as_ref()) {
        None if !health.started => Some("the service is starting".to_owned()),
        trouble => trouble.cloned(),
    }
}

async fn queue(parts: Shared, query: QueueQuery) -> Answer {
    let queue = waiting(&parts).await?;
    let listed = queue.waiting.iter().take(query.limit.unwrap_or(LISTED).min(1_000));
    let builds: Vec<_> = listed
        .map(|waiting| json!({"id": waiting.id, "position": waiting.position, "reason": waiting.reason}))
        .collect();
    reply::json(&json!({
        "running": queue.running,
        "places": parts.places,
        "waiting": queue.waiting.len(),
        "trouble": trouble(&parts),
        "builds": builds,
    }))
}
