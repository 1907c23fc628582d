//! Shows the board to viewers, from what comes over the bus; the same in the service and in a process
//! of its own.
//!
//! One task takes what came and passes it on. Pictures are kept once, and a viewer takes the newest when
//! it gets to it; output goes through one bounded ring that all viewers read. So a viewer that reads
//! slowly holds up nobody, and a thousand of them cost one ring of memory. Whoever joins gets the
//! pictures and its place in the ring under one lock, so that nothing falls between.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    crowd::{Counted, Crowd},
    doorman::{Doorman, TooManyViewers},
    feed::at,
    flow::{Flow, Share},
    frame::Frame,
    render,
    shown::Shown,
    viewer::Viewer,
};
use crate::{
    bus::{Inbox, Link, Message, Update},
    model::BuildId,
};

/// Ticks a viewer may be behind before it is skipped forward.
const RING: usize = 64;

/// What viewers watch. Cloning it gives another handle.
#[derive(Debug, Clone)]
pub struct Relay {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    inbox: Inbox,
    /// How the way to Redis is, if there is one that viewers should know of.
    link: Option<watch::Receiver<Link>>,
    /// Whether what is shown here comes from there.
    is_fed_by_it: bool,
    state: Mutex<State>,
    ring: broadcast::Sender<Tick>,
    versions: watch::Sender<Versions>,
    doorman: Arc<Doorman>,
    crowd: Crowd,
}

/// Output of several builds that came at once.
pub(super) type Tick = Arc<[(BuildId, Frame)]>;

/// Which pictures a viewer has seen; each counts up when it changes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Versions {
    history: u64,
    status: u64,
    link: u64,
    closed: bool,
}

#[derive(Debug, Default)]
struct State {
    shown: Shown,
    flows: HashMap<BuildId, Flow>,
    /// The events of the pictures, until they change.
    history: Option<Frame>,
    status: Option<(Arc<str>, Frame)>,
}

impl Relay {
    /// Shows what comes to this inbox from the same process. `link` is the way to relays elsewhere, if
    /// there may be any.
    pub fn within(inbox: Inbox, link: Option<watch::Receiver<Link>>) -> Self {
        Self::new(inbox, link, false)
    }

    /// Shows what comes to this inbox over this way.
    pub fn fed_by(inbox: Inbox, link: watch::Receiver<Link>) -> Self {
        Self::new(inbox, Some(link), true)
    }

