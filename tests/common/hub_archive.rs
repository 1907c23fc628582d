//! How a hub reads what it is sent: the multipart field, then `tar` and a count of what came out.

use std::{collections::BTreeMap, io::Read};

use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

/// The name and the content of the field `file`.
pub fn field<'a>(content_type: &str, body: &'a [u8]) -> Option<(String, &'a [u8])> {
    let boundary = content_type.split_once("boundary=")?.1.trim_matches('"');
    let (open, close) = (format!("--{boundary}\r\n"), format!("\r\n--{boundary}--"));
    let start = find(body, open.as_bytes())? + open.len();
    let head_end = start + find(&body[start..], b"\r\n\r\n")?;
    let head = std::str::from_utf8(&body[start..head_end]).ok()?;
    let end = body.len() - find_last(body, close.as_bytes())?;
    let named = head.contains("name=\"file\"");
    let filename = head.split_once("filename=\"")?.1.split_once('"')?.0.to_owned();
    named.then(|| (filename, &body[head_end + 4..body.len() - end]))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Only near the end: archives are long.
fn find_last(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let from = bytes.len().saturating_sub(what.len() + 8);
    find(&bytes[from..], what).map(|at| from + at)
}

/// What `tar -xpf` and `zflist putdir` make of it: errors are ignored, files with some names left out.
pub fn count(archive: &[u8]) -> Value {
    let mut plain = Vec::new();
    let _ = MultiGzDecoder::new(archive).read_to_end(&mut plain);
    let mut paths = BTreeMap::new();
    let mut archive = tar::Archive::new(&plain[..]);
    for entry in archive.entries().unwrap() {
        let Ok(mut entry) = entry else { break };
        let path = entry.path().unwrap().to_string_lossy().trim_matches(['.', '/']).to_owned();
        let kind = entry.header().entry_type();
        let mut content = Vec::new();
        let _ = entry.read_to_end(&mut content);
        if !path.is_empty() && !path.ends_with(".pyc") && !format!("/{path}").contains("/dev") {
            paths.insert(path, (kind, content.len()));
        }
    }
    let of = |wanted: &[tar::EntryType]| paths.values().filter(|(kind, _)| wanted.contains(kind)).count();
    use tar::EntryType as T;
    json!({
        "regular": of(&[T::Regular, T::Link]), "symlink": of(&[T::Symlink]), "directory": of(&[T::Directory]) + 3,
        "special": of(&[T::Char, T::Block, T::Fifo]), "failure": 0,
        "fullsize": paths.values().map(|(_, size)| size).sum::<usize>(),
    })
}
