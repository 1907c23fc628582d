//! An hour of a busy forge, with its clock and ours made up.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{
    Outbox,
    pace::{May, Pace},
};
use crate::{
    model::{Build, BuildId, CommitState, Ending, Push, Timestamp, example},
    sqlite::{Database, Tx},
    store::{
        MIGRATIONS,
        builds::{self, BuildRow},
        pushes, statuses,
    },
};

const BUILDS: usize = 1_000;

/// What the forge takes within a minute.
const LIMIT: usize = 80;

fn accept(tx: &Tx, outbox: &Outbox, number: usize) -> BuildRow {
    let Build { mut push, recipe, .. } = example::build("acme/tool", "refs/heads/main");
    let commit: crate::model::CommitId = format!("{:040x}", number + 1).parse().unwrap();
    push = Push { commit: Some(commit.clone()), ..push };
    let place = pushes::place(tx, &push).unwrap();
    let row = pushes::insert(tx, &push, &commit, place, Timestamp::now()).unwrap();
    let row = builds::insert(tx, row, BuildId::new(), &recipe, Timestamp::now()).unwrap();
    note(tx, outbox, row);
    row
}

fn note(tx: &Tx, outbox: &Outbox, row: BuildRow) {
    outbox.note(tx, row, &builds::get(tx, row).unwrap()).unwrap();
}

/// A forge that counts, and remembers what it shows.
#[derive(Default)]
struct Forge {
    asked: Vec<Instant>,
    told: HashMap<String, Vec<CommitState>>,
}

impl Forge {
    fn tell(&mut self, now: Instant, status: &statuses::Unsent) {
        self.asked.push(now);
        let minute = self.asked.iter().rev().take_while(|asked| now.duration_since(**asked) < Duration::from_secs(60));
        assert!(minute.count() <= LIMIT);
        self.told.entry(status.commit.to_string()).or_default().push(status.status.state);
    }
}

/// A second of a courier's work.
fn carry(tx: &Tx, pace: &mut Pace, forge: &mut Forge, mut now: Instant, clock: Timestamp) {
    let end = now + Duration::from_secs(1);
    while now < end {
        let all = match pace.ask(now) {
            May::All => true,
            May::Verdicts(_) => false,
            May::Nothing(_) => return,
        };
        let Some(status) = statuses::next(tx, clock, all).unwrap() else { return };
        pace.begin(now);
        forge.tell(now, &status);
        pace.well(now, None);
        statuses::sent(tx, &status).unwrap();
        now += Duration::from_millis(150);
    }
}

#[tokio::test]
async fn a_thousand_builds_get_their_verdicts_under_a_limit_of_eighty_a_minute() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(&directory.path().join("db"), MIGRATIONS).unwrap();
    let work = |tx: &Tx| {
        let outbox = Outbox::open("autobuilder".into());
        let mut waiting: Vec<_> = (0..BUILDS).map(|number| accept(tx, &outbox, number)).rev().collect();
        let (mut pace, mut forge, start) = (Pace::default(), Forge::default(), Instant::now());
        let mut seconds = 0;
        while !waiting.is_empty() || statuses::next_due(tx)?.is_some() {
            // Two builds a second, each seen to begin.
            for row in waiting.split_off(waiting.len().saturating_sub(2)) {
                builds::start(tx, row, Timestamp::now())?;
                note(tx, &outbox, row);
                builds::finish(tx, row, &Ending::cancelled(), Timestamp::now())?;
                note(tx, &outbox, row);
            }
            carry(tx, &mut pace, &mut forge, start + Duration::from_secs(seconds), Timestamp::now());
            seconds += 1;
        }
        Ok((forge.told, seconds))
    };
    let (told, seconds) = database.write(work).await.unwrap();
    assert_eq!(told.len(), BUILDS);
    for states in told.values() {
        assert_eq!(states.last(), Some(&CommitState::Error));
        assert!(states.len() <= 2, "{states:?}");
    }
    assert!(seconds < 15 * 60, "{seconds}");
}

#[tokio::test]
async fn the_latest_build_of_a_context_has_the_word() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(&directory.path().join("db"), MIGRATIONS).unwrap();
    let work = |tx: &Tx| {
        let outbox = Outbox::open("autobuilder".into());
        let (first, second) = (accept(tx, &outbox, 0), accept(tx, &outbox, 0));
        for row in [second, first] {
            builds::start(tx, row, Timestamp::now())?;
            let ending = Ending { message: format!("{row:?}"), ..Ending::cancelled() };
            builds::finish(tx, row, &ending, Timestamp::now())?;
            note(tx, &outbox, row);
        }
        let said = statuses::next(tx, Timestamp::now(), false)?.unwrap();
        assert_eq!(said.status.description, format!("{second:?}"));
        // A state that comes while the one before is on its way is sent after it.
        let third = accept(tx, &outbox, 0);
        statuses::sent(tx, &said)?;
        let next = statuses::next(tx, Timestamp::now(), true)?.unwrap();
        assert_eq!((next.status.state, next.build), (CommitState::Pending, builds::get(tx, third)?.id));
        statuses::sent(tx, &next)?;
        note(tx, &outbox, third);
        assert!(statuses::next_due(tx)?.is_none());
        Ok(())
    };
    database.write(work).await.unwrap();
}
