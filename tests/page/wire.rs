//! A page whose wire is in the test's hands: what the websocket says, and what the service answers.

use serde_json::{Value, json};

use crate::browser::Page;

/// A websocket that says what the test tells it to, by `window.wire.say(event, payload)`.
const SOCKET: &str = "window.wire = { say(event, payload) { this.socket.onmessage({ data: JSON.stringify({ event, payload }) }); } };
window.WebSocket = class { constructor() { window.wire.socket = this; setTimeout(() => this.onopen?.({}), 0); } close() {} };";

/// Every text that the service answers, names included, is replaced by `window.evil`.
const HOSTILE: &str = "const asked = window.fetch;
window.hostile = (value) => typeof value === 'string' ? window.evil
  : Array.isArray(value) ? value.map(window.hostile)
  : value && typeof value === 'object' ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, window.hostile(one)]))
  : value;
window.fetch = async (...asking) => {
  const answer = await asked(...asking);
  const json = answer.json.bind(answer);
  answer.json = async () => window.hostile(await json());
  return answer;
};";

/// A page without a websocket of the service: the test speaks.
pub(crate) async fn quiet_page() -> Page {
    let page = Page::new().await;
    page.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": SOCKET })).await;
    page
}

/// A page to which every text comes as `evil`.
pub(crate) async fn hostile_page(evil: &str) -> Page {
    let page = quiet_page().await;
    let source = format!("window.evil = {};\n{HOSTILE}", json!(evil));
    page.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await;
    page
}

/// Says something as the websocket.
pub(crate) async fn say(page: &Page, event: &str, payload: &Value) {
    page.until("window.wire?.socket !== undefined").await;
    page.value(&format!("void window.wire.say({}, {payload})", json!(event))).await;
}

/// The document of a build, as the service writes them.
pub(crate) fn build(number: u32, status: &str) -> Value {
    let ended = matches!(status, "success" | "failure");
    json!({
        "id": format!("{number:032x}"), "number": number, "status": if status == "failure" { "error" } else { status },
        "outcome": if ended { json!(status) } else { Value::Null }, "cause": null, "name": "tool",
        "repository": "acme/tool", "branch": "main", "ref": "refs/heads/main",
        "commit": "0123456789abcdef0123456789abcdef01234567", "script": "build.sh", "tag": null, "format": "flist",
        "baseimage": "ubuntu:24.04", "baseimage_digest": null,
        "commits": [{"id": "0123456789", "message": "Change it", "timestamp": "", "url": "", "author": {"name": "Ada"}}],
        "queued": 1_700_000_000, "started": if status == "queued" { Value::Null } else { json!(1_700_000_000) },
        "ended": if ended { json!(1_700_000_060) } else { Value::Null }, "error": null, "exit_code": null,
        "artifact": null, "artifact_link": null, "artifact_size": null, "artifact_sha256": null, "docker": "",
        "monitor": "", "attempt": 1, "usual": 60.0,
    })
}

/// Builds as the payload of `status`.
pub(crate) fn by_id(builds: &[Value]) -> Value {
    builds
        .iter()
        .map(|build| (build["id"].as_str().unwrap().to_owned(), build.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
