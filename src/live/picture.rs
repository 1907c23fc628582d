//! What there is to see: unfinished builds, the last finished ones, and the end of their logs.
//!
//! A plain value without locks, channels or clocks, so that its rules are plain functions.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    board::HISTORY,
    render,
    tail::Tail,
    update::{Pending, Ready},
};
use crate::{
    bus::Output,
    model::{Build, BuildId, BuildState},
};

/// What the store and the logs know; the board starts from it, and again when it missed something.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Queued and running builds.
    pub unfinished: Vec<Arc<Build>>,
    /// The last finished builds; more than the board shows is fine.
    pub finished: Vec<Arc<Build>>,
    /// The end of the logs of these builds, as far as known. A few KiB of each are enough.
    pub tails: HashMap<BuildId, LogTail>,
}

/// The end of one stored log.
#[derive(Debug, Clone, Default)]
pub struct LogTail {
    /// The length of the whole log.
    pub end: u64,
    /// Its last bytes.
    pub bytes: Bytes,
}

/// All builds on the board.
#[derive(Debug, Default)]
pub(super) struct Picture {
    /// In the order of creation, which is the order of the queue.
    unfinished: BTreeMap<BuildId, Entry>,
    /// Newest end first.
    finished: Vec<Entry>,
}

/// One build on the board.
#[derive(Debug)]
struct Entry {
    build: Arc<Build>,
    tail: Tail,
    pending: Pending,
    /// Its document, until something in it changes.
    json: Option<String>,
}

/// Which lists a change touched.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Touched {
    pub(super) status: bool,
    pub(super) history: bool,
}

impl Picture {
    /// Takes over a snapshot. Logs that are better known here than there stay.
    pub(super) fn seed(&mut self, snapshot: Snapshot) {
        let mut known: HashMap<BuildId, Entry> =
            std::mem::take(&mut self.unfinished).into_values().chain(self.finished.drain(..)).map(by_id).collect();
        let tails = snapshot.tails;
        let mut entry = |build: Arc<Build>| match (known.remove(&build.id), tails.get(&build.id)) {
            (Some(entry), None) => Entry { build, json: None, ..entry },
            (Some(entry), Some(tail)) if entry.tail.end() >= tail.end => Entry { build, json: None, ..entry },
            (_, tail) => Entry::new(build, tail),
        };
        self.unfinished = snapshot.unfinished.into_iter().map(&mut entry).map(by_id).collect();
        self.finished = snapshot.finished.into_iter().map(entry).collect();
        self.trim();
    }

    /// A build is new, or its state changed.
    pub(super) fn change(&mut self, build: Arc<Build>) -> Touched {
        if self.finished.iter().any(|entry| entry.build.id == build.id) {
            // Finished builds never change; this is news from before the snapshot.
            return Touched::default();
        }
        let mut entry = match self.unfinished.remove(&build.id) {
            Some(entry) => entry,
            None => Entry::new(build.clone(), None),
        };
        entry.build = build;
        entry.json = None;
        if matches!(entry.build.state, BuildState::Finished(_)) {
            self.finished.push(entry);
            self.trim();
            return Touched { status: true, history: true };
        }
        self.unfinished.insert(entry.build.id, entry);
        Touched { status: true, history: false }
    }

    /// A build wrote something.
    pub(super) fn output(&mut self, output: &Output) -> Touched {
        if let Some(entry) = self.unfinished.get_mut(&output.id) {
            entry.wrote(output);
            return Touched { status: true, history: false };
        }
        // The last output may come after the news of the end.
        if let Some(entry) = self.finished.iter_mut().find(|entry| entry.build.id == output.id) {
            entry.wrote(output);
            return Touched { status: false, history: true };
        }
        Touched::default()
    }

    /// Takes the output that viewers have not been sent yet.
    pub(super) fn take_updates(&mut self) -> Vec<(BuildId, Ready)> {
        let running = self.unfinished.values_mut().map(|entry| (entry.build.id, entry.pending.take()));
        let ended = self.finished.iter_mut().map(|entry| (entry.build.id, entry.pending.take_all()));
        running.chain(ended).filter_map(|(id, ready)| ready.map(|ready| (id, ready))).collect()
    }

    /// The payload of `status`.
    pub(super) fn status_json(&mut self) -> String {
        self.unfinished.values_mut().for_each(Entry::render);
        render::object(self.unfinished.iter().map(|(id, entry)| (*id, entry.document())))
    }

    /// The payload of `history`.
    pub(super) fn history_json(&mut self) -> String {
        self.finished.iter_mut().for_each(Entry::render);
        render::array(self.finished.iter().map(Entry::document))
    }

    fn trim(&mut self) {
        self.finished.sort_by_key(|entry| std::cmp::Reverse((entry.build.ended, entry.build.id)));
        self.finished.truncate(HISTORY);
    }
}

