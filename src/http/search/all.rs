//! Search in the logs of all builds: first from the oldest on, for where it was first seen, then from the newest back.
//!
//! One log after the other, and one such search at a time: a disk that runs builds has better things to do.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::{
    SearchQuery, Turns,
    feed::{self, Feed, HitDocument, Stop},
};
use crate::{
    http::{Answer, Shared, reply::Problem},
    logs::{Direction, Hit, Logs, Pattern, Search},
    model::{Build, BuildId, CommitId, Repository, Timestamp},
    sqlite::Error,
    store::{builds, walk},
};

/// The most matches of one build.
const OF_EACH: usize = 20;

/// How many builds are taken from the store at once.
const PAGE: u32 = 500;

/// How long a search works before it looks whether anybody still reads.
const STRETCH: Duration = Duration::from_millis(20);

/// How long a search may take, waiting for its reader not counted.
const LONGEST: Duration = Duration::from_secs(300);

/// A line that matches, and where it stands.
#[derive(Serialize)]
struct FoundDocument<'a> {
    build: BuildId,
    #[serde(flatten)]
    hit: HitDocument<'a>,
    build_number: u64,
    repository: &'a Repository,
    branch: &'a str,
    script: &'a str,
    commit: &'a CommitId,
    started: Option<Timestamp>,
    first_seen: FirstSeen,
}

/// The oldest build whose log matches, and the first line there.
#[derive(Debug, Clone, Copy, Serialize)]
struct FirstSeen {
    build: BuildId,
    number: u64,
    started: Option<Timestamp>,
}

pub(super) async fn search(parts: Shared, query: SearchQuery, turns: Turns) -> Answer {
    if query.from.is_some() || query.backward.is_some() {
        return Err(Problem::bad_request("`from` and `backward` are for one build: ask `/build/<id>/search`"));
    }
    let (pattern, limit) = (query.pattern().await?, query.limit()?);
    let only = walk::Only { repository: query.repository, branch: query.branch };
    let turn = turns.take().await?;
    Ok(feed::answer(async move |feed| {
        let _turn = turn;
        let mut sweep = Sweep { parts, pattern, only, feed, worked: Duration::ZERO };
        sweep.run(limit).await
    }))
}

/// One search through the logs of many builds.
struct Sweep {
    parts: Shared,
    pattern: Arc<Pattern>,
    only: walk::Only,
    feed: Feed,
    worked: Duration,
}

impl Sweep {
    async fn run(&mut self, limit: usize) -> Result<(), Stop> {
        let Some((oldest, hits)) = self.begin(walk::Order::OldestFirst, 1).next(self).await? else { return Ok(()) };
        let Some(build) = self.build(oldest).await? else { return Ok(()) };
        let number = hits.first().map_or(1, |hit| hit.number);
        let first_seen = FirstSeen { build: oldest, number, started: build.started };
        let (mut left, mut course) = (limit, self.begin(walk::Order::NewestFirst, OF_EACH.min(limit)));
        while let Some((id, hits)) = course.next(self).await? {
            if let Some(build) = self.build(id).await? {
                let hits = &hits[..hits.len().min(left)];
                self.feed.send(hits.iter().map(|hit| found(&build, hit, first_seen))).await?;
                left -= hits.len();
            }
            if left == 0 || id == oldest {
                break;
            }
        }
        Ok(())
    }

    fn begin(&self, order: walk::Order, of_each: usize) -> Course {
        let logs = Stack {
            logs: self.parts.logs.clone(),
            pattern: Arc::clone(&self.pattern),
            of_each,
            ids: VecDeque::new(),
            open: None,
        };
        Course { order, after: None, logs: Some(logs) }
    }

    async fn page(&self, order: walk::Order, after: Option<BuildId>) -> Result<Vec<BuildId>, Stop> {
        let only = self.only.clone();
        let read = self.parts.database.read(move |tx| walk::ids(tx, &only, order, after, PAGE)).await;
        read.map_err(unreadable)
    }

    async fn build(&self, id: BuildId) -> Result<Option<Build>, Stop> {
        let read = self.parts.database.read(move |tx| builds::find(tx, id)).await;
        Ok(read.map_err(unreadable)?.map(|(_, build)| build))
    }

    fn has_time(&self) -> Result<(), Stop> {
        self.feed.has_reader()?;
        if self.worked > LONGEST { Err(Stop::TooLong) } else { Ok(()) }
    }
}

fn found<'a>(build: &'a Build, hit: &'a Hit, first_seen: FirstSeen) -> FoundDocument<'a> {
    FoundDocument {
        build: build.id,
        hit: HitDocument::from(hit),
        build_number: build.number,
        repository: build.repository(),
        branch: build.git_ref().name(),
        script: build.recipe.script.as_str(),
        commit: &build.commit,
        started: build.started,
        first_seen,
    }
}

fn unreadable(error: Error) -> Stop {
    Stop::Failed(io::Error::other(error))
}

/// All builds in one order, page by page.
struct Course {
    order: walk::Order,
    after: Option<BuildId>,
    // Away while it is worked through on a blocking thread.
    logs: Option<Stack>,
}

impl Course {
    /// The next build whose log matches, with its first lines that do.
    async fn next(&mut self, sweep: &mut Sweep) -> Result<Option<(BuildId, Vec<Hit>)>, Stop> {
        loop {
            sweep.has_time()?;
            let Some(mut logs) = self.logs.take() else { return Ok(None) };
            if logs.is_empty() {
                logs.ids = sweep.page(self.order, self.after).await?.into();
                let Some(last) = logs.ids.back() else { return Ok(None) };
                self.after = Some(*last);
            }
            let stretch = spawn_blocking(move || {
                let since = Instant::now();
                let found = logs.search_on(since + STRETCH);
                (logs, found, since.elapsed())
            });
            let (logs, found, took) = stretch.await.map_err(io::Error::other)?;
            self.logs = Some(logs);
            sweep.worked += took;
            if found.is_some() {
                return Ok(found);
            }
        }
    }
}

/// Logs to be searched one after the other.
struct Stack {
    logs: Logs,
    pattern: Arc<Pattern>,
    of_each: usize,
    ids: VecDeque<BuildId>,
    open: Option<(BuildId, Search, Vec<Hit>)>,
}

impl Stack {
    fn is_empty(&self) -> bool {
        self.open.is_none() && self.ids.is_empty()
    }

    /// Works until a log was searched that matches, but at most until then. A log that cannot be read is passed.
    fn search_on(&mut self, until: Instant) -> Option<(BuildId, Vec<Hit>)> {
        while Instant::now() < until && !self.is_empty() {
            match self.step() {
                Ok(Some(found)) => return Some(found),
                Ok(None) => {}
                Err(error) => warn!("A log could not be searched: {error}"),
            }
        }
        None
    }

    fn step(&mut self) -> io::Result<Option<(BuildId, Vec<Hit>)>> {
        let (id, mut search, mut found) = match self.open.take() {
            Some(open) => open,
            None => {
                let Some(id) = self.ids.pop_front() else { return Ok(None) };
                let search = self.logs.search(id, Arc::clone(&self.pattern), Direction::Forward(1))?;
                let Some(search) = search else { return Ok(None) };
                (id, search, Vec::new())
            }
        };
        let more = search.advance(self.of_each, &mut found)?;
        if more && found.len() < self.of_each {
            self.open = Some((id, search, found));
            return Ok(None);
        }
        Ok((!found.is_empty()).then_some((id, found)))
    }
}
