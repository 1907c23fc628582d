//! How a container ended, and whose doing that was.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{
    clock,
    engine::{ContainerState, Engine, EngineError, Seen, Watch},
};

/// A net beneath the engine's events.
const NET: Duration = Duration::from_secs(30);

const KILLED: i64 = 137;
const TERMINATED: i64 = 143;

/// The end of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exit {
    /// Its exit code.
    pub(super) code: i64,
    /// One of its processes was killed for want of memory.
    pub(super) out_of_memory: bool,
    /// Ended by somebody else than the script: a signal through the engine, or one nobody saw coming
    /// because the engine, the machine or this service was away.
    pub(super) from_outside: bool,
    /// How long it ran, if that is known from the engine alone.
    pub(super) ran: Option<Duration>,
}

/// Waits for a container's end. `None` if it disappeared. `asking` says that something may have
/// happened before the watch began.
pub(super) async fn ended(engine: &Engine, container: &str, mut watch: Watch, asking: bool) -> Option<Exit> {
    let mut seen = watch.seen();
    let mut asked = (!asking).then_some(seen.connection);
    let mut net = Instant::now() + NET;
    loop {
        if let Some(code) = seen.died {
            return Some(witnessed(engine, container, seen, code).await);
        }
        if asked != Some(seen.connection) || seen.removed {
            match engine.inspect(container).await {
                Ok(None) => return None,
                Ok(Some(state)) if !state.running => return Some(found(&state)),
                Ok(Some(_)) => asked = Some(seen.connection),
                // The engine is away. Its return counts as a new connection.
                Err(error) => tracing::debug!("A container could not be asked about: {error}"),
            }
        }
        tokio::select! {
            changed = watch.changed() => seen = changed,
            () = sleep_until(net) => (asked, net) = (None, Instant::now() + NET),
        }
    }
}

/// An end that was seen as it happened.
async fn witnessed(engine: &Engine, container: &str, seen: Seen, code: i64) -> Exit {
    // With some engines the notice of lacking memory may come later than the end; its record does not.
    let out_of_memory = seen.out_of_memory || (code == KILLED && recorded_out_of_memory(engine, container).await);
    let from_outside = seen.signalled && matches!(code, KILLED | TERMINATED);
    Exit { code, out_of_memory, from_outside, ran: None }
}

async fn recorded_out_of_memory(engine: &Engine, container: &str) -> bool {
    matches!(engine.inspect(container).await, Ok(Some(ContainerState { out_of_memory: true, .. })))
}

/// An end that was found afterwards.
fn found(state: &ContainerState) -> Exit {
    let code = state.exit_code;
    let started = clock::parse(&state.started_at);
    let rebooted = started.zip(clock::boot()).is_some_and(|(started, boot)| started < boot);
    let ran = started.zip(clock::parse(&state.finished_at)).map(|(start, end)| end.since(start));
    let signalled = matches!(code, KILLED | TERMINATED);
    Exit { code, out_of_memory: state.out_of_memory, from_outside: signalled || rebooted, ran }
}

/// Runs a container of ours to its end and removes it.
pub(super) async fn run_to_end(engine: &Engine, container: &str) -> Result<Option<i64>, EngineError> {
    let watch = engine.watch(container);
    let started = engine.start(container).await;
    let exit = match started {
        Ok(()) => Ok(ended(engine, container, watch, false).await.map(|exit| exit.code)),
        Err(error) => Err(error),
    };
    engine.remove(container).await?;
    exit
}
