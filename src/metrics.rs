//! What is counted, and how Prometheus reads it (OpenMetrics text 1.0).
//!
//! Counters are values handed to those who count; there is no global registry, so tests of several
//! services in one process do not mix.

use std::{path::Path, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::model::{Outcome, Stage, Verdict};

/// From a twentieth of a second to two hours.
const BUCKETS: [f64; 14] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 7200.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReportedLabel {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DirectoryLabel {
    directory: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReaderLabel {
    to: &'static str,
}

/// How the service's own viewers and its bus fare, since the start.
#[derive(Debug, Clone, Copy)]
pub struct Screens {
    /// Watching now.
    pub viewers: u64,
    /// How often a viewer was skipped forward.
    pub skipped: u64,
    /// Viewers that were let go for their slowness.
    pub cut: u64,
    /// Whether the bus to relays elsewhere carries; true if there is none.
    pub connected: bool,
    /// Pieces of output that never came to the service's own viewers.
    pub lost_here: u64,
    /// Pieces of output that never came to relays elsewhere.
    pub lost_elsewhere: u64,
}

/// What came of telling the forge a commit's status.
#[derive(Debug, Clone, Copy)]
pub enum Reported {
    /// It shows it.
    Sent,
    /// It never will.
    Refused,
    /// It is to be told again.
    Postponed,
}

impl Reported {
    const ALL: [Self; 3] = [Self::Sent, Self::Refused, Self::Postponed];

    fn label(self) -> ReportedLabel {
        let result = match self {
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::Postponed => "postponed",
        };
        ReportedLabel { result }
    }
}

/// Every counter of one service; clones count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    queued: Gauge,
    running: Gauge,
    free: Family<DirectoryLabel, Gauge>,
    size: Family<DirectoryLabel, Gauge>,
    builds: Family<OutcomeLabel, Counter>,
    stages: Family<StageLabel, Histogram>,
    webhooks: Family<VerdictLabel, Counter>,
    statuses: Family<ReportedLabel, Counter>,
    log_bytes: Counter,
    retries: Counter,
    viewers: Gauge,
    skipped: Counter,
    cut: Counter,
    connected: Gauge,
    dropped: Family<ReaderLabel, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Counters at zero; every label is there from the start, so that rates work from the first event.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("autobuilder");
        let stages = Family::<StageLabel, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        let metrics = Self {
            queued: Gauge::default(),
            running: Gauge::default(),
            free: Family::default(),
            size: Family::default(),
            builds: Family::default(),
            stages,
            webhooks: Family::default(),
            statuses: Family::default(),
            log_bytes: Counter::default(),
            retries: Counter::default(),
            viewers: Gauge::default(),
            skipped: Counter::default(),
            cut: Counter::default(),
            connected: Gauge::default(),
            dropped: Family::default(),
            registry: Arc::new(Registry::default()),
        };
        registry.register("queued_builds", "Builds that wait", metrics.queued.clone());
        registry.register("running_builds", "Builds that run", metrics.running.clone());
        registry.register("disk_free_bytes", "Room that is left, by directory", metrics.free.clone());
        registry.register("disk_size_bytes", "Room in all, by directory", metrics.size.clone());
        registry.register("builds", "Builds that ended, by outcome", metrics.builds.clone());
        registry.register("stage_duration_seconds", "Time spent in a stage", metrics.stages.clone());
        registry.register("webhooks", "Webhook deliveries, by verdict", metrics.webhooks.clone());
        registry.register("commit_statuses", "Requests to set a commit's status", metrics.statuses.clone());
        registry.register("log_bytes", "Bytes of build output kept", metrics.log_bytes.clone());
        registry.register(
            "retries",
            "Attempts repeated because the engine, disk or network failed",
            metrics.retries.clone(),
        );
        registry.register("viewers", "Viewers at the service's own websocket", metrics.viewers.clone());
        registry.register("viewers_skipped", "Slow viewers skipped forward, each time", metrics.skipped.clone());
        registry.register("viewers_cut", "Viewers let go for their slowness", metrics.cut.clone());
        registry.register("bus_connected", "Whether Redis carries; 1 without one", metrics.connected.clone());
        registry.register("bus_dropped", "Pieces of output never passed on, by reader", metrics.dropped.clone());
        for outcome in Outcome::ALL {
            let _ = metrics.builds.get_or_create(&OutcomeLabel { outcome: outcome.as_str() });
        }
        for verdict in Verdict::ALL {
            let _ = metrics.webhooks.get_or_create(&VerdictLabel { verdict: verdict.as_str() });
        }
        for reported in Reported::ALL {
            let _ = metrics.statuses.get_or_create(&reported.label());
        }
        Self { registry: Arc::new(registry), ..metrics }
    }

    /// How many builds wait and run now.
    pub fn set_board(&self, queued: usize, running: usize) {
        self.queued.set(i64::try_from(queued).unwrap_or(i64::MAX));
        self.running.set(i64::try_from(running).unwrap_or(i64::MAX));
    }

    /// How much room a directory has.
    pub fn set_disk(&self, directory: &Path, free: u64, size: u64) {
        let label = DirectoryLabel { directory: directory.display().to_string() };
        self.free.get_or_create(&label).set(i64::try_from(free).unwrap_or(i64::MAX));
        self.size.get_or_create(&label).set(i64::try_from(size).unwrap_or(i64::MAX));
    }

    /// How screens fare now.
    pub fn set_screens(&self, screens: Screens) {
        let raise = |counter: &Counter, total: u64| {
            counter.inc_by(total.saturating_sub(counter.get()));
        };
        self.viewers.set(i64::try_from(screens.viewers).unwrap_or(i64::MAX));
        self.connected.set(i64::from(screens.connected));
        raise(&self.skipped, screens.skipped);
        raise(&self.cut, screens.cut);
        for (to, lost) in [("pages", screens.lost_here), ("relays", screens.lost_elsewhere)] {
            raise(&self.dropped.get_or_create(&ReaderLabel { to }), lost);
        }
    }

    /// A build ended.
    pub fn ended(&self, outcome: Outcome) {
        self.builds.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).inc();
    }

    /// A stage took this long.
    pub fn stage(&self, stage: Stage, took: Duration) {
        self.stages.get_or_create(&StageLabel { stage: stage.as_str() }).observe(took.as_secs_f64());
    }

    /// A webhook got its verdict.
    pub fn webhook(&self, verdict: Verdict) {
        self.webhooks.get_or_create(&VerdictLabel { verdict: verdict.as_str() }).inc();
    }

    /// The forge was told a status.
    pub fn reported(&self, reported: Reported) {
        self.statuses.get_or_create(&reported.label()).inc();
    }

    /// So many bytes of output were kept.
    pub fn logged(&self, bytes: u64) {
        self.log_bytes.inc_by(bytes);
    }

    /// An attempt is repeated.
    pub fn retried(&self) {
        self.retries.inc();
    }

    /// All of it, as Prometheus reads it.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_appear_under_the_services_prefix() {
        let metrics = Metrics::new();
        metrics.ended(Outcome::Failure);
        metrics.stage(Stage::Building, Duration::from_secs(3));
        let text = metrics.render();
        assert!(text.contains("autobuilder_builds_total{outcome=\"failure\"} 1"), "{text}");
        assert!(text.contains("autobuilder_builds_total{outcome=\"success\"} 0"), "{text}");
        assert!(text.contains("autobuilder_stage_duration_seconds_count{stage=\"building\"} 1"), "{text}");
    }
}
