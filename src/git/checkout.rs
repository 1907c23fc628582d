//! From a fetched commit to a work tree that a container can use.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use git2::Oid;

use super::{
    Fetched, GitError, MirrorUse, Mirrors,
    blocking::{self, Abandoned},
    mirror::Mirror,
    plan::Plan,
    submodule::Module,
    workspace::{self, Objects},
    writer,
};
use crate::model::CommitId;

/// Where a work tree goes.
#[derive(Debug, Clone)]
pub struct Checkout {
    /// A directory that is empty, or not there yet.
    pub directory: PathBuf,
    /// Where [`Workspace::objects`] will be mounted, read-only, inside the container: `/.autobuilder/objects`.
    pub objects_mount: String,
}

/// A work tree at exactly one commit.
#[derive(Debug)]
pub struct Workspace {
    /// What is checked out.
    pub commit: CommitId,
    /// How many files, links included, without those of submodules.
    pub files: usize,
    /// How many submodules were checked out.
    pub submodules: usize,
    /// What a person may want to read in the log: submodules without an address.
    pub notes: Vec<String>,
    /// Keeps the mirror's objects in place; hold it until the container has ended.
    pub usage: MirrorUse,
}

impl Workspace {
    /// The directory on this machine that must be mounted at [`Checkout::objects_mount`].
    pub fn objects(&self) -> &Path {
        self.usage.objects()
    }
}

/// One written tree, and the submodules it asks for.
pub(super) struct Written {
    pub(super) files: usize,
    pub(super) modules: Vec<Module>,
    pub(super) notes: Vec<String>,
}

impl Mirrors {
    /// Writes the tree of a fetched commit, submodules included.
    pub async fn checkout(&self, fetched: Fetched, to: Checkout) -> Result<Workspace, GitError> {
        let Fetched { commit, git_ref, mirror, usage, .. } = fetched;
        let (store, name, wanted) = (Arc::clone(&mirror), git_ref.to_string(), commit.clone());
        let Checkout { directory, objects_mount } = to;
        let target = directory.clone();
        let work = move |abandoned: &Abandoned| {
            write(&store, &wanted, &name, &target, &Objects::Borrowed { mount: &objects_mount }, abandoned)
        };
        let doing = format!("check out {commit} of {}", mirror.what);
        let written = blocking::run(self.timeout(), &doing, work).await?;
        let mut notes = written.notes;
        let submodules = self.submodules(&mirror.address, &directory, written.modules, &mut notes).await?;
        Ok(Workspace { commit, files: written.files, submodules, notes, usage })
    }
}

/// Writes one commit's tree and its `.git`.
pub(super) fn write(
    mirror: &Mirror,
    commit: &CommitId,
    name: &str,
    directory: &Path,
    objects: &Objects<'_>,
    abandoned: &Abandoned,
) -> Result<Written, GitError> {
    let store = mirror.open()?;
    let oid = Oid::from_str(commit.as_str()).map_err(GitError::mirror("read a commit"))?;
    fresh(directory)?;
    let plan = Plan::read(&store, oid)?;
    let entries = writer::write(&store, &plan, directory, abandoned)?;
    let refs = match objects {
        Objects::Borrowed { .. } => {
            workspace::packed_refs(&store, Some((name, oid)).filter(|_| name.starts_with("refs/heads/")))?
        }
        Objects::Own => String::new(),
    };
    workspace::write(directory, oid, &refs, entries, objects)?;
    let mut notes = Vec::new();
    let modules = Module::read_all(&store, &plan, &mut notes)?;
    Ok(Written { files: plan.files.len() + plan.links.len(), modules, notes })
}

/// A directory with anything in it may hold links that lead elsewhere.
fn fresh(directory: &Path) -> Result<(), GitError> {
    fs::create_dir_all(directory).map_err(GitError::disk("create", directory))?;
    let mut entries = fs::read_dir(directory).map_err(GitError::disk("read", directory))?;
    if entries.next().is_some() {
        let full = io::Error::from(io::ErrorKind::DirectoryNotEmpty);
        return Err(GitError::Disk { doing: "check out into", path: directory.to_owned(), source: full });
    }
    Ok(())
}