fn by_id(entry: Entry) -> (BuildId, Entry) {
    (entry.build.id, entry)
}

impl Entry {
    fn new(build: Arc<Build>, tail: Option<&LogTail>) -> Self {
        let tail = tail.map_or_else(Tail::default, |tail| Tail::new(tail.end, &tail.bytes));
        Self { build, pending: Pending::from(tail.end()), tail, json: None }
    }

    fn wrote(&mut self, output: &Output) {
        self.tail.push(output.offset, &output.bytes);
        self.pending.push(output.offset, output.bytes.clone());
        self.json = None;
    }

    fn render(&mut self) {
        if self.json.is_none() {
            let (monitor, end) = self.tail.shown();
            self.json = Some(render::build(&self.build, &monitor, end));
        }
    }

    fn document(&self) -> &str {
        self.json.as_deref().unwrap_or("null")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::{Cause, Ending, Outcome, Stage, Timestamp, example};

    fn build() -> Arc<Build> {
        Arc::new(example::build("acme/tool", "refs/heads/main"))
    }

    fn with_state(build: &Arc<Build>, state: BuildState, ended: Option<i64>) -> Arc<Build> {
        let mut build = Build::clone(build);
        (build.state, build.ended) = (state, ended.map(Timestamp::from_millis));
        Arc::new(build)
    }

    fn ended(build: &Arc<Build>, at: i64) -> Arc<Build> {
        let (outcome, cause) = (Outcome::Failure, Cause::ExitCode);
        let ending = Ending { outcome, cause, message: "exit 1".into(), exit_code: Some(1), artifact: None };
        with_state(build, BuildState::Finished(ending), Some(at))
    }

    fn status(picture: &mut Picture) -> Value {
        serde_json::from_str(&picture.status_json()).unwrap()
    }

    fn history(picture: &mut Picture) -> Value {
        serde_json::from_str(&picture.history_json()).unwrap()
    }

    fn output(build: &Build, offset: u64, bytes: &'static [u8]) -> Output {
        Output { id: build.id, offset, bytes: Bytes::from_static(bytes) }
    }

    #[test]
    fn a_build_moves_from_status_to_history() {
        let (mut picture, build) = (Picture::default(), build());
        let id = build.id.to_string();
        picture.change(build.clone());
        assert_eq!(status(&mut picture)[&id]["status"], "queued");
        picture.change(with_state(&build, BuildState::Running { stage: Stage::Building, delay: None }, None));
        picture.output(&output(&build, 0, b"compiling\n"));
        assert_eq!(status(&mut picture)[&id]["status"], "building");
        assert_eq!(status(&mut picture)[&id]["monitor"], "compiling");
        assert_eq!(picture.change(ended(&build, 1)), Touched { status: true, history: true });
        assert_eq!(picture.status_json(), "{}");
        // The last output may arrive late.
        picture.output(&output(&build, 10, b"boom\n"));
        assert_eq!(history(&mut picture)[0]["monitor"], "compiling\nboom");
    }

    #[test]
    fn old_news_never_revives_a_finished_build() {
        let (mut picture, build) = (Picture::default(), build());
        picture.seed(Snapshot { finished: vec![ended(&build, 1)], ..Snapshot::default() });
        assert_eq!(picture.change(build), Touched::default());
        assert_eq!(picture.status_json(), "{}");
    }

    #[test]
    fn the_history_is_bounded_and_newest_first() {
        let mut picture = Picture::default();
        for at in 0..40 {
            picture.change(ended(&build(), at * 1000));
        }
        let history = history(&mut picture);
        assert_eq!(history.as_array().unwrap().len(), HISTORY);
        assert_eq!((&history[0]["ended"], &history[24]["ended"]), (&39.into(), &15.into()));
    }

    #[test]
    fn a_snapshot_brings_the_logs_it_knows_and_keeps_better_ones() {
        let (mut picture, build) = (Picture::default(), build());
        let tail = LogTail { end: 4, bytes: Bytes::from_static(b"one\n") };
        let snapshot = || Snapshot {
            unfinished: vec![build.clone()],
            tails: HashMap::from([(build.id, tail.clone())]),
            ..Snapshot::default()
        };
        picture.seed(snapshot());
        assert!(picture.take_updates().is_empty(), "a stored log is no news");
        picture.output(&output(&build, 4, b"two\n"));
        picture.seed(snapshot());
        assert_eq!(status(&mut picture)[build.id.to_string()]["monitor"], "one\ntwo");
        let updates = picture.take_updates();
        assert_eq!((updates[0].1.offset, updates[0].1.text.as_str()), (4, "two\n"));
    }

    #[test]
    fn output_of_an_unknown_build_is_passed_over() {
        assert_eq!(Picture::default().output(&output(&build(), 0, b"x")), Touched::default());
    }
}
