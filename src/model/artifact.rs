//! What a build publishes, and the names it goes by.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{CommitId, GitRef, Kernel, PipelineKind, Repository};

/// How an artifact is published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An archive that a hub serves as an flist.
    #[default]
    Flist,
    /// A file, published as it is.
    Binary,
}

/// The versioned name of an artifact and the name of its moving link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactName {
    /// The name that carries the commit; never reused for other content.
    pub versioned: String,
    /// The name that always means the newest.
    pub link: String,
}

/// A published file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its names.
    pub name: ArtifactName,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, as 64 hexadecimal digits.
    pub sha256: String,
}

/// The names would be longer than file systems and hubs allow.
#[derive(Debug, Error)]
#[error("the artifact's name `{0}` would be longer than 200 bytes: use a shorter branch name or tag")]
pub struct NameTooLong(String);

const LONGEST: usize = 200;

/// What the short commit and its `-` take of a versioned name.
const COMMIT: usize = 11;

/// Repository, tag and ref, with `-` for every `/`.
fn stem(repository: &Repository, tag: Option<&str>, git_ref: &GitRef) -> String {
    let mut parts = vec![repository.as_str()];
    parts.extend(tag);
    parts.push(git_ref.name());
    parts.join("-").replace('/', "-")
}

/// What stands before the commit in a kernel's name, and what its link is called.
fn stems_of_kernel(kernel: &Kernel, repository: &Repository, git_ref: &GitRef) -> (String, String) {
    let stem = format!("{}-{}", kernel.prefix, git_ref.name()).replace('/', "-");
    match kernel.kind {
        PipelineKind::Initramfs => (format!("{stem}-generic"), format!("{stem}-generic")),
        PipelineKind::Kernel => (format!("{stem}-{}", repository.name()), stem),
    }
}

fn ending(format: Format, file: &str) -> &str {
    match format {
        Format::Flist => ".flist",
        Format::Binary => extension(file),
    }
}

impl ArtifactName {
    /// Names by the rules of `docs/design.md`, "Artifact names". `file` is the name the script gave
    /// it; a binary keeps its extension.
    pub fn new(
        format: Format,
        repository: &Repository,
        tag: Option<&str>,
        git_ref: &GitRef,
        commit: &CommitId,
        file: &str,
    ) -> Result<Self, NameTooLong> {
        let stem = stem(repository, tag, git_ref);
        let end = ending(format, file);
        let name = Self { versioned: format!("{stem}-{}{end}", commit.short()), link: format!("{stem}{end}") };
        if name.versioned.len() > LONGEST { Err(NameTooLong(name.versioned)) } else { Ok(name) }
    }

    /// The names of a kernel, as boot services know them since 0-autobuilder. A full build is `generic`;
    /// one on a base image names its repository, and its link stands for the branch.
    pub fn of_kernel(
        kernel: &Kernel,
        repository: &Repository,
        git_ref: &GitRef,
        commit: &CommitId,
    ) -> Result<Self, NameTooLong> {
        let (file, link) = stems_of_kernel(kernel, repository, git_ref);
        let name = Self { versioned: format!("{file}-{}.efi", commit.short()), link: format!("{link}.efi") };
        if name.versioned.len() > LONGEST { Err(NameTooLong(name.versioned)) } else { Ok(name) }
    }

    /// The link of a kernel alone.
    pub fn link_of_kernel(kernel: &Kernel, repository: &Repository, git_ref: &GitRef) -> Result<String, NameTooLong> {
        let (file, link) = stems_of_kernel(kernel, repository, git_ref);
        if file.len() > LONGEST - COMMIT - ".efi".len() { Err(NameTooLong(file)) } else { Ok(format!("{link}.efi")) }
    }

    /// The names under which a kernel's archive goes to a hub.
    pub fn flist_of_kernel(&self) -> Self {
        let renamed = |name: &str| format!("{}.flist", name.strip_suffix(".efi").unwrap_or(name));
        Self { versioned: renamed(&self.versioned), link: renamed(&self.link) }
    }

