//! Keeps mirrors fast for years: libgit2 leaves one pack per fetch, and each makes every lookup slower.
//!
//! When nobody uses a mirror, its small packs become one, which is on disk before any of them is removed. A crash in
//! between leaves objects twice, never none. A pack stays as it is if it is large beside all that are smaller, as in
//! git's own geometric repacking: so the work is about what was fetched, and not about the whole history.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use git2::{Oid, Repository as Store};

use super::{
    GitError, Mirrors,
    blocking::{self, Abandoned},
    mirror::Mirror,
};
use crate::model::Repository;

/// A pack of more bytes stays as it is: its objects would take too much memory, and it is in nobody's way.
const LARGEST: u64 = 256 << 20;

/// Bytes of an object's id.
const HASH: usize = 20;

/// What became of a mirror that was to be compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compacted {
    /// It has few packs.
    NotNeeded,
    /// A build or a fetch uses it; try again later.
    InUse,
    /// So many small packs became one.
    Done {
        /// How many there were.
        packs: usize,
    },
}

impl Mirrors {
    /// Makes one of the small packs of a repository's mirror if it has more than `most` and nobody uses it.
    pub async fn compact(&self, repository: &Repository, most: usize) -> Result<Compacted, GitError> {
        compact(self, self.mirror(repository), most).await
    }

    /// The same for every mirror that was used since the start, submodules' included; returns how many were packed.
    pub async fn compact_all(&self, most: usize) -> Result<usize, GitError> {
        let mut done = 0;
        for mirror in self.known() {
            done += usize::from(matches!(compact(self, mirror, most).await?, Compacted::Done { .. }));
        }
        Ok(done)
    }
}

async fn compact(mirrors: &Mirrors, mirror: Arc<Mirror>, most: usize) -> Result<Compacted, GitError> {
    // Held until the thread is really done: a fetch in between could lose what it just brought.
    let Some(alone) = mirror.try_alone() else { return Ok(Compacted::InUse) };
    let doing = format!("compact the mirror of {}", mirror.what);
    let work = move |abandoned: &Abandoned| {
        let _alone = alone;
        let packs = if mirror.exists() { packs(&mirror.directory) } else { Vec::new() };
        if packs.len() <= most {
            return Ok(Compacted::NotNeeded);
        }
        let small = small(packs);
        if small.is_empty() {
            return Ok(Compacted::NotNeeded);
        }
        repack(&mirror, &small, abandoned)?;
        Ok(Compacted::Done { packs: small.len() })
    };
    blocking::run(mirrors.timeout() * 6, &doing, work).await
}

/// A pack with its size.
type Pack = (u64, PathBuf);

fn packs(mirror: &Path) -> Vec<Pack> {
    let entries = fs::read_dir(mirror.join("objects/pack")).into_iter().flatten().flatten();
    let packs = entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "pack"));
    packs.filter_map(|entry| Some((entry.metadata().ok()?.len(), entry.path()))).collect()
}

/// Those that are to become one: after it, each pack is more than twice as large as all smaller ones together.
fn small(mut packs: Vec<Pack>) -> Vec<PathBuf> {
    packs.retain(|(size, _)| *size <= LARGEST);
    packs.sort_unstable();
    let (mut smaller, mut merged) = (0, 0);
    for (place, (size, _)) in packs.iter().enumerate() {
        if *size <= 2 * smaller {
            merged = place + 1;
        }
        smaller += size;
    }
    packs.truncate(merged);
    packs.into_iter().map(|(_, path)| path).collect()
}

fn repack(mirror: &Mirror, old: &[PathBuf], abandoned: &Abandoned) -> Result<(), GitError> {
    let store = mirror.open()?;
    let directory = mirror.directory.join("objects/pack");
    let fresh = directory.join(format!("pack-{}", pack(&store, old, &directory, abandoned)?));
    abandoned.check()?;
    for path in [fresh.with_extension("pack"), fresh.with_extension("idx"), directory] {
        File::open(&path).and_then(|file| file.sync_all()).map_err(GitError::disk("sync", path))?;
    }
    for pack in old.iter().filter(|pack| **pack != fresh.with_extension("pack")) {
        for path in [pack.with_extension("idx"), pack.clone()] {
            fs::remove_file(&path).map_err(GitError::disk("remove", path))?;
        }
    }
    Ok(())
}

/// Writes all objects of some packs into one; its name.
fn pack(store: &Store, old: &[PathBuf], directory: &Path, abandoned: &Abandoned) -> Result<String, GitError> {
    let failed = GitError::mirror("compact");
    let mut builder = store.packbuilder().map_err(&failed)?;
    // Builds run beside this, and it is in no hurry.
    builder.set_threads(1);
    for path in old.iter().map(|pack| pack.with_extension("idx")) {
        abandoned.check()?;
        for oid in objects(&path).map_err(GitError::disk("read", path))? {
            builder.insert_object(oid, None).map_err(&failed)?;
        }
    }
    builder.write(directory, 0o444).map_err(&failed)?;
    Ok(builder.name().map_err(&failed)?.unwrap_or_default().to_owned())
}

/// The objects that an index lists: version 2 of gitformat-pack(5), which is all that libgit2 and git write.
fn objects(index: &Path) -> io::Result<Vec<Oid>> {
    const HEADER: &[u8] = b"\xfftOc\0\0\0\x02";
    const COUNT: usize = HEADER.len() + 255 * 4;
    const OBJECTS: usize = COUNT + 4;
    let bytes = fs::read(index)?;
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is no index of a pack (version 2)");
    let count = bytes.get(COUNT..OBJECTS).and_then(|count| count.try_into().ok()).map(u32::from_be_bytes);
    let count = count.filter(|_| bytes.starts_with(HEADER)).and_then(|count| usize::try_from(count).ok());
    let listed = count.and_then(|count| bytes.get(OBJECTS..OBJECTS + count * HASH)).ok_or_else(damaged)?;
    listed.chunks_exact(HASH).map(|oid| Oid::from_bytes(oid).map_err(|_| damaged())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_small_beside_the_others_is_packed_anew() {
        let merged = |sizes: &[u64]| {
            let packs = sizes.iter().map(|size| (*size, PathBuf::from(size.to_string()))).collect();
            small(packs).iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(merged(&[7_000, 20, 21, 22, 23]), "20 21 22 23");
        assert_eq!(merged(&[7_000, 150, 20, 21, 22, 23]), "20 21 22 23 150");
        assert_eq!(merged(&[7_000, 3_000, 20, 21, 22, 23]), "20 21 22 23");
        assert_eq!(merged(&[1, 10, 100, 1_000]), "");
        assert_eq!(merged(&[LARGEST + 1, LARGEST + 2, LARGEST]), "");
    }
}
