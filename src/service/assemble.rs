//! Makes the parts and hands each what it may know.

use std::{fs, path::Path, sync::Arc};

use tokio::sync::{Notify, watch};
use tracing::{error, info};

use super::{
    StartError, hooks, hub, pictures, policy, relay,
    retention::{OldArtifacts, OldLogs},
    space::Space,
    tidy, worker,
};
use crate::{
    bus::{Bus, Events, Subscription},
    catalog::{CatalogSync, Keeper, Location},
    config::Config,
    git::{self, Mirrors},
    http::{self, Health},
    intake::{Intake, Patrol, Rounds},
    lifecycle::Lifecycle,
    live::{self, Board, Relay},
    logs::Logs,
    metrics::Metrics,
    publish::Kernels,
    report::{Courier, HookTroubles, Outbox},
    runner::Engine,
    shutdown::Shutdown,
    sqlite::Database,
    store,
};

/// What [`super::Service::start`] needs.
pub(super) struct Parts {
    pub(super) lock: store::Lock,
    pub(super) routes: http::Parts,
    pub(super) catalog: Arc<Keeper>,
    pub(super) sync: Arc<CatalogSync>,
    pub(super) live: policy::Live,
    pub(super) background: Background,
}

/// What goes on behind the listener.
pub(super) struct Background {
    shutdown: Shutdown,
    database: Database,
    logs: Logs,
    news: Subscription,
    board: Board,
    relay: Relay,
    intake: Arc<Intake>,
    restored: bool,
    courier: Option<Courier>,
    hooks: Option<hooks::Hooks>,
    patrol: Patrol,
    old_logs: OldLogs,
    old_artifacts: OldArtifacts,
    space: Space,
    mirrors: Mirrors,
    catalog: Arc<Keeper>,
    sync: Arc<CatalogSync>,
    shop: worker::Shop,
}

pub(super) async fn parts(config: &Config, shutdown: &Shutdown) -> Result<Parts, StartError> {
    let repository = config.check()?;
    let directory = &config.store.directory;
    make(directory)?;
    let lock = store::Lock::take(directory)?;
    let instance =
        store::instance_id(directory).map_err(|source| StartError::Directory { path: directory.clone(), source })?;
    let database = Database::open(&directory.join("autobuilder.sqlite"), store::MIGRATIONS)?;
    let logs_directory = directory.join("logs");
    let logs =
        Logs::new(&logs_directory).map_err(|source| StartError::Directory { path: logs_directory.clone(), source })?;
    let (events, metrics) = (Events::new(), Metrics::new());
    let (here, elsewhere) = (Bus::embedded(), relay::redis(config)?);
    let board = Board::new([here.clone()].into_iter().chain(elsewhere.clone()).collect());
    let relay = Relay::within(here.subscribe(), elsewhere.as_ref().map(Bus::link));
    let (outbox, courier) = match config.forge()? {
        Some(github) => {
            let outbox = Outbox::open(config.github.status_context.trim_matches('/').to_owned());
            let (database, metrics) = (database.clone(), metrics.clone());
            (outbox.clone(), Some(Courier::new(outbox, database, github, public_url(config), metrics)))
        }
        None => (Outbox::closed(), None),
    };
    if courier.is_none() && config.github.token.get().is_some() {
        info!("The forge gets no commit statuses: `github.api_url` names another than `github.clone_url`");
    }
    let lifecycle = Arc::new(Lifecycle::new(database.clone(), events.clone(), metrics.clone(), outbox));
    let mirrors = Mirrors::new(git::Config {
        clone_url: config.github.clone_url.clone(),
        token: config.github.token.get().cloned(),
        ..git::Config::new(directory.join("mirrors"))
    })?;
    let keeper = Arc::new(Keeper::new(policy::whole_policy(config)?));
    let location = Location { repository, branch: branch(config)? };
    let sync = Arc::new(CatalogSync::new(location, mirrors.clone(), database.clone(), Arc::clone(&keeper)));
    let restored = sync.restore().await?;
    let hub = hub::open(config)?;
    let engine = Engine::new(host(config), &instance)?;
    let (health, healthy) = watch::channel(Health::default());
    let live = policy::Live::new(config);
    let intake = Arc::new(Intake {
        hook: Arc::clone(&live.hook),
        catalog: Arc::clone(&keeper),
        sync: Arc::clone(&sync),
        mirrors: mirrors.clone(),
        lifecycle: Arc::clone(&lifecycle),
        logs: logs.clone(),
        metrics: metrics.clone(),
        shutdown: shutdown.clone(),
    });
    let hook_troubles = HookTroubles::default();
    let hooks = hooks::installer(config, &database, &hook_troubles)?.map(|installer| hooks::Hooks {
        installer,
        catalog: Arc::clone(&keeper),
        sync: Arc::clone(&sync),
        signing: Arc::clone(&live.hook),
    });
    let patrol = Patrol::new(Arc::clone(&intake), Rounds { interval: config.poll.interval.0, all: config.poll.all });
    let old_logs = OldLogs::new(logs.clone(), database.clone(), live.keep_logs.subscribe());
    // One of each directory, so that one lock decides about its links.
    let kernels = Kernels::new(config.kernel.directory.clone());
    let keep = live.keep_artifacts.subscribe();
    let old_artifacts = OldArtifacts::new(hub.directory().clone(), kernels.clone(), keep);
    let full = Arc::new(Notify::new());
    let space = Space::new(config, live.reserve.subscribe(), health.clone(), metrics.clone(), Arc::clone(&full));
    let public_url = public_url(config);
    let tools = worker::Tools {
        engine,
        mirrors,
        hub: hub.clone(),
        kernels: kernels.clone(),
        logs: logs.clone(),
        events: events.clone(),
        grants: Arc::clone(&live.grants),
        full,
    };
    let shop = worker::Shop::new(config, &instance, tools, Arc::clone(&lifecycle), metrics.clone(), health, shutdown);
    let routes = http::Parts {
        intake,
        lifecycle,
        database: database.clone(),
        logs: logs.clone(),
        keep_logs: live.keep_logs.subscribe(),
        catalog: Arc::clone(&keeper),
        sync: Arc::clone(&sync),
        board: board.clone(),
        relay: relay.clone(),
        origins: relay::origins(config),
        relay_url: relay::url(config).filter(|_| elsewhere.is_some()),
        bus: elsewhere,
        events: events.clone(),
        hub,
        kernels,
        metrics,
        hook_troubles,
        health: healthy,
        api_token: config.server.api_token.get().cloned(),
        public_url,
        places: config.build.parallel,
    };
    // Before the first reader comes: an empty board would say that nothing waits.
    let news = events.subscribe();
    board.seed(pictures::read(database.clone(), logs.clone()).await?);
    let intake = Arc::clone(&routes.intake);
    let background = Background {
        shutdown: shutdown.clone(),
        database,
        logs,
        news,
        board,
        relay,
        intake,
        restored,
        courier,
        hooks,
        patrol,
        old_logs,
        old_artifacts,
        space,
        mirrors: routes.intake.mirrors.clone(),
        catalog: Arc::clone(&keeper),
        sync: Arc::clone(&sync),
        shop,
    };
    Ok(Parts { lock, routes, catalog: keeper, sync, live, background })
}

