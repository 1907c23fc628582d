//! A running script's output, on its way from its own file into the build's log.
//!
//! It does not pass through the engine: the script appends to a file in a directory of the host that
//! its container mounts. That is several times faster, keeps stdout and stderr in order, survives the
//! death of this service and of the engine, and never makes the script wait for a reader.
//! The file is copied as it grows, and what was copied is given back to the disk.

mod copy;
mod mark;
mod mask;
mod watch;

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use rustix::fs::OFlags;
use tokio::time::{Instant, sleep_until};

use crate::logs::LogWriter;
use copy::Copier;
use mask::Mask;
use watch::FileWatch;

pub(super) use copy::Copied;

/// While output keeps coming, it is copied this often: enough for eyes, little work for floods.
const COALESCE: Duration = Duration::from_millis(15);

/// A net beneath the kernel's notices, for file systems that give none.
const NET: Duration = Duration::from_secs(2);

/// The directory a container mounts, and the names in it.
pub(super) const MOUNT: &str = "/.autobuilder";
const FILE: &str = "console";
const STARTED: &str = "started";

/// Who is told of every piece of output: where in the log it begins, and its bytes.
pub(super) type Viewer = Box<dyn Fn(u64, Bytes) + Send>;

/// What of the output is kept.
pub(super) struct Keeping {
    /// So many bytes.
    pub(super) limit: u64,
    /// All but these texts.
    pub(super) secrets: Vec<String>,
}

/// The console of one attempt.
pub(super) struct Console {
    directory: PathBuf,
    watch: FileWatch,
    // Away while it copies on a blocking thread.
    copier: Option<Copier>,
    dirty: bool,
    copied_at: Instant,
    last_output: Instant,
}

/// What a container runs so that `script` writes to the console: a shell that becomes the script.
/// `beginning` is what the shell does before that; it ends with `&&`, or is nothing.
pub(super) fn command(beginning: &str, script: &str, arguments: &[String]) -> Vec<String> {
    let shell = format!(r#"exec >>{MOUNT}/{FILE} 2>&1; : >{MOUNT}/{STARTED}; {beginning}exec "$0" "$@""#);
    let words = ["/bin/sh", "-c", &shell, script].map(str::to_owned);
    words.into_iter().chain(arguments.iter().cloned()).collect()
}

/// Makes the console's file, before the container that mounts `directory` starts.
pub(super) fn prepare(directory: &Path) -> io::Result<()> {
    let file = OpenOptions::new().append(true).create(true).open(directory.join(FILE))?;
    file.set_permissions(PermissionsExt::from_mode(0o666))
}

/// Opens the console without following anything: after a restart the script had time to put a link
/// to a file of the host in its place, which we would read, and punch holes into.
fn own_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    // For writing, because punching holes is.
    let file = File::options().read(true).write(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("the script replaced its console")) }
}

impl Console {
    /// Takes up the copying where it stands: at the beginning for a new attempt, else where the log
    /// says the last owner stopped.
    pub(super) async fn open(
        directory: PathBuf,
        mark: PathBuf,
        log: impl FnOnce() -> io::Result<LogWriter> + Send + 'static,
        keeping: Keeping,
        viewer: Viewer,
    ) -> io::Result<Self> {
        let path = directory.join(FILE);
        let watch = FileWatch::new(&path)?;
        let opening = blocking(move || {
            let (file, Keeping { limit, secrets }) = (own_file(&path)?, keeping);
            let mask = Mask::new(secrets.iter().map(String::as_str));
            Copier::resume(file, log()?, mark, limit, mask, viewer)
        });
        let copier = Some(opening.await?);
        let now = Instant::now();
        Ok(Self { directory, watch, copier, dirty: true, copied_at: now - COALESCE, last_output: now })
    }

    /// Waits until there may be something to copy.
    pub(super) async fn changed(&mut self) -> io::Result<()> {
        if !self.dirty {
            tokio::select! {
                noticed = self.watch.changed() => noticed?,
                () = sleep_until(self.copied_at + NET) => {}
            }
            self.dirty = true;
        }
        sleep_until(self.copied_at + COALESCE).await;
        Ok(())
    }

    /// Copies a bounded part of what is there.
    pub(super) async fn copy(&mut self) -> io::Result<Copied> {
        let copied = self.with_copier(Copier::copy).await?;
        self.copied_at = Instant::now();
        self.dirty = copied.more;
        if copied.bytes > 0 {
            self.last_output = self.copied_at;
        }
        Ok(copied)
    }

    /// Copies all that is left, after the container ended.
    pub(super) async fn finish(&mut self) -> io::Result<Copied> {
        self.with_copier(Copier::finish).await
    }

    /// Adds a line of ours to the log.
    pub(super) async fn notice(&mut self, text: String) -> io::Result<()> {
        self.with_copier(move |copier| copier.notice(&text)).await
    }

    /// Adds what somebody else than the script says.
    pub(super) async fn append(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.with_copier(move |copier| copier.append(bytes)).await
    }

    /// When the script last wrote something, as far as was noticed.
    pub(super) fn last_output(&self) -> Instant {
        self.last_output
    }

    /// Whether the image's shell came as far as to begin the script.
    pub(super) fn script_began(&self) -> bool {
        self.directory.join(STARTED).exists()
    }

    async fn with_copier<T: Send + 'static>(
        &mut self,
        act: impl FnOnce(&mut Copier) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let mut copier = self.copier.take().ok_or_else(|| io::Error::other("the console was abandoned"))?;
        let (copier, result) = blocking(move || {
            let result = act(&mut copier);
            Ok((copier, result))
        })
        .await?;
        self.copier = Some(copier);
        result
    }
}

impl Drop for Console {
    /// Makes the log durable where that may block; the build does not wait for it.
    fn drop(&mut self) {
        let copier = self.copier.take();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(copier));
        }
    }
}

async fn blocking<T: Send + 'static>(act: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(act).await.map_err(io::Error::other)?
}
