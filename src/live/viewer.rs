//! One person's view of the board, whatever carries it to them.
//!
//! A viewer first gets the pictures, then what changes. One that reads too slowly is skipped forward
//! with a notice and the pictures as they are now; one that cannot keep up again and again is let go.

use std::collections::VecDeque;

use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};

use super::{
    doorman::Pass,
    frame::Frame,
    relay::{Relay, Tick, Versions},
    render,
};
use crate::model::BuildId;

/// How often a viewer is skipped forward before it is let go.
const PATIENCE: u32 = 20;

/// Follows a relay.
#[derive(Debug)]
pub struct Viewer {
    relay: Relay,
    ring: broadcast::Receiver<Tick>,
    versions: watch::Receiver<Versions>,
    seen: Versions,
    /// What to deliver before anything else.
    first: VecDeque<Frame>,
    only: Option<BuildId>,
    skips: u32,
    _pass: Pass,
}

impl Viewer {
    pub(super) fn new(relay: Relay, pass: Pass, only: Option<BuildId>) -> Self {
        let (ring, mut versions, greeting) = relay.join();
        let seen = *versions.borrow_and_update();
        Self { relay, ring, versions, seen, first: greeting.into(), only, skips: 0, _pass: pass }
    }

    /// The next message; `None` when the relay is gone or the viewer was too slow too often. Nothing is
    /// lost if it is not waited for to the end.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.first.pop_front() {
                return Some(frame);
            }
            tokio::select! {
                // The output of a build comes before the news of its end.
                biased;
                tick = self.ring.recv() => match tick {
                    Ok(tick) => self.take(&tick),
                    Err(RecvError::Lagged(ticks)) if self.skips < PATIENCE => self.skip(ticks),
                    Err(RecvError::Lagged(_)) => {
                        self.cut();
                        return None;
                    }
                    Err(RecvError::Closed) => return None,
                },
                changed = self.versions.changed() => {
                    changed.ok()?;
                    let now = *self.versions.borrow_and_update();
                    self.first.extend(self.relay.newer(&self.seen, &now)?);
                    self.seen = now;
                }
            }
        }
    }

    /// Notes that it is let go for its slowness.
    pub(super) fn cut(&self) {
        self.relay.crowd().cut_one();
    }

    fn take(&mut self, tick: &Tick) {
        let only = self.only;
        let wanted = tick.iter().filter(|(id, _)| only.is_none_or(|only| only == *id));
        self.first.extend(wanted.map(|(_, frame)| frame.clone()));
    }

    fn skip(&mut self, ticks: u64) {
        self.skips += 1;
        self.relay.crowd().skipped_one();
        let (ring, mut versions, pictures) = self.relay.join();
        self.seen = *versions.borrow_and_update();
        (self.ring, self.versions) = (ring, versions);
        self.first.push_back(Frame::text(&render::skipped(ticks)));
        self.first.extend(pictures);
    }
}
