//! The configuration repository, parsed: which recipes apply to which push.
//!
//! ```text
//! files ─▶ layout ─▶ parse ─▶ entry ─▶ assemble ─▶ Catalog ─▶ lookup ─▶ plan ─▶ Recipe
//!   (git)   where     what     links     beside       in force              policy
//! ```
//!
//! Beside the files there are the operator's pipelines, which make kernels; a push is planned from both.
//!
//! Every mistake is collected as a [`Problem`] with its place, and hurts its own branch alone: the
//! [`Keeper`] leaves the last good version of a file in force. `docs/catalog.md` is the guide for
//! those who write the files.

mod arguments;
mod assemble;
mod branch_file;
mod entry;
mod impact;
mod keeper;
mod layout;
mod parse;
mod pipeline;
mod plan;
mod policy;
mod problem;
mod reading;
mod render;
mod schema;
mod snapshot;
mod source;
mod sync;

pub use arguments::{Arguments, UnknownPlace};
pub use branch_file::Pattern;
pub use impact::{Change, Impact};
pub use keeper::{Applied, Keeper};
pub use pipeline::Pipeline;
pub use plan::Planned;
pub use policy::{Grant, Policy};
pub use problem::{Place, Problem, Severity};
pub use reading::Reading;
pub use render::render;
pub use schema::schema;
pub use snapshot::{Catalog, Lookup, Watched};
pub use source::{SourceFile, UnreadableDirectory};
pub use sync::{CatalogSync, Location, Proposed, SyncError};
