//! A forge's side of the wire, and a reader's.

use std::time::Duration;

use futures_util::StreamExt;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::repository::{Moved, ZERO};

pub const SECRET: &str = "a secret that only the forge and the service know";
pub const TOKEN: &str = "a token of the operator";

/// How long anything in a test may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Talks to one service.
#[derive(Clone)]
pub struct Client {
    pub address: String,
    http: reqwest::Client,
}

/// What GitHub sends for a push.
pub fn payload(repository: &str, moved: &Moved) -> Value {
    let deleted = moved.after == ZERO;
    let commit = json!({
        "id": moved.after, "message": "Change something", "timestamp": "2026-01-01T00:00:00Z", "url": "",
        "author": {"name": "Ada", "email": "ada@example.org", "username": "ada"},
        "committer": {"name": "Ada", "email": "ada@example.org"},
    });
    json!({
        "ref": moved.git_ref, "before": moved.before, "after": moved.after,
        "created": moved.before == ZERO, "deleted": deleted, "forced": false, "base_ref": null, "compare": "",
        "commits": if deleted { json!([]) } else { json!([commit]) },
        "head_commit": if deleted { Value::Null } else { commit },
        "repository": {"full_name": repository, "name": repository.rsplit('/').next()},
        "pusher": {"name": "ada"},
    })
}

pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

impl Client {
    pub fn new(address: String) -> Self {
        autobuilder::tls::install();
        // Keep-alive would hold a leaving service open.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(PATIENCE).build().unwrap();
        Self { address, http }
    }

    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.address))
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.request(reqwest::Method::GET, path).send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        self.get(path).await.json().await.unwrap()
    }

    pub async fn text(&self, path: &str) -> String {
        self.get(path).await.text().await.unwrap()
    }

    /// Delivers a signed push, with a delivery id of its own.
    pub async fn deliver(&self, repository: &str, moved: &Moved) -> Value {
        self.deliver_as(&uuid::Uuid::now_v7().to_string(), repository, moved).await
    }

    pub async fn deliver_as(&self, delivery: &str, repository: &str, moved: &Moved) -> Value {
        self.send_push(delivery, &payload(repository, moved)).await
    }

    /// Delivers any payload as a signed push.
    pub async fn send_push(&self, delivery: &str, payload: &Value) -> Value {
        let body = payload.to_string();
        let response = self
            .request(reqwest::Method::POST, "/hook/monitor-watch")
            .header("X-GitHub-Event", "push")
            .header("X-GitHub-Delivery", delivery)
            .header("X-Hub-Signature-256", sign(SECRET, body.as_bytes()))
            .header("Content-Type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        response.json().await.unwrap()
    }

    /// An order with the operator's token.
    pub async fn order(&self, path: &str, body: Value) -> (u16, Value) {
        let response =
            self.request(reqwest::Method::POST, path).bearer_auth(TOKEN).body(body.to_string()).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// The build as the board or the history has it; null if neither does.
    pub async fn build(&self, id: &str) -> Value {
        let status = self.json("/build/status").await;
        if !status[id].is_null() {
            return status[id].clone();
        }
        let history = self.json("/build/history?limit=500").await;
        history.as_array().unwrap().iter().find(|build| build["id"] == id).cloned().unwrap_or(Value::Null)
    }

    /// Waits until the build is as wanted, woken by the live page's websocket.
    pub async fn until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let address = self.address.replace("http://", "ws://");
        let waiting = async {
            let (mut live, _) =
                tokio_tungstenite::connect_async(format!("{address}/buildio?build={id}")).await.unwrap();
            loop {
                let build = self.build(id).await;
                if wanted(&build) {
                    return build;
                }
                live.next().await.expect("the websocket stays open").unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(build) => build,
            Err(_) => panic!("build {id} did not get there; it is {:#}", self.build(id).await),
        }
    }

    /// Waits until what is at an address is as wanted, woken by whatever happens to builds.
    pub async fn until_at(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let address = self.address.replace("http://", "ws://");
        let waiting = async {
            let (mut live, _) = tokio_tungstenite::connect_async(format!("{address}/buildio")).await.unwrap();
            loop {
                let found = self.json(path).await;
                if wanted(&found) {
                    return found;
                }
                live.next().await.expect("the websocket stays open").unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("{path} did not get there; it is {:#}", self.json(path).await),
        }
    }

    /// Waits for the end.
    pub async fn ended(&self, id: &str) -> Value {
        self.until(id, |build| !build["outcome"].is_null()).await
    }
}
