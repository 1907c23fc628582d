//! Why each waiting build waits, in words for its author.

use super::{Lifecycle, NotKept};
use crate::{
    model::{BuildId, Timestamp},
    queue::{self, Place},
    store::builds::{self, Queued},
};

/// The queue, for people.
#[derive(Debug)]
pub struct Queue {
    /// How many builds run.
    pub running: usize,
    /// Those that wait, the next one first.
    pub waiting: Vec<Waiting>,
}

/// One build that waits.
#[derive(Debug)]
pub struct Waiting {
    /// Which.
    pub id: BuildId,
    /// Its place, from 1.
    pub position: usize,
    /// Why it does not run.
    pub reason: String,
}

/// What all reasons depend on.
struct Circumstances<'a> {
    now: Timestamp,
    running: usize,
    places: usize,
    trouble: Option<&'a str>,
}

impl Lifecycle {
    /// The queue, where `places` builds may run at once and `trouble` keeps all of them from starting.
    pub async fn queue(&self, places: usize, trouble: Option<String>) -> Result<Queue, NotKept> {
        let now = Timestamp::now();
        let (standing, queued) =
            self.database.read(move |tx| Ok((queue::standing(tx, now)?, builds::queued(tx)?))).await?;
        let circumstances = Circumstances { now, running: standing.running, places, trouble: trouble.as_deref() };
        let found = |place: &Place| queued.binary_search_by_key(&place.build, |queued| queued.row.0).ok();
        let known = standing.places.iter().filter_map(|place| Some((place, &queued[found(place)?])));
        let waiting = known
            .enumerate()
            .map(|(ahead, (place, queued))| Waiting {
                id: queued.id,
                position: ahead + 1,
                reason: circumstances.reason(ahead, place, queued),
            })
            .collect();
        Ok(Queue { running: standing.running, waiting })
    }
}

impl Circumstances<'_> {
    fn reason(&self, ahead: usize, place: &Place, queued: &Queued) -> String {
        let pause = place.available.since(self.now);
        if !pause.is_zero() {
            let (seconds, attempt) = (pause.as_millis().div_ceil(1000), queued.attempts + 1);
            let after = queued.reason.as_deref().map(|reason| format!(" after: {reason}")).unwrap_or_default();
            return format!("waits {seconds} s before attempt {attempt}{after}");
        }
        if let Some(trouble) = self.trouble {
            return format!("no build can start now: {trouble}");
        }
        if self.running + ahead < self.places {
            return "is about to start".to_owned();
        }
        let full = match self.running {
            0 => "other builds go first".to_owned(),
            1 => "1 build runs, as many as allowed".to_owned(),
            running if running >= self.places => format!("{running} builds run, as many as allowed"),
            _ => format!("{} builds may run at once, and others go first", self.places),
        };
        match (place.passed, place.beside) {
            (false, _) => full,
            (true, 0) => format!("{full}; {} had the last turn, so other repositories go first", place.repository),
            (true, beside) => {
                format!("{full}; {} runs {beside} of them, so other repositories go first", place.repository)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Circumstances<'_> =
        Circumstances { now: Timestamp::from_millis(10_000), running: 2, places: 2, trouble: None };

    fn place() -> Place {
        let available = Timestamp::from_millis(0);
        Place { build: 1, repository: "acme/tool".into(), available, beside: 0, passed: false }
    }

    fn queued(reason: Option<&str>) -> Queued {
        Queued { row: builds::BuildRow(1), id: BuildId::new(), attempts: 1, reason: reason.map(str::to_owned) }
    }

    #[test]
    fn a_full_house_is_the_usual_reason() {
        assert_eq!(CALM.reason(0, &place(), &queued(None)), "2 builds run, as many as allowed");
        let alone = Circumstances { running: 1, places: 1, ..CALM };
        assert_eq!(alone.reason(0, &place(), &queued(None)), "1 build runs, as many as allowed");
        let free = Circumstances { running: 0, ..CALM };
        assert_eq!(free.reason(1, &place(), &queued(None)), "is about to start");
        assert_eq!(free.reason(2, &place(), &queued(None)), "other builds go first");
    }

    #[test]
    fn who_was_passed_learns_why() {
        let passed = |beside| CALM.reason(3, &Place { passed: true, beside, ..place() }, &queued(None));
        assert!(passed(0).ends_with("; acme/tool had the last turn, so other repositories go first"));
        assert!(passed(2).ends_with("; acme/tool runs 2 of them, so other repositories go first"));
    }

    #[test]
    fn a_pause_between_attempts_and_trouble_come_before_all_else() {
        let later = Place { available: Timestamp::from_millis(39_500), ..place() };
        let why = queued(Some("the engine went away"));
        assert_eq!(CALM.reason(0, &later, &why), "waits 30 s before attempt 2 after: the engine went away");
        let trouble = Circumstances { trouble: Some("the engine is away"), ..CALM };
        assert_eq!(trouble.reason(0, &place(), &queued(None)), "no build can start now: the engine is away");
    }
}
