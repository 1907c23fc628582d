//! One upload at a time, and one pause for all: a hub mixes up what arrives at once, and one that is
//! down is not to be asked by every waiting build.

use std::time::Duration;

use tokio::{
    select,
    sync::{Notify, Semaphore, SemaphorePermit, watch},
    time::{Instant, sleep_until},
};

/// Between the first two tries; doubled from try to try.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Between two tries at most, unless the hub asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Who may speak to the hub, and when.
#[derive(Debug)]
pub(super) struct Turns {
    place: Semaphore,
    pause: watch::Sender<Pause>,
}

/// The one whose turn it is; over when dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    _place: SemaphorePermit<'a>,
}

#[derive(Debug, Default)]
struct Pause {
    until: Option<Instant>,
    failures: u32,
    reason: String,
}

impl Pause {
    fn in_force(&self) -> Option<Instant> {
        self.until.filter(|until| *until > Instant::now())
    }
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { place: Semaphore::new(1), pause: watch::Sender::new(Pause::default()) }
    }

    /// Waits for the end of a pause, then for those who came earlier. Who is hurried skips the pause.
    pub(super) async fn take(&self, hurry: &Notify) -> Turn<'_> {
        loop {
            let hurried = self.rest(hurry).await;
            let Ok(place) = self.place.acquire().await else { return std::future::pending().await };
            // The one before may have found that the hub is down.
            let paused = self.pause.borrow().in_force().is_some();
            if hurried || !paused {
                return Turn { turns: self, _place: place };
            }
        }
    }

    /// Whatever there was to wait for is over.
    pub(super) fn end_pause(&self) {
        self.pause.send_replace(Pause::default());
    }

    /// Waits until there is a pause.
    pub(super) async fn resting(&self) {
        let mut pause = self.pause.subscribe();
        // The sender is ours, and outlives this.
        let _never_closed = pause.wait_for(|pause| pause.in_force().is_some()).await;
    }

    /// Waits until there is a pause for another reason than `known`, and gives it.
    pub(super) async fn trouble(&self, known: &str) -> String {
        let mut pause = self.pause.subscribe();
        let new = |pause: &Pause| pause.in_force().is_some() && pause.reason != known;
        let reason = pause.wait_for(new).await.map(|pause| pause.reason.clone());
        match reason {
            Ok(reason) => reason,
            Err(_closed) => std::future::pending().await,
        }
    }

    /// Whether somebody ended the rest early.
    async fn rest(&self, hurry: &Notify) -> bool {
        let mut pause = self.pause.subscribe();
        loop {
            let until = pause.borrow_and_update().in_force();
            let Some(until) = until else { return false };
            select! {
                () = sleep_until(until) => {}
                _ = pause.changed() => {}
                () = hurry.notified() => return true,
            }
        }
    }
}

impl Turn<'_> {
    /// The hub works: nobody needs to wait for it.
    pub(super) fn succeeded(&self) {
        self.turns.end_pause();
    }

    /// The hub does not work: nobody asks before the pause is over. How long that is.
    pub fn failed(&self, wanted: Option<Duration>, reason: &str) -> Duration {
        let failures = self.turns.pause.borrow().failures;
        let usual = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_PAUSE);
        let pause = wanted.map_or(usual, |wanted| wanted.max(FIRST_PAUSE));
        self.turns.pause.send_replace(Pause {
            until: Some(Instant::now() + pause),
            failures: failures.saturating_add(1),
            reason: reason.to_owned(),
        });
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_wait_longer_from_failure_to_failure_and_nobody_after_a_success() {
        let (turns, calm) = (Turns::new(), Notify::new());
        let began = Instant::now();
        for expected in [1, 2, 4, 8] {
            assert_eq!(turns.take(&calm).await.failed(None, "down"), Duration::from_secs(expected));
        }
        turns.take(&calm).await.succeeded();
        assert_eq!(began.elapsed(), Duration::from_secs(15));
        for _ in 0..20 {
            turns.take(&calm).await.failed(None, "down");
        }
        assert_eq!(turns.take(&calm).await.failed(Some(Duration::from_secs(600)), "busy"), Duration::from_secs(600));
        assert_eq!(turns.take(&calm).await.failed(None, "down"), LONGEST_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_hurried_goes_at_once_and_one_after_the_other() {
        let (turns, hurry) = (Turns::new(), Notify::new());
        turns.take(&hurry).await.failed(None, "down");
        hurry.notify_one();
        let began = Instant::now();
        let turn = turns.take(&hurry).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(tokio::time::timeout(Duration::from_secs(30), turns.take(&hurry)).await.is_err());
        turn.succeeded();
        drop(turn);
        turns.take(&hurry).await;
    }
}
