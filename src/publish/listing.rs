//! What is in the hub, for people to look through.

use super::{
    Origin, PublishError, name, record,
    shelf::{Occupant, Shelf},
};
use crate::model::Timestamp;

/// One name in the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// The size of the file, or of the one a link points to.
    pub size: u64,
    /// When that file was published.
    pub modified: Timestamp,
    /// The versioned name it means, if it is a link.
    pub target: Option<String>,
    /// Where the file comes from, if the hub published it.
    pub origin: Option<Origin>,
}

/// Adds all that can be opened in this directory.
pub(super) fn append(shelf: &Shelf, entries: &mut Vec<Entry>) -> Result<(), PublishError> {
    for name in shelf.names()?.into_iter().filter(|name| name::is_visible(name)) {
        let target = match shelf.occupant(&name)? {
            Occupant::File => None,
            Occupant::Link { target } if name::is_visible(&target) => Some(target),
            Occupant::Link { .. } | Occupant::Nothing | Occupant::Other => continue,
        };
        entries.extend(entry(shelf, name, target)?);
    }
    Ok(())
}

/// Puts what was published last at the top, and what came at once by its names.
pub fn newest_first(entries: &mut [Entry]) {
    entries.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| a.name.cmp(&b.name)));
}

fn entry(shelf: &Shelf, name: String, target: Option<String>) -> Result<Option<Entry>, PublishError> {
    let file = target.as_deref().unwrap_or(&name);
    let Some(opened) = shelf.open_file(file)? else { return Ok(None) };
    let metadata = opened.metadata().map_err(shelf.failed("list names"))?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let record = shelf.record(file)?.filter(|record| record.describes(&metadata));
    Ok(Some(Entry {
        size: metadata.len(),
        modified: record::modified(&metadata),
        origin: record.map(|record| record.origin),
        name,
        target,
    }))
}
