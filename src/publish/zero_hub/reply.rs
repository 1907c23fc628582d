//! What a hub's answer means. The status alone does not say: 200 may have stored nothing, 401 may
//! speak of a link, 500 of a file's name. So the words count, and the numbers behind them.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::{archive::Contents, error::HubError};

/// The most of a hub's words that are shown.
const SAID: usize = 200;

/// The longest that a hub may put us off.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// `Retry-After`, as it stands there.
    pub(super) retry_after: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
    payload: Option<Payload>,
}

#[derive(Default, Deserialize)]
struct Payload {
    #[serde(default)]
    username: String,
    #[serde(default)]
    name: String,
    files: Option<Files>,
}

/// What `zflist putdir` reported.
#[derive(Deserialize)]
struct Files {
    #[serde(default)]
    success: bool,
    #[serde(default)]
    error: serde_json::Value,
    status: Option<i64>,
    response: Option<Counted>,
}

#[derive(Deserialize)]
struct Counted {
    regular: Option<u64>,
    symlink: Option<u64>,
    special: Option<u64>,
    failure: Option<u64>,
    fullsize: Option<u64>,
}

impl Reply {
    fn message(&self) -> Option<Message> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The hub's own words, short, on one line, behind a colon; empty if it has none.
    fn said(&self) -> String {
        let words = match self.message() {
            Some(message) => message.message,
            None => beginning(&self.body),
        };
        let visible: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let words = visible.split_whitespace().collect::<Vec<_>>().join(" ");
        match words.chars().count() {
            0 => String::new(),
            1..=SAID => format!(": {words}"),
            _ => format!(": {}…", words.chars().take(SAID).collect::<String>()),
        }
    }

    /// When to ask again: seconds, or a date (RFC 9110, section 10.2.3).
    fn after(&self) -> Option<Duration> {
        let text = self.retry_after.as_deref()?.trim();
        let wait = match text.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).unwrap_or_default(),
        };
        Some(wait.min(LONGEST_WAIT))
    }

    /// The message of a success, or what the answer is instead. `what` is what was asked for.
    fn success(&self, url: &str, what: &str) -> Result<Message, HubError> {
        let (status, said) = (self.status, self.said());
        let message = self.message();
        let words = message.as_ref().map(|message| message.message.clone()).unwrap_or_default();
        let words = words.as_str();
        let url = url.to_owned();
        match (status, message) {
            (200..=299, Some(message)) if message.status == "success" => Ok(message),
            (200..=299, Some(_)) => Err(HubError::NotStored(format!("it answered {status}{said}"))),
            (200..=299, None) => Err(HubError::NotAHub { url, status, said }),
            (300..=399, _) => Err(HubError::WrongAddress { url, status, said }),
            // The hub's way to say that it is being looked after.
            (400, Some(_)) if words == "readonly mode" => Err(HubError::Failing { status, said, after: self.after() }),
            (400, Some(_)) if words.contains("authorization") => Err(HubError::Token { status, said }),
            (401 | 403, _) => Err(HubError::Token { status, said }),
            (404 | 405, None) => Err(HubError::WrongAddress { url, status, said }),
            (500, Some(_)) if matches!(words, "no file found" | "no file selected" | "this file is not allowed") => {
                Err(HubError::Refused { what: what.to_owned(), status, said })
            }
            (408 | 425 | 429 | 500..=599, _) => Err(HubError::Failing { status, said, after: self.after() }),
            _ => Err(HubError::Refused { what: what.to_owned(), status, said }),
        }
    }

    /// Who we are, by `GET /api/flist/me`.
    pub(super) fn username(&self, url: &str) -> Result<String, HubError> {
        let name = self.success(url, "to say who we are")?.payload.unwrap_or_default().username;
        if name.is_empty() { Err(HubError::NotStored("it does not say who we are".to_owned())) } else { Ok(name) }
    }

    /// Whether a link was made or a name changed.
    pub(super) fn done(&self, url: &str, what: &str, source: &str, target: &str) -> Result<(), HubError> {
        let words = self.message().map(|message| message.message).unwrap_or_default();
        match (self.status, words.as_str()) {
            (401, "link destination is already a file") => Err(HubError::LinkTaken(target.to_owned())),
            (404, "source not found" | "user not found") => Err(HubError::Gone(source.to_owned())),
            _ => self.success(url, what).map(drop),
        }
    }

    /// The name under which the hub stored all of `contents`.
    pub(super) fn stored(&self, url: &str, contents: &Contents) -> Result<String, (HubError, Option<String>)> {
        let message = self.success(url, "the upload").map_err(|error| (error, None))?;
        let payload = message.payload.unwrap_or_default();
        let name = (!payload.name.is_empty()).then_some(payload.name);
        match (complaint(payload.files, contents), name) {
            (None, Some(name)) => Ok(name),
            (None, None) => Err((HubError::NotStored("it does not say under which name".to_owned()), None)),
            (Some(complaint), name) => Err((HubError::NotStored(complaint), name)),
        }
    }
}

/// How an answer that is no JSON begins; of a page, its title.
fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    title.map_or_else(|| text.clone().into_owned(), |(title, _)| format!("a page titled \"{title}\""))
}

/// What is wrong with the hub's report on a stored archive.
fn complaint(files: Option<Files>, contents: &Contents) -> Option<String> {
    let Some(files) = files else { return Some("it reports no files".to_owned()) };
    if !files.success || files.status != Some(0) {
        let status = files.status.map_or("no status".to_owned(), |status| format!("status {status}"));
        let words = files.error["message"].as_str().map(|words| format!(", \"{words}\"")).unwrap_or_default();
        return Some(format!("it reports {status}{words}"));
    }
    let counted = files.response?;
    let counts = [
        ("files", counted.regular, contents.regular),
        ("symbolic links", counted.symlink, contents.symlink),
        ("devices and pipes", counted.special, contents.special),
        ("bytes", counted.fullsize, contents.fullsize),
    ];
    for (what, count, sent) in counts {
        match count {
            None => return Some(format!("it does not report how many {what} it has")),
            Some(count) if !sent.holds(count) => {
                return Some(format!("it has {count} {what} of the {} that were sent", sent.most));
            }
            Some(_) => {}
        }
    }
    let failed = counted.failure.unwrap_or(0);
    (failed > 0).then(|| format!("it could not store {failed} of the files"))
}

#[cfg(test)]
mod tests;
