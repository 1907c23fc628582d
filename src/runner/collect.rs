//! Takes what the script left, after its container ended, without being led elsewhere.
//!
//! A script can leave a symbolic link to a secret of the host, a link through a directory, a second
//! name of another file, a pipe. The kernel is asked to resolve the path strictly beneath its
//! directory, and what is hashed and published is the very descriptor that was checked.

use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use rustix::{
    fs::{Mode, OFlags, ResolveFlags, openat2},
    io::Errno,
};
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::model::{AbsoluteDir, Cause, HumanDuration, RelativePath};

const LISTED: usize = 10;

/// A file a script left: open, checked and measured.
#[derive(Debug)]
pub struct Collected {
    /// The file, at its beginning. Publish this, never its path.
    pub file: File,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, as 64 hexadecimal digits.
    pub sha256: String,
}

/// Why there is nothing to publish.
#[derive(Debug, Error)]
pub enum CollectError {
    /// The script exited 0 and left nothing there.
    #[error("the script left no artifact `{artifact}` in `{archives}`; {listing}")]
    Missing {
        /// What the recipe names.
        artifact: RelativePath,
        /// Where the recipe says it is.
        archives: AbsoluteDir,
        /// What is there instead, as half a sentence.
        listing: String,
    },
    /// It is there, and not a file that can be taken.
    #[error("the artifact `{artifact}` {what}: leave a regular file there")]
    Refused {
        /// What the recipe names.
        artifact: RelativePath,
        /// What it is instead.
        what: &'static str,
    },
    /// The disk failed.
    #[error("the artifact `{artifact}` could not be read: {source}")]
    Unreadable {
        /// What the recipe names.
        artifact: RelativePath,
        /// What the system said.
        source: io::Error,
    },
    /// There is too much of it.
    #[error("the artifact `{artifact}` is so large that it could not be read within {limit}, the build's `timeout`")]
    Endless {
        /// What the recipe names.
        artifact: RelativePath,
        /// How long it was read.
        limit: HumanDuration,
    },
}

impl CollectError {
    /// The fixed word for it.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Missing { .. } => Cause::MissingArtifact,
            Self::Refused { .. } => Cause::BadArtifact,
            Self::Unreadable { .. } => Cause::Disk,
            Self::Endless { .. } => Cause::Timeout,
        }
    }
}

/// Opens `artifact` beneath `directory`, which the container knew as `archives`, and measures it until
/// told to `stop`.
pub(super) fn collect(
    directory: &Path,
    archives: &AbsoluteDir,
    artifact: &RelativePath,
    stop: &CancellationToken,
) -> Result<Collected, CollectError> {
    let unreadable = |source: io::Error| CollectError::Unreadable { artifact: artifact.clone(), source };
    let root = File::open(directory).map_err(unreadable)?;
    let mut file = open_beneath(&root, artifact).map_err(|errno| match errno {
        Errno::NOENT | Errno::NOTDIR => CollectError::Missing {
            artifact: artifact.clone(),
            archives: archives.clone(),
            listing: listing(directory),
        },
        Errno::LOOP => refused(artifact, "is a symbolic link, or lies behind one"),
        Errno::XDEV => refused(artifact, "lies on another file system"),
        Errno::NXIO => refused(artifact, "is a socket or a pipe"),
        Errno::NODEV => refused(artifact, "is a device"),
        other => unreadable(other.into()),
    })?;
    check(&file, artifact)?;
    let (size, sha256) = measure(&mut file, stop).map_err(unreadable)?;
    Ok(Collected { file, size, sha256 })
}

fn refused(artifact: &RelativePath, what: &'static str) -> CollectError {
    CollectError::Refused { artifact: artifact.clone(), what }
}

fn open_beneath(root: &File, artifact: &RelativePath) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    super::workspace::beneath(|resolve| openat2(root, artifact.as_str(), flags, Mode::empty(), resolve))
}

fn check(file: &File, artifact: &RelativePath) -> Result<(), CollectError> {
    let metadata = file.metadata().map_err(|source| CollectError::Unreadable { artifact: artifact.clone(), source })?;
    let kind = metadata.file_type();
    let what = match () {
        () if kind.is_dir() => "is a directory",
        () if kind.is_fifo() => "is a pipe",
        () if kind.is_block_device() || kind.is_char_device() => "is a device",
        () if !kind.is_file() => "is no regular file",
        () if metadata.nlink() != 1 => "has more than one name (hard links)",
        () => return Ok(()),
    };
    Err(refused(artifact, what))
}

/// Reads all of it. A script can leave a file of many terabytes that takes no space: so this ends when
/// nobody waits for it any more.
fn measure(file: &mut File, stop: &CancellationToken) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        if stop.is_cancelled() {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        match file.read(&mut chunk)? {
            0 => break,
            count => {
                hash.update(&chunk[..count]);
                size += count as u64;
            }
        }
    }
    file.rewind()?;
    Ok((size, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// What is in the directory, for a person who wonders where the artifact went.
fn listing(directory: &Path) -> String {
    let Ok(entries) = fs::read_dir(directory) else { return "that directory cannot be read".to_owned() };
    let mut names: Vec<_> = entries
        .filter_map(Result::ok)
        .take(1000)
        .map(|entry| format!("`{}`", entry.file_name().as_encoded_bytes().escape_ascii()))
        .collect();
    names.sort();
    match names.len() {
        0 => "nothing is there".to_owned(),
        1..=LISTED => format!("there is {}", names.join(", ")),
        more => format!("there is {} and {} more", names[..LISTED].join(", "), more - LISTED),
    }
}

/// Never a step outside, never through a link of any kind, never onto another file system.
pub(super) const STRICTLY: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;

    fn collect_in(directory: &Path, artifact: &str) -> Result<Collected, CollectError> {
        collect(directory, &"/target".parse().unwrap(), &artifact.parse().unwrap(), &CancellationToken::new())
    }

    #[test]
    fn a_regular_file_is_taken_with_its_hash() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("out")).unwrap();
        fs::write(directory.path().join("out/tool"), "hello\n").unwrap();
        let mut collected = collect_in(directory.path(), "out/tool").unwrap();
        assert_eq!(collected.size, 6);
        assert_eq!(collected.sha256, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
        let mut text = String::new();
        collected.file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello\n");
    }

    #[test]
    fn nothing_but_a_regular_file_is_taken() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "canary").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        symlink(outside.path().join("secret"), at("link")).unwrap();
        symlink(outside.path(), at("way")).unwrap();
        fs::write(at("file"), "x").unwrap();
        fs::hard_link(at("file"), at("hard")).unwrap();
        fs::create_dir(at("dir")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        for (name, words) in [
            ("link", "is a symbolic link"),
            ("way/secret", "lies behind one"),
            ("hard", "more than one name"),
            ("dir", "is a directory"),
            ("socket", "is a socket"),
            ("pipe", "is a pipe"),
        ] {
            let error = collect_in(directory.path(), name).unwrap_err();
            assert_eq!(error.cause(), Cause::BadArtifact, "{name}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn a_missing_artifact_says_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        assert!(collect_in(directory.path(), "a").unwrap_err().to_string().ends_with("nothing is there"));
        fs::write(directory.path().join("b\n\x1b"), "").unwrap();
        let error = collect_in(directory.path(), "a").unwrap_err();
        assert_eq!(error.to_string(), "the script left no artifact `a` in `/target`; there is `b\\n\\x1b`");
    }
}
