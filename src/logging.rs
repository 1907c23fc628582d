//! The service's own log, on standard error.
//!
//! `RUST_LOG` chooses what is seen. The engine's client prints requests, and with them a build's
//! environment, at its debug level, so it never goes below `info`, whatever `RUST_LOG` says. The
//! forge's client reports each failed request as an error of its own; who sent it says it once.

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Starts logging; `default` is what is seen without `RUST_LOG`. A second call changes nothing.
pub fn start(format: Format, default: &str) {
    let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| default.to_owned());
    let filter = wanted.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let filter = filter.with_target("bollard", LevelFilter::INFO).with_target("octocrab", LevelFilter::OFF);
    let registry = tracing_subscriber::registry().with(filter);
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    let started = match format {
        Format::Text => {
            registry.with(fmt::layer().with_writer(std::io::stderr).with_ansi(colours).with_target(false)).try_init()
        }
        Format::Json => registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init(),
    };
    // Only a test starts logging twice, and the first one serves it as well.
    drop(started);
}
