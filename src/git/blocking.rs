//! Runs libgit2 on a blocking thread, under a timeout, with a way to call it off.
//!
//! A thread that hangs cannot be killed. It is abandoned instead: the caller goes on at once, and the thread, when it
//! wakes, is told so and ends before it touches a ref. One that waits for a forge wakes at once, since its gateway
//! (`web/`) hears the same; one that waits for a disk may not, and `Runtime::shutdown_timeout` keeps it from holding
//! up the process's end. Dropping the caller's future abandons the work as well.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::GitError;

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Objects received (or files written) so far.
    pub done: usize,
    /// Of how many.
    pub total: usize,
    /// Bytes received so far.
    pub bytes: usize,
}

/// Called now and then from a blocking thread; must not block.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// Tells blocking work that nobody waits for it any more.
#[derive(Debug, Clone, Default)]
pub(super) struct Abandoned(CancellationToken);

impl Abandoned {
    pub(super) fn is_set(&self) -> bool {
        self.0.is_cancelled()
    }

    pub(super) fn check(&self) -> Result<(), GitError> {
        if self.is_set() { Err(GitError::Abandoned) } else { Ok(()) }
    }

    /// Ends when it is set.
    pub(super) async fn set(&self) {
        self.0.cancelled().await;
    }
}

/// Runs `work` elsewhere and waits for it, at most `timeout`.
pub(super) async fn run<T: Send + 'static>(
    timeout: Duration,
    doing: &str,
    work: impl FnOnce(&Abandoned) -> Result<T, GitError> + Send + 'static,
) -> Result<T, GitError> {
    let abandoned = Abandoned::default();
    let _net = abandoned.0.clone().drop_guard();
    let task = tokio::task::spawn_blocking(move || work(&abandoned));
    match tokio::time::timeout(timeout, task).await {
        Ok(Ok(done)) => done,
        Ok(Err(stopped)) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(GitError::Abandoned),
        },
        Err(_) => Err(GitError::TimedOut { doing: doing.to_owned(), after: timeout }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_that_hangs_is_abandoned_and_told_so() {
        let (wake, asleep) = mpsc::channel::<()>();
        let (saw, seen) = mpsc::channel();
        let hung = run(Duration::from_millis(20), "fetch acme/tool", move |abandoned| {
            let _ = asleep.recv();
            let _ = saw.send(abandoned.is_set());
            Ok(())
        });
        assert!(matches!(hung.await, Err(GitError::TimedOut { .. })));
        wake.send(()).unwrap();
        assert!(seen.recv().unwrap());
    }
}
