//! Removes artifacts that newer ones have replaced for long, if the operator wants that.
//!
//! Only what this service published goes, and is still as it was then: a record says of each file whose it is and
//! which link it was published for. What any link of the directory points to stays, whoever made the link. All of it
//! happens while no push decides about a link, so nothing is removed that is just coming into use.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use super::{
    PublishError, name,
    record::{self, Record},
    shelf::{Occupant, Shelf},
};
use crate::model::Timestamp;

/// What is kept in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepArtifacts {
    /// So many of each link, the newest ones; 0 for all of them.
    pub newest: usize,
    /// And the others so long.
    pub at_least: Duration,
}

/// A published file that is as it was.
struct Found {
    name: String,
    record: Record,
    published: Timestamp,
}

/// Removes what may go, and tells the names.
pub(super) fn prune(shelf: &Shelf, keep: KeepArtifacts, now: Timestamp) -> Result<Vec<String>, PublishError> {
    if keep.newest == 0 {
        return Ok(Vec::new());
    }
    let _settling = shelf.settle();
    let linked = linked(shelf)?;
    let mut gone = Vec::new();
    for name in replaced(shelf, keep, now)?.into_iter().filter(|name| !linked.contains(name)) {
        shelf.remove(&name)?;
        gone.push(name);
    }
    Ok(gone)
}

/// The files that are not among the newest of their link, and old.
fn replaced(shelf: &Shelf, keep: KeepArtifacts, now: Timestamp) -> Result<Vec<String>, PublishError> {
    let mut links: BTreeMap<_, Vec<Found>> = BTreeMap::new();
    for name in shelf.recorded()? {
        let Some(found) = find(shelf, name)? else { continue };
        let origin = &found.record.origin;
        let link = (origin.repository.to_string(), origin.git_ref.to_string(), found.record.link.clone());
        links.entry(link).or_default().push(found);
    }
    let mut replaced = Vec::new();
    for mut files in links.into_values() {
        files.sort_by_key(|found| Reverse((found.record.position, found.published)));
        let older = files.into_iter().skip(keep.newest);
        let old = older.filter(|found| now.since(found.published) >= keep.at_least);
        replaced.extend(old.map(|found| found.name));
    }
    Ok(replaced)
}

fn find(shelf: &Shelf, name: String) -> Result<Option<Found>, PublishError> {
    if !name::is_visible(&name) || !matches!(shelf.occupant(&name)?, Occupant::File) {
        return Ok(None);
    }
    let (Some(record), Some(file)) = (shelf.record(&name)?, shelf.open_file(&name)?) else { return Ok(None) };
    let metadata = file.metadata().map_err(shelf.failed("look at a file"))?;
    let published = record::modified(&metadata);
    let is_ours = record.describes(&metadata) && !record.link.is_empty();
    Ok(is_ours.then_some(Found { name, record, published }))
}

/// Every name that a link of the directory ends in.
fn linked(shelf: &Shelf) -> Result<HashSet<String>, PublishError> {
    let mut linked = HashSet::new();
    for name in shelf.names()? {
        if let Occupant::Link { target } = shelf.occupant(&name)? {
            linked.extend(target.rsplit('/').next().map(str::to_owned));
        }
    }
    Ok(linked)
}
