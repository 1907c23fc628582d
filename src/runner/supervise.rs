//! Stays with a running script: copies its output, keeps its limits, ends it, and judges its end.

use std::{pin::pin, time::Duration};

use tokio::{
    select,
    time::{Instant, sleep_until},
};
use tracing::warn;

use super::{
    Signals,
    attempt::Stop,
    console::{Console, Copied},
    engine::{Engine, EngineError, Watch},
    error::RunError,
    exit::{Exit, ended},
};
use crate::model::Recipe;

/// Between a polite end and a certain one.
const GRACE: Duration = Duration::from_secs(10);

/// How often a certain end is asked for before the engine is given up.
const KILLS: u32 = 6;

/// A started container with its console.
pub(super) struct Running {
    pub(super) container: String,
    pub(super) watch: Watch,
    /// Something may have happened before the watch began.
    pub(super) asking: bool,
    pub(super) console: Console,
    pub(super) deadline: Instant,
}

/// An end that we brought about.
struct Stopping {
    reason: RunError,
    kill_at: Instant,
    kills: u32,
}

impl Running {
    /// Stays until the script's own success, and gives the console back; anything else is an error.
    pub(super) async fn supervise(self, engine: &Engine, recipe: &Recipe, signals: &Signals) -> Result<Console, Stop> {
        let Self { container, watch, asking, mut console, deadline } = self;
        let mut ended = pin!(ended(engine, &container, watch, asking));
        let mut stopping: Option<Stopping> = None;
        let exit = loop {
            let stall_at = recipe.limits.stall().map(|limit| console.last_output() + limit);
            let kill_at = stopping.as_ref().map(|stopping| stopping.kill_at);
            let reason = select! {
                biased;
                exit = &mut ended => break exit,
                () = signals.leave.cancelled() => return Err(leave(&mut console).await),
                () = at(kill_at) => {
                    kill(engine, &container, stopping.as_mut()).await?;
                    continue;
                }
                () = signals.cancel.cancelled(), if stopping.is_none() => RunError::Cancelled,
                () = sleep_until(deadline), if stopping.is_none() => RunError::Timeout(recipe.limits.timeout),
                () = at(stall_at), if stopping.is_none() => RunError::Stall(recipe.limits.stall_timeout),
                changed = console.changed() => match copy(&mut console, changed).await {
                    Ok(copied) if copied.limited && stopping.is_none() => RunError::LogLimit(recipe.limits.log_limit),
                    Err(error) if stopping.is_none() => error,
                    _ => continue,
                }
            };
            stopping = Some(stop(engine, &container, reason).await);
        };
        let reason = stopping.map(|stopping| stopping.reason);
        let copied = console.finish().await.map_err(disk);
        if let Some(reason) = reason {
            return Err(reason.into());
        }
        let exit = exit.ok_or(RunError::Vanished)?;
        judge(exit, &copied?, &console, recipe)?;
        if exit.out_of_memory {
            let limit = recipe.limits.memory;
            let text = format!("a process was killed because the build reached its memory limit of {limit}");
            console.notice(text).await.map_err(disk)?;
        }
        Ok(console)
    }
}

/// Whether the script ended well, and if not, whose fault that is.
fn judge(exit: Exit, copied: &Copied, console: &Console, recipe: &Recipe) -> Result<(), RunError> {
    let code = exit.code;
    if copied.limited {
        return Err(RunError::LogLimit(recipe.limits.log_limit));
    }
    if exit.ran.is_some_and(|ran| ran >= recipe.limits.timeout.0) {
        return Err(RunError::Timeout(recipe.limits.timeout));
    }
    match code {
        _ if exit.out_of_memory && code != 0 => Err(RunError::OutOfMemory { limit: recipe.limits.memory, code }),
        _ if exit.from_outside => Err(RunError::Killed { code }),
        0 => Ok(()),
        // The engine's init process found no shell; a shell would have said what it did not find.
        126 | 127 if copied.silent && !console.script_began() => Err(RunError::NoShell(recipe.baseimage.to_string())),
        _ => Err(RunError::ExitCode { script: recipe.script.clone(), code }),
    }
}

/// Asks the script to end.
async fn stop(engine: &Engine, container: &str, reason: RunError) -> Stopping {
    if let Err(error) = engine.signal(container, "SIGTERM").await {
        warn!("A build that must end could not be asked to: {error}");
    }
    Stopping { reason, kill_at: Instant::now() + GRACE, kills: 0 }
}

/// Ends a script that did not end when asked.
async fn kill(engine: &Engine, container: &str, stopping: Option<&mut Stopping>) -> Result<(), EngineError> {
    let Some(stopping) = stopping else { return Ok(()) };
    let killed = engine.signal(container, "SIGKILL").await;
    (stopping.kills, stopping.kill_at) = (stopping.kills + 1, Instant::now() + GRACE);
    match killed {
        Err(error) if stopping.kills >= KILLS => Err(error),
        Err(error) => {
            warn!("A build that must end could not be killed: {error}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

async fn copy(console: &mut Console, changed: std::io::Result<()>) -> Result<Copied, RunError> {
    changed.map_err(disk)?;
    console.copy().await.map_err(disk)
}

/// Leaves the script to itself, with the log as far as it is now.
async fn leave(console: &mut Console) -> Stop {
    if let Err(error) = console.copy().await {
        warn!("A console could not be copied before leaving: {error}");
    }
    Stop::Left
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}

fn disk(source: std::io::Error) -> RunError {
    RunError::Disk { path: "logs".into(), source }
}