    fn new(inbox: Inbox, link: Option<watch::Receiver<Link>>, is_fed_by_it: bool) -> Self {
        let shared = Shared {
            inbox,
            link,
            is_fed_by_it,
            state: Mutex::default(),
            ring: broadcast::Sender::new(RING),
            versions: watch::Sender::default(),
            doorman: Arc::default(),
            crowd: Crowd::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Passes on what comes until it is told to stop; then every viewer is let go.
    pub async fn run(self, stop: CancellationToken) {
        let mut link = self.shared.link.clone();
        loop {
            let due = self.lock().due();
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.shared.inbox.arrived() => {}
                () = at(due) => {}
                () = changed(&mut link) => self.shared.versions.send_modify(|versions| versions.link += 1),
            }
            self.pass_on(&mut self.lock());
        }
        self.shared.versions.send_modify(|versions| versions.closed = true);
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

    /// How viewers fare.
    pub fn counted(&self) -> Counted {
        self.shared.crowd.count(self.viewers(), self.shared.inbox.dropped())
    }

    pub(super) fn crowd(&self) -> &Crowd {
        &self.shared.crowd
    }

    /// A place among the viewers, and the messages that bring a viewer up to it.
    pub(super) fn join(&self) -> (broadcast::Receiver<Tick>, watch::Receiver<Versions>, Vec<Frame>) {
        let mut state = self.lock();
        self.pass_on(&mut state);
        let versions = self.shared.versions.subscribe();
        let mut greeting = vec![state.history(), state.status()];
        greeting.extend(self.trouble());
        (self.shared.ring.subscribe(), versions, greeting)
    }

    /// The pictures that are newer than those seen; nothing more comes if it is `None`.
    pub(super) fn newer(&self, seen: &Versions, now: &Versions) -> Option<Vec<Frame>> {
        if now.closed {
            return None;
        }
        let mut frames = Vec::new();
        let mut state = self.lock();
        // History first: a build that ended must not be missing from both lists for a moment.
        if now.history != seen.history {
            frames.push(state.history());
        }
        if now.status != seen.status {
            frames.push(state.status());
        }
        if now.link != seen.link {
            frames.extend(self.shared.link.as_ref().map(|link| self.tell_of(&link.borrow())));
        }
        Some(frames)
    }

    /// What viewers are told who come while the bus is away.
    fn trouble(&self) -> Option<Frame> {
        let link = self.shared.link.as_ref()?.borrow();
        link.trouble().map(|_| self.tell_of(&link))
    }

    fn tell_of(&self, link: &Link) -> Frame {
        Frame::text(&render::bus(link, self.shared.is_fed_by_it))
    }

    /// Takes what came, and passes it on.
    fn pass_on(&self, state: &mut State) {
        let now = Instant::now();
        let watched = self.shared.ring.receiver_count();
        let (mut sent, mut history, mut status) = (Vec::new(), false, false);
        for message in self.shared.inbox.take() {
            match message {
                Message::Update(update) => {
                    state.shown.update(&update);
                    if watched > 0 {
                        sent.extend(state.flow(update, watched, now));
                    }
                }
                Message::History(json) => history |= readable(state.shown.history(json)),
                Message::Current(json) => status |= readable(state.shown.current(&json)),
            }
        }
        // A build's last lines come before the news of its end.
        let all = history || status;
        sent.extend(state.flows.values_mut().filter_map(|flow| if all { flow.finish() } else { flow.release(now) }));
        state.flows.retain(|_, flow| !flow.is_idle(now));
        if !sent.is_empty() {
            let frame = |update: Update| (update.id, Frame::text(&render::event("update", &update.payload())));
            // No viewer is no error.
            let _ = self.shared.ring.send(sent.into_iter().map(frame).collect());
        }
        if history {
            state.history = None;
        }
        if all {
            self.shared.versions.send_modify(|versions| {
                versions.history += u64::from(history);
                versions.status += u64::from(status);
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves at worst an odd picture, and the next one mends it.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn flow(&mut self, update: Update, viewers: usize, now: Instant) -> Option<Update> {
        let known = self.flows.contains_key(&update.id);
        let share = Share::of(viewers, self.flows.len() + usize::from(!known));
        self.flows.entry(update.id).or_insert_with(|| Flow::new(now)).push(update, share, now)
    }

    fn due(&self) -> Option<Instant> {
        self.flows.values().filter_map(Flow::due).min()
    }

    fn history(&mut self) -> Frame {
        let shown = &self.shown;
        self.history.get_or_insert_with(|| Frame::text(&render::event("history", shown.history_json()))).clone()
    }

    fn status(&mut self) -> Frame {
        let json = self.shown.status_json();
        match &self.status {
            Some((shown, frame)) if Arc::ptr_eq(shown, &json) => frame.clone(),
            _ => {
                let frame = Frame::text(&render::event("status", &json));
                self.status = Some((json, frame.clone()));
                frame
            }
        }
    }
}

/// Whether it could be read. Anybody who reaches Redis can publish there.
fn readable(read: Result<(), serde_json::Error>) -> bool {
    read.inspect_err(|error| debug!("A picture that came over the bus was passed over: {error}")).is_ok()
}

/// Ends when the way has changed; never, if there is none.
async fn changed(link: &mut Option<watch::Receiver<Link>>) {
    let changed = match link {
        Some(link) => link.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending().await
    }
}
