//! The words of the service as types.
//!
//! Everything that comes from outside (a ref, a commit, a repository name, a path, a duration) is
//! parsed here once; past this module nothing handles the raw text. Nothing here waits, locks, or
//! knows HTTP, SQL or Docker, so every rule can be tested as a plain function.

mod artifact;
mod build;
mod commit;
mod delivery;
mod document;
mod ending;
mod environment;
#[cfg(test)]
pub(crate) mod example;
mod git_ref;
mod id;
mod kernel;
mod path;
mod push;
mod recipe;
mod repository;
mod status;
mod text;
mod time;
mod units;

pub use artifact::{Artifact, ArtifactName, Format, NameTooLong};
pub use build::{Build, BuildState, Stage};
pub use commit::{CommitId, NotACommit};
pub use delivery::{Delivery, DeliveryId, Verdict};
pub use document::BuildDocument;
pub use ending::{Cause, Ending, Outcome};
pub use environment::{ForbiddenVariable, Variables};
pub use git_ref::{Branch, GitRef, NotARef, Tag};
pub use id::{BuildId, NotABuildId};
pub use kernel::{BaseOf, Boot, Kernel, PipelineKind};
pub use path::{AbsoluteDir, NotAPath, RelativePath};
pub use push::{Author, CommitInfo, Push, Tip};
pub use recipe::{Base, Limits, Network, Product, Recipe, ScriptAt, Task};
pub use repository::{NotARepository, Repository};
pub use status::{CommitState, CommitStatus};
pub use text::clean;
pub use time::Timestamp;
pub use units::{ByteSize, HumanDuration, NotADuration, NotASize};
