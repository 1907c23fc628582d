//! Runs libgit2 on a blocking thread, under a timeout, with a way to call it off.
//!
//! A thread that hangs in a socket cannot be killed. It is abandoned instead: the caller goes on at once, and the
//! thread, should it ever wake, finds the flag and ends before it touches a ref. The flag is also set when the
//! caller's future is dropped. `Runtime::shutdown_timeout` keeps such a thread from holding up the process's end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

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
pub(super) struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn check(&self) -> Result<(), GitError> {
        if self.is_set() { Err(GitError::Abandoned) } else { Ok(()) }
    }
}

struct SetOnDrop(Abandoned);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Release);
    }
}

/// Runs `work` elsewhere and waits for it, at most `timeout`.
pub(super) async fn run<T: Send + 'static>(
    timeout: Duration,
    doing: &str,
    work: impl FnOnce(&Abandoned) -> Result<T, GitError> + Send + 'static,
) -> Result<T, GitError> {
    let abandoned = Abandoned::default();
    let _net = SetOnDrop(abandoned.clone());
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
