//! The web server: routes that extract, call one function, and map one error.
//!
//! Nothing here decides anything about builds; it reads the store, the logs and the board, and hands
//! deliveries to [`crate::intake`] and orders to [`crate::lifecycle`].

mod api;
mod artifacts;
mod assets;
mod body;
mod builds;
mod deliver;
mod detail;
mod health;
mod hooks;
mod html;
mod lines;
mod live;
mod pages;
mod query;
mod range;
mod reply;
mod report;
mod repositories;
mod search;
mod server;
mod status;

use std::{convert::Infallible, future::Future, sync::Arc};

use tokio::sync::watch;
use warp::{Filter, Rejection, Reply, http::StatusCode, reply::Response};

use self::reply::{Answer, Problem};
pub use self::{
    deliver::{DeliverError, deliver},
    health::{Disk, Health},
    server::serve,
};
use crate::{
    bus::{Bus, Events},
    catalog::{CatalogSync, Keeper},
    intake::Intake,
    lifecycle::Lifecycle,
    live::{Board, Origins, Relay},
    logs::Logs,
    metrics::Metrics,
    model::HumanDuration,
    publish::{Hub, Kernels},
    report::HookTroubles,
    sqlite::Database,
};

/// Everything the routes read from or hand to.
#[expect(missing_docs, reason = "each is named after its type")]
pub struct Parts {
    pub intake: Arc<Intake>,
    pub lifecycle: Arc<Lifecycle>,
    pub database: Database,
    pub logs: Logs,
    /// How long logs are kept.
    pub keep_logs: watch::Receiver<HumanDuration>,
    pub catalog: Arc<Keeper>,
    pub sync: Arc<CatalogSync>,
    pub board: Board,
    pub relay: Relay,
    /// Whose pages may watch.
    pub origins: Origins,
    /// To relays elsewhere, if there may be any.
    pub bus: Option<Bus>,
    /// Where browsers reach a relay other than our own.
    pub relay_url: Option<String>,
    pub events: Events,
    pub hub: Hub,
    pub kernels: Kernels,
    pub metrics: Metrics,
    /// Why webhooks are missing at the forge.
    pub hook_troubles: HookTroubles,
    pub health: watch::Receiver<Health>,
    /// Bearer of the calls that change something.
    pub api_token: Option<secrecy::SecretString>,
    /// How people reach the service.
    pub public_url: String,
    /// How many builds may run at once.
    pub places: usize,
}

/// What every handler is given.
type Shared = Arc<Parts>;

/// Every route, with its errors mapped and its headers set.
pub fn routes(parts: Parts) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    let policy = reply::policy(parts.relay_url.as_deref());
    let parts = Arc::new(parts);
    hooks::routes(&parts)
        .or(builds::routes(&parts))
        .unify()
        .or(report::routes(&parts))
        .unify()
        .or(lines::routes(&parts))
        .unify()
        .or(search::routes(&parts))
        .unify()
        .or(status::routes(&parts))
        .unify()
        .or(artifacts::routes(&parts))
        .unify()
        .or(api::routes(&parts))
        .unify()
        .or(detail::routes(&parts))
        .unify()
        .or(repositories::routes(&parts))
        .unify()
        .or(health::routes(&parts))
        .unify()
        .or(live::routes(&parts))
        .unify()
        .or(pages::routes(&parts))
        .unify()
        .recover(explain)
        .unify()
        .and(warp::header::headers_cloned())
        .map(move |response, headers| reply::guard(html::for_reader(response, &headers), &policy))
}

/// Gives handlers what they share.
fn with(
    parts: &Shared,
) -> impl Filter<Extract = (Shared,), Error = Infallible> + Clone + Send + Sync + 'static + use<> {
    let parts = Arc::clone(parts);
    warp::any().map(move || Arc::clone(&parts))
}

/// Runs a handler and makes its answer a response.
async fn answer(handler: impl Future<Output = Answer>) -> Result<Response, Rejection> {
    Ok(reply::finish(handler.await))
}

/// What no route took.
async fn explain(rejection: Rejection) -> Result<Response, Infallible> {
    let problem = if rejection.is_not_found() {
        Problem::not_found("there is nothing here; see docs/operation.md for the routes")
    } else if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method")
    } else if rejection.find::<warp::reject::InvalidQuery>().is_some() {
        Problem::bad_request("the query is not valid: check names and values of the parameters")
    } else {
        Problem::bad_request(format!("the request is not valid: {rejection:?}"))
    };
    Ok(problem.into_response())
}

/// A path that must be a build's id.
fn build_id(text: &str) -> Result<crate::model::BuildId, Problem> {
    text.parse().map_err(|error: crate::model::NotABuildId| Problem::not_found(error.to_string()))
}

/// `GET` and `HEAD`: hyper leaves a HEAD's body out by itself.
fn get() -> impl Filter<Extract = (), Error = Rejection> + Copy {
    warp::get().or(warp::head()).unify()
}
