//! The texts of the websocket's events.
//!
//! `{"event":…,"payload":…}`, as readers written for 0-autobuilder expect them. Payloads are joined
//! from parts that are JSON already: a status with a thousand waiting builds is not serialised anew
//! because one of them moved on.

use std::sync::Arc;

use serde::Serialize;

use crate::model::{Build, BuildDocument, BuildId};

/// One event with a payload that is JSON already.
pub(super) fn event(name: &str, payload: &str) -> Arc<str> {
    format!(r#"{{"event":"{name}","payload":{payload}}}"#).into()
}

/// What a build wrote. `end` is the byte after it: the text's own length says nothing where bytes
/// that are no UTF-8 were replaced.
pub(super) fn update(id: BuildId, offset: u64, end: u64, text: &str) -> Arc<str> {
    #[derive(Serialize)]
    struct Update<'a> {
        id: BuildId,
        line: &'a str,
        offset: u64,
        end: u64,
    }
    event("update", &json(&Update { id, line: text, offset, end }))
}

/// Tells a slow viewer that it missed something.
pub(super) fn skipped(events: u64) -> Arc<str> {
    event("skipped", &format!(r#"{{"events":{events}}}"#))
}

/// A build's document.
pub(super) fn build(build: &Build, monitor: &str) -> String {
    json(&BuildDocument::new(build, monitor))
}

/// Serialising strings and numbers into memory cannot fail; if it ever did, a screen shows nothing.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// An object of documents by build id.
pub(super) fn object<'a>(documents: impl Iterator<Item = (BuildId, &'a str)>) -> String {
    let members: Vec<String> = documents.map(|(id, document)| format!(r#""{id}":{document}"#)).collect();
    format!("{{{}}}", members.join(","))
}

/// An array of documents.
pub(super) fn array<'a>(documents: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", documents.collect::<Vec<_>>().join(","))
}

/// Text of bytes: what is no UTF-8 is replaced, and so is a character cut off at the beginning.
pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
