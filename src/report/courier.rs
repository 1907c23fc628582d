//! Carries statuses from the outbox to the forge, one after the other.
//!
//! One task and one request at a time: so states of one context arrive in their order, and a forge
//! that asks for rest is not asked by others meanwhile. What is not taken stays in the outbox.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::{
    Outbox,
    pace::{May, Pace},
};
use crate::{
    github::{Answered, Failure, Github},
    metrics::{Metrics, Reported},
    model::Timestamp,
    shutdown::Shutdown,
    sqlite::{Database, Error},
    store::statuses::{self, Unsent},
};

/// How long one status rests after its first failure, and at most.
const FIRST_REST: Duration = Duration::from_secs(2);
const LONGEST_REST: Duration = Duration::from_secs(15 * 60);

/// After so many failures, a day's worth at least, a status that others overtake is given up.
const MOST_TRIES: u32 = 100;

/// A net beneath the bell.
const NET: Duration = Duration::from_secs(60);

/// How long the last verdicts may take when the service leaves.
const FAREWELL: Duration = Duration::from_secs(3);

/// After the database failed.
const AGAIN: Duration = Duration::from_secs(5);

/// Sends what the outbox holds.
pub struct Courier {
    outbox: Outbox,
    database: Database,
    github: Github,
    /// How people reach the service.
    public_url: String,
    metrics: Metrics,
    pace: Pace,
    /// Repositories and codes that were complained of.
    told: HashSet<(String, u16)>,
}

/// What came of looking into the outbox.
enum Turn {
    /// Something was sent, or tried.
    Worked,
    /// Nothing can be sent before this time, unless the bell rings and `heeds` it.
    Idle { wait: Duration, heeds: bool },
}

impl Courier {
    /// A courier between this outbox and this forge; `public_url` is where pages of builds are.
    pub fn new(outbox: Outbox, database: Database, github: Github, public_url: String, metrics: Metrics) -> Self {
        Self { outbox, database, github, public_url, metrics, pace: Pace::default(), told: HashSet::new() }
    }

    /// Works until the service leaves, and then for a moment more.
    pub async fn work(mut self, shutdown: Shutdown) {
        match self.database.write(|tx| statuses::appeal(tx, Timestamp::now())).await {
            Ok(0) => {}
            Ok(count) => info!("Sending {count} commit status(es) again that the forge refused for want of rights"),
            Err(failure) => error!("The outbox could not be read: {failure}"),
        }
        tokio::select! {
            () = self.carry() => {}
            () = shutdown.leaving() => {}
        }
        let _ = tokio::time::timeout(FAREWELL, self.empty()).await;
    }

    async fn carry(&mut self) {
        let outbox = self.outbox.clone();
        loop {
            let Turn::Idle { wait, heeds } = self.turn().await else { continue };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = outbox.rung(), if heeds => {}
            }
        }
    }

    /// Sends what can be sent at once.
    async fn empty(&mut self) {
        while matches!(self.turn().await, Turn::Worked) {}
    }

    async fn turn(&mut self) -> Turn {
        let (all, until) = match self.pace.ask(Instant::now()) {
            May::All => (true, NET),
            May::Verdicts(wait) => (false, wait),
            May::Nothing(wait) => return Turn::Idle { wait, heeds: false },
        };
        let now = Timestamp::now();
        match self.database.read(move |tx| Ok((statuses::next(tx, now, all)?, statuses::next_due(tx)?))).await {
            Ok((Some(status), _)) => {
                self.send(status).await;
                Turn::Worked
            }
            Ok((None, due)) => {
                // What is due already waits for room.
                let due = due.map(|due| due.since(now)).filter(|wait| !wait.is_zero());
                Turn::Idle { wait: due.unwrap_or(NET).min(until), heeds: true }
            }
            Err(failure) => {
                error!("The outbox could not be read: {failure}");
                Turn::Idle { wait: AGAIN, heeds: false }
            }
        }
    }

    async fn send(&mut self, status: Unsent) {
        let page = format!("{}/build/{}", self.public_url, status.build);
        self.pace.begin(Instant::now());
        let answer = self.github.set_status(&status.repository, &status.commit, &status.status, &page).await;
        let settled = self.settle(status, answer).await;
        if let Err(failure) = settled {
            // It is sent again then; the forge takes the same twice.
            error!("What the forge answered could not be written: {failure}");
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn settle(&mut self, status: Unsent, answer: Result<Answered, Failure>) -> Result<(), Error> {
        let now = Instant::now();
        match answer {
            Ok(Answered { rest }) => {
                self.metrics.reported(Reported::Sent);
                self.recovered(now, rest);
                debug!(build.id = %status.build, "The forge shows `{}`", status.status.description);
                self.database.write(move |tx| statuses::sent(tx, &status)).await
            }
            Err(Failure::Refused { code, ref reason }) => {
                self.metrics.reported(Reported::Refused);
                self.recovered(now, None);
                self.complain(&status, code, reason);
                let reason = format!("{reason} ({code})");
                self.database.write(move |tx| statuses::refuse(tx, &status, &reason)).await
            }
            Err(Failure::Later { rest, reason }) => {
                self.metrics.reported(Reported::Postponed);
                let (rest, first) = self.pace.ill(now, rest);
                if first {
                    warn!("Commit statuses wait, the next try is in {}s: {reason}", rest.as_secs());
                }
                if status.tries >= MOST_TRIES {
                    let reason = format!("given up after {} tries: {reason}", status.tries);
                    return self.database.write(move |tx| statuses::refuse(tx, &status, &reason)).await;
                }
                let own = (FIRST_REST * 2_u32.saturating_pow(status.tries.min(16))).min(LONGEST_REST);
                let due = Timestamp::now().after(own);
                self.database.write(move |tx| statuses::postpone(tx, &status, due)).await
            }
        }
    }

    fn recovered(&mut self, now: Instant, rest: Option<Duration>) {
        if self.pace.well(now, rest) {
            info!("Commit statuses get through again");
        }
    }

    /// Once for each repository and code: a token without rights is refused for every build.
    fn complain(&mut self, status: &Unsent, code: u16, reason: &str) {
        let hint = match code {
            401 => "; check `github.token`",
            403 | 404 => "; the token needs to write commit statuses of this repository",
            _ => "",
        };
        if self.told.insert((status.repository.to_string(), code)) {
            warn!(build.id = %status.build, "The forge refuses the status of `{}`: {reason} ({code}){hint}", status.repository);
        }
    }
}
