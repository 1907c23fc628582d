//! Whether the engine sees the same directories as this service.
//!
//! When the service runs in a container and its `TMP_DIRECTORY` has another path there than on the
//! host, every build would find an empty checkout and leave its artifact where nobody looks.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{
    Runner, cleaning,
    engine::EngineError,
    seams::{Journal, Publisher, Source},
};

const HERE: &str = "written by the service";
const THERE: &str = "written by a container";

/// What is wrong with the temporary directory.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// Host and container paths differ.
    #[error(
        "containers do not see `{}` as this service does: when the service runs in a container itself, mount its \
         `build.tmp_directory` (TMP_DIRECTORY) at the same path inside as on the host", .0.display()
    )]
    Differs(PathBuf),
    /// It cannot be written.
    #[error("`{}` cannot be used as the temporary directory: {source}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl ProbeError {
    /// Whether it may be well a moment later.
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::Differs(_))
    }
}

impl<S: Source, P: Publisher, J: Journal> Runner<S, P, J> {
    /// Lets a container of `image` read what we wrote into the temporary directory, and reads what it
    /// wrote. `false` if that image is not here, and nothing could be asked.
    pub async fn probe_tmp_directory(&self, image: &str) -> Result<bool, ProbeError> {
        let root = self.workspaces.root();
        let unusable = |source| ProbeError::Unusable { path: root.to_owned(), source };
        self.workspaces.ensure().map_err(unusable)?;
        let directory = tempfile::Builder::new().prefix("probe-").tempdir_in(root).map_err(unusable)?;
        fs::write(directory.path().join("here"), HERE).map_err(unusable)?;
        let script = format!("cd /.autobuilder && [ \"$(cat here)\" = '{HERE}' ] && printf '{THERE}' >there");
        match cleaning::run(&self.engine, image, directory.path(), &script).await {
            Ok(None) => Ok(false),
            Ok(Some(0)) if answered(directory.path()) => Ok(true),
            Err(EngineError::Refused { message, .. }) if message.contains("bind source path does not exist") => {
                Err(ProbeError::Differs(root.to_owned()))
            }
            Ok(Some(_)) => Err(ProbeError::Differs(root.to_owned())),
            Err(error) => Err(error.into()),
        }
    }
}

fn answered(directory: &Path) -> bool {
    fs::read_to_string(directory.join("there")).is_ok_and(|text| text == THERE)
}