    /// The link alone, which no commit changes: to find recipes that would fight over one name.
    pub fn link_of(
        format: Format,
        repository: &Repository,
        tag: Option<&str>,
        git_ref: &GitRef,
        file: &str,
    ) -> Result<String, NameTooLong> {
        let link = format!("{}{}", stem(repository, tag, git_ref), ending(format, file));
        if link.len() > LONGEST - COMMIT { Err(NameTooLong(link)) } else { Ok(link) }
    }

    /// The name an flist archive is uploaded under; a hub turns it into the versioned name.
    pub fn upload(&self) -> String {
        match self.versioned.strip_suffix(".flist") {
            Some(stem) => format!("{stem}.tar.gz"),
            None => self.versioned.clone(),
        }
    }
}

/// `.tar.gz` of `tool.tar.gz`, `.exe` of `tool.exe`, nothing of `tool` or `.profile`.
fn extension(file: &str) -> &str {
    let stem_end = match file.rfind('.') {
        Some(0) | None => return "",
        Some(dot) => dot,
    };
    let compressed = file[..stem_end].ends_with(".tar") && stem_end > 4;
    let start = if compressed { stem_end - 4 } else { stem_end };
    if file.len() - start > 16 { "" } else { &file[start..] }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.versioned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(format: Format, tag: Option<&str>, git_ref: &str, file: &str) -> ArtifactName {
        let commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        let repository = "acme/tool".parse().unwrap();
        ArtifactName::new(format, &repository, tag, &git_ref.parse().unwrap(), &commit, file).unwrap()
    }

    #[test]
    fn an_flist_is_named_after_repository_tag_branch_and_commit() {
        let name = name(Format::Flist, Some("special"), "refs/heads/feature/x", "result.tar.gz");
        assert_eq!(name.versioned, "acme-tool-special-feature-x-0123456789.flist");
        assert_eq!(name.link, "acme-tool-special-feature-x.flist");
        assert_eq!(name.upload(), "acme-tool-special-feature-x-0123456789.tar.gz");
    }

    #[test]
    fn a_kernel_is_named_as_boot_services_know_it() {
        let name = |kind| {
            let kernel = Kernel { kind, prefix: "zero-os".into(), boot: crate::model::Boot::default() };
            let commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
            let (repository, git_ref) = ("acme/0-fs".parse().unwrap(), "refs/heads/feature/x".parse().unwrap());
            ArtifactName::of_kernel(&kernel, &repository, &git_ref, &commit).unwrap()
        };
        let full = name(PipelineKind::Initramfs);
        assert_eq!(full.versioned, "zero-os-feature-x-generic-0123456789.efi");
        assert_eq!(full.link, "zero-os-feature-x-generic.efi");
        let quick = name(PipelineKind::Kernel);
        assert_eq!(quick.versioned, "zero-os-feature-x-0-fs-0123456789.efi");
        assert_eq!(quick.link, "zero-os-feature-x.efi");
        let flist = quick.flist_of_kernel();
        assert_eq!(
            (&*flist.versioned, &*flist.link),
            ("zero-os-feature-x-0-fs-0123456789.flist", "zero-os-feature-x.flist")
        );
    }

    #[test]
    fn a_binary_keeps_its_extension() {
        assert_eq!(name(Format::Binary, None, "refs/heads/main", "tool").versioned, "acme-tool-main-0123456789");
        assert_eq!(name(Format::Binary, None, "refs/heads/main", "tool").link, "acme-tool-main");
        assert_eq!(
            name(Format::Binary, None, "refs/tags/v1.0", "t.tar.gz").versioned,
            "acme-tool-v1.0-0123456789.tar.gz"
        );
        assert_eq!(name(Format::Binary, None, "refs/heads/main", "t.efi").link, "acme-tool-main.efi");
    }
}
