//! The service's own door to its relay: a websocket beside the other routes.

use std::net::{IpAddr, Ipv4Addr};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tracing::debug;
use warp::{
    Filter, Rejection,
    http::{HeaderMap, StatusCode},
    reply::Response,
};

use super::{Answer, Shared, answer, build_id, reply::Problem, server::Peer, with};
use crate::live;

#[derive(Debug, Deserialize)]
struct ViewerQuery {
    build: Option<String>,
}

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    warp::path!("buildio")
        .and(warp::get())
        .and(with(parts))
        .and(warp::query())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional())
        .and(warp::ext::optional())
        .and_then(|parts, query, headers, peer, upgrade| answer(connect(parts, query, headers, peer, upgrade)))
        .boxed()
}

async fn connect(
    parts: Shared,
    query: ViewerQuery,
    headers: HeaderMap,
    peer: Option<Peer>,
    upgrade: Option<OnUpgrade>,
) -> Answer {
    let (Ok(agreed), Some(upgrade)) = (live::handshake(&headers), upgrade) else {
        return Err(Problem::new(StatusCode::UPGRADE_REQUIRED, "this address is a websocket"));
    };
    if !parts.origins.admit(&headers) {
        let message = "this websocket serves only pages of this service (the Origin header names another one)";
        return Err(Problem::new(StatusCode::FORBIDDEN, message));
    }
    let only = query.build.as_deref().map(build_id).transpose()?;
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |Peer(address)| address.ip());
    // Whoever was told that a push is accepted finds its builds here.
    parts.board.caught_up(parts.events.told()).await;
    parts.board.publish();
    let viewer = parts
        .relay
        .viewer(address, only)
        .map_err(|full| Problem::new(StatusCode::TOO_MANY_REQUESTS, full.to_string()))?;
    tokio::spawn(async move {
        match upgrade.await {
            Ok(connection) => live::show(TokioIo::new(connection), viewer).await,
            Err(error) => debug!("A viewer was lost before it saw anything: {error}"),
        }
    });
    let mut response = Response::default();
    *response.status_mut() = agreed.status();
    response.headers_mut().clone_from(agreed.headers());
    Ok(response)
}
