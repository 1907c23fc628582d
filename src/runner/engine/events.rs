//! One stream of the engine's events for the whole service, fanned out to the builds that wait.
//!
//! A container's end is taken from its `die` event: the engine sends it as soon as all processes of
//! the container are gone, and answers `wait` and `inspect` some 60 ms later, after it took down the
//! network. An `oom` event comes before the `die` it leads to. When the stream broke, something may
//! have been missed: `connection` counts up, and every waiter asks about its own container.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bollard::{
    Docker,
    models::EventMessage,
    query_parameters::{EventsOptions, EventsOptionsBuilder},
};
use futures_util::StreamExt;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use super::connection::Connection;
use crate::model::Timestamp;

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How far back a new stream begins. The engine keeps its last events, so what happens while the
/// stream is being opened comes out of it too.
const OVERLAP_SECS: i64 = 2;

/// What was seen of one container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// It ended, with this exit code.
    pub died: Option<i64>,
    /// One of its processes was killed for want of memory.
    pub out_of_memory: bool,
    /// Somebody, we included, asked the engine to send it a signal.
    pub signalled: bool,
    /// It was removed.
    pub removed: bool,
    /// How often the stream was opened. A change means that something may have been missed.
    pub connection: u64,
}

#[derive(Default)]
struct Waiting {
    containers: HashMap<String, watch::Sender<Seen>>,
    connection: u64,
}

/// Who waits for which container.
#[derive(Default)]
pub(super) struct Events {
    waiting: Mutex<Waiting>,
}

/// Tells what happens to one container, from the moment it was made until it is dropped.
pub struct Watch {
    container: String,
    seen: watch::Receiver<Seen>,
    events: Arc<Events>,
}

impl Events {
    fn with<T>(&self, act: impl FnOnce(&mut Waiting) -> T) -> T {
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn watch(self: &Arc<Self>, container: &str) -> Watch {
        let seen = self.with(|waiting| {
            let seen = Seen { connection: waiting.connection, ..Seen::default() };
            let (sender, receiver) = watch::channel(seen);
            waiting.containers.insert(container.to_owned(), sender);
            receiver
        });
        Watch { container: container.to_owned(), seen, events: Arc::clone(self) }
    }

    /// Keeps the stream open for ever.
    pub(super) async fn listen(self: Arc<Self>, connection: Arc<Connection>, filters: HashMap<String, Vec<String>>) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            if let Ok(docker) = connection.docker()
                && matches!(timeout(Duration::from_secs(5), docker.ping()).await, Ok(Ok(_)))
            {
                pause = SHORTEST_PAUSE;
                self.follow(docker, &filters).await;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn follow(&self, docker: &Docker, filters: &HashMap<String, Vec<String>>) {
        let mut stream = std::pin::pin!(docker.events(Some(options(filters))));
        self.with(|waiting| {
            waiting.connection += 1;
            let connection = waiting.connection;
            waiting.containers.values().for_each(|seen| seen.send_modify(|seen| seen.connection = connection));
        });
        debug!("Listening to the engine's events");
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => self.dispatch(event),
                Err(error) => return warn!("The stream of the engine's events broke: {error}"),
            }
        }
        warn!("The engine closed the stream of its events");
    }

    fn dispatch(&self, event: EventMessage) {
        let Some(actor) = event.actor else { return };
        let (id, attributes) = (actor.id.unwrap_or_default(), actor.attributes.unwrap_or_default());
        let exit_code = || attributes.get("exitCode").and_then(|code| code.parse().ok());
        self.with(|waiting| {
            let Some(container) = waiting.containers.get(&id) else { return };
            container.send_modify(|seen| match event.action.as_deref() {
                Some("die") => seen.died = exit_code(),
                Some("oom") => seen.out_of_memory = true,
                Some("kill") => seen.signalled = true,
                Some("destroy") => seen.removed = true,
                _ => {}
            });
        });
    }
}

fn options(own: &HashMap<String, Vec<String>>) -> EventsOptions {
    let mut filters = own.clone();
    filters.insert("type".to_owned(), vec!["container".to_owned()]);
    filters.insert("event".to_owned(), ["die", "oom", "kill", "destroy"].map(str::to_owned).to_vec());
    let since = Timestamp::now().as_secs() - OVERLAP_SECS;
    EventsOptionsBuilder::default().since(&since.to_string()).filters(&filters).build()
}

impl Watch {
    /// Waits until something is seen that was not seen before.
    pub async fn changed(&mut self) -> Seen {
        if self.seen.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        *self.seen.borrow_and_update()
    }

    /// What was seen until now.
    pub fn seen(&self) -> Seen {
        *self.seen.borrow()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.events.with(|waiting| waiting.containers.remove(&self.container));
    }
}
