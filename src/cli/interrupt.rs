//! Ctrl-C and its kin, for commands that clean up behind themselves.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancelled by the first `SIGINT`, `SIGTERM` or `SIGHUP` (a terminal that was closed). From here on
/// none of them ends the process by itself, so what was made can be removed.
pub(super) fn token() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let (mut signal, told) = (signal(kind)?, token.clone());
        tokio::spawn(async move {
            if signal.recv().await.is_some() {
                told.cancel();
            }
        });
    }
    Ok(token)
}