fn make(directory: &Path) -> Result<(), StartError> {
    fs::create_dir_all(directory).map_err(|source| StartError::Directory { path: directory.to_owned(), source })
}

fn branch(config: &Config) -> Result<Option<crate::model::Branch>, StartError> {
    let name = &config.catalog.branch;
    if name.is_empty() {
        return Ok(None);
    }
    let parsed =
        name.parse().map_err(|error| crate::config::ConfigError::Invalid(format!("`catalog.branch`: {error}")))?;
    Ok(Some(parsed))
}

fn host(config: &Config) -> Option<&str> {
    (!config.docker.host.is_empty()).then_some(config.docker.host.as_str())
}

/// How people reach the service.
pub fn public_url(config: &Config) -> String {
    match config.server.public_url.trim_end_matches('/') {
        "" => format!("http://{}", config.server.listen),
        url => url.to_owned(),
    }
}

impl Background {
    /// Starts everything that goes on behind the listener.
    pub(super) fn start(self) {
        let Self { shutdown, database, logs, news, board, relay, intake, restored, .. } = self;
        let Self { courier, hooks, patrol, old_logs, old_artifacts, space, mirrors, catalog, sync, shop, .. } = self;
        let store = database.clone();
        let feed =
            live::follow(board, news, move || pictures::take(store.clone(), logs.clone()), shutdown.leave_token());
        shutdown.spawn(feed);
        shutdown.spawn(relay.run(shutdown.leave_token()));
        let early = shutdown.clone();
        shutdown.spawn(async move {
            tokio::select! {
                () = load_catalog(&intake, restored) => {}
                () = early.draining() => {}
            }
        });
        if let Some(courier) = courier {
            shutdown.spawn(courier.work(shutdown.clone()));
        }
        if let Some(hooks) = hooks {
            shutdown.spawn(hooks.work(shutdown.clone()));
        }
        shutdown.spawn(patrol.work(shutdown.clone()));
        shutdown.spawn(old_logs.work(shutdown.clone()));
        shutdown.spawn(old_artifacts.work(shutdown.clone()));
        shutdown.spawn(space.work(shutdown.clone()));
        shutdown.spawn(tidy::tidy_ledger(database, shutdown.clone()));
        shutdown.spawn(tidy::tidy_mirrors(mirrors, catalog, sync, shutdown.clone()));
        shop.open();
    }
}

/// The first look at the configuration repository; tried again until there is one to work by.
async fn load_catalog(intake: &Intake, restored: bool) {
    let mut wait = std::time::Duration::from_secs(1);
    while intake.reread().await.is_err() {
        if restored {
            info!("Working by the last good configuration of the run before");
        } else {
            error!("Without a configuration no push can be judged; trying again in {wait:?}");
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(std::time::Duration::from_secs(60));
    }
}
