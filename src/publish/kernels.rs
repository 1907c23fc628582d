//! Kernels for a boot service that reads a directory of this machine, like 0-bootstrap.
//!
//! Such a service offers every regular file it finds and follows links, so nothing half-written may ever
//! stand there. What is on its way lies in `.incoming/`, a directory, which it passes over.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Collected, KeepArtifacts, LinkOrder, PublishError, Published, boot_archive, hub, prune,
    shelf::{Occupant, Shelf},
};
use crate::model::{ArtifactName, Timestamp};

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
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        prune::prune(&*self.shelf()?, keep, Timestamp::now())
    }

    /// Whether the link means this kernel now.
    pub fn is_linked(&self, name: &ArtifactName) -> Result<bool, PublishError> {
        let occupant = self.shelf()?.occupant(&name.link)?;
        Ok(matches!(occupant, Occupant::Link { target } if target == name.versioned))
    }
}
