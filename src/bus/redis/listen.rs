//! Brings what others published into one reader's mailbox.
//!
//! Messages come while the connection is read and go straight into the mailbox, which is bounded. A
//! question now and then finds a connection that died in silence, and a service that did.

use std::{convert::Infallible, sync::Arc, time::Instant};

use redis::{PushInfo, PushKind, RedisError, RedisResult, Value, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tracing::debug;

use super::{
    address::{Address, Pause},
    alive::{self, GRACE, PULSE},
};
use crate::bus::{Link, Message, Topic, mailbox::Mailbox};

/// Runs until it is aborted.
pub(super) async fn listen(address: Address, mailbox: Arc<Mailbox>, link: watch::Sender<Link>) {
    let mut pause = Pause::default();
    loop {
        let Err(failure) = listen_until_lost(&address, &mailbox, &link, &mut pause).await;
        address.lost(&link, &failure);
        sleep(pause.next()).await;
    }
}

async fn listen_until_lost(
    address: &Address,
    mailbox: &Arc<Mailbox>,
    link: &watch::Sender<Link>,
    pause: &mut Pause,
) -> Result<Infallible, RedisError> {
    let stirred = Arc::new(Notify::new());
    mailbox.begin();
    let pushed = {
        let (mailbox, stirred, link) = (Arc::clone(mailbox), Arc::clone(&stirred), link.clone());
        move |info: PushInfo| {
            let is_message = info.kind == PushKind::Message;
            if is_message {
                take(&mailbox, &info.data);
            }
            if info.kind == PushKind::Disconnection || is_message && matches!(*link.borrow(), Link::Deserted { .. }) {
                stirred.notify_one();
            }
            Ok(())
        }
    };
    let mut connection = address.connect(pushed).await?;
    connection.subscribe(&Topic::ALL.map(Topic::name)[..]).await?;
    // Only now, so that nothing can come between.
    for topic in [Topic::History, Topic::Current] {
        read_newest(&mut connection, topic, mailbox).await?;
    }
    address.found(link);
    pause.reset();
    let since = Instant::now();
    loop {
        // Noticed at once, or by the question.
        let _stirred = timeout(PULSE, stirred.notified()).await;
        if alive::ask(&mut connection).await? {
            address.found(link);
        } else if since.elapsed() > GRACE {
            address.deserted(link);
        }
    }
}

async fn read_newest(connection: &mut MultiplexedConnection, topic: Topic, mailbox: &Mailbox) -> RedisResult<()> {
    let kept: Option<Vec<u8>> = redis::cmd("GET").arg(topic.name()).query_async(connection).await?;
    if let Some(message) = kept.and_then(|payload| parse(topic.name().as_bytes(), &payload)) {
        mailbox.put_older(message);
    }
    Ok(())
}

/// A message's data are its topic and its payload.
fn take(mailbox: &Mailbox, data: &[Value]) {
    if let [Value::BulkString(topic), Value::BulkString(payload)] = data
        && let Some(message) = parse(topic, payload)
    {
        mailbox.put(message);
    }
}

/// Anybody who reaches Redis can publish there.
fn parse(topic: &[u8], payload: &[u8]) -> Option<Message> {
    Message::parse(topic, payload)
        .inspect_err(|wrong| debug!("A message on {} was passed over: {wrong}", String::from_utf8_lossy(topic)))
        .ok()
}
