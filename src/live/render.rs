//! The texts of the websocket's events.
//!
//! `{"event":…,"payload":…}`, as readers written for 0-autobuilder expect them. Payloads are joined
//! from parts that are JSON already: a status with a thousand waiting builds is not serialised anew
//! because one of them moved on.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::json;

use crate::{
    bus::Link,
    model::{Build, BuildDocument, BuildId},
};

/// One event with a payload that is JSON already.
pub(super) fn event(name: &str, payload: &str) -> String {
    format!(r#"{{"event":"{name}","payload":{payload}}}"#)
}

/// Tells a slow viewer that it missed something.
pub(super) fn skipped(ticks: u64) -> String {
    event("skipped", &format!(r#"{{"events":{ticks}}}"#))
}

/// Tells whether the bus between the service and relays carries, and whether news still reach this
/// websocket if it does not.
pub(super) fn bus(link: &Link, is_fed_by_it: bool) -> String {
    let document = match link {
        Link::There => json(&json!({"connected": true, "live": true})),
        Link::Deserted { since } => {
            json(&json!({"connected": true, "live": false, "since": seconds(since), "message": link.trouble()}))
        }
        Link::Away { since, why } => {
            json(&json!({"connected": false, "live": !is_fed_by_it, "since": seconds(since), "message": why}))
        }
    };
    event("bus", &document)
}

fn seconds(time: &SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A build's document, with the last lines of its log, and the byte of the log where they end.
pub(super) fn build(build: &Build, monitor: &str, end: u64) -> String {
    #[derive(Serialize)]
    struct Shown<'a> {
        #[serde(flatten)]
        document: BuildDocument<'a>,
        monitor_end: u64,
    }
    json(&Shown { document: BuildDocument::new(build, monitor), monitor_end: end })
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
