//! One line on one branch: status in words or JSON, and a badge.

use serde_json::json;
use warp::{
    Filter, Rejection,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    path::Tail,
    reply::Response,
};

use super::{
    Answer, Shared, answer,
    builds::store_failed,
    get,
    reply::{self, Problem},
    with,
};
use crate::{
    model::{Build, BuildDocument, BuildState, Outcome, Repository},
    store::history,
};

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    let status = warp::path!("status" / ..)
        .and(warp::path::tail())
        .and(get())
        .and(with(parts))
        .and(warp::header::headers_cloned())
        .and_then(|tail, parts, headers| answer(status(tail, parts, headers)));
    let badge = warp::path!("badge" / ..)
        .and(warp::path::tail())
        .and(get())
        .and(with(parts))
        .and_then(|tail, parts| answer(badge(tail, parts)));
    status.or(badge).unify().boxed()
}

/// `org/repo/branch` with every percent escape resolved.
pub(super) struct PathParts(Vec<String>);

pub(super) fn split_path(tail: &str) -> Result<PathParts, Problem> {
    let parts: Option<Vec<_>> = tail
        .split('/')
        .map(|part| percent_encoding::percent_decode_str(part).decode_utf8().ok().map(|text| text.into_owned()))
        .collect();
    match parts {
        Some(parts) if parts.iter().all(|part| !part.is_empty()) => Ok(PathParts(parts)),
        _ => Err(Problem::not_found("the address does not name a repository: expected org/repo/branch")),
    }
}

impl PathParts {
    /// Every way to read it as a repository and a branch; plain `org/repo` first.
    pub(super) fn splits(&self) -> Vec<(String, String)> {
        (2..self.0.len())
            .map(|at| (self.0[..at].join("/"), self.0[at..].join("/")))
            .filter(|(repository, _)| repository.parse::<Repository>().is_ok())
            .collect()
    }

    pub(super) fn shown(&self) -> String {
        self.0.join("/")
    }
}

/// The newest build that has ended (or else the newest at all) of a branch, or of a repository.
async fn newest(parts: &Shared, path: &PathParts, whole_repository: bool) -> Result<Option<Build>, Problem> {
    let mut readings: Vec<_> = path.splits().into_iter().map(|(repository, name)| (repository, Some(name))).collect();
    if whole_repository {
        readings.insert(0, (path.shown(), None));
    }
    for (repository, name) in readings {
        let found = parts
            .database
            .read(move |tx| {
                let ended = history::Page {
                    limit: 1,
                    repository: Some(repository.clone()),
                    branch: name.clone(),
                    ..history::Page::default()
                };
                match history::page(tx, &ended)?.pop() {
                    Some(build) => Ok(Some(build)),
                    None => history::newest(tx, &repository, name.as_deref(), None),
                }
            })
            .await
            .map_err(|error| store_failed(&error))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

async fn status(tail: Tail, parts: Shared, headers: HeaderMap) -> Answer {
    let path = split_path(tail.as_str())?;
    let build = newest(&parts, &path, true)
        .await?
        .ok_or_else(|| Problem::not_found(format!("there is no build of `{}`", path.shown())))?;
    let code = match build.ending() {
        Some(ending) if ending.outcome != Outcome::Success => StatusCode::PRECONDITION_FAILED,
        Some(_) | None => StatusCode::OK,
    };
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let response = if accept.contains("application/json") {
        reply::json(&json!({"status": word(&build), "build": BuildDocument::new(&build, "")}))?
    } else {
        reply::text(sentence(&build))
    };
    Ok(reply::status(code, response))
}

fn word(build: &Build) -> &'static str {
    match &build.state {
        BuildState::Queued { .. } => "queued",
        BuildState::Running { .. } => "running",
        BuildState::Finished(ending) => ending.outcome.as_str(),
    }
}

fn sentence(build: &Build) -> String {
    let what = format!(
        "{} {} #{} ({}) at {}",
        build.repository(),
        build.git_ref().name(),
        build.number,
        build.recipe.script,
        build.commit.short()
    );
    let detail = match &build.state {
        BuildState::Finished(ending) => match &ending.artifact {
            Some(artifact) => format!("published {}", artifact.name),
            None => ending.message.clone(),
        },
        BuildState::Running { stage, delay: None } => stage.as_str().to_owned(),
        BuildState::Running { stage, delay: Some(reason) } => format!("{}: {reason}", stage.as_str()),
        BuildState::Queued { reason, .. } => reason.clone().unwrap_or_else(|| "waiting".to_owned()),
    };
    format!("{}: {what}: {detail}\n", word(build))
}

async fn badge(tail: Tail, parts: Shared) -> Answer {
    let name = tail.as_str().strip_suffix(".svg").ok_or_else(|| Problem::not_found("a badge's name ends in .svg"))?;
    let build = newest(&parts, &split_path(name)?, false).await?;
    let (text, colour) = match build.as_ref().map(word) {
        Some("success") => ("passing", "#2e7d32"),
        Some("failure") => ("failing", "#c62828"),
        Some("error") => ("error", "#b45309"),
        Some(other) => (other, "#546e7a"),
        None => ("unknown", "#546e7a"),
    };
    let mut response = reply::with_type(svg(text, colour).into(), "image/svg+xml");
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// Two boxes; widths by the letters' usual width at this size. The texts are ours, never a reader's.
fn svg(text: &str, colour: &str) -> String {
    let (left, right) = (44, 14 + 7 * text.len());
    let width = left + right;
    let middle = left + right / 2;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="build: {text}">
<title>build: {text}</title>
<rect width="{width}" height="20" rx="3" fill="#37474f"/>
<path d="M{left} 0h{inner}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{inner}z" fill="{colour}"/>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
<text x="22" y="14">build</text><text x="{middle}" y="14">{text}</text></g></svg>
"##,
        inner = right - 3,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_every_repository_it_can_mean() {
        let splits = split_path("group/sub/tool/feature/x").map_err(|problem| problem.message).unwrap().splits();
        assert_eq!(splits[0], ("group/sub".into(), "tool/feature/x".into()));
        assert_eq!(splits[1], ("group/sub/tool".into(), "feature/x".into()));
        assert!(split_path("acme//main").is_err());
        let decoded = split_path("acme/tool/a%2523b").map_err(|problem| problem.message).unwrap();
        assert_eq!(decoded.splits(), [("acme/tool".into(), "a%23b".into())]);
    }
}
