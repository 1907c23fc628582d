//! The only door to git2: mirrors, work trees, and the files of a catalog.
//!
//! One bare mirror per remote address stands below [`Config::mirrors`]. A fetch brings one pushed ref up to
//! date and proves that the commit to build lies on it; a checkout writes that commit's tree into a fresh
//! directory, with a `.git` of its own that borrows the mirror's objects, so history is never copied.
//!
//! libgit2 blocks and knows no timeout without `unsafe`. So every call runs on a blocking thread under a
//! tokio timeout; a thread that hangs is abandoned: it can no longer change a ref, and the mirror stays usable.
//! What it waits for over the network is in our hands: it reaches forges only through a gateway of ours (`web/`).
//! Options are never parsed from names, nothing runs a program, and no hook or template is ever copied.

mod address;
mod author;
mod blocking;
mod checkout;
mod compact;
mod config;
mod copy;
mod describe;
mod error;
mod fetch;
mod heads;
mod index;
mod local;
mod mirror;
mod modules;
mod names;
mod plan;
mod reach;
mod retire;
mod revision;
mod source;
mod stale;
mod submodule;
mod tree;
mod web;
mod workspace;
mod writer;

pub use author::Author;
pub use blocking::{OnProgress, Progress};
pub use checkout::{Checkout, Workspace};
pub use compact::Compacted;
pub use config::Config;
pub use error::GitError;
pub use fetch::Fetched;
pub use heads::RemoteHead;
pub use mirror::{MirrorUse, Mirrors};
pub use revision::files_at;
pub use tree::{SkipReason, Skipped, Tree, TreeLimits};
