//! One person's view of the board, whatever carries it to them.
//!
//! A viewer first gets the picture, then what changes. One that reads too slowly is skipped forward
//! with a notice and the picture as it is now; one that cannot keep up again and again, or does not
//! take a message for a while, is let go.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{Sink, SinkExt};
use thiserror::Error;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::timeout,
};

use super::{
    board::{Board, Message},
    render,
};
use crate::model::BuildId;

/// Viewers in all.
const MOST: usize = 1000;

/// Viewers from one address.
const MOST_OF_ONE: usize = 20;

/// How often a viewer is skipped forward before it is let go.
const PATIENCE: u32 = 20;

/// How long a viewer may take for one message.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);

/// Why a viewer is not let in.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TooManyViewers {
    /// All places are taken.
    #[error("too many viewers are connected: try again later")]
    InAll,
    /// All places of one address are taken.
    #[error("too many viewers are connected from this address: close some of them")]
    OfOne,
}

/// Follows the board.
#[derive(Debug)]
pub struct Viewer {
    board: Board,
    ring: broadcast::Receiver<Message>,
    /// What to deliver before the ring.
    first: VecDeque<Arc<str>>,
    only: Option<BuildId>,
    skips: u32,
    _pass: Pass,
}

impl Viewer {
    pub(super) fn new(board: Board, pass: Pass, only: Option<BuildId>) -> Self {
        let (ring, greeting) = board.join();
        Self { board, ring, first: greeting.into(), only, skips: 0, _pass: pass }
    }

    /// The next message; `None` when the board is gone or the viewer was too slow too often.
    pub async fn next(&mut self) -> Option<Arc<str>> {
        loop {
            if let Some(text) = self.first.pop_front() {
                return Some(text);
            }
            match self.ring.recv().await {
                Ok(message) if self.wants(&message) => return Some(message.text),
                Ok(_) => {}
                Err(RecvError::Lagged(events)) if self.skips < PATIENCE => self.skip(events),
                Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
            }
        }
    }

    /// Sends every message into `sink` until one side is gone or too slow.
    pub async fn forward<S: Sink<Arc<str>> + Unpin>(mut self, mut sink: S) {
        while let Some(text) = self.next().await {
            match timeout(SEND_TIMEOUT, sink.send(text)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
        // Best effort: the other side may be the reason why we leave.
        let _ = timeout(SEND_TIMEOUT, sink.close()).await;
    }

    fn wants(&self, message: &Message) -> bool {
        message.of.is_none() || self.only.is_none() || message.of == self.only
    }

    fn skip(&mut self, events: u64) {
        self.skips += 1;
        let (ring, picture) = self.board.join();
        self.ring = ring;
        self.first.push_back(render::skipped(events));
        self.first.extend(picture);
    }
}

/// Counts who is inside.
#[derive(Debug)]
pub(super) struct Doorman {
    inside: Mutex<HashMap<IpAddr, usize>>,
}

/// A viewer's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Pass {
    doorman: Arc<Doorman>,
    address: IpAddr,
}

impl Doorman {
    pub(super) fn new() -> Self {
        Self { inside: Mutex::default() }
    }

    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Pass, TooManyViewers> {
        let mut inside = self.lock();
        if inside.values().sum::<usize>() >= MOST {
            return Err(TooManyViewers::InAll);
        }
        let of_one = inside.get(&address).copied().unwrap_or(0);
        if of_one >= MOST_OF_ONE && !address.is_loopback() {
            return Err(TooManyViewers::OfOne);
        }
        inside.insert(address, of_one + 1);
        Ok(Pass { doorman: self.clone(), address })
    }

    pub(super) fn inside(&self) -> usize {
        self.lock().values().sum()
    }

    fn leave(&self, address: IpAddr) {
        let mut inside = self.lock();
        if let Some(count) = inside.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&address);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.doorman.leave(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let doorman = Arc::new(Doorman::new());
        let remote: IpAddr = "192.0.2.1".parse().unwrap();
        let mut passes: Vec<Pass> = (0..MOST_OF_ONE).map(|_| doorman.admit(remote).unwrap()).collect();
        assert_eq!(doorman.admit(remote).err(), Some(TooManyViewers::OfOne));
        passes.pop();
        passes.push(doorman.admit(remote).unwrap());

        // A proxy on this machine stands for everybody, up to the limit of all.
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        passes.extend((MOST_OF_ONE..MOST).map(|_| doorman.admit(local).unwrap()));
        assert_eq!(doorman.admit(local).err(), Some(TooManyViewers::InAll));
        drop(passes);
        assert_eq!(doorman.inside(), 0);
    }
}
