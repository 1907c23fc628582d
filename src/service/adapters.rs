//! Git and the hub, as the runner wants them.

use std::{
    collections::HashMap,
    error::Error,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::warn;

use crate::{
    git::{Checkout, GitError, MirrorUse, Mirrors},
    model::{Build, BuildId, Cause, Format, Outcome, Product},
    publish::{self, Hub, LinkOrder, PublishError, Taken},
    runner::{Bind, Collected, Fault, Handed, Publisher, Source},
};

/// Where a mirror's objects are mounted in a container.
const OBJECTS: &str = "/.autobuilder-objects";

/// Which mirrors are mounted in which build's container; those are not packed anew meanwhile.
#[derive(Clone, Default)]
pub struct Uses(Arc<Mutex<HashMap<BuildId, MirrorUse>>>);

impl Uses {
    pub(super) fn keep(&self, build: BuildId, mirror: MirrorUse) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(build, mirror);
    }

    pub(super) fn release(&self, build: BuildId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&build);
    }
}

/// Sources from the mirrors.
pub struct GitSource {
    mirrors: Mirrors,
    uses: Uses,
}

impl GitSource {
    /// Sources from these mirrors; what is checked out is kept in `uses`.
    pub fn new(mirrors: Mirrors, uses: Uses) -> Self {
        Self { mirrors, uses }
    }
}

impl Source for GitSource {
    fn binds(&self, build: &Build) -> Result<Vec<Bind>, Fault> {
        let objects = self.mirrors.objects(build.repository()).map_err(|error| fault(&error))?;
        Ok(vec![Bind::read_only(objects, OBJECTS)])
    }

    async fn prepare(&self, build: &Build, workspace: &Path) -> Result<(), Fault> {
        match self.check_out(build, workspace).await {
            Ok(usage) => {
                self.uses.keep(build.id, usage);
                Ok(())
            }
            Err(error) => {
                self.mend(build, &error).await;
                Err(fault(&error))
            }
        }
    }
}

impl GitSource {
    async fn check_out(&self, build: &Build, workspace: &Path) -> Result<MirrorUse, GitError> {
        let fetched = self.mirrors.fetch(build.repository(), build.git_ref(), &build.commit, None).await?;
        let to = Checkout { directory: workspace.to_owned(), objects_mount: OBJECTS.to_owned() };
        Ok(self.mirrors.checkout(fetched, to).await?.usage)
    }

    /// The next attempt begins with a new mirror if this one is damaged.
    async fn mend(&self, build: &Build, error: &GitError) {
        if !matches!(error, GitError::Mirror { .. }) {
            return;
        }
        match self.mirrors.discard(build.repository()).await {
            Ok(true) => warn!("The mirror of `{}` was damaged and is made anew: {error}", build.repository()),
            Ok(false) => {}
            Err(failure) => warn!("The damaged mirror of `{}` could not be removed: {failure}", build.repository()),
        }
    }
}

fn fault(error: &GitError) -> Fault {
    let gone = matches!(error, GitError::NotOnRef { .. } | GitError::RefGone { .. });
    let ours = error.is_ours();
    Fault {
        cause: if gone { Cause::Gone } else { Cause::Source },
        outcome: match (gone, ours) {
            (true, _) => Outcome::Superseded,
            (false, true) => Outcome::Error,
            (false, false) => Outcome::Failure,
        },
        retryable: ours && !gone,
        message: sentence(error),
    }
}

/// An error with all its causes, as one sentence.
fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let said = deeper.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = deeper.source();
    }
    text
}

/// Artifacts to the hub, or to the place where they wait for it.
pub struct HubPublisher {
    hub: Hub,
}

impl HubPublisher {
    pub(super) fn new(hub: Hub) -> Self {
        Self { hub }
    }
}

impl Publisher for HubPublisher {
    async fn publish(&self, build: &Build, collected: Collected) -> Result<Handed, Fault> {
        let name = build.artifact_name().map_err(|error| Fault {
            cause: Cause::Publish,
            outcome: Outcome::Failure,
            retryable: false,
            message: error.to_string(),
        })?;
        let order = order(build);
        let Collected { file, size, sha256 } = collected;
        let hub = self.hub.clone();
        let format = match build.recipe.product {
            Product::File(format) => format,
            Product::Kernel(_) => Format::Binary,
        };
        let take = move || hub.take(publish::Collected { file, size, sha256 }, &name, format, &order);
        match tokio::task::spawn_blocking(take).await {
            Ok(Ok(Taken::Published(published))) => Ok(Handed::Published(published.artifact)),
            Ok(Ok(Taken::Kept)) => Ok(Handed::Kept),
            Ok(Err(error)) => Err(unpublished(&error)),
            Err(error) => Err(Fault {
                cause: Cause::Publish,
                outcome: Outcome::Error,
                retryable: true,
                message: format!("publishing stopped: {error}"),
            }),
        }
    }
}

/// Whose link a build's artifact moves, and how far.
pub(super) fn order(build: &Build) -> LinkOrder {
    LinkOrder {
        repository: build.repository().clone(),
        git_ref: build.git_ref().clone(),
        position: build.position,
        build: build.id,
    }
}

pub(super) fn unpublished(error: &PublishError) -> Fault {
    let theirs = error.is_recipes_fault();
    Fault {
        cause: match error {
            PublishError::Archive(_) => Cause::BadArtifact,
            _ if error.is_disk_full() => Cause::Disk,
            _ => Cause::Publish,
        },
        outcome: if theirs { Outcome::Failure } else { Outcome::Error },
        retryable: !theirs,
        message: format!("the artifact could not be published: {}", sentence(error)),
    }
}
