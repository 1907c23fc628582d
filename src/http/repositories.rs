//! Repositories as JSON: their branches, and how time and size of a recipe's builds went.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};
use warp::{Filter, Rejection, path::Tail, reply::Response};

use super::{
    Answer, Shared, answer,
    builds::store_failed,
    get,
    reply::{self, Problem},
    status::split_path,
    with,
};
use crate::{
    model::{Build, BuildDocument, Repository},
    store::recipes::{self, Point},
};

/// How many repositories are named at most.
const LISTED: u32 = 2_000;

/// How many builds a series has at most.
const SERIES: u32 = 200;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RepositoryQuery {
    branch: Option<String>,
    script: Option<String>,
}

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    let list = warp::path!("api" / "repositories").and(get()).and(with(parts)).and_then(|parts| answer(list(parts)));
    let one = warp::path!("api" / "repositories" / ..)
        .and(warp::path::tail())
        .and(get())
        .and(with(parts))
        .and(warp::query())
        .and_then(|tail, parts, query| answer(one(tail, parts, query)));
    list.or(one).unify().boxed()
}

/// Every repository that was built or is watched, by name.
async fn list(parts: Shared) -> Answer {
    let built = parts.database.read(|tx| recipes::repositories(tx, LISTED)).await;
    let mut names: BTreeSet<String> = built.map_err(|error| store_failed(&error))?.into_iter().collect();
    let catalog = parts.catalog.current();
    for watched in catalog.watched() {
        // Where a path can be read in several ways (sub-groups), what was built says which one is meant.
        let built = watched.path.match_indices('/').any(|(at, _)| names.contains(&watched.path[..at]));
        if !built {
            names.insert(watched.repository.to_string());
        }
    }
    names.extend(catalog.pipelines().iter().map(|pipeline| pipeline.repository.to_string()));
    reply::json(&names)
}

/// A series if a branch is asked for: a repository may itself be called `series`.
async fn one(tail: Tail, parts: Shared, query: RepositoryQuery) -> Answer {
    let path = split_path(tail.as_str())?.shown();
    match (query.branch, query.script, path.strip_suffix("/series")) {
        (Some(branch), Some(script), Some(repository)) => series(&parts, name(repository)?, branch, script).await,
        (None, None, _) => repository(&parts, name(&path)?).await,
        _ => Err(Problem::bad_request("a series needs `?branch=` and `&script=`, and is at `…/series`")),
    }
}

fn name(text: &str) -> Result<Repository, Problem> {
    text.parse().map_err(|error: crate::model::NotARepository| Problem::not_found(error.to_string()))
}

/// Whether the repository was ever built, or is watched.
pub(super) async fn is_known(parts: &Shared, repository: &Repository) -> Result<bool, Problem> {
    if parts.catalog.current().tracks_repository(repository) {
        return Ok(true);
    }
    let name = repository.to_string();
    let newest = parts.database.read(move |tx| crate::store::history::newest(tx, &name, None, None)).await;
    Ok(newest.map_err(|error| store_failed(&error))?.is_some())
}

async fn repository(parts: &Shared, repository: Repository) -> Answer {
    let name = repository.to_string();
    let read = parts.database.read(move |tx| recipes::newest_of_each(tx, &name)).await;
    let (newest, all) = read.map_err(|error| store_failed(&error))?;
    if newest.is_empty() && !is_known(parts, &repository).await? {
        return Err(Problem::not_found(format!(
            "nothing was built of `{repository}`, and no file of the configuration repository is about it"
        )));
    }
    let catalog = parts.catalog.current();
    let directory = format!("{repository}/");
    let files: Vec<_> = catalog.watched().map(|it| it.path).filter(|path| path.starts_with(&directory)).collect();
    reply::json(&json!({
        "repository": repository,
        "page": format!("{}/repo/{repository}", public(parts)),
        "files": files,
        "recipes": all,
        "branches": branches(parts, &newest),
    }))
}

fn public(parts: &Shared) -> &str {
    parts.public_url.trim_end_matches('/')
}

/// The newest build of each script, by branch; the branch that was built last comes first.
fn branches(parts: &Shared, newest: &[Build]) -> Vec<Value> {
    let mut found: Vec<(&Build, Vec<BuildDocument<'_>>)> = Vec::new();
    for build in newest {
        let document = BuildDocument::new(build, "");
        match found.iter_mut().find(|(first, _)| first.git_ref().name() == build.git_ref().name()) {
            Some((_, scripts)) => scripts.push(document),
            None => found.push((build, vec![document])),
        }
    }
    let branch = |(first, scripts): (&Build, Vec<BuildDocument<'_>>)| {
        json!({
            "branch": first.git_ref().name(),
            "ref": first.git_ref().to_string(),
            "badge": badge(parts, first),
            "builds": scripts,
        })
    };
    found.into_iter().map(branch).collect()
}

fn badge(parts: &Shared, build: &Build) -> String {
    const KEPT: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'/');
    let branch = percent_encoding::utf8_percent_encode(build.git_ref().name(), &KEPT);
    format!("{}/badge/{}/{branch}.svg", public(parts), build.repository())
}

async fn series(parts: &Shared, repository: Repository, branch: String, script: String) -> Answer {
    let (name, wanted) = (repository.to_string(), (branch.clone(), script.clone()));
    let read = parts.database.read(move |tx| recipes::series(tx, &name, &wanted.0, &wanted.1, SERIES)).await;
    let points = read.map_err(|error| store_failed(&error))?;
    let builds: Vec<_> = points.iter().map(point).collect();
    reply::json(&json!({"repository": repository, "branch": branch, "script": script, "builds": builds}))
}

fn point(point: &Point) -> Value {
    json!({
        "number": point.number,
        "id": point.id,
        "ended": point.ended,
        "duration": point.duration.map(|duration| duration.as_secs_f64()),
        "size": point.size,
        "outcome": point.outcome,
    })
}
