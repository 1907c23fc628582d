//! What the monitor page shows now, and who watches it.
//!
//! ```text
//! events ─▶ feed ─▶ board ─▶ bus ─▶ relay ─▶ viewer ─▶ socket
//!                     └─▶ status_json, history_json
//! ```
//!
//! One task (`feed`) draws the board from events and publishes what changed. The service has a relay of
//! its own; others are processes for themselves, with their own door. Whichever it is, viewers cost the
//! board nothing, nor each other, and none of them can hold up a build.

mod board;
mod crowd;
mod door;
mod doorman;
mod feed;
mod flow;
mod frame;
mod origin;
mod picture;
mod relay;
mod render;
mod shown;
mod socket;
mod tail;
#[cfg(test)]
mod tests;
mod update;
mod viewer;

pub use board::{Board, HISTORY};
pub use crowd::Counted;
pub use door::open;
pub use doorman::TooManyViewers;
pub use feed::follow;
pub use frame::Frame;
pub use origin::Origins;
pub use picture::{LogTail, Snapshot};
pub use relay::Relay;
pub use socket::{handshake, show};
pub use viewer::Viewer;
