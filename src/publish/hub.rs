//! The directory hub: publishes artifacts and finds them again.
//!
//! Its calls block for as long as the disk takes. `publish` and `list` belong on a thread that may
//! wait; a runner can collect and publish in one such trip.

use std::sync::Arc;

use super::{
    Collected, Config, LinkMoved, LinkOrder, PublishError, Published,
    listing::{self, Entry},
    name,
    prune::{self, KeepArtifacts},
    record::Record,
    served::{self, Served},
    shelf::{Occupant, Shelf},
};
use crate::model::{Artifact, ArtifactName, Format, Timestamp};

/// A hub in one or two directories of this machine. Clones are the same hub.
#[derive(Debug, Clone)]
pub struct DirectoryHub {
    flists: Arc<Shelf>,
    binaries: Arc<Shelf>,
}

impl DirectoryHub {
    /// Opens the directories, makes them if need be, and removes what a crash left half-written.
    pub fn open(config: &Config) -> Result<Self, PublishError> {
        let flists = Arc::new(Shelf::open(&config.directory)?);
        let binaries = match &config.binary_directory {
            None => Arc::clone(&flists),
            Some(path) => {
                let binaries = Arc::new(Shelf::open(path)?);
                if binaries.is(&flists)? { Arc::clone(&flists) } else { binaries }
            }
        };
        Ok(Self { flists, binaries })
    }

    /// Publishes an artifact, then moves its link unless a newer push has it already.
    ///
    /// To do it again (after a crash, or because the commit was built again) replaces the file in one
    /// step and ends in the same state.
    pub fn publish(
        &self,
        artifact: Collected,
        name: &ArtifactName,
        format: Format,
        order: &LinkOrder,
    ) -> Result<Published, PublishError> {
        let shelf = match format {
            Format::Flist => &*self.flists,
            Format::Binary => &*self.binaries,
        };
        publish_in(shelf, artifact, name, order)
    }

    /// Opens a published file by its versioned name or by its link. This touches the disk but
    /// briefly, and may be called where waiting is not welcome.
    pub fn open_artifact(&self, name: &str) -> Result<Option<Served>, PublishError> {
        for shelf in self.shelves() {
            if let Some(served) = served::open(shelf, name)? {
                return Ok(Some(served));
            }
        }
        Ok(None)
    }

    /// All files and links, newest first.
    pub fn list(&self) -> Result<Vec<Entry>, PublishError> {
        let mut entries = Vec::new();
        for shelf in self.shelves() {
            listing::append(shelf, &mut entries)?;
        }
        listing::newest_first(&mut entries);
        Ok(entries)
    }

    /// Removes files that newer ones of their link have replaced for long, and tells their names.
    pub fn prune(&self, keep: KeepArtifacts) -> Result<Vec<String>, PublishError> {
        let pruned = self.shelves().map(|shelf| prune::prune(shelf, keep, Timestamp::now()));
        Ok(pruned.collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn shelves(&self) -> impl Iterator<Item = &Shelf> {
        let second = (!Arc::ptr_eq(&self.flists, &self.binaries)).then_some(&*self.binaries);
        std::iter::once(&*self.flists).chain(second)
    }
}

/// Publishes an artifact in one directory, then moves its link unless a newer push has it already.
pub(super) fn publish_in(
    shelf: &Shelf,
    artifact: Collected,
    name: &ArtifactName,
    order: &LinkOrder,
) -> Result<Published, PublishError> {
    name::check(&name.versioned)?;
    name::check(&name.link)?;
    let published = Artifact { name: name.clone(), size: artifact.size, sha256: artifact.sha256.clone() };

    // Synced before it has a name: after a loss of power, a name never leads to half a file.
    let (incoming, file) = shelf.receive(artifact)?;
    let metadata = file.metadata().map_err(shelf.failed("write the artifact"))?;
    let mut record = Record::new(order, &name.link, &published.sha256, &metadata);

    let _settling = shelf.settle();
    let link = place_of_link(shelf, &name.link, order)?;
    record.position = record.position.max(position_of_file(shelf, &name.versioned, order)?);
    shelf.place(incoming, &name.versioned, &record)?;
    if link == LinkMoved::Yes {
        shelf.point(&name.link, &name.versioned)?;
    }
    // Before the answer: a build told to be a success keeps its artifact, and its link.
    shelf.sync()?;
    Ok(Published { artifact: published, link })
}

/// Whether the link may move: it must be a link, ours, and not newer.
fn place_of_link(shelf: &Shelf, link: &str, order: &LinkOrder) -> Result<LinkMoved, PublishError> {
    let target = match shelf.occupant(link)? {
        Occupant::Nothing => return Ok(LinkMoved::Yes),
        Occupant::Link { target } => target,
        Occupant::File => return Err(taken(link, "file")),
        Occupant::Other => return Err(taken(link, "directory")),
    };
    // A link without a record is from before this hub (0-autobuilder made such): it is taken over.
    let Some(current) = owned(shelf, &target, link, order)? else { return Ok(LinkMoved::Yes) };
    if current.position > order.position {
        Ok(LinkMoved::No { newer: current.origin.build })
    } else {
        Ok(LinkMoved::Yes)
    }
}

/// Where the file of this name stands already. The commit may have been pushed again since, and the
/// link be there because of that: the file never gets older.
fn position_of_file(shelf: &Shelf, file: &str, order: &LinkOrder) -> Result<i64, PublishError> {
    match shelf.occupant(file)? {
        Occupant::Nothing => Ok(i64::MIN),
        Occupant::File => Ok(owned(shelf, file, file, order)?.map_or(i64::MIN, |record| record.position)),
        Occupant::Link { .. } => Err(taken(file, "link")),
        Occupant::Other => Err(taken(file, "directory")),
    }
}

/// The record of a file, which must be of the same repository and ref.
fn owned(shelf: &Shelf, file: &str, name: &str, order: &LinkOrder) -> Result<Option<Record>, PublishError> {
    if !name::is_visible(file) {
        return Ok(None);
    }
    match shelf.record(file)? {
        Some(record) if !record.is_of(order) => {
            Err(PublishError::Owned { name: name.to_owned(), owner: Box::new(record.origin) })
        }
        record => Ok(record),
    }
}

fn taken(name: &str, occupant: &'static str) -> PublishError {
    PublishError::Taken { name: name.to_owned(), occupant }
}
