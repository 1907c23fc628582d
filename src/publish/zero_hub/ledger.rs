//! Where each link stands, as the hub does not know it: to which push it belongs.
//!
//! A link is written down here before the hub is asked to move it. So whatever moment a crash
//! chooses, an older push that comes next finds that a newer one was there.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::outgoing;
use crate::{
    model::BuildId,
    publish::{LinkMoved, LinkOrder, PublishError, record::Origin},
};

/// One link.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Standing {
    #[serde(flatten)]
    origin: Origin,
    position: i64,
    /// Where it stood before, in case it does not move after all.
    before: Option<Box<Standing>>,
}

/// All links that we moved.
#[derive(Debug)]
pub(super) struct Ledger {
    directory: PathBuf,
}

impl Ledger {
    pub(super) fn open(outgoing: &Path) -> Result<Self, PublishError> {
        let ledger = Self { directory: outgoing.join(".links") };
        outgoing::make(&ledger.directory).map_err(ledger.failed("open the ledger of links"))?;
        Ok(ledger)
    }

    /// Whether the link may move for this push. An error if it belongs to another ref.
    pub(super) fn allows(&self, link: &str, order: &LinkOrder) -> Result<LinkMoved, PublishError> {
        match self.read(link)? {
            Some(standing) if !standing.origin.is_of(order) => {
                Err(PublishError::Owned { name: link.to_owned(), owner: Box::new(standing.origin) })
            }
            Some(standing) if standing.position > order.position => Ok(LinkMoved::No { newer: standing.origin.build }),
            Some(_) | None => Ok(LinkMoved::Yes),
        }
    }

    /// Writes down that the link is this push's from now on.
    pub(super) fn claim(&self, link: &str, order: &LinkOrder) -> Result<(), PublishError> {
        let before = match self.read(link)? {
            Some(own) if own.origin.build == order.build => own.before,
            other => other.map(|standing| Box::new(Standing { before: None, ..standing })),
        };
        self.write(link, &Standing { origin: Origin::of(order), position: order.position, before })
    }

    /// Takes the claim of a build back, if it has one: its link did not move.
    pub(super) fn withdraw(&self, link: &str, build: BuildId) -> Result<(), PublishError> {
        match self.read(link)? {
            Some(Standing { origin, before: Some(before), .. }) if origin.build == build => self.write(link, &before),
            Some(Standing { origin, before: None, .. }) if origin.build == build => {
                fs::remove_file(self.directory.join(link)).map_err(self.failed("write down where a link stands"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn write(&self, link: &str, standing: &Standing) -> Result<(), PublishError> {
        outgoing::write(&self.directory, link, standing).map_err(self.failed("write down where a link stands"))
    }

    fn read(&self, link: &str) -> Result<Option<Standing>, PublishError> {
        match fs::read(self.directory.join(link)) {
            Ok(text) => Ok(serde_json::from_slice(&text)
                .inspect_err(|error| tracing::warn!("Where the link `{link}` stands cannot be read: {error}"))
                .ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read where a link stands")(error)),
        }
    }

    fn failed(&self, doing: &'static str) -> impl Fn(io::Error) -> PublishError {
        let directory = self.directory.clone();
        move |source| PublishError::Io { doing, directory: directory.clone(), source }
    }
}
