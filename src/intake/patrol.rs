//! Goes round the repositories, at start and from time to time, for pushes that nobody told of.
//!
//! At start all are looked at: forges do not deliver again what they could not deliver while we were
//! away. After that only those that no webhook was ever heard from, those whose files say `poll: true`,
//! or all by the operator's wish; and always the configuration repository. A forge that does not answer
//! is one line in the log, and is asked less and less often.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{
    Intake,
    poll::{Doubts, PollError},
};
use crate::{model::Repository, shutdown::Shutdown};

/// How many repositories are asked at once.
const AT_ONCE: usize = 4;

/// So many silent repositories, and none that answers, mean a silent forge.
const SILENT: usize = 3;

/// The longest time between two tries.
const LONGEST: Duration = Duration::from_secs(3600);

/// How the rounds go.
#[derive(Debug, Clone, Copy)]
pub struct Rounds {
    /// From one to the next; zero for none at all.
    pub interval: Duration,
    /// Every repository each time.
    pub all: bool,
}

/// Goes the rounds.
pub struct Patrol {
    intake: Arc<Intake>,
    rounds: Rounds,
    doubts: HashMap<Repository, Doubts>,
    silent: HashMap<Repository, Silence>,
    /// How many rounds in a row nobody answered.
    outage: u32,
    /// Whether the configuration repository did not answer the last time.
    configuration_silent: bool,
}

/// A repository that could not be asked.
struct Silence {
    times: u32,
    until: Instant,
}

/// A repository to ask; and others that its files may be about instead, if it does not exist.
type Readings = (Repository, Vec<Repository>);

impl Patrol {
    /// A patrol for this intake.
    pub fn new(intake: Arc<Intake>, rounds: Rounds) -> Self {
        Self { intake, rounds, doubts: HashMap::new(), silent: HashMap::new(), outage: 0, configuration_silent: false }
    }

    /// Goes on until the service takes nothing more.
    pub async fn work(mut self, shutdown: Shutdown) {
        if self.rounds.interval.is_zero() {
            return;
        }
        tokio::select! {
            () = self.go() => {}
            () = shutdown.draining() => {}
        }
    }

    async fn go(&mut self) {
        self.intake.sync.loaded().await;
        let mut everybody = true;
        loop {
            self.round(everybody).await;
            everybody = false;
            tokio::time::sleep(self.pause()).await;
            self.look_at_configuration().await;
        }
    }

    /// A tenth more or less, so that services that were started together do not ask together.
    fn pause(&self) -> Duration {
        let usual = self.rounds.interval;
        let grown = (usual * 2_u32.saturating_pow(self.outage.min(16))).min(usual.max(LONGEST));
        let spread = u32::from(u8::try_from(crate::model::Timestamp::now().as_millis() % 200).unwrap_or(100));
        grown * (900 + spread) / 1000
    }

    async fn look_at_configuration(&mut self) {
        let answer = self.intake.look_at_configuration().await;
        if let Err(problem) = &answer
            && !self.configuration_silent
            && self.outage == 0
        {
            warn!("The configuration repository cannot be asked for news: {problem}");
        }
        self.configuration_silent = answer.is_err();
    }

    async fn round(&mut self, everybody: bool) {
        let readings = match self.readings(everybody).await {
            Ok(readings) => readings,
            Err(failure) => return error!("Who has a webhook could not be read: {failure}"),
        };
        // Not all at once, and done well before the next round.
        let gap = if everybody { Duration::ZERO } else { self.gap(readings.len()) };
        let intake = Arc::clone(&self.intake);
        let asked: Vec<_> = readings
            .into_iter()
            .map(|readings| {
                let doubts = self.doubts.remove(&readings.0).unwrap_or_default();
                (readings, doubts)
            })
            .collect();
        let answers = stream::iter(asked)
            .then(|asked| async move {
                tokio::time::sleep(gap).await;
                asked
            })
            .map(|(readings, doubts)| ask(Arc::clone(&intake), readings, doubts))
            .buffer_unordered(AT_ONCE);
        let mut answers = std::pin::pin!(answers);
        let (mut heard, mut failures) = (0, Vec::new());
        while let Some((repository, doubts, answer)) = answers.next().await {
            self.doubts.insert(repository.clone(), doubts);
            match answer {
                Ok(_) => {
                    heard += 1;
                    if self.silent.remove(&repository).is_some() {
                        info!("`{repository}` can be asked for missed pushes again");
                    }
                }
                Err(problem) => failures.push((repository, problem)),
            }
            if heard == 0 && failures.iter().filter(|(_, problem)| problem.is_silence()).count() >= SILENT {
                break;
            }
        }
        self.conclude(heard, failures);
    }

    fn gap(&self, count: usize) -> Duration {
        let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        (self.rounds.interval / 2 / count).min(Duration::from_secs(2))
    }

    /// Who is to be asked in this round.
    async fn readings(&self, everybody: bool) -> Result<Vec<Readings>, crate::lifecycle::NotKept> {
        let catalog = self.intake.catalog.current();
        let hooked: HashSet<String> = self.intake.lifecycle.hooked().await?;
        let now = Instant::now();
        let doubted = |repository: &Repository| self.doubts.get(repository).is_some_and(|doubts| !doubts.is_empty());
        let wanted = |repository: &Repository| {
            everybody
                || doubted(repository)
                || self.rounds.all
                || catalog.polls(repository)
                || !hooked.contains(repository.as_str())
        };
        let rests = |repository: &Repository| self.silent.get(repository).is_some_and(|silence| silence.until > now);
        let mut readings: BTreeMap<Repository, Vec<Repository>> = BTreeMap::new();
        for (first, others) in catalog.repositories() {
            let known = readings.entry(first).or_default();
            let new: Vec<_> = others.into_iter().filter(|other| !known.contains(other)).collect();
            known.extend(new);
        }
        let asked = readings.into_iter().filter(|(first, others)| {
            !rests(first) && (wanted(first) || others.iter().any(|other| hooked.is_empty() || wanted(other)))
        });
        Ok(asked.collect())
    }

    fn conclude(&mut self, heard: usize, failures: Vec<(Repository, PollError)>) {
        let silence = failures.iter().find(|(_, problem)| problem.is_silence());
        if heard == 0
            && let Some((_, problem)) = silence
        {
            if self.outage == 0 {
                warn!("The forge cannot be asked for missed pushes; trying again, less and less often: {problem}");
            }
            self.outage = self.outage.saturating_add(1);
            return;
        }
        if self.outage > 0 && heard > 0 {
            self.outage = 0;
            info!("The forge can be asked for missed pushes again");
        }
        for (repository, problem) in failures {
            let times = self.silent.get(&repository).map_or(0, |silence| silence.times);
            if times == 0 {
                warn!("`{repository}` cannot be asked for missed pushes: {problem}");
            }
            let rest = (self.rounds.interval * 2_u32.saturating_pow(times.min(16))).min(LONGEST);
            self.silent.insert(repository, Silence { times: times + 1, until: Instant::now() + rest });
        }
    }
}

/// Asks for a repository, or for those that are meant if it does not exist.
async fn ask(
    intake: Arc<Intake>,
    (first, others): Readings,
    mut doubts: Doubts,
) -> (Repository, Doubts, Result<usize, PollError>) {
    let mut answer = intake.compare(&first, &mut doubts).await;
    for other in others {
        if !answer.as_ref().is_err_and(PollError::is_unknown) {
            break;
        }
        answer = intake.compare(&other, &mut doubts).await;
    }
    (first, doubts, answer)
}
