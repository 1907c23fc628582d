//! What the monitor page shows now.
//!
//! ```text
//! bus ─▶ feed ─▶ board ─▶ ring ─▶ viewer, viewer, …
//!                  └─▶ status_json, history_json
//! ```
//!
//! One task (`feed`) changes the board and sends what changed into one bounded ring that all viewers
//! read. A viewer that reads slowly falls out of the ring and is skipped forward; it holds up neither
//! the board nor other viewers, and a thousand of them cost one ring of memory.

mod board;
mod feed;
mod picture;
mod render;
mod tail;
#[cfg(test)]
mod tests;
mod update;
mod viewer;

pub use board::{Board, HISTORY};
pub use feed::follow;
pub use picture::{LogTail, Snapshot};
pub use viewer::{TooManyViewers, Viewer};
