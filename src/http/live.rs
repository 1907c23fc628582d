//! The websocket of the live page: what the board shows, as it changes.

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tracing::debug;
use warp::{
    Filter, Rejection, Reply,
    http::{HeaderMap, StatusCode},
    reply::Response,
    ws::{Message, WebSocket, Ws},
};

use super::{Answer, Shared, answer, build_id, reply::Problem, server::Peer, with};
use crate::live::Viewer;

/// The largest message a viewer may send: it has nothing to say but pings and goodbyes.
const LARGEST: usize = 4096;

#[derive(Debug, Deserialize)]
struct ViewerQuery {
    build: Option<String>,
}

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    warp::path!("buildio")
        .and(warp::ws())
        .and(with(parts))
        .and(warp::query())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional())
        .and_then(|ws, parts, query, headers, peer| answer(connect(ws, parts, query, headers, peer)))
        .boxed()
}

async fn connect(ws: Ws, parts: Shared, query: ViewerQuery, headers: HeaderMap, peer: Option<Peer>) -> Answer {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if !same_origin(header("origin"), header("host"), &parts.public_url) {
        let message = "this websocket serves only pages of this service (the Origin header names another one)";
        return Err(Problem::new(StatusCode::FORBIDDEN, message));
    }
    let only = query.build.as_deref().map(build_id).transpose()?;
    let address = peer.map_or(std::net::IpAddr::from([127, 0, 0, 1]), |Peer(address)| address.ip());
    let viewer = parts
        .board
        .viewer(address, only)
        .map_err(|full| Problem::new(StatusCode::TOO_MANY_REQUESTS, full.to_string()))?;
    let ws = ws.max_message_size(LARGEST).max_frame_size(LARGEST);
    Ok(ws.on_upgrade(move |socket| show(socket, viewer)).into_response())
}

/// A browser names the page's origin; it must be this service. Other clients name none.
fn same_origin(origin: Option<&str>, host: Option<&str>, public_url: &str) -> bool {
    let Some(origin) = origin else { return true };
    let public = public_url.trim_end_matches('/');
    origin == public
        || host.is_some_and(|host| {
            origin.strip_prefix("http://").or(origin.strip_prefix("https://")).is_some_and(|origin| origin == host)
        })
}

async fn show(socket: WebSocket, viewer: Viewer) {
    let (sink, mut incoming) = socket.split();
    let sink =
        Box::pin(sink.with(|text: std::sync::Arc<str>| async move { Ok::<_, warp::Error>(Message::text(&*text)) }));
    // Reading answers pings and notices the goodbye; whatever else a viewer says is not looked at.
    let gone = async {
        while let Some(message) = incoming.next().await {
            match message {
                Ok(message) if !message.is_close() => {}
                _ => break,
            }
        }
    };
    tokio::select! {
        () = viewer.forward(sink) => {}
        () = gone => {}
    }
    debug!("A viewer left");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_and_programs_may_watch() {
        let ours = |origin| same_origin(origin, Some("builds.example:5560"), "https://builds.example/");
        assert!(ours(None));
        assert!(ours(Some("https://builds.example")));
        assert!(ours(Some("http://builds.example:5560")));
        for evil in
            ["null", "https://evil.example", "https://builds.example.evil.example", "file://builds.example:5560"]
        {
            assert!(!ours(Some(evil)), "{evil}");
        }
    }
}
