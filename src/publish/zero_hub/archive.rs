//! Reads an archive to its end before it is sent, and counts what a hub must find in it.
//!
//! A hub unpacks with `tar` and ignores how that ended: of half an archive it stores half, and calls
//! that a success. So the archive is judged here, and the hub's count is compared with ours. What the
//! hub leaves out by itself (`zflist` passes over `*.pyc`, `__pycache__` and paths with `/dev`) may be
//! in its count or not, which makes each number a span.

use std::{
    collections::HashMap,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, BufReader, Read},
};

use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use tar::{Archive, Entry, EntryType};

const CHUNK: usize = 128 * 1024;

/// A number of which only the bounds are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) least: u64,
    pub(super) most: u64,
}

/// What comes out of an archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Contents {
    /// Files, each name of a file counted.
    pub(super) regular: Span,
    /// Symbolic links.
    pub(super) symlink: Span,
    /// Devices and pipes.
    pub(super) special: Span,
    /// Directories; a hub counts them in its own way.
    pub(super) directory: u64,
    /// Bytes of all files.
    pub(super) fullsize: Span,
}

/// One path of the archive, as it is once all is unpacked.
#[derive(Clone, Copy)]
struct Found {
    kind: Kind,
    size: u64,
    /// The hub has it for sure.
    certain: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Regular,
    Symlink,
    Special,
    Directory,
}

/// Paths by their hash: a later entry of the same path replaces the earlier one.
#[derive(Default)]
struct Unpacked {
    paths: HashMap<u64, Found>,
    /// Some file has holes described in a way that says nothing of its size.
    sparse: bool,
}

impl Span {
    fn add(&mut self, count: u64, certain: bool) {
        self.most = self.most.saturating_add(count);
        if certain {
            self.least = self.least.saturating_add(count);
        }
    }

    /// Whether a count fits.
    pub(super) fn holds(self, count: u64) -> bool {
        (self.least..=self.most).contains(&count)
    }
}

/// Reads a gzip-compressed tar from its beginning to its very end. The error says what is wrong with it.
pub(super) fn inspect(file: &File) -> io::Result<Contents> {
    let mut plain = MultiGzDecoder::new(BufReader::with_capacity(CHUNK, file));
    let mut unpacked = Unpacked::default();
    let mut archive = Archive::new(&mut plain);
    for entry in archive.entries()? {
        unpacked.add(&mut entry?)?;
    }
    // Behind the last entry come padding and the checksum of the compression.
    io::copy(&mut plain, &mut io::sink())?;
    if unpacked.paths.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "there is nothing in it"));
    }
    Ok(unpacked.contents())
}

impl Unpacked {
    fn add<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        // `tar` leaves out what would climb up.
        let Some(path) = normal(&entry.path_bytes()) else { return Ok(()) };
        let kind = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::Regular,
            EntryType::Link => {
                self.add_link(entry, &path);
                return Ok(());
            }
            EntryType::Symlink => Kind::Symlink,
            EntryType::Char | EntryType::Block | EntryType::Fifo => Kind::Special,
            EntryType::Directory => Kind::Directory,
            _ => return Ok(()),
        };
        if let Some(extensions) = entry.pax_extensions()? {
            self.sparse |= extensions.flatten().any(|extension| extension.key_bytes().starts_with(b"GNU.sparse."));
        }
        let size = if kind == Kind::Regular { entry.size() } else { 0 };
        self.paths.insert(hash(&path), Found { kind, size, certain: !may_be_left_out(&path) });
        Ok(())
    }

    /// A further name of a file that came before.
    fn add_link<R: Read>(&mut self, entry: &Entry<'_, R>, path: &[u8]) {
        let target = entry.link_name_bytes().and_then(|target| normal(&target));
        let target = target.and_then(|target| self.paths.get(&hash(&target)).copied());
        let unknown = Found { kind: Kind::Regular, size: 0, certain: false };
        let target = target.unwrap_or(unknown);
        let certain = target.certain && !may_be_left_out(path);
        self.paths.insert(hash(path), Found { certain, ..target });
    }

    fn contents(&self) -> Contents {
        let mut contents = Contents::default();
        for found in self.paths.values() {
            match found.kind {
                Kind::Regular => {
                    contents.regular.add(1, found.certain);
                    contents.fullsize.add(found.size, found.certain);
                }
                Kind::Symlink => contents.symlink.add(1, found.certain),
                Kind::Special => contents.special.add(1, found.certain),
                Kind::Directory => contents.directory += 1,
            }
        }
        if self.sparse {
            contents.fullsize = Span { least: 0, most: u64::MAX };
        }
        contents
    }
}

