//! How fast the forge may be told things. Pure: it is given the time, and can be tested by the hour.
//!
//! GitHub lets one user make 80 things a minute, and asks for rest from who makes more ("Best practices
//! for using the REST API", "About secondary rate limits"). So in any minute there are at most
//! [`MOST`] requests, and the share of those that only say "pending" is smaller, since a verdict
//! replaces them soon. A forge that fails is left alone, longer each time.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Requests in any minute.
const MOST: usize = 75;

/// Beyond this many in the last minute, only verdicts are sent.
const PENDING: usize = 40;

const MINUTE: Duration = Duration::from_secs(60);

/// The first rest after a failure, and the longest.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(5 * 60);

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    /// Anything.
    All,
    /// Verdicts; anything again after this time.
    Verdicts(Duration),
    /// Nothing for this time.
    Nothing(Duration),
}

/// What was sent lately, and how it went.
#[derive(Debug, Default)]
pub(super) struct Pace {
    sent: VecDeque<Instant>,
    rest_until: Option<Instant>,
    failures: u32,
}

impl Pace {
    pub(super) fn ask(&mut self, now: Instant) -> May {
        if let Some(rest) =
            self.rest_until.and_then(|until| until.checked_duration_since(now)).filter(|it| !it.is_zero())
        {
            return May::Nothing(rest);
        }
        while self.sent.front().is_some_and(|sent| now.duration_since(*sent) >= MINUTE) {
            self.sent.pop_front();
        }
        // The request whose leaving the minute makes room.
        let room = |most: usize| {
            let leaving = self.sent.get(self.sent.len().checked_sub(most)?)?;
            Some(MINUTE.saturating_sub(now.duration_since(*leaving)))
        };
        match (self.sent.len() < MOST, self.sent.len() < PENDING) {
            (false, _) => May::Nothing(room(MOST).unwrap_or(MINUTE)),
            (true, false) => May::Verdicts(room(PENDING).unwrap_or(MINUTE)),
            (true, true) => May::All,
        }
    }

    /// A request is sent.
    pub(super) fn begin(&mut self, now: Instant) {
        self.sent.push_back(now);
    }

    /// The forge answered as it should. True if it had not before.
    pub(super) fn well(&mut self, now: Instant, rest: Option<Duration>) -> bool {
        self.rest_until = rest.map(|rest| now + rest);
        std::mem::take(&mut self.failures) > 0
    }

    /// The forge failed. Gives the rest it gets, and whether it had been well before.
    pub(super) fn ill(&mut self, now: Instant, wanted: Option<Duration>) -> (Duration, bool) {
        let growing = FIRST_REST * 2_u32.saturating_pow(self.failures.min(16));
        let rest = growing.min(LONGEST_REST).max(wanted.unwrap_or_default());
        self.rest_until = Some(now + rest);
        self.failures += 1;
        (rest, self.failures == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_ever_has_more_than_allowed() {
        let (start, mut pace, mut sent) = (Instant::now(), Pace::default(), Vec::new());
        let mut now = start;
        while sent.len() < 1_000 {
            match pace.ask(now) {
                May::Nothing(wait) => {
                    assert!(!wait.is_zero());
                    now += wait;
                }
                May::All | May::Verdicts(_) => {
                    pace.begin(now);
                    sent.push(now);
                    now += Duration::from_millis(137);
                }
            }
        }
        for (index, first) in sent.iter().enumerate() {
            let within = sent[index..].iter().take_while(|other| other.duration_since(*first) < MINUTE).count();
            assert!(within <= MOST, "{within}");
        }
        assert!(now.duration_since(start) < Duration::from_secs(14 * 60));
    }

    #[test]
    fn pending_ones_leave_room_for_verdicts() {
        let (now, mut pace) = (Instant::now(), Pace::default());
        for _ in 0..PENDING {
            assert_eq!(pace.ask(now), May::All);
            pace.begin(now);
        }
        assert_eq!(pace.ask(now + Duration::from_secs(1)), May::Verdicts(Duration::from_secs(59)));
        assert_eq!(pace.ask(now + MINUTE), May::All);
    }

    #[test]
    fn a_failing_forge_is_left_alone_longer_each_time() {
        let (mut now, mut pace, mut rests) = (Instant::now(), Pace::default(), Vec::new());
        for _ in 0..12 {
            let (rest, first) = pace.ill(now, None);
            assert_eq!(first, rests.is_empty());
            assert_eq!(pace.ask(now), May::Nothing(rest));
            now += rest;
            assert_eq!(pace.ask(now), May::All);
            rests.push(rest.as_secs());
        }
        assert_eq!((rests[0], rests[4], rests[11]), (1, 16, 300));
        assert_eq!(pace.ill(now, Some(Duration::from_secs(3_600))).0.as_secs(), 3_600);
        assert!(pace.well(now, None));
        assert_eq!(pace.ask(now), May::All);
        assert_eq!(pace.ill(now, None).0.as_secs(), 1);
    }
}
