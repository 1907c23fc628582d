//! What happens to builds, told within the process: the board is drawn from it.
//!
//! Outcomes are durable elsewhere, pictures are not. Telling never waits and never fails, so nothing a
//! viewer does can slow a build. Changes of state and console output travel apart: a script that floods
//! its console pushes out old output, never the news that a build ended. A reader that fell behind is
//! told so and asks for a snapshot.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::model::{Build, BuildId};

/// Changes a reader may be behind.
const CHANGES: usize = 4096;

/// Chunks of output a reader may be behind; a chunk has up to 64 KiB.
const CHUNKS: usize = 256;

/// Carries events from those who build to those who show. Cloning it gives another handle.
#[derive(Debug, Clone)]
pub struct Events {
    changes: broadcast::Sender<Change>,
    output: broadcast::Sender<Output>,
    /// How many changes were told in all.
    told: Arc<AtomicU64>,
}

/// Console output of a build, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Whose.
    pub id: BuildId,
    /// Where in the log it begins.
    pub offset: u64,
    /// What was written.
    pub bytes: Bytes,
}

/// What a reader is told.
#[derive(Debug, Clone)]
pub enum Event {
    /// A build is new, or its state changed; the change is already in the store.
    BuildChanged(Arc<Build>),
    /// The picture may be stale: somebody asked for a fresh one, or changes were missed.
    Stale,
    /// A build wrote something. Offsets tell whether something was missed before it.
    Output(Output),
}

#[derive(Debug, Clone)]
enum Change {
    Build(Arc<Build>),
    Stale,
}

/// One reader's place in the stream of events.
#[derive(Debug)]
pub struct Subscription {
    changes: broadcast::Receiver<Change>,
    output: broadcast::Receiver<Output>,
    seen: u64,
}

impl Events {
    /// Nobody listens yet.
    pub fn new() -> Self {
        Self { changes: broadcast::Sender::new(CHANGES), output: broadcast::Sender::new(CHUNKS), told: Arc::default() }
    }

    /// Tells that a build is new or its state changed. Call it after the store has it.
    pub fn build_changed(&self, build: Arc<Build>) {
        self.tell(Change::Build(build));
    }

    /// Asks every reader to take a fresh snapshot (`GET /build/sync`).
    pub fn refresh(&self) {
        self.tell(Change::Stale);
    }

    fn tell(&self, change: Change) {
        // No reader is no error: nobody has to watch.
        let _ = self.changes.send(change);
        self.told.fetch_add(1, Ordering::Release);
    }

    /// How many changes were told so far. Who has [seen](Subscription::seen) as many knows them all.
    pub fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    /// Tells what a build wrote. Call it after the log has it.
    pub fn output(&self, id: BuildId, offset: u64, bytes: Bytes) {
        let _ = self.output.send(Output { id, offset, bytes });
    }

    /// Reads everything from now on.
    pub fn subscribe(&self) -> Subscription {
        Subscription { seen: self.told(), changes: self.changes.subscribe(), output: self.output.subscribe() }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl Subscription {
    /// How many changes this reader has seen, those told before it came included.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The next event, changes before output; `None` when nobody can tell any more.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                biased;
                change = self.changes.recv() => {
                    self.seen += match &change {
                        Ok(_) => 1,
                        Err(RecvError::Lagged(missed)) => *missed,
                        Err(RecvError::Closed) => 0,
                    };
                    return match change {
                        Ok(Change::Build(build)) => Some(Event::BuildChanged(build)),
                        Ok(Change::Stale) | Err(RecvError::Lagged(_)) => Some(Event::Stale),
                        Err(RecvError::Closed) => None,
                    };
                }
                output = self.output.recv() => match output {
                    Ok(output) => return Some(Event::Output(output)),
                    // The next output's offset shows the gap.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example;

    #[tokio::test]
    async fn publishing_without_a_reader_is_fine() {
        let events = Events::new();
        events.output(BuildId::new(), 0, Bytes::from_static(b"nobody reads this"));
        events.refresh();
    }

    #[tokio::test]
    async fn a_flood_of_output_never_hides_a_change_of_state() {
        let events = Events::new();
        let mut reader = events.subscribe();
        let build = Arc::new(example::build("acme/tool", "refs/heads/main"));
        events.build_changed(build.clone());
        for n in 0..CHUNKS as u64 + 10 {
            events.output(build.id, n, Bytes::from_static(b"x"));
        }
        assert!(matches!(reader.next().await, Some(Event::BuildChanged(seen)) if seen.id == build.id));
        // The oldest chunks are gone, and the offset of the first one left says so.
        assert!(matches!(reader.next().await, Some(Event::Output(Output { offset: 10.., .. }))));
    }

    #[tokio::test]
    async fn a_reader_that_missed_changes_is_told_that_its_picture_is_stale() {
        let events = Events::new();
        let mut reader = events.subscribe();
        let build = Arc::new(example::build("acme/tool", "refs/heads/main"));
        for _ in 0..CHANGES + 1 {
            events.build_changed(build.clone());
        }
        assert!(matches!(reader.next().await, Some(Event::Stale)));
        assert!(matches!(reader.next().await, Some(Event::BuildChanged(_))));
    }

    #[tokio::test]
    async fn a_reader_ends_with_the_last_teller() {
        let mut reader = Events::new().subscribe();
        assert!(reader.next().await.is_none());
    }
}
