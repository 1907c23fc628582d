//! The bus within one process: a mailbox for each reader, and the newest pictures for those to come.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

use super::{Link, Message, mailbox::Mailbox};

/// A bus that never leaves the process.
#[derive(Debug, Clone)]
pub struct Embedded {
    shared: Arc<Mutex<Shared>>,
    link: watch::Receiver<Link>,
}

#[derive(Debug, Default)]
struct Shared {
    history: Option<Message>,
    current: Option<Message>,
    readers: Vec<Weak<Mailbox>>,
}

impl Embedded {
    pub(super) fn new() -> Self {
        // There is no way to the other side that could be lost.
        let (_, link) = watch::channel(Link::There);
        Self { shared: Arc::default(), link }
    }

    pub(super) fn publish(&self, message: Message) {
        let mut shared = self.lock();
        shared.keep(&message);
        shared.readers.retain(|reader| match reader.upgrade() {
            Some(mailbox) => {
                mailbox.put(message.clone());
                true
            }
            None => false,
        });
    }

    pub(super) fn keep(&self, message: Message) {
        self.lock().keep(&message);
    }

    pub(super) fn subscribe(&self) -> Arc<Mailbox> {
        let mailbox = Arc::new(Mailbox::default());
        let mut shared = self.lock();
        for picture in [&shared.history, &shared.current].into_iter().flatten() {
            mailbox.put(picture.clone());
        }
        shared.readers.push(Arc::downgrade(&mailbox));
        mailbox
    }

    pub(super) fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn keep(&mut self, message: &Message) {
        match message {
            Message::History(_) => self.history = Some(message.clone()),
            Message::Current(_) => self.current = Some(message.clone()),
            Message::Update(_) => {}
        }
    }
}
