//! A folder instead of a hub: where `autobuilder build` leaves its artifact.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{
    model::{Artifact, Build, Cause, Outcome},
    runner::{Collected, Fault, Handed, Publisher},
};

/// Leaves artifacts in a directory, under their versioned names.
pub(super) struct Folder(pub(super) PathBuf);

impl Publisher for Folder {
    async fn publish(&self, build: &Build, collected: Collected) -> Result<Handed, Fault> {
        let fault =
            |message: String| Fault { cause: Cause::Publish, outcome: Outcome::Error, retryable: false, message };
        let name = build.artifact_name().map_err(|error| fault(error.to_string()))?;
        let Collected { file, size, sha256 } = collected;
        keep(&self.0, &name.versioned, file)
            .map_err(|error| fault(format!("could not write to `{}`: {error}", self.0.display())))?;
        Ok(Handed::Published(Artifact { name, size, sha256 }))
    }
}

/// Whole or not at all: written beside, then renamed.
fn keep(directory: &Path, name: &str, mut file: fs::File) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut beside = tempfile::NamedTempFile::new_in(directory)?;
    let mode = file.metadata()?.permissions().mode() & 0o755;
    io::copy(&mut file, &mut beside)?;
    beside.as_file().set_permissions(fs::Permissions::from_mode(mode | 0o644))?;
    beside.persist(directory.join(name)).map_err(|error| error.error)?;
    Ok(())
}
