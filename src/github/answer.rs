//! What an answer of the API means: taken, never, or not now.
//!
//! Limits as GitHub describes them ("Rate limits for the REST API", "Best practices"): 403 or 429 with
//! `retry-after`, or with `x-ratelimit-remaining: 0` and `x-ratelimit-reset`, or else a minute's rest.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Response, StatusCode, header::HeaderMap};
use serde_json::Value;
use thiserror::Error;

/// Rest after a limit that names no time.
const REST: Duration = Duration::from_secs(60);

/// No forge is believed that wants more rest than this; limits are counted by the hour.
const LONGEST_REST: Duration = Duration::from_secs(65 * 60);

/// How much of a refusal is read, and for how long.
const MOST_BODY: usize = 16 << 10;
const BODY_TIME: Duration = Duration::from_secs(5);

/// How much of a refusal is quoted, in characters.
const MOST_QUOTED: usize = 300;

/// The forge has taken it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// How long it wants to be left alone now, if it says that nothing is left of its limit.
    pub rest: Option<Duration>,
}

/// The forge has not taken it.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum Failure {
    /// It never will, however often it is asked.
    #[error("{reason} ({code})")]
    Refused {
        /// The HTTP code.
        code: u16,
        /// The forge's words.
        reason: String,
    },
    /// It may, later: it is away, in trouble, or was asked too often.
    #[error("{reason}")]
    Later {
        /// How long it wants to be left alone, if it says.
        rest: Option<Duration>,
        /// What happened.
        reason: String,
    },
}

impl Failure {
    pub(super) fn away(reason: impl Into<String>) -> Self {
        Self::Later { rest: None, reason: reason.into() }
    }
}

/// Judges the answer to a call that makes something.
pub(super) async fn judge(response: Response) -> Result<Answered, Failure> {
    let (code, now) = (response.status(), SystemTime::now());
    let rest = exhausted(response.headers(), now);
    // Both forges answer 201. A 200 that is no JSON is somebody's page in between.
    let json = header(response.headers(), "content-type").is_some_and(|kind| kind.contains("json"));
    if code == StatusCode::CREATED || (code.is_success() && json) {
        drain(response).await;
        return Ok(Answered { rest });
    }
    Err(failure(response, now).await)
}

/// Why it was not taken.
pub(super) async fn failure(response: Response, now: SystemTime) -> Failure {
    let (code, headers) = (response.status(), response.headers().clone());
    let said = quote(&read(response).await);
    explain(code, &headers, &said, now)
}

fn explain(code: StatusCode, headers: &HeaderMap, said: &str, now: SystemTime) -> Failure {
    let reason = if said.is_empty() { format!("the forge answered {code}") } else { said.to_owned() };
    let asked = retry_after(headers, now).or_else(|| exhausted(headers, now));
    let lower = said.to_ascii_lowercase();
    let limited = code == StatusCode::TOO_MANY_REQUESTS
        || (code == StatusCode::FORBIDDEN
            && (asked.is_some() || lower.contains("rate limit") || lower.contains("abuse detection")));
    if limited {
        return Failure::Later { rest: Some(asked.unwrap_or(REST)), reason: format!("too many requests: {reason}") };
    }
    match code.as_u16() {
        408 | 425 => Failure::Later { rest: asked, reason },
        400..500 => Failure::Refused { code: code.as_u16(), reason },
        300..400 => Failure::away(format!(
            "the forge answered {code}, and a redirect is not followed with the token; check `github.api_url`"
        )),
        200..300 => Failure::away(format!("the forge answered {code} without JSON; check `github.api_url`")),
        _ => Failure::Later { rest: asked, reason: format!("the forge answered {code}") },
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = header(headers, "retry-after")?.trim();
    let rest = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(clock(headers, now)).unwrap_or_default(),
    };
    Some(rest.min(LONGEST_REST))
}

