//! The picture, shared: one writer (`feed`), readers that ask for it whole, viewers that follow it.
//!
//! The lock is held for as long as it takes to copy bytes, never across an await. Whoever begins to
//! follow gets the picture and its place in the ring under one lock, so that the first update fits
//! the picture without a gap or a double.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{broadcast, watch},
    time::timeout,
};

use super::{
    picture::{Picture, Snapshot, Touched},
    render,
    viewer::{Doorman, TooManyViewers, Viewer},
};
use crate::{
    bus::Output,
    model::{Build, BuildId},
};

/// Finished builds on the board.
pub const HISTORY: usize = 25;

/// Messages a viewer may be behind before it is skipped forward.
const RING: usize = 128;

/// How long a reader waits for changes that are on their way to the board.
const CATCH_UP: Duration = Duration::from_millis(250);

/// How old the log lines in [`Board::status_json`] may be; a changed state shows at once.
const STALE: Duration = Duration::from_millis(100);

/// What the monitor page shows now. Cloning it gives another handle.
#[derive(Debug, Clone)]
pub struct Board {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    ring: broadcast::Sender<Message>,
    doorman: Arc<Doorman>,
    /// How many of the bus' changes are in the picture.
    known: watch::Sender<u64>,
}

/// One message to viewers.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The build whose output it is; `None` if it concerns everybody.
    pub(super) of: Option<BuildId>,
    pub(super) text: Arc<str>,
}

#[derive(Debug, Default)]
struct State {
    picture: Picture,
    /// What viewers have not been told yet.
    untold: Touched,
    status: Option<Cached>,
    history: Option<Arc<str>>,
}

#[derive(Debug, Clone)]
struct Cached {
    json: Arc<str>,
    at: Instant,
    /// Whether output came since.
    dated: bool,
}

impl Board {
    /// An empty board.
    pub fn new() -> Self {
        let shared = Shared {
            state: Mutex::default(),
            ring: broadcast::Sender::new(RING),
            doorman: Arc::new(Doorman::new()),
            known: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes over what the store knows.
    pub fn seed(&self, snapshot: Snapshot) {
        let mut state = self.lock();
        state.picture.seed(snapshot);
        state.touch(Touched { status: true, history: true });
    }

    /// Notes that this many of the bus' changes are in the picture.
    pub(super) fn knows(&self, changes: u64) {
        self.shared.known.send_replace(changes);
    }

    /// Waits until the picture has so many of the bus' changes, so that whoever was told that a push
    /// is accepted finds its builds here; not for long, as an older picture is better than none.
    pub async fn caught_up(&self, told: u64) {
        if *self.shared.known.borrow() >= told {
            return;
        }
        let mut known = self.shared.known.subscribe();
        let _too_long = timeout(CATCH_UP, known.wait_for(|known| *known >= told)).await;
    }

    /// Queued and running builds by id, as `GET /build/status` answers.
    pub fn status_json(&self) -> Arc<str> {
        let mut state = self.lock();
        match &state.status {
            Some(cached) if !cached.dated || cached.at.elapsed() < STALE => cached.json.clone(),
            _ => state.fresh_status(),
        }
    }

    /// The last finished builds, newest first, as `GET /build/history` answers.
    pub fn history_json(&self) -> Arc<str> {
        self.lock().history_json()
    }

    /// Lets a viewer in. `only` limits console output to one build. A viewer on this machine is not
    /// counted by address: it may be a proxy that stands for everybody.
    pub fn viewer(&self, address: IpAddr, only: Option<BuildId>) -> Result<Viewer, TooManyViewers> {
        let pass = self.shared.doorman.admit(address)?;
        Ok(Viewer::new(self.clone(), pass, only))
    }

    /// How many watch.
    pub fn viewers(&self) -> usize {
        self.shared.doorman.inside()
    }

    /// A build is new, or its state changed.
    pub(super) fn change(&self, build: Arc<Build>) {
        let mut state = self.lock();
        let touched = state.picture.change(build);
        state.touch(touched);
    }

    /// A build wrote something.
    pub(super) fn output(&self, output: &Output) {
        let mut state = self.lock();
        if state.picture.output(output) {
            state.history = None;
            if let Some(cached) = &mut state.status {
                cached.dated = true;
            }
        }
    }

    /// Tells viewers what they have not been told yet; returns how many bytes the largest message has.
    pub(super) fn publish(&self) -> usize {
        let mut state = self.lock();
        self.publish_updates(&mut state);
        let untold = std::mem::take(&mut state.untold);
        let mut largest = 0;
        if self.shared.ring.receiver_count() == 0 {
            return largest;
        }
        // History first: a build that ended must not be missing from both lists for a moment.
        if untold.history {
            let history = state.history_json();
            largest = largest.max(history.len());
            self.send(None, render::event("history", &history));
        }
        if untold.status {
            let status = state.fresh_status();
            largest = largest.max(status.len());
            self.send(None, render::event("status", &status));
        }
        largest
    }

    /// A place in the ring, and the messages that bring a viewer up to it.
    pub(super) fn join(&self) -> (broadcast::Receiver<Message>, [Arc<str>; 2]) {
        let mut state = self.lock();
        // What is pending goes to those before, and is in the picture for those after.
        self.publish_updates(&mut state);
        let greeting =
            [render::event("history", &state.history_json()), render::event("status", &state.fresh_status())];
        (self.shared.ring.subscribe(), greeting)
    }

    fn publish_updates(&self, state: &mut State) {
        for (id, ready) in state.picture.take_updates() {
            if self.shared.ring.receiver_count() > 0 {
                self.send(Some(id), render::update(id, ready.offset, ready.end, &ready.text));
            }
        }
    }

    fn send(&self, of: Option<BuildId>, text: Arc<str>) {
        // No viewer is no error.
        let _ = self.shared.ring.send(Message { of, text });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves at worst an odd picture, and the next snapshot mends it.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn touch(&mut self, touched: Touched) {
        self.untold.status |= touched.status;
        self.untold.history |= touched.history;
        if touched.status {
            self.status = None;
        }
        if touched.history {
            self.history = None;
        }
    }

    /// With every log line that came so far.
    fn fresh_status(&mut self) -> Arc<str> {
        match &self.status {
            Some(cached) if !cached.dated => cached.json.clone(),
            _ => {
                let json: Arc<str> = self.picture.status_json().into();
                self.status = Some(Cached { json: json.clone(), at: Instant::now(), dated: false });
                json
            }
        }
    }

    fn history_json(&mut self) -> Arc<str> {
        let picture = &mut self.picture;
        self.history.get_or_insert_with(|| picture.history_json().into()).clone()
    }
}
