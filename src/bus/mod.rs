//! What screens are fed from: outcomes are durable elsewhere, pictures are not.
//!
//! Publishing never waits and never fails, so nothing a viewer does can slow a build. Changes of
//! state and console output travel apart: a script that floods its console pushes out old output,
//! never the news that a build ended. A reader that fell behind is told so and asks for a snapshot.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::model::{Build, BuildId};

/// Changes a reader may be behind.
const CHANGES: usize = 4096;

/// Chunks of output a reader may be behind.
const CHUNKS: usize = 512;

/// Carries events from those who build to those who show. Cloning it gives another handle.
#[derive(Debug, Clone)]
pub struct Bus {
    changes: broadcast::Sender<Change>,
    output: broadcast::Sender<Output>,
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
}

impl Bus {
    /// A bus within this process.
    pub fn new() -> Self {
        Self { changes: broadcast::Sender::new(CHANGES), output: broadcast::Sender::new(CHUNKS) }
    }

    /// Tells that a build is new or its state changed. Call it after the store has it.
    pub fn build_changed(&self, build: Arc<Build>) {
        // No reader is no error: nobody has to watch.
        let _ = self.changes.send(Change::Build(build));
    }

    /// Asks every reader to take a fresh snapshot (`GET /build/sync`).
    pub fn refresh(&self) {
        let _ = self.changes.send(Change::Stale);
    }

    /// Tells what a build wrote. Call it after the log has it.
    pub fn output(&self, id: BuildId, offset: u64, bytes: Bytes) {
        let _ = self.output.send(Output { id, offset, bytes });
    }

    /// Reads everything from now on.
    pub fn subscribe(&self) -> Subscription {
        Subscription { changes: self.changes.subscribe(), output: self.output.subscribe() }
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
}

impl Subscription {
    /// The next event, changes before output; `None` when the bus is gone.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                biased;
                change = self.changes.recv() => return match change {
                    Ok(Change::Build(build)) => Some(Event::BuildChanged(build)),
                    Ok(Change::Stale) | Err(RecvError::Lagged(_)) => Some(Event::Stale),
                    Err(RecvError::Closed) => None,
                },
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
        let bus = Bus::new();
        bus.output(BuildId::new(), 0, Bytes::from_static(b"nobody reads this"));
        bus.refresh();
    }

    #[tokio::test]
    async fn a_flood_of_output_never_hides_a_change_of_state() {
        let bus = Bus::new();
        let mut reader = bus.subscribe();
        let build = Arc::new(example::build("acme/tool", "refs/heads/main"));
        bus.build_changed(build.clone());
        for n in 0..CHUNKS as u64 + 10 {
            bus.output(build.id, n, Bytes::from_static(b"x"));
        }
        assert!(matches!(reader.next().await, Some(Event::BuildChanged(seen)) if seen.id == build.id));
        // The oldest chunks are gone, and the offset of the first one left says so.
        assert!(matches!(reader.next().await, Some(Event::Output(Output { offset: 10.., .. }))));
    }

    #[tokio::test]
    async fn a_reader_that_missed_changes_is_told_that_its_picture_is_stale() {
        let bus = Bus::new();
        let mut reader = bus.subscribe();
        let build = Arc::new(example::build("acme/tool", "refs/heads/main"));
        for _ in 0..CHANGES + 1 {
            bus.build_changed(build.clone());
        }
        assert!(matches!(reader.next().await, Some(Event::Stale)));
        assert!(matches!(reader.next().await, Some(Event::BuildChanged(_))));
    }

    #[tokio::test]
    async fn a_reader_ends_with_the_bus() {
        let mut reader = Bus::new().subscribe();
        assert!(reader.next().await.is_none());
    }
}
