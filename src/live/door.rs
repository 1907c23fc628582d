//! The relay's own door: a listener for websockets and nothing else.
//!
//! A connection that does not ask for one within [`HANDSHAKE`] is closed, and there are only so many of
//! them, so strangers who connect and wait cost nothing for long.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    accept_hdr_async_with_config,
    tungstenite::{
        Error,
        handshake::server::{ErrorResponse, Request},
        http::{StatusCode, header},
    },
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::{Origins, Relay, Viewer, socket};
use crate::model::BuildId;

/// How long a client may take to ask for a websocket.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Connections at once, those included that have not asked yet; more wait to be accepted.
const CONNECTIONS: usize = 4096;

/// How long leaving waits for goodbyes.
const GOODBYE: Duration = Duration::from_secs(2);

/// What somebody gets who asks for no websocket.
const UPGRADE: &str = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: close\r\n\
    Content-Type: text/plain\r\nContent-Length: 50\r\n\r\nThis is autobuilder's relay: it speaks websocket.\n\n";

/// Lets viewers in until it is told to stop.
pub async fn open(listener: TcpListener, relay: Relay, origins: Origins, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    let origins = Arc::new(origins);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: the next moment may have some again.
                warn!("Could not accept a connection: {error}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (relay, origins) = (relay.clone(), Arc::clone(&origins));
        connections.spawn(async move {
            serve(stream, peer.ip(), &relay, &origins).await;
            drop(place);
        });
    }
    connections.close();
    let _too_long = timeout(GOODBYE, connections.wait()).await;
}

async fn serve(mut stream: TcpStream, address: IpAddr, relay: &Relay, origins: &Origins) {
    // Small messages must not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let mut admitted = None;
    #[expect(clippy::result_large_err, reason = "the shape of the callback is tungstenite's")]
    let check = |request: &Request, response| {
        admitted = Some(admit(request, address, relay, origins)?);
        Ok(response)
    };
    match timeout(HANDSHAKE, accept_hdr_async_with_config(&mut stream, check, Some(socket::config()))).await {
        Ok(Ok(socket)) => {
            if let Some(viewer) = admitted {
                socket::forward(socket, viewer).await;
            }
        }
        Ok(Err(Error::Protocol(error))) => {
            debug!("{address} asked for no websocket: {error}");
            let _ = timeout(HANDSHAKE, stream.write_all(UPGRADE.as_bytes())).await;
        }
        Ok(Err(error)) => debug!("{address} was not let in: {error}"),
        Err(_) => debug!("{address} took too long to ask"),
    }
}

#[expect(clippy::result_large_err, reason = "the shape of the callback is tungstenite's")]
fn admit(request: &Request, address: IpAddr, relay: &Relay, origins: &Origins) -> Result<Viewer, ErrorResponse> {
    if request.uri().path() != "/" {
        return Err(refusal(StatusCode::NOT_FOUND, "there is nothing here but the websocket at /"));
    }
    if !origins.admit(request.headers()) {
        let why = "this websocket serves only pages of its own service (the Origin header names another one)";
        return Err(refusal(StatusCode::FORBIDDEN, why));
    }
    let only = only(request.uri().query().unwrap_or("")).map_err(|why| refusal(StatusCode::BAD_REQUEST, &why))?;
    relay.viewer(address, only).map_err(|full| refusal(StatusCode::TOO_MANY_REQUESTS, &full.to_string()))
}

/// The build of `?build=<id>`.
fn only(query: &str) -> Result<Option<BuildId>, String> {
    let wanted = query.split('&').find_map(|part| part.strip_prefix("build="));
    wanted.filter(|id| !id.is_empty()).map(|id| id.parse().map_err(|error| format!("{error}"))).transpose()
}

/// An answer like those of the service.
fn refusal(status: StatusCode, why: &str) -> ErrorResponse {
    let body = serde_json::json!({"status": "error", "message": why}).to_string();
    let mut response = ErrorResponse::new(None);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, header::HeaderValue::from(body.len()));
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    *response.body_mut() = Some(body);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_may_ask_for_one_build() {
        let id = BuildId::new();
        assert_eq!(only("").unwrap(), None);
        assert_eq!(only(&format!("x=1&build={id}")).unwrap(), Some(id));
        assert!(only("build=../../etc").unwrap_err().contains("not a build id"));
    }
}
