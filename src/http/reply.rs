//! Answers: JSON, text, files, and errors as sentences.

use std::sync::Arc;

use super::{assets::CONTENT_SECURITY_POLICY, html::Sentence};
use bytes::Bytes;
use serde::Serialize;
use warp::{
    Reply,
    http::{HeaderValue, Response, StatusCode, header},
    reply,
};

/// An error as a client sees it: `{"status":"error","message":…}` with the fitting code.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    /// The code.
    pub(super) status: StatusCode,
    /// The sentence.
    pub(super) message: String,
}

/// What every handler returns.
pub(super) type Answer = Result<reply::Response, Problem>;

impl Problem {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The store or the disk failed; the details are in the service's log, not in the answer.
    pub(super) fn unavailable(what: &str, error: &dyn std::error::Error) -> Self {
        tracing::error!("{what}: {error}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{what}; try again later"))
    }
}

impl Reply for Problem {
    fn into_response(self) -> reply::Response {
        let body = serde_json::json!({ "status": "error", "message": self.message });
        let mut response = with_type(body.to_string().into(), "application/json");
        *response.status_mut() = self.status;
        response.extensions_mut().insert(Sentence(self.message));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Makes one response of a handler's result.
pub(super) fn finish(answer: Answer) -> reply::Response {
    answer.unwrap_or_else(Reply::into_response)
}

pub(super) fn with_type(body: Bytes, content_type: &'static str) -> reply::Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(super) fn json<T: Serialize>(value: &T) -> Answer {
    let body = serde_json::to_vec(value)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(json_bytes(body.into()))
}

pub(super) fn json_bytes(body: Bytes) -> reply::Response {
    let mut response = with_type(body, "application/json");
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Text that somebody else keeps too: sent without a copy.
pub(super) fn json_shared(body: Arc<str>) -> reply::Response {
    struct Shared(Arc<str>);
    impl AsRef<[u8]> for Shared {
        fn as_ref(&self) -> &[u8] {
            self.0.as_bytes()
        }
    }
    json_bytes(Bytes::from_owner(Shared(body)))
}

pub(super) fn text(body: impl Into<Bytes>) -> reply::Response {
    with_type(body.into(), "text/plain; charset=utf-8")
}

pub(super) fn status(status: StatusCode, mut response: reply::Response) -> reply::Response {
    *response.status_mut() = status;
    response
}

/// What pages may do: what they need, and a connection to the relay, if there is one.
pub(super) fn policy(relay: Option<&str>) -> HeaderValue {
    let allowed = |relay| CONTENT_SECURITY_POLICY.replace("connect-src 'self'", &format!("connect-src 'self' {relay}"));
    let with_relay = relay.and_then(|relay| HeaderValue::try_from(allowed(relay)).ok());
    with_relay.unwrap_or(HeaderValue::from_static(CONTENT_SECURITY_POLICY))
}

/// Headers of every answer.
pub(super) fn guard(mut response: reply::Response, policy: &HeaderValue) -> reply::Response {
    let headers = response.headers_mut();
    // Set on every answer, also on artifacts, so that nothing a build leaves can run in a reader's
    // browser in our name.
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set("x-content-type-options", "nosniff");
    set("referrer-policy", "no-referrer");
    set("cross-origin-opener-policy", "same-origin");
    response
}
