//! Log files by build id: one append-only file a build, stored exactly as its script wrote it.
//!
//! Files lie in directories named after the first digits of their ids. An id begins with its time of
//! creation, so one directory holds some hours of builds, whatever the history's length. Beside each log lies
//! an index of its lines ([`mod@index`]), so that any window of a log of any size is found at once.

mod index;
mod ledger;
mod lines;
mod search;
mod shard;
mod tail;
mod view;
mod writer;

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use view::View;

use crate::model::BuildId;

pub use lines::{Line, Lines, MOST_LINES, Place, Window};
pub use search::{Direction, Hit, Pattern, PatternError, Search};
pub use shard::Shard;
pub use writer::LogWriter;

/// Digits of an id that name a directory: 24 bits of milliseconds remain, 4.7 hours.
const SHARD: usize = 6;

/// The most that [`Logs::tail`] returns, so that one endless line cannot fill the memory.
const LONGEST_TAIL: u64 = 1 << 20;

/// The directory of all logs.
#[derive(Debug, Clone)]
pub struct Logs {
    directory: PathBuf,
}

/// A part of a log, open for reading from its beginning.
#[derive(Debug)]
pub struct Part {
    /// The log, standing at `start`.
    pub file: File,
    /// Where the part begins.
    pub start: u64,
    /// Where the log ended when it was opened.
    pub end: u64,
}

impl Logs {
    /// Logs below `directory`, which is made if it is not there.
    pub fn new(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    /// The only writer of a build's log. Waits until another one, of this or another process, is gone.
    pub fn writer(&self, id: BuildId) -> io::Result<LogWriter> {
        let path = self.path(id);
        loop {
            if let Some(shard) = path.parent() {
                fs::create_dir_all(shard)?;
            }
            match LogWriter::open(&path) {
                // It was removed as empty since it was made.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                opened => return opened,
            }
        }
    }

    /// A build's log and its length now; `None` if it has none.
    pub fn open(&self, id: BuildId) -> io::Result<Option<(File, u64)>> {
        let file = match File::open(self.path(id)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        Ok(Some((file, length)))
    }

    /// The last `lines` lines of a log, to be streamed.
    pub fn last(&self, id: BuildId, lines: usize) -> io::Result<Option<Part>> {
        let Some((mut file, end)) = self.open(id)? else { return Ok(None) };
        let start = tail::start_of_last(&file, end, lines)?;
        file.seek(SeekFrom::Start(start))?;
        Ok(Some(Part { file, start, end }))
    }

    /// The last `lines` lines of a log, at most 1 MiB of them.
    pub fn tail(&self, id: BuildId, lines: usize) -> io::Result<Vec<u8>> {
        let Some(Part { mut file, start, end }) = self.last(id, lines)? else { return Ok(Vec::new()) };
        let start = start.max(end.saturating_sub(LONGEST_TAIL));
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(end - start).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Some lines of a log, in a time that does not depend on its size; `None` if it has no log.
    pub fn lines(&self, id: BuildId, window: Window) -> io::Result<Option<Lines>> {
        self.viewed(id, |view| lines::read(view, window))
    }

    /// A search in a log as it stands now, from a line on; `None` if it has no log.
    pub fn search(&self, id: BuildId, pattern: Arc<Pattern>, direction: Direction) -> io::Result<Option<Search>> {
        if direction == Direction::Forward(1) {
            let opened = self.open(id)?;
            return Ok(opened.map(|(log, length)| Search::whole(log, length, pattern)));
        }
        self.viewed(id, |view| Search::new(view, Arc::clone(&pattern), direction))
    }

    /// Looks into a log, once more after its index turned out to be damaged.
    fn viewed<T>(&self, id: BuildId, look: impl Fn(&View) -> io::Result<T>) -> io::Result<Option<T>> {
        let path = self.path(id);
        let Some(view) = View::open(&path)? else { return Ok(None) };
        match look(&view) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                View::mended(&path)?.map(|view| look(&view)).transpose()
            }
            seen => seen.map(Some),
        }
    }

    /// Removes a build's log with its index; fine if it has none. Who reads it reads on to its end.
    pub fn remove(&self, id: BuildId) -> io::Result<()> {
        let log = self.path(id);
        // The log first: a reader who misses the index of a log makes it anew.
        for path in [log.clone(), index::path_of(&log)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Where all logs lie.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, id: BuildId) -> PathBuf {
        let name = id.to_string();
        self.directory.join(&name[..SHARD]).join(format!("{name}.log"))
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn logs() -> (tempfile::TempDir, Logs, BuildId) {
        let directory = tempfile::tempdir().unwrap();
        let logs = Logs::new(directory.path().join("logs")).unwrap();
        (directory, logs, BuildId::new())
    }

    #[test]
    fn bytes_come_back_as_they_were_written_by_several_writers() {
        let (_directory, logs, id) = logs();
        logs.writer(id).unwrap().append(b"a\xff\0\nb").unwrap();
        let mut writer = logs.writer(id).unwrap();
        assert_eq!((writer.len(), writer.lines()), (5, 1));
        writer.append(b"c\n").unwrap();
        assert_eq!((writer.len(), writer.lines()), (7, 2));
        assert_eq!(logs.tail(id, 100).unwrap(), b"a\xff\0\nbc\n");
    }

    #[test]
    fn a_tail_is_the_last_lines_and_bounded() {
        let (_directory, logs, id) = logs();
        let mut writer = logs.writer(id).unwrap();
        for number in 0..20_000 {
            writer.append(format!("line {number}\n").as_bytes()).unwrap();
        }
        assert_eq!(logs.tail(id, 2).unwrap(), b"line 19998\nline 19999\n");
        writer.append(b"open").unwrap();
        assert_eq!(logs.tail(id, 2).unwrap(), b"line 19999\nopen");
        assert_eq!(logs.tail(id, 0).unwrap(), b"");
        assert_eq!(logs.last(id, usize::MAX).unwrap().unwrap().start, 0);
        writer.append(&vec![b'x'; 3 << 20]).unwrap();
        assert_eq!(logs.tail(id, 1).unwrap().len(), 1 << 20);
    }

    #[test]
    fn a_build_without_a_log_has_none_and_removal_is_idempotent() {
        let (_directory, logs, id) = logs();
        assert!(logs.open(id).unwrap().is_none());
        logs.writer(id).unwrap().append(b"x").unwrap();
        logs.remove(id).unwrap();
        logs.remove(id).unwrap();
        assert!(logs.last(id, 1).unwrap().is_none());
    }
}
