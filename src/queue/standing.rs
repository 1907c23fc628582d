//! In which order those that wait will be claimed, if nothing changes.
//!
//! The rule is that of [`super::claim`], applied again and again as if no running build ended
//! meanwhile. That is a forecast: each end, and each new push, may change it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::{
    model::Timestamp,
    sqlite::{Error, Tx},
};

/// The queue as it stands.
#[derive(Debug, Default)]
pub struct Standing {
    /// How many builds are in workers' hands.
    pub running: usize,
    /// Those that wait, the next one first.
    pub places: Vec<Place>,
}

/// A waiting build's place.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// The build's key.
    pub build: i64,
    /// Its repository.
    pub repository: String,
    /// Nobody gets it before.
    pub available: Timestamp,
    /// How many builds of its repository run.
    pub beside: usize,
    /// Whether a younger build of another repository goes first.
    pub passed: bool,
}

/// How soon a repository has a turn: fewest running, then the longest ago, then the oldest build.
type Turn = (usize, i64, i64, String);

/// The order of all that wait.
pub fn standing(tx: &Tx, now: Timestamp) -> Result<Standing, Error> {
    let mut select = tx.prepare_cached(
        "SELECT q.build, q.repository, q.available, q.claimed, coalesce(t.turn, 0)
         FROM queue q LEFT JOIN turns t ON t.repository = q.repository ORDER BY q.build",
    )?;
    let mut rows = select.query([])?;
    let mut standing = Standing::default();
    let mut waiting = Vec::new();
    let mut running: HashMap<String, usize> = HashMap::new();
    let mut turns: BTreeMap<String, i64> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let repository: String = row.get(1)?;
        if row.get(3)? {
            standing.running += 1;
            *running.entry(repository).or_default() += 1;
            continue;
        }
        turns.insert(repository.clone(), row.get(4)?);
        let available = Timestamp::from_millis(row.get(2)?);
        waiting.push(Place { build: row.get(0)?, repository, available, beside: 0, passed: false });
    }
    for place in &mut waiting {
        place.beside = running.get(&place.repository).copied().unwrap_or(0);
    }
    standing.places = forecast(waiting, &turns, now);
    Ok(standing)
}

/// `waiting` is given oldest first.
fn forecast(waiting: Vec<Place>, turns: &BTreeMap<String, i64>, now: Timestamp) -> Vec<Place> {
    let (ready, mut later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|place| place.available <= now);
    let mut lines: HashMap<String, VecDeque<Place>> = HashMap::new();
    for place in ready {
        lines.entry(place.repository.clone()).or_default().push_back(place);
    }
    let turn = |line: &VecDeque<Place>, had: usize, last: i64| -> Option<Turn> {
        line.front().map(|first| (first.beside + had, last, first.build, first.repository.clone()))
    };
    let mut next: BTreeSet<(Turn, usize)> = lines
        .iter()
        .filter_map(|(repository, line)| turn(line, 0, turns.get(repository).copied().unwrap_or(0)))
        .map(|turn| (turn, 0))
        .collect();
    let mut last = turns.values().copied().max().unwrap_or(0);
    let (mut order, mut youngest) = (Vec::new(), i64::MIN);
    while let Some(((_, _, _, repository), had)) = next.pop_first() {
        let Some(line) = lines.get_mut(&repository) else { continue };
        let Some(mut place) = line.pop_front() else { continue };
        place.passed = place.build < youngest;
        youngest = youngest.max(place.build);
        order.push(place);
        last += 1;
        next.extend(turn(line, had + 1, last).map(|turn| (turn, had + 1)));
    }
    later.sort_by_key(|place| (place.available, place.build));
    order.append(&mut later);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(build: i64, repository: &str, available: i64, beside: usize) -> Place {
        let available = Timestamp::from_millis(available);
        Place { build, repository: repository.into(), available, beside, passed: false }
    }

    fn order(waiting: Vec<Place>, turns: &[(&str, i64)]) -> Vec<(i64, bool)> {
        let turns = turns.iter().map(|(repository, turn)| ((*repository).to_owned(), *turn)).collect();
        let places = forecast(waiting, &turns, Timestamp::from_millis(10));
        places.iter().map(|place| (place.build, place.passed)).collect()
    }

    #[test]
    fn repositories_take_turns_and_the_passed_are_known() {
        let waiting =
            [(1, "a/a"), (2, "a/a"), (3, "a/a"), (4, "b/b"), (5, "c/c"), (6, "b/b")].map(|(n, r)| place(n, r, 0, 0));
        let expected = [(1, false), (4, false), (5, false), (2, true), (6, false), (3, true)];
        assert_eq!(order(waiting.into(), &[]), expected);
    }

    #[test]
    fn who_runs_already_or_had_the_last_turn_comes_later() {
        let waiting = || vec![place(1, "a/a", 0, 1), place(2, "b/b", 0, 0)];
        assert_eq!(order(waiting(), &[]), [(2, false), (1, true)]);
        let waiting = vec![place(1, "a/a", 0, 0), place(2, "b/b", 0, 0)];
        assert_eq!(order(waiting, &[("a/a", 7), ("b/b", 3)]), [(2, false), (1, true)]);
    }

    #[test]
    fn who_may_not_begin_yet_stands_last() {
        let waiting = vec![place(1, "a/a", 99, 0), place(2, "b/b", 50, 0), place(3, "c/c", 0, 0)];
        assert_eq!(order(waiting, &[]), [(3, false), (2, false), (1, false)]);
    }
}
