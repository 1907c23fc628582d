//! The picture, shared: one writer (`feed`), readers that ask for it whole, buses that carry it on.
//!
//! The lock is held for as long as it takes to copy bytes, never across an await. What changed is
//! published under the lock, so that every bus gets it in the order in which it happened; publishing
//! never waits.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::timeout};

use super::picture::{Picture, Snapshot, Touched};
use crate::{
    bus::{Bus, Message, Output, Update},
    model::Build,
};

/// Finished builds on the board.
pub const HISTORY: usize = 25;

/// How long a reader waits for changes that are on their way to the board.
const CATCH_UP: Duration = Duration::from_millis(250);

/// How old the log lines in [`Board::status_json`] may be; a changed state shows at once.
const STALE: Duration = Duration::from_millis(100);

/// How long leaving may wait for the buses.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the monitor page shows now. Cloning it gives another handle.
#[derive(Debug, Clone)]
pub struct Board {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    buses: Vec<Bus>,
    /// How many of the events' changes are in the picture.
    known: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    picture: Picture,
    /// What was not published yet.
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
    /// An empty board, to be published on these buses.
    pub fn new(buses: Vec<Bus>) -> Self {
        let shared = Shared { state: Mutex::default(), buses, known: watch::Sender::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// Takes over what the store knows.
    pub fn seed(&self, snapshot: Snapshot) {
        let mut state = self.lock();
        state.picture.seed(snapshot);
        state.touch(Touched { status: true, history: true });
    }

    /// Notes that this many of the events' changes are in the picture.
    pub(super) fn knows(&self, changes: u64) {
        self.shared.known.send_replace(changes);
    }

    /// Waits until the picture has so many of the events' changes, so that whoever was told that a push
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

    /// A build is new, or its state changed.
    pub(super) fn change(&self, build: Arc<Build>) {
        let mut state = self.lock();
        let touched = state.picture.change(build);
        state.touch(touched);
    }

    /// A build wrote something.
    pub(super) fn output(&self, output: &Output) {
        let mut state = self.lock();
        let touched = state.picture.output(output);
        if touched.history {
            state.history = None;
        }
        if let Some(cached) = state.status.as_mut().filter(|_| touched.status) {
            cached.dated = true;
        }
    }

    /// Publishes what was not published yet; returns how many bytes the largest picture has.
    pub fn publish(&self) -> usize {
        let mut state = self.lock();
        for (id, ready) in state.picture.take_updates() {
            let (offset, end, text) = (ready.offset, ready.end, ready.text);
            self.tell(&Message::Update(Update { id, text, offset, end }));
        }
        let untold = std::mem::take(&mut state.untold);
        let mut largest = 0;
        // History first: a build that ended must not be missing from both lists for a moment.
        if untold.history {
            let history = state.history_json();
            largest = largest.max(history.len());
            self.tell(&Message::History(history));
        }
        if untold.status {
            let status = state.fresh_status();
            largest = largest.max(status.len());
            self.tell(&Message::Current(status));
        }
        largest
    }

    /// Gives the buses the logs' last lines for relays to come. Those that are there have them.
    pub(super) fn refresh(&self) {
        let mut state = self.lock();
        if state.status.as_ref().is_some_and(|cached| cached.dated) {
            let status = state.fresh_status();
            self.shared.buses.iter().for_each(|bus| bus.keep(Message::Current(status.clone())));
        }
    }

    /// Publishes what is left, and waits until it is on its way; not for long.
    pub(super) async fn close(&self) {
        self.publish();
        let flushed = async {
            for bus in &self.shared.buses {
                bus.flushed().await;
            }
        };
        let _too_long = timeout(FAREWELL, flushed).await;
    }

    fn tell(&self, message: &Message) {
        self.shared.buses.iter().for_each(|bus| bus.publish(message.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves at worst an odd picture, and the next snapshot mends it.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
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
