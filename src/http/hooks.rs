//! Where forges deliver: four addresses, one intake.

use bytes::Buf;
use futures_util::Stream;
use serde_json::json;
use warp::{
    Filter, Rejection,
    http::{HeaderMap, StatusCode},
    reply::Response,
};

use super::{
    Shared, answer, body,
    reply::{self, Problem},
    with,
};
use crate::{
    hook::Headers,
    intake::{Answer, Refusal},
};

/// The largest delivery taken; GitHub sends none larger.
const LARGEST: usize = 25 << 20;

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    let project = warp::path!("build" / String / "hook").map(drop).untuple_one();
    let watch = warp::path!("hook" / "monitor-watch");
    let update = warp::path!("hook" / "monitor-update");
    let kernel = warp::path!("hook" / "kernel");
    project
        .or(watch)
        .unify()
        .or(update)
        .unify()
        .or(kernel)
        .unify()
        .and(warp::post())
        .and(with(parts))
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .and_then(|parts, headers, body| answer(receive(parts, headers, body)))
        .boxed()
}

async fn receive(
    parts: Shared,
    headers: HeaderMap,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> super::Answer {
    let declared = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > LARGEST) {
        body::pass_over(body).await;
        let message = "the delivery is larger than 25 MiB";
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    let repeated = |name: &str| headers.get_all(name).iter().count() > 1;
    if ["x-hub-signature-256", "x-hub-signature", "x-gitea-signature", "x-gitlab-token"].into_iter().any(repeated) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "the delivery has two signatures of one kind"));
    }
    let body = body::read(body, LARGEST).await?;
    let lookup = Headers::from_lookup(|name| headers.get(name).and_then(|value| value.to_str().ok()));
    tell(parts.intake.receive(&lookup, &body).await)
}

fn tell(answer: Answer) -> super::Answer {
    match answer {
        Answer::Pong => Ok(reply::text("PONG")),
        Answer::Accepted { builds, message: None } => reply::json(&json!({"status": "success", "builds": builds})),
        Answer::Accepted { builds, message: Some(message) } => {
            reply::json(&json!({"status": "success", "builds": builds, "message": message}))
        }
        Answer::Duplicate(builds) => reply::json(&json!({"status": "duplicate", "builds": builds})),
        Answer::Ignored(message) => reply::json(&json!({"status": "ignored", "message": message})),
        Answer::Refused(refusal) => Err(Problem::new(code(&refusal), refusal.to_string())),
    }
}

fn code(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Signature(_) => StatusCode::FORBIDDEN,
        Refusal::Unreadable(_) => StatusCode::BAD_REQUEST,
        Refusal::NotKept(_) | Refusal::NoCatalog | Refusal::Leaving => StatusCode::SERVICE_UNAVAILABLE,
    }
}
