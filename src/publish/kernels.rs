//! Kernels for a boot service that reads a directory of this machine, like 0-bootstrap.
//!
//! Such a service offers every regular file it finds and follows links, so nothing half-written may ever
//! stand there. What is on its way lies in `.incoming/`, a directory, which it passes over.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Collected, Entry, KeepArtifacts, LinkOrder, PublishError, Published, Served, boot_archive, hub, listing, prune,
    served,
    shelf::{Occupant, Shelf},
};
use crate::model::{Artifact, ArtifactName, Timestamp};

/// A boot service's directory. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Kernels {
    path: PathBuf,
    /// Opened, and made, when the first kernel comes: most services make none.
    shelf: Arc<Mutex<Option<Arc<Shelf>>>>,
}

impl Kernels {
    /// Kernels in this directory.
    pub fn new(path: PathBuf) -> Self {
        Self { path, shelf: Arc::default() }
    }

    fn shelf(&self) -> Result<Arc<Shelf>, PublishError> {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shelf) = &*shelf {
            return Ok(Arc::clone(shelf));
        }
        Ok(Arc::clone(shelf.insert(Arc::new(Shelf::open(&self.path)?))))
    }

    /// Opened for those who look: what is not there is not made.
    fn found(&self) -> Result<Option<Arc<Shelf>>, PublishError> {
        if self.path.exists() { self.shelf().map(Some) } else { Ok(None) }
    }

    /// Opens one of our kernels by its versioned name or by its link. Others may put kernels into the
    /// directory too; those are not ours to hand out.
    pub fn open_artifact(&self, name: &str) -> Result<Option<Served>, PublishError> {
        if !name.ends_with(".efi") {
            return Ok(None);
        }
        let Some(shelf) = self.found()? else { return Ok(None) };
        Ok(served::open(&shelf, name)?.filter(|served| served.sha256.is_some()))
    }

    /// Our kernels and their links.
    pub fn list(&self) -> Result<Vec<Entry>, PublishError> {
        let mut entries = Vec::new();
        if let Some(shelf) = self.found()? {
            listing::append(&shelf, &mut entries)?;
        }
        entries.retain(|entry| entry.origin.is_some());
        Ok(entries)
    }

    /// A kernel as it was published.
    pub fn published(&self, name: &ArtifactName) -> Result<Option<Artifact>, PublishError> {
        let served = self.open_artifact(&name.versioned)?;
        let artifact =
            |served: Served| Some(Artifact { name: name.clone(), size: served.size, sha256: served.sha256? });
        Ok(served.and_then(artifact))
    }

    /// Publishes a kernel, then moves its link unless a newer push has it already. Blocks as long as the
    /// disk takes; may be repeated.
    pub fn publish(
        &self,
        kernel: Collected,
        name: &ArtifactName,
        order: &LinkOrder,
    ) -> Result<Published, PublishError> {
        hub::publish_in(&*self.shelf()?, kernel, name, order).map_err(|error| match error {
            PublishError::Owned { name, owner } => PublishError::KernelOwned { name, owner },
            other => other,
        })
    }

    /// The kernel as an archive for a hub, made beside the kernels without ever having a name.
    pub fn archive(&self, kernel: &Collected) -> Result<Collected, PublishError> {
        let shelf = self.shelf()?;
        boot_archive::make(&kernel.file, &self.path).map_err(shelf.failed("pack the kernel"))
    }

    /// Removes kernels that newer ones of their link have replaced for long, and tells their names.
    pub fn prune(&self, keep: KeepArtifacts) -> Result<Vec<String>, PublishError> {
        self.found()?.map_or_else(|| Ok(Vec::new()), |shelf| prune::prune(&shelf, keep, Timestamp::now()))
    }

    /// Whether the link means this kernel now.
    pub fn is_linked(&self, name: &ArtifactName) -> Result<bool, PublishError> {
        let occupant = self.shelf()?.occupant(&name.link)?;
        Ok(matches!(occupant, Occupant::Link { target } if target == name.versioned))
    }
}
