//! Artifacts on their way to the hub, safe with us until they are there.
//!
//! ```text
//! <directory>/
//!   <build id>/artifact       the archive, copied and verified
//!   <build id>/parcel.json    what it is, and how far it came
//!   <build id>/kept           its build ended; until it is sent again, or too old
//!   .incoming/                what is not whole yet
//!   .links/                   see `ledger`
//! ```
//!
//! A folder gets its name when all in it is on the disk, so whoever finds one after a crash can go on
//! from it. There is no second book of what waits: the folder is the fact.

use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::archive::{self, Contents};
use crate::{
    model::{ArtifactName, BuildId},
    publish::{Collected, PublishError, incoming},
};

const INCOMING: &str = ".incoming";
const ARTIFACT: &str = "artifact";
const PARCEL: &str = "parcel.json";
const KEPT: &str = "kept";

/// How long an artifact is kept whose build ended because of the hub.
pub(super) const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is known of an artifact on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Parcel {
    pub(super) name: ArtifactName,
    pub(super) size: u64,
    pub(super) sha256: String,
    pub(super) contents: Contents,
    /// Whether the hub has it, verified.
    pub(super) uploaded: bool,
    /// Whether its link was moved to it.
    pub(super) linked: bool,
}

/// The folder of all of them.
#[derive(Debug)]
pub(super) struct Outgoing {
    directory: PathBuf,
}

