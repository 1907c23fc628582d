//! Keeps mirrors fast for years: libgit2 leaves one pack per fetch, and each makes every lookup slower.
//!
//! When nobody uses a mirror, all that its refs reach goes into one new pack, which is on disk before any old one is
//! removed. A crash in between leaves objects twice, never none.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    GitError, Mirrors,
    blocking::{self, Abandoned},
    mirror::Mirror,
};
use crate::model::Repository;

/// What became of a mirror that was to be compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compacted {
    /// It has few packs.
    NotNeeded,
    /// A build or a fetch uses it; try again later.
    InUse,
    /// So many packs became one.
    Done {
        /// How many there were.
        packs: usize,
    },
}

impl Mirrors {
    /// Packs a repository's mirror anew if it has more than `most` packs and nobody uses it.
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
        repack(&mirror, &packs, abandoned)?;
        Ok(Compacted::Done { packs: packs.len() })
    };
    blocking::run(mirrors.timeout() * 6, &doing, work).await
}

fn packs(mirror: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(mirror.join("objects/pack")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "pack")).collect()
}

fn repack(mirror: &Mirror, old: &[PathBuf], abandoned: &Abandoned) -> Result<(), GitError> {
    let store = mirror.open()?;
    let directory = mirror.directory.join("objects/pack");
    let name = pack_all(&store, &directory).map_err(GitError::mirror("compact"))?;
    abandoned.check()?;
    let Some(name) = name else { return Ok(()) };
    let fresh = directory.join(format!("pack-{name}"));
    for path in [fresh.with_extension("pack"), fresh.with_extension("idx"), directory.clone()] {
        File::open(&path).and_then(|file| file.sync_all()).map_err(GitError::disk("sync", path))?;
    }
    for pack in old.iter().filter(|pack| **pack != fresh.with_extension("pack")) {
        for path in [pack.with_extension("idx"), pack.clone()] {
            fs::remove_file(&path).map_err(GitError::disk("remove", path))?;
        }
    }
    Ok(())
}

/// Packs all that the refs reach; the name of the pack, or none if there is nothing.
fn pack_all(store: &git2::Repository, directory: &Path) -> Result<Option<String>, git2::Error> {
    let mut builder = store.packbuilder()?;
    builder.set_threads(0);
    let mut walk = store.revwalk()?;
    for reference in store.references()?.flatten() {
        let Some(oid) = reference.target() else { continue };
        let mut object = store.find_object(oid, None)?;
        while let Some(tag) = object.as_tag() {
            builder.insert_object(tag.id(), None)?;
            object = tag.target()?;
        }
        match object.kind() {
            Some(git2::ObjectType::Commit) => walk.push(object.id())?,
            _ => builder.insert_recursive(object.id(), None)?,
        }
    }
    builder.insert_walk(&mut walk)?;
    if builder.object_count() == 0 {
        return Ok(None);
    }
    builder.write(directory, 0o444)?;
    let name = builder.name()?.map(str::to_owned);
    Ok(name)
}
