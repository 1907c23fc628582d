//! The `.git` of a work tree, written by hand: what git needs to answer, and nothing that tells about this machine.
//!
//! No remote, no hook, no template. `HEAD` is detached at the commit; the branch and the tags stand in `packed-refs`.

use std::{fs, path::Path};

use git2::{Oid, Repository};

use super::{
    GitError,
    index::{Stamp, encode},
    plan::Entry,
};

/// Without `gc.auto = 0` a git command in the container might start to copy all that is borrowed.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n[gc]\n\tauto = 0\n";

/// Where the objects of the work tree's history are found.
pub(super) enum Objects<'a> {
    /// In a directory that will be mounted there, inside the container.
    Borrowed { mount: &'a str },
    /// In the `.git` itself, which then has the one commit and nothing before it.
    Own,
}

/// Writes `.git` below `directory`; `HEAD` last, so that a half-written one is no repository.
pub(super) fn write(
    directory: &Path,
    commit: Oid,
    refs: &str,
    entries: Vec<(&Entry, Stamp)>,
    objects: &Objects<'_>,
) -> Result<(), GitError> {
    let git = directory.join(".git");
    for part in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
        let path = git.join(part);
        fs::create_dir_all(&path).map_err(GitError::disk("create", path))?;
    }
    let put = |name: &str, bytes: &[u8]| {
        let path = git.join(name);
        fs::write(&path, bytes).map_err(GitError::disk("write", path))
    };
    match objects {
        Objects::Borrowed { mount } => put("objects/info/alternates", format!("{mount}\n").as_bytes())?,
        Objects::Own => put("shallow", format!("{commit}\n").as_bytes())?,
    }
    put("config", CONFIG.as_bytes())?;
    put("packed-refs", refs.as_bytes())?;
    put("index", &encode(entries))?;
    put("HEAD", format!("{commit}\n").as_bytes())
}

/// `packed-refs` with the branch at the commit and every tag of the mirror.
pub(super) fn packed_refs(store: &Repository, branch: Option<(&str, Oid)>) -> Result<String, GitError> {
    let tags = store.references_glob("refs/tags/*").map_err(GitError::mirror("list tags"))?;
    let mut lines: Vec<(String, String)> = tags
        .flatten()
        .filter_map(|tag| {
            let (name, oid) = (tag.name().ok()?.to_owned(), tag.target()?);
            let peeled = tag.peel_to_commit().ok().map(|commit| commit.id()).filter(|commit| *commit != oid);
            let below = peeled.map(|commit| format!("^{commit}\n")).unwrap_or_default();
            let line = format!("{oid} {name}\n{below}");
            Some((name, line))
        })
        .collect();
    lines.extend(branch.map(|(name, oid)| (name.to_owned(), format!("{oid} {name}\n"))));
    lines.sort_unstable();
    let header = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
    Ok(lines.into_iter().fold(header, |text, (_, line)| text + &line))
}