/// `a/b` of `./a//b/` and of `/a/b`; `None` for the root itself and for a path that climbs up.
fn normal(path: &[u8]) -> Option<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    let parts: Vec<_> = parts.collect();
    (!parts.is_empty() && !parts.contains(&&b".."[..])).then(|| parts.join(&b'/'))
}

fn may_be_left_out(path: &[u8]) -> bool {
    let has = |text: &[u8]| path.windows(text.len()).any(|window| window == text);
    path.ends_with(b".pyc") || has(b"__pycache__") || has(b"/dev") || path.starts_with(b"dev")
}

fn hash(path: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use flate2::{Compression, write::GzEncoder};
    use tar::{Builder, Header};

    use super::*;

    fn compressed(build: impl FnOnce(&mut Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        build(&mut builder);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&builder.into_inner().unwrap()).unwrap();
        encoder.finish().unwrap()
    }

    fn add(builder: &mut Builder<Vec<u8>>, kind: EntryType, path: &str, content: &[u8]) {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        if matches!(kind, EntryType::Link | EntryType::Symlink) {
            header.set_size(0);
            builder.append_link(&mut header, path, str::from_utf8(content).unwrap()).unwrap();
        } else {
            builder.append_data(&mut header, path, content).unwrap();
        }
    }

    fn read(bytes: &[u8]) -> io::Result<Contents> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        inspect(&file)
    }

    fn exactly(count: u64) -> Span {
        Span { least: count, most: count }
    }

    #[test]
    fn each_path_counts_once_and_each_name_of_a_file_counts() {
        let contents = read(&compressed(|builder| {
            add(builder, EntryType::Directory, "a/", b"");
            add(builder, EntryType::Regular, "a/file", b"old");
            add(builder, EntryType::Regular, "./a/file", b"newer");
            add(builder, EntryType::Link, "a/again", b"a/file");
            add(builder, EntryType::Symlink, "a/link", b"file");
            add(builder, EntryType::Fifo, "a/pipe", b"");
        }))
        .unwrap();
        assert_eq!((contents.regular, contents.fullsize), (exactly(2), exactly(10)));
        assert_eq!((contents.symlink, contents.special, contents.directory), (exactly(1), exactly(1), 1));
    }

    #[test]
    fn what_the_hub_leaves_out_by_itself_may_be_missing_from_its_count() {
        let contents = read(&compressed(|builder| {
            add(builder, EntryType::Regular, "usr/lib/x.py", b"12345");
            add(builder, EntryType::Regular, "usr/lib/__pycache__/x.cpython-311.pyc", b"123");
            add(builder, EntryType::Regular, "usr/lib/devices", b"1");
            add(builder, EntryType::Char, "dev/null", b"");
        }))
        .unwrap();
        assert_eq!(contents.regular, Span { least: 1, most: 3 });
        assert_eq!(contents.fullsize, Span { least: 5, most: 9 });
        assert_eq!(contents.special, Span { least: 0, most: 1 });
        assert!(contents.regular.holds(2) && !contents.regular.holds(0) && !contents.regular.holds(4));
    }

    #[test]
    fn an_archive_cut_off_anywhere_is_refused() {
        let noise: Vec<u8> = (0..200_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let whole = compressed(|builder| {
            add(builder, EntryType::Regular, "one", &noise);
            add(builder, EntryType::Regular, "two", &noise);
        });
        assert!(read(&whole).is_ok());
        for kept in [0, 5, 20, whole.len() / 3, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
            assert!(read(&whole[..kept]).is_err(), "{kept} of {} bytes", whole.len());
        }
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 0x10;
        assert!(read(&damaged).is_err());
        assert!(read(b"not an archive at all").is_err());
        assert!(read(&compressed(|_| {})).unwrap_err().to_string().contains("nothing in it"));
    }
}
