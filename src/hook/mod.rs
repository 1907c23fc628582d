//! From a webhook call to a [`Push`](crate::model::Push): who sent it, is it genuine, what does it say.
//!
//! ```text
//! Headers + raw body ─▶ Config::verify ─▶ read ─▶ Received { forge, delivery, name, event }
//! ```
//!
//! GitHub, Gitea (with Forgejo and Gogs) and GitLab are told apart by their headers alone. Nothing
//! here knows an HTTP server, and nothing raw leaves: past [`read`] there are only model types.

mod body;
mod event;
mod headers;
mod payload;
mod read;
mod signature;
mod text;

pub use event::{Event, Ignored, Proposal, Received, Unreadable};
pub use headers::{Forge, Headers};
pub use read::read;
pub use signature::{Config, Refused};
