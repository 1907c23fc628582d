//! The first fetch of a `file://` repository: copies its object files as they are.
//!
//! libgit2 would compress every object anew, which takes ten times as long as git's clone. Each file goes in under a
//! temporary name and is renamed when whole; packs come after loose objects, and an index after its pack, so what
//! another process repacks meanwhile is met in one of both places.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;

use super::blocking::Abandoned;

/// Copies all objects, or fails without harm: what did arrive are whole objects.
pub(super) fn objects(from: &Path, to: &Path, abandoned: &Abandoned) -> io::Result<()> {
    if from.join("info/alternates").exists() {
        return Err(io::Error::other("the repository borrows objects from another one"));
    }
    for directory in fs::read_dir(from)?.flatten() {
        let name = directory.file_name();
        if name.len() == 2 && directory.file_type()?.is_dir() {
            fs::create_dir_all(to.join(&name))?;
            files(&directory.path(), &to.join(name), abandoned, |file| file.len() >= 38)?;
        }
    }
    let ends =
        |file: &OsStr, end: &str| file.to_string_lossy().starts_with("pack-") && file.to_string_lossy().ends_with(end);
    files(&from.join("pack"), &to.join("pack"), abandoned, |file| ends(file, ".pack"))?;
    files(&from.join("pack"), &to.join("pack"), abandoned, |file| ends(file, ".idx"))
}

fn files(from: &Path, to: &Path, abandoned: &Abandoned, wanted: impl Fn(&OsStr) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if !wanted(&entry.file_name()) {
            continue;
        }
        if abandoned.is_set() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let half = to.join("tmp_copy");
        let _ = fs::remove_file(&half);
        copy(&entry.path(), &half)?;
        fs::rename(half, to.join(entry.file_name()))?;
    }
    Ok(())
}

/// A link among the objects would bring in a file from anywhere, so none is followed.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(from)?;
    if !source.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    io::copy(&mut source, &mut File::create_new(to)?)?;
    Ok(())
}
