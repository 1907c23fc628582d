//! Carries what is published to Redis, at Redis' own speed.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redis::{Pipeline, RedisError, aio::MultiplexedConnection};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    address::{Address, Pause},
    alive::{self, PULSE},
};
use crate::bus::{Link, Message, mailbox::Mailbox};

/// What waits to be carried.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    mailbox: Mailbox,
    /// The newest pictures, carried or not.
    newest: Mutex<Newest>,
    /// How many messages were put, and how many of them were taken care of.
    put: watch::Sender<u64>,
    done: watch::Sender<u64>,
}

#[derive(Debug, Default, Clone)]
struct Newest {
    history: Option<Message>,
    current: Option<Message>,
}

impl Outbox {
    pub(super) fn put(&self, message: Message) {
        self.keep(message.clone());
        self.mailbox.put(message);
        self.put.send_modify(|put| *put += 1);
    }

    /// Output that was dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.mailbox.dropped()
    }

    pub(super) fn keep(&self, message: Message) {
        let mut newest = self.newest();
        match message {
            Message::History(_) => newest.history = Some(message),
            Message::Current(_) => newest.current = Some(message),
            Message::Update(_) => {}
        }
    }

    /// Ends when everything that was put before now has been carried.
    pub(super) async fn emptied(&self) {
        let put = self.count();
        // Its sender is ours.
        let _ = self.done.subscribe().wait_for(|done| *done >= put).await;
    }

    fn count(&self) -> u64 {
        *self.put.borrow()
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits, and the newest pictures, whether they wait or not.
    fn everything(&self) -> Vec<Message> {
        let waiting = self.mailbox.take().into_iter();
        let output = waiting.filter(|message| matches!(message, Message::Update(_)));
        output.chain(self.pictures()).collect()
    }

    fn pictures(&self) -> Vec<Message> {
        let Newest { history, current } = self.newest().clone();
        history.into_iter().chain(current).collect()
    }
}

/// Runs until it is aborted.
pub(super) async fn carry(address: Address, outbox: Arc<Outbox>, link: watch::Sender<Link>) {
    let mut pause = Pause::default();
    loop {
        let Err(failure) = carry_until_lost(&address, &outbox, &link, &mut pause).await;
        address.lost(&link, &failure);
        sleep(pause.next()).await;
    }
}

async fn carry_until_lost(
    address: &Address,
    outbox: &Outbox,
    link: &watch::Sender<Link>,
    pause: &mut Pause,
) -> Result<Infallible, RedisError> {
    let mut connection = address.connect(|_| Ok(())).await?;
    // Whoever listens may have missed anything.
    let mut put = outbox.count();
    let mut batch = outbox.everything();
    loop {
        send(&mut connection, &batch, true).await?;
        outbox.done.send_replace(put);
        address.found(link);
        pause.reset();
        // Setting the keys anew finds a connection that died in silence, and puts back what somebody deleted.
        while timeout(PULSE, outbox.mailbox.arrived()).await.is_err() {
            send(&mut connection, &outbox.pictures(), false).await?;
        }
        // Counted first: what is put meanwhile may be taken already, and is not yet done.
        put = outbox.count();
        batch = outbox.mailbox.take();
    }
}

/// Sets the keys of pictures, and tells those who listen.
async fn send(connection: &mut MultiplexedConnection, messages: &[Message], tell: bool) -> Result<(), RedisError> {
    let mut pipeline = Pipeline::with_capacity(2 * messages.len() + 1);
    alive::say(&mut pipeline);
    for message in messages {
        let (name, payload) = (message.topic().name(), message.payload());
        if !matches!(message, Message::Update(_)) {
            pipeline.cmd("SET").arg(name).arg(&*payload).ignore();
        }
        if tell {
            pipeline.cmd("PUBLISH").arg(name).arg(&*payload).ignore();
        }
    }
    pipeline.query_async(connection).await
}
