//! A published file, opened to be sent.
//!
//! Only our own kind of link is followed: to a visible name in the same directory, once. Where
//! anything else stands (a link out, a pipe, a directory), there is nothing.

use std::{fs::File, io, os::unix::fs::FileExt};

use super::{
    PublishError, name, record,
    record::Record,
    shelf::{Occupant, Shelf},
};
use crate::model::Timestamp;

/// A published file.
#[derive(Debug)]
pub struct Served {
    /// The file itself: it stays whole and the same while a link moves or the name is replaced.
    pub file: File,
    /// Its versioned name.
    pub file_name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was published.
    pub modified: Timestamp,
    /// Its SHA-256, if the hub published it.
    pub sha256: Option<String>,
    /// A strong entity tag, with its quotes.
    pub etag: String,
    /// What it is.
    pub content_type: &'static str,
}

/// Opens a name of this directory.
pub(super) fn open(shelf: &Shelf, name: &str) -> Result<Option<Served>, PublishError> {
    if !name::is_visible(name) {
        return Ok(None);
    }
    match shelf.occupant(name)? {
        Occupant::File => open_file(shelf, name),
        Occupant::Link { target } if name::is_visible(&target) => open_file(shelf, &target),
        Occupant::Link { .. } | Occupant::Nothing | Occupant::Other => Ok(None),
    }
}

fn open_file(shelf: &Shelf, name: &str) -> Result<Option<Served>, PublishError> {
    let Some(file) = shelf.open_file(name)? else { return Ok(None) };
    let failed = shelf.failed("read a file");
    let metadata = file.metadata().map_err(&failed)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let record = shelf.record(name)?.filter(|record: &Record| record.describes(&metadata));
    let modified = record::modified(&metadata);
    let sha256 = record.map(|record| record.sha256);
    let etag = match &sha256 {
        Some(sha256) => format!("\"{sha256}\""),
        None => format!("\"{:x}-{:x}\"", metadata.len(), modified.as_millis()),
    };
    let content_type = content_type(name, starts_as_gzip(&file).map_err(&failed)?);
    Ok(Some(Served { file, file_name: name.to_owned(), size: metadata.len(), modified, sha256, etag, content_type }))
}

fn starts_as_gzip(file: &File) -> io::Result<bool> {
    let mut magic = [0; 2];
    Ok(file.read_at(&mut magic, 0)? == 2 && magic == [0x1f, 0x8b])
}

/// Nothing a browser would run: a build must not put a page of its own under the service's address.
fn content_type(name: &str, gzip: bool) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "efi" => "application/efi",
        "txt" | "log" | "md" => "text/plain; charset=utf-8",
        "json" => "application/json",
        _ if gzip => "application/gzip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_made_by_a_build_is_no_page_of_ours() {
        for name in ["a.html", "a.svg", "a.js", "a"] {
            assert_eq!(content_type(name, false), "application/octet-stream", "{name}");
        }
        assert_eq!(content_type("acme-tool-main.flist", true), "application/gzip");
        assert_eq!(content_type("acme-tool-main.flist", false), "application/octet-stream");
        assert_eq!(content_type("zero-os-main.efi", false), "application/efi");
    }
}
