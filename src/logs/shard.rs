//! Logs by the age of their builds: what may be old is found by the names of directories alone.
//!
//! A directory is named after the time at which its builds were made. So a look for old logs reads one list of
//! names, and goes into those directories only that are old enough, which are few once their logs are gone.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Logs, SHARD};
use crate::model::{BuildId, Timestamp};

/// Digits of the time in an id: 48 bits of milliseconds.
const TIME: usize = 12;

/// A directory of logs whose builds were made within the same hours.
#[derive(Debug)]
pub struct Shard {
    path: PathBuf,
}

impl Logs {
    /// Every directory that may hold a log of a build made before `time`, the oldest first.
    pub fn shards_before(&self, time: Timestamp) -> io::Result<Vec<Shard>> {
        let latest = format!("{:0TIME$x}", time.as_millis().max(0));
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(self.directory())? {
            names.extend(entry?.file_name().into_string().ok().filter(|name| is_shard(name)));
        }
        let old = names.into_iter().filter(|name| **name <= latest[..SHARD]);
        Ok(old.map(|name| Shard { path: self.directory().join(name) }).collect())
    }
}

impl Shard {
    /// The builds that have a log or an index here.
    pub fn builds(&self) -> io::Result<Vec<BuildId>> {
        let mut builds = BTreeSet::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let stem = Path::new(&name).file_stem().and_then(|stem| stem.to_str());
            builds.extend(stem.and_then(|stem| stem.parse::<BuildId>().ok()));
        }
        Ok(builds.into_iter().collect())
    }

    /// Removes the directory if nothing is in it any more.
    pub fn close(&self) -> io::Result<()> {
        match fs::remove_dir(&self.path) {
            Err(error) if ![io::ErrorKind::DirectoryNotEmpty, io::ErrorKind::NotFound].contains(&error.kind()) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

/// Other directories are not ours.
fn is_shard(name: &str) -> bool {
    name.len() == SHARD && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_logs_are_found_by_the_time_in_their_names_and_empty_directories_go() {
        let directory = tempfile::tempdir().unwrap();
        let logs = Logs::new(directory.path()).unwrap();
        // Made in 2024, in 2025, and now.
        let ids =
            ["018cc251f40070008000000000000000", "0194200c000070008000000000000000"].map(|id| id.parse().unwrap());
        for id in ids.into_iter().chain([BuildId::new()]) {
            logs.writer(id).unwrap().append(b"x\n").unwrap();
        }
        fs::create_dir(directory.path().join("theirs")).unwrap();

        let found = |millis| logs.shards_before(Timestamp::from_millis(millis)).unwrap();
        assert!(found(1_700_000_000_000).is_empty());
        let old = found(1_740_000_000_000);
        assert_eq!(old.iter().map(|shard| shard.builds().unwrap()).collect::<Vec<_>>(), ids.map(|id| vec![id]));
        assert_eq!(found(Timestamp::now().as_millis()).len(), 3);

        logs.remove(ids[0]).unwrap();
        old.iter().for_each(|shard| shard.close().unwrap());
        assert_eq!(found(1_740_000_000_000).len(), 1);
        old[0].close().unwrap();
        logs.writer(ids[0]).unwrap().append(b"again\n").unwrap();
        assert_eq!(found(1_740_000_000_000).len(), 2);
    }
}
