//! The one task that changes the board.
//!
//! It publishes the first news after a quiet moment almost at once, and then gathers: at most ten
//! times a second, less often while the lists are long, so that fifty builds that change a second
//! neither flicker nor cost each viewer fifty lists.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Board, Snapshot};
use crate::bus::{Event, Subscription};

/// What comes within this time goes in one message.
const GATHER: Duration = Duration::from_millis(10);

/// The least time between two messages of a kind.
const PACE: Duration = Duration::from_millis(100);

/// How long to wait before a snapshot is asked for again.
const RETRY: Duration = Duration::from_secs(1);

/// How old the logs' last lines may be that a relay begins with.
const REFRESH: Duration = Duration::from_secs(5);

/// The longest a long list may slow the pace.
const SLOWEST: u32 = 20;

/// Bytes of a message that slow the pace by one step.
const STEP: usize = 64 * 1024;

/// Follows the events until it is told to stop. `snapshot` reads the store; it is called when changes
/// were missed or somebody asked for a fresh picture, and answers `None` if it cannot be had now.
pub async fn follow<F, S>(board: Board, mut events: Subscription, snapshot: F, stop: CancellationToken)
where
    F: Fn() -> S,
    S: Future<Output = Option<Snapshot>>,
{
    let mut rhythm = Rhythm::default();
    // What the board began with.
    rhythm.news();
    let mut refresh = interval(REFRESH);
    let mut stale_since: Option<Instant> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return board.close().await,
            event = events.next() => match event {
                Some(Event::BuildChanged(build)) => {
                    board.change(build);
                    board.knows(events.seen());
                }
                Some(Event::Output(output)) => board.output(&output),
                Some(Event::Stale) => stale_since = Some(Instant::now()),
                None => return,
            },
            () = at(stale_since) => match snapshot().await {
                Some(snapshot) => {
                    board.seed(snapshot);
                    board.knows(events.seen());
                    stale_since = None;
                }
                None => stale_since = Some(Instant::now() + RETRY),
            },
            _ = refresh.tick() => {
                board.refresh();
                continue;
            }
            () = at(rhythm.due) => {
                rhythm.done(board.publish());
                continue;
            }
        }
        rhythm.news();
    }
}

/// At that time; never, if there is none.
pub(super) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// When to publish.
#[derive(Debug, Default)]
struct Rhythm {
    due: Option<Instant>,
    /// Not before this.
    rested: Option<Instant>,
}

impl Rhythm {
    fn news(&mut self) {
        if self.due.is_none() {
            let soon = Instant::now() + GATHER;
            self.due = Some(self.rested.map_or(soon, |rested| rested.max(soon)));
        }
    }

    fn done(&mut self, largest: usize) {
        let steps = u32::try_from(largest / STEP).unwrap_or(SLOWEST).min(SLOWEST);
        self.due = None;
        self.rested = Some(Instant::now() + PACE * (1 + steps));
    }
}