impl Outgoing {
    /// Opens the folder, makes it if need be, and removes what a crash left half-written.
    pub(super) fn open(directory: &Path) -> Result<Self, PublishError> {
        let outgoing = Self { directory: directory.to_owned() };
        let incoming = directory.join(INCOMING);
        let opened = make(directory).and_then(|()| match fs::remove_dir_all(&incoming) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => make(&incoming),
        });
        opened.map_err(outgoing.failed("open the folder of what goes to the hub"))?;
        Ok(outgoing)
    }

    /// Copies an artifact, verifies the copy, reads it to its end, and makes all of that durable.
    pub(super) fn keep(&self, id: BuildId, artifact: Collected, name: &ArtifactName) -> Result<(), PublishError> {
        let failed = self.failed("keep the artifact");
        let incoming = self.directory.join(INCOMING).join(id.to_string());
        let _ = fs::remove_dir_all(&incoming);
        make(&incoming).map_err(&failed)?;
        let kept = self.keep_in(&incoming, artifact, name);
        if kept.is_err() {
            let _ = fs::remove_dir_all(&incoming);
            return kept;
        }
        // An earlier attempt of the same build may have come as far, and its end not have been noted.
        self.remove(id)?;
        fs::rename(&incoming, self.place(id)).and_then(|()| sync(&self.directory)).map_err(failed)
    }

    fn keep_in(&self, incoming: &Path, mut artifact: Collected, name: &ArtifactName) -> Result<(), PublishError> {
        let failed = self.failed("keep the artifact");
        let mut copy = File::create_new(incoming.join(ARTIFACT)).map_err(&failed)?;
        incoming::copy(&mut artifact, &mut copy).map_err(&failed)?.verify(artifact.size, &artifact.sha256)?;
        let contents = archive::inspect(&copy).map_err(|error| PublishError::Archive(error.to_string()))?;
        let Collected { size, sha256, .. } = artifact;
        let parcel = Parcel { name: name.clone(), size, sha256, contents, uploaded: false, linked: false };
        write(incoming, PARCEL, &parcel).map_err(failed)
    }

    /// Whether an artifact of this build waits.
    pub(super) fn has(&self, id: BuildId) -> bool {
        self.place(id).join(PARCEL).exists()
    }

    /// What is known of it.
    pub(super) fn read(&self, id: BuildId) -> Result<Parcel, PublishError> {
        let text = fs::read(self.place(id).join(PARCEL)).map_err(self.failed("read what goes to the hub"))?;
        serde_json::from_slice(&text).map_err(|error| self.failed("read what goes to the hub")(error.into()))
    }

    /// Remembers whether the hub has it.
    pub(super) fn write(&self, id: BuildId, parcel: &Parcel) -> Result<(), PublishError> {
        write(&self.place(id), PARCEL, parcel).map_err(self.failed("note how far an upload is"))
    }

    /// The archive, at its beginning, after it was verified once more by this very descriptor.
    pub(super) fn open_artifact(&self, id: BuildId, parcel: &Parcel) -> Result<File, PublishError> {
        let failed = self.failed("read what goes to the hub");
        let mut file = File::open(self.place(id).join(ARTIFACT)).map_err(&failed)?;
        incoming::hash(&mut file).map_err(&failed)?.verify(parcel.size, &parcel.sha256)?;
        Ok(file)
    }

    /// Keeps it for another build of the same, although this one has ended.
    pub(super) fn set_aside(&self, id: BuildId) -> Result<(), PublishError> {
        let place = self.place(id);
        let kept = File::create(place.join(KEPT)).and_then(|_| sync(&place));
        kept.map_err(self.failed("keep the artifact for another try"))
    }

    /// Makes what was kept of an ended build that of a new one. False if nothing was.
    pub(super) fn hand_over(&self, from: BuildId, to: BuildId) -> Result<bool, PublishError> {
        let failed = self.failed("take an artifact up again");
        if !self.place(from).join(KEPT).exists() {
            return Ok(false);
        }
        fs::rename(self.place(from), self.place(to)).and_then(|()| sync(&self.directory)).map_err(&failed)?;
        fs::remove_file(self.place(to).join(KEPT)).map_err(failed)?;
        Ok(true)
    }

    /// Removes it; fine if it is not there.
    pub(super) fn remove(&self, id: BuildId) -> Result<(), PublishError> {
        let gone = self.directory.join(INCOMING).join(format!("{id}-gone"));
        let removed = match fs::rename(self.place(id), &gone) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => fs::remove_dir_all(gone),
        };
        removed.map_err(self.failed("remove what went to the hub"))
    }

    /// Removes what belongs to no build in `live` and is not kept, or was for long enough.
    pub(super) fn sweep(&self, live: &HashSet<BuildId>) -> Result<(), PublishError> {
        self.remove_those(|id| !live.contains(&id) && self.kept_for(id).is_none_or(|since| since >= KEEP))
    }

    /// Removes what was kept for long enough.
    pub(super) fn expire(&self) -> Result<(), PublishError> {
        self.remove_those(|id| self.kept_for(id).is_some_and(|since| since >= KEEP))
    }

    fn remove_those(&self, may_go: impl Fn(BuildId) -> bool) -> Result<(), PublishError> {
        let names = fs::read_dir(&self.directory).map_err(self.failed("look through what goes to the hub"))?;
        let ids = names.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        for id in ids.filter(|id| may_go(*id)) {
            if let Err(error) = self.remove(id) {
                warn!("An artifact that is not needed stays for now: {error}");
            }
        }
        Ok(())
    }

    /// How long it has been kept for another try, if it is.
    fn kept_for(&self, id: BuildId) -> Option<Duration> {
        let since = fs::metadata(self.place(id).join(KEPT)).and_then(|metadata| metadata.modified()).ok()?;
        Some(SystemTime::now().duration_since(since).unwrap_or_default())
    }

    fn place(&self, id: BuildId) -> PathBuf {
        self.directory.join(id.to_string())
    }

    /// An error of this folder.
    pub(super) fn failed(&self, doing: &'static str) -> impl Fn(io::Error) -> PublishError {
        let directory = self.directory.clone();
        move |source| PublishError::Io { doing, directory: directory.clone(), source }
    }
}

/// Makes a folder that other users of the machine cannot look into.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Writes a file whole or not at all, and durably.
pub(super) fn write(directory: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    let mut beside = tempfile::NamedTempFile::new_in(directory)?;
    beside.write_all(&serde_json::to_vec(value)?)?;
    beside.as_file().sync_all()?;
    beside.persist(directory.join(name)).map_err(|error| error.error)?;
    sync(directory)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_another_try_goes_after_a_week_and_what_waits_stays() {
        let directory = tempfile::tempdir().unwrap();
        let outgoing = Outgoing::open(directory.path()).unwrap();
        let [waits, young, old] = [(); 3].map(|()| BuildId::new());
        for id in [waits, young, old] {
            fs::create_dir(outgoing.place(id)).unwrap();
        }
        outgoing.set_aside(young).unwrap();
        outgoing.set_aside(old).unwrap();
        let mark = File::options().write(true).open(outgoing.place(old).join(KEPT)).unwrap();
        mark.set_modified(SystemTime::now() - KEEP).unwrap();
        outgoing.expire().unwrap();
        assert_eq!([waits, young, old].map(|id| outgoing.place(id).exists()), [true, true, false]);
        outgoing.sweep(&HashSet::new()).unwrap();
        assert_eq!([waits, young].map(|id| outgoing.place(id).exists()), [false, true]);
    }
}