/// Until when nothing is left of the limit.
fn exhausted(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    if header(headers, "x-ratelimit-remaining")?.trim() != "0" {
        return None;
    }
    let reset = header(headers, "x-ratelimit-reset").and_then(|text| text.trim().parse().ok());
    let rest = match reset {
        Some(seconds) => (UNIX_EPOCH + Duration::from_secs(u64::min(seconds, 1 << 40)))
            .duration_since(clock(headers, now))
            .unwrap_or_default(),
        None => REST,
    };
    Some(rest.min(LONGEST_REST))
}

/// The forge's own clock, which its times are meant by; ours may differ.
fn clock(headers: &HeaderMap, now: SystemTime) -> SystemTime {
    header(headers, "date").and_then(|text| httpdate::parse_http_date(text).ok()).unwrap_or(now)
}

/// Reads the rest, so that the connection can be used again; not for long.
async fn drain(response: Response) {
    let _ = read(response).await;
}

/// The beginning of the body, as far as it comes in time.
async fn read(response: Response) -> Vec<u8> {
    read_at_most(response, MOST_BODY).await
}

/// The same, of a body that is wanted.
pub(super) async fn read_at_most(mut response: Response, most: usize) -> Vec<u8> {
    let mut body = Vec::new();
    let reading = async {
        while body.len() < most {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) | Err(_) => return,
            }
        }
    };
    // What has come by then is enough for a sentence.
    let _ = tokio::time::timeout(BODY_TIME, reading).await;
    body
}

/// The sentence in a refusal: `message`, and what `errors` say.
fn quote(body: &[u8]) -> String {
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return String::new() };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let mut said: Vec<String> = text(body.get("message")).into_iter().collect();
    if let Some(Value::Array(errors)) = body.get("errors") {
        said.extend(errors.iter().filter_map(|error| text(error.get("message")).or_else(|| text(Some(error)))));
    }
    said.dedup();
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    said.join(": ").chars().map(plain).take(MOST_QUOTED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
    }

    fn judged(code: u16, pairs: &[(&'static str, &str)], body: &str) -> Failure {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        explain(StatusCode::from_u16(code).unwrap(), &headers(pairs), &quote(body.as_bytes()), now)
    }

    fn rest(failure: &Failure) -> Option<u64> {
        match failure {
            Failure::Later { rest, .. } => rest.map(|rest| rest.as_secs()),
            Failure::Refused { .. } => panic!("{failure:?}"),
        }
    }

    #[test]
    fn a_limit_is_obeyed_in_every_form() {
        assert_eq!(rest(&judged(429, &[("retry-after", "7")], "")), Some(7));
        assert_eq!(rest(&judged(403, &[("retry-after", "Mon, 12 Jan 1970 13:47:10 GMT")], "")), Some(30));
        let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000090")];
        assert_eq!(rest(&judged(403, &spent, "")), Some(90));
        // The forge's clock is a minute ahead of ours.
        let ahead = [spent[0], spent[1], ("date", "Mon, 12 Jan 1970 13:47:40 GMT")];
        assert_eq!(rest(&judged(403, &ahead, "")), Some(30));
        let secondary = r#"{"message":"You have exceeded a secondary rate limit"}"#;
        assert_eq!(rest(&judged(403, &[], secondary)), Some(60));
        assert_eq!(rest(&judged(429, &[("retry-after", "99999999")], "")), Some(65 * 60));
    }

    #[test]
    fn what_never_helps_is_not_tried_again_and_what_may_is() {
        let too_long = r#"{"message":"Validation Failed","errors":[{"message":"No commit found for SHA: 1"}]}"#;
        let refused = judged(422, &[("x-ratelimit-remaining", "0")], too_long);
        assert_eq!(refused.to_string(), "Validation Failed: No commit found for SHA: 1 (422)");
        for code in [401, 403, 404, 410] {
            assert!(matches!(judged(code, &[], r#"{"message":"Not Found"}"#), Failure::Refused { .. }), "{code}");
        }
        for code in [500, 502, 503, 302, 200, 408] {
            assert_eq!(rest(&judged(code, &[], "<html>")), None, "{code}");
        }
        assert_eq!(rest(&judged(503, &[("retry-after", "5")], "")), Some(5));
    }
}
