//! Fetching from a directory: packs what the mirror lacks, straight from the other repository's objects.

use std::{io::Write, path::Path};

use git2::{ObjectType, Oid, Reference, Repository};

use super::{
    GitError,
    blocking::{Abandoned, OnProgress},
    copy,
    heads::Head,
    mirror::Mirror,
    source::{Listing, report, unreachable},
};

/// An opened repository on this machine.
pub(super) struct Local<'mirror> {
    mirror: &'mirror Mirror,
    repository: Repository,
    abandoned: Abandoned,
}

impl<'mirror> Local<'mirror> {
    pub(super) fn open(mirror: &'mirror Mirror, path: &Path, abandoned: Abandoned) -> Result<Self, GitError> {
        let repository = Repository::open(path).map_err(|error| match error.code() {
            git2::ErrorCode::NotFound => {
                GitError::NoRepository { what: mirror.what.clone(), url: mirror.address.url() }
            }
            _ => unreachable(mirror, &error),
        })?;
        Ok(Self { mirror, repository, abandoned })
    }

    pub(super) fn list(&self) -> Result<Listing, GitError> {
        let references = self.repository.references().map_err(|error| unreachable(self.mirror, &error))?;
        let heads = references.flatten().filter_map(|reference| self.head(&reference)).collect();
        // `HEAD` of an empty repository names a branch that is not there yet.
        let default = self.repository.head().ok().and_then(|head| head.name().ok().map(str::to_owned));
        Ok(Listing { heads, default })
    }

    fn head(&self, reference: &Reference<'_>) -> Option<Head> {
        let name = reference.name().ok()?.to_owned();
        let oid = reference.target()?;
        if !(name.starts_with("refs/heads/") || name.starts_with("refs/tags/")) {
            return None;
        }
        let peel = || reference.target_peel().or_else(|| self.peel(oid));
        let peeled = if name.starts_with("refs/tags/") { peel().filter(|peeled| *peeled != oid) } else { None };
        Some(Head { name, oid, peeled })
    }

    fn peel(&self, oid: Oid) -> Option<Oid> {
        Some(self.repository.find_object(oid, None).ok()?.peel(ObjectType::Commit).ok()?.id())
    }

    pub(super) fn bring(
        &self,
        into: &Repository,
        wants: impl Iterator<Item = Oid>,
        on: Option<&OnProgress>,
    ) -> Result<(), GitError> {
        let missing = into.odb().map_err(GitError::mirror("read"))?;
        let wants: Vec<Oid> = wants.filter(|oid| !missing.exists(*oid)).collect();
        if wants.is_empty() {
            return Ok(());
        }
        if self.copy_all(into) && missing.refresh().is_ok() && wants.iter().all(|oid| missing.exists(*oid)) {
            return Ok(());
        }
        self.pack(into, &wants, on).map_err(|error| {
            if self.abandoned.is_set() { GitError::Abandoned } else { unreachable(self.mirror, &error) }
        })
    }

    /// Into a mirror that has nothing yet, all objects are copied; whether that was done.
    fn copy_all(&self, into: &Repository) -> bool {
        let is_new = into.references().is_ok_and(|mut references| references.next().is_none());
        let objects = |repository: &Repository| repository.commondir().join("objects");
        is_new && copy::objects(&objects(&self.repository), &objects(into), &self.abandoned).is_ok()
    }

    fn pack(&self, into: &Repository, wants: &[Oid], on: Option<&OnProgress>) -> Result<(), git2::Error> {
        let mut walk = self.repository.revwalk()?;
        let mut builder = self.repository.packbuilder()?;
        for want in wants {
            let mut object = self.repository.find_object(*want, None)?;
            while let Some(tag) = object.as_tag() {
                builder.insert_object(tag.id(), None)?;
                object = tag.target()?;
            }
            walk.push(object.id())?;
        }
        for have in into.references()?.flatten().filter_map(|reference| reference.peel_to_commit().ok()) {
            if self.repository.find_commit(have.id()).is_ok() {
                walk.hide(have.id())?;
            }
        }
        builder.insert_walk(&mut walk)?;
        builder.set_threads(0);
        let odb = into.odb()?;
        let mut writer = odb.packwriter()?;
        let abandoned = self.abandoned.clone();
        writer.progress(move |now| {
            report(on, &now);
            !abandoned.is_set()
        });
        builder.foreach(|bytes| writer.write_all(bytes).is_ok())?;
        writer.commit()?;
        Ok(())
    }
}
