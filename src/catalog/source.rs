//! The texts a catalog is made of: from git they are given, from a directory they are read here.

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{layout, parse::LARGEST, problem::Problem};

/// One file of the configuration repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path from the root, with `/` between its parts.
    pub path: String,
    /// Its bytes.
    pub text: Vec<u8>,
}

/// The directory could not be read.
#[derive(Debug, Error)]
#[error("could not read `{}`", path.display())]
pub struct UnreadableDirectory {
    path: PathBuf,
    source: io::Error,
}

/// What a directory holds, and what in it is passed over.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<SourceFile>,
    pub(super) warnings: Vec<Problem>,
}

/// Directories deeper than this are not looked into: nobody names a branch like that.
const DEEPEST: usize = 32;

/// Reads every branch file below a directory. Symbolic links are not followed: they could lead out of it.
pub(super) fn read_directory(directory: &Path) -> Result<Tree, UnreadableDirectory> {
    let mut tree = Tree::default();
    let mut ahead = vec![(directory.to_path_buf(), String::new())];
    while let Some((directory, prefix)) = ahead.pop() {
        let unreadable = |source| UnreadableDirectory { path: directory.clone(), source };
        for entry in fs::read_dir(&directory).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            let name = entry.file_name();
            let path = format!("{prefix}{}", name.to_string_lossy());
            if kind.is_symlink() {
                tree.warnings.push(symlink(&path));
            } else if kind.is_dir() {
                if name != ".git" && path.matches('/').count() < DEEPEST {
                    ahead.push((entry.path(), path + "/"));
                }
            } else if kind.is_file() && layout::stem(&path).is_some() {
                let text = read(&entry.path()).map_err(|source| UnreadableDirectory { path: entry.path(), source })?;
                tree.files.push(SourceFile { path, text });
            }
        }
    }
    Ok(tree)
}

/// The file, or as much of it as shows that it is too large.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    fs::File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn symlink(path: &str) -> Problem {
    let help = "put the file itself here: a link could lead out of the configuration repository";
    Problem::of_file(path, "this symbolic link is not followed", help).as_warning()
}
