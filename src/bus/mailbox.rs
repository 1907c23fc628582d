//! Messages on their way to one reader, as many as are worth keeping.
//!
//! Putting never waits, so a reader that is slow, or a Redis that hangs, costs its writer nothing. Of
//! each picture only the newest is kept; of output so many bytes, the oldest are dropped first. The
//! order between output and pictures does not matter: every picture says up to which byte of a log it
//! goes, as every update does.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::{Message, Topic, Update};

/// Output kept for a reader, in bytes.
const MOST: usize = 1 << 20;

/// What an update costs beyond its text.
const ENVELOPE: usize = 128;

/// Messages for one reader.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    inside: Mutex<Inside>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    updates: VecDeque<Update>,
    bytes: usize,
    /// Updates that were dropped.
    dropped: u64,
    history: Picture,
    current: Picture,
}

/// A picture, and whether any came at all.
#[derive(Debug, Default)]
struct Picture {
    message: Option<Message>,
    came: bool,
}

impl Mailbox {
    /// Adds a message.
    pub(super) fn put(&self, message: Message) {
        self.lock().put(message);
        self.bell.notify_one();
    }

    /// From here on [`put_older`](Self::put_older) has to look out.
    pub(super) fn begin(&self) {
        let mut inside = self.lock();
        inside.history.came = false;
        inside.current.came = false;
    }

    /// Adds a picture that may be older than what came since [`begin`](Self::begin).
    pub(super) fn put_older(&self, message: Message) {
        let mut inside = self.lock();
        if inside.picture(message.topic()).is_some_and(|picture| picture.came) {
            return;
        }
        inside.put(message);
        drop(inside);
        self.bell.notify_one();
    }

    /// Waits until there is something to take. For one reader at a time.
    pub(super) async fn arrived(&self) {
        while self.lock().is_empty() {
            self.bell.notified().await;
        }
    }

    /// Takes all there is.
    pub(super) fn take(&self) -> Vec<Message> {
        let mut inside = self.lock();
        let inside = &mut *inside;
        inside.bytes = 0;
        let updates = inside.updates.drain(..).map(Message::Update);
        updates.chain(inside.history.message.take()).chain(inside.current.message.take()).collect()
    }

    /// How many updates were dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn put(&mut self, message: Message) {
        match (self.picture(message.topic()), message) {
            (_, Message::Update(update)) => self.put_update(update),
            (Some(picture), message) => *picture = Picture { message: Some(message), came: true },
            (None, _) => {}
        }
    }

    fn put_update(&mut self, update: Update) {
        self.bytes += cost(&update);
        self.updates.push_back(update);
        while self.bytes > MOST {
            let Some(oldest) = self.updates.pop_front() else { break };
            self.bytes -= cost(&oldest);
            self.dropped += 1;
        }
    }

    fn picture(&mut self, topic: Topic) -> Option<&mut Picture> {
        match topic {
            Topic::Current => Some(&mut self.current),
            Topic::History => Some(&mut self.history),
            Topic::Update => None,
        }
    }

    fn is_empty(&self) -> bool {
        self.updates.is_empty() && self.history.message.is_none() && self.current.message.is_none()
    }
}

fn cost(update: &Update) -> usize {
    update.text.len() + ENVELOPE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BuildId;

    fn update(offset: u64, length: usize) -> Message {
        let text = "x".repeat(length);
        Message::Update(Update { id: BuildId::new(), end: offset + length as u64, offset, text })
    }

    #[test]
    fn of_each_picture_the_newest_is_kept_and_of_output_the_newest_bytes() {
        let mailbox = Mailbox::default();
        for n in 0..1000 {
            mailbox.put(Message::Current(format!("{n}").into()));
            mailbox.put(Message::History(format!("{n}").into()));
            mailbox.put(update(n * 10_000, 10_000));
        }
        let mut messages = mailbox.take();
        assert_eq!(messages.pop(), Some(Message::Current("999".into())));
        assert_eq!(messages.pop(), Some(Message::History("999".into())));
        let bytes: usize = messages.iter().map(|message| message.payload().len()).sum();
        assert!(bytes > MOST / 2 && bytes < 2 * MOST, "{bytes}");
        assert!(matches!(messages.last(), Some(Message::Update(last)) if last.end == 10_000_000));
        assert_eq!(mailbox.dropped() as usize, 1000 - messages.len());
        assert!(mailbox.take().is_empty());
    }

    #[test]
    fn an_older_picture_never_takes_the_place_of_a_newer_one() {
        let mailbox = Mailbox::default();
        let message = |n: &str| Message::Current(n.into());
        mailbox.put(message("1"));
        mailbox.begin();
        mailbox.put_older(message("2"));
        assert_eq!(mailbox.take(), [message("2")]);
        mailbox.begin();
        mailbox.put(message("4"));
        assert_eq!(mailbox.take(), [message("4")]);
        mailbox.put_older(message("3"));
        assert!(mailbox.take().is_empty());
    }
}
