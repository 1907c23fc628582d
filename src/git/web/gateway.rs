//! The HTTP server on the loopback that libgit2 takes for the forge, open for one piece of work.
//!
//! libgit2 would send plain HTTP past any proxy that it is told of, so it is given the gateway as the repository's own
//! address. The path begins with a secret of this gateway, so no other program on the machine can ask the forge through
//! it, and it leads to one forge. Dropping it, or abandoning the work, closes every connection, and with them whatever
//! call of libgit2 still waits.

use std::{convert::Infallible, io, net::Ipv4Addr, sync::Arc};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    task::{AbortHandle, JoinSet},
};
use uuid::Uuid;

use super::{
    super::{address::Address, blocking::Abandoned},
    client::Upstream,
    forward::Forward,
    trouble::{Remembered, Trouble},
};

/// Open until dropped.
pub(super) struct Gateway {
    url: String,
    trouble: Remembered,
    serving: AbortHandle,
}

impl Gateway {
    /// Opens a gateway to the forge of this address. Must be called within a runtime.
    pub(super) fn open(upstream: &Upstream, to: &Address, abandoned: &Abandoned) -> Result<Self, Trouble> {
        let runtime = Handle::try_current().map_err(|error| Trouble::Port(io::Error::other(error)))?;
        let (listener, port) = listen().map_err(Trouble::Port)?;
        let (secret, trouble) = (format!("/{}", Uuid::new_v4().simple()), Remembered::default());
        let forward = Forward::new(upstream, &secret, to.origin(), trouble.clone())?;
        let abandoned = abandoned.clone();
        let serving = runtime.spawn(async move {
            tokio::select! {
                () = abandoned.set() => {}
                () = serve(listener, Arc::new(forward)) => {}
            }
        });
        let url = format!("http://{}:{port}{secret}{}", Ipv4Addr::LOCALHOST, to.path());
        Ok(Self { url, trouble, serving: serving.abort_handle() })
    }

    /// What libgit2 is told the repository's address is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Why the last request got no answer, told once.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.take()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn listen() -> io::Result<(TcpListener, u16)> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    Ok((TcpListener::from_std(listener)?, port))
}

/// Ends, and closes all connections, when no more can be accepted.
async fn serve(listener: TcpListener, forward: Arc<Forward>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&forward)));
                }
                Err(error) => return tracing::warn!("Could not take a connection of libgit2: {error}"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, forward: Arc<Forward>) {
    // An answer's head must not wait for the acknowledgement of what went before.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let forward = Arc::clone(&forward);
        async move { Ok::<_, Infallible>(forward.answer(request).await) }
    });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!("A connection of libgit2 ended: {error}");
    }
}
