//! Builds artifacts from git pushes.
//!
//! ```text
//! push ─▶ http ─▶ intake ─▶ catalog                 which recipes does this push concern?
//!                   │
//!                   ▼
//!               lifecycle: accepted ─▶ queue        one build per recipe, durable before the answer
//!                                        │ claim
//!                                        ▼
//!        runner: source ─▶ container ─▶ artifact ─▶ publish
//!          │ console, stages                           │ outcome
//!          ▼                                           ▼
//!         events ─▶ board ─▶ bus ─▶ relay ─▶ viewers  lifecycle: finished ─▶ store ─▶ history, logs
//! ```
//!
//! Modules stand in the order of that flow. Each has a rank and imports only lower ranks
//! (`tests/house.rs` keeps that); each foreign crate has one door. `docs/design.md` says why.

pub mod model;

pub mod logging;
pub mod metrics;
pub mod shutdown;
pub mod sqlite;
pub mod tls;

pub mod git;
pub mod github;
pub mod hook;

pub mod catalog;

pub mod runner;

pub mod publish;

pub mod queue;
pub mod store;

pub mod logs;

pub mod bus;

pub mod live;

pub mod report;

pub mod lifecycle;

pub mod config;
pub mod intake;

pub mod http;

pub mod service;

pub mod cli;
