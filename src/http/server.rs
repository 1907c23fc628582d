//! The accept loop: bounded connections, bounded patience.
//!
//! warp's own server waits for ever for a request's head; here a connection that does not send one
//! within [`HEAD`] is closed, so a thousand half-open ones cost nothing for long.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tracing::{debug, warn};
use warp::{Filter, Reply, reply::Response};

use crate::shutdown::Shutdown;

/// How long a client may take to send a request's head.
const HEAD: Duration = Duration::from_secs(10);

/// How many connections are served at once, viewers included; more wait to be accepted.
const CONNECTIONS: usize = 4096;

/// The client's address, for limits per address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Serves `routes` until the service leaves.
pub async fn serve<F, R>(listener: TcpListener, routes: F, shutdown: Shutdown)
where
    F: Filter<Extract = (R,), Error = Infallible> + Clone + Send + Sync + 'static,
    F::Future: Send,
    R: Reply + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let service = TowerToHyperService::new(warp::service(routes));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.leaving() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: the next moment may have some again.
                warn!("Could not accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let connection = connection(stream, peer, service.clone(), shutdown.clone());
        tokio::spawn(async move {
            connection.await;
            drop(place);
        });
    }
}

async fn connection<S>(stream: TcpStream, peer: SocketAddr, service: S, shutdown: Shutdown)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    // Small answers must not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = shutdown.leaving() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(Duration::from_secs(5), connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!("A connection from {peer} ended: {error}");
    }
}
