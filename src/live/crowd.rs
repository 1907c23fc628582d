//! How viewers fare, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of viewers so far, and how many there are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Watching now.
    pub viewers: u64,
    /// How often one was skipped forward, since it read too slowly.
    pub skipped: u64,
    /// How many were let go for it, or for their silence.
    pub cut: u64,
    /// Pieces of output that came faster than they were passed on.
    pub dropped: u64,
}

/// Counts them.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    skipped: AtomicU64,
    cut: AtomicU64,
}

impl Crowd {
    pub(super) fn skipped_one(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn cut_one(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self, viewers: usize, dropped: u64) -> Counted {
        let [skipped, cut] = [&self.skipped, &self.cut].map(|count| count.load(Ordering::Relaxed));
        Counted { viewers: viewers as u64, skipped, cut, dropped }
    }
}
