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
    model::{ArtifactName, Build, BuildId, Cause, CommitInfo, Format, Outcome, Product},
    publish::{self, Bootstrap, BootstrapError, Hub, Kernels, LinkOrder, PublishError, Taken},
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

    async fn prepare(&self, build: &Build, workspace: &Path) -> Result<Option<CommitInfo>, Fault> {
        match self.check_out(build, workspace).await {
            Ok((usage, commit)) => {
                self.uses.keep(build.id, usage);
                Ok(commit)
            }
            Err(error) => {
                self.mend(build, &error).await;
                Err(fault(&error))
            }
        }
    }
}

impl GitSource {
    async fn check_out(&self, build: &Build, workspace: &Path) -> Result<(MirrorUse, Option<CommitInfo>), GitError> {
        let fetched = self.mirrors.fetch(build.repository(), build.git_ref(), &build.commit, None).await?;
        let commit = match build.push.lacks_words() {
            true => Some(self.mirrors.describe(&fetched).await?),
            false => None,
        };
        let to = Checkout { directory: workspace.to_owned(), objects_mount: OBJECTS.to_owned() };
        Ok((self.mirrors.checkout(fetched, to).await?.usage, commit))
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

/// Artifacts to the hub, or to the place where they wait for it; kernels to their directory and to a
/// 0-bootstrap besides.
pub struct HubPublisher {
    hub: Hub,
    kernels: Kernels,
    bootstrap: Option<Arc<Bootstrap>>,
}

impl HubPublisher {
    pub(super) fn new(hub: Hub, kernels: Kernels, bootstrap: Option<Bootstrap>) -> Self {
        Self { hub, kernels, bootstrap: bootstrap.map(Arc::new) }
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
        let collected = publish::Collected { file, size, sha256 };
        match &build.recipe.product {
            Product::Kernel(_) => self.publish_kernel(collected, name, order).await,
            Product::File(format) => {
                let (hub, format) = (self.hub.clone(), *format);
                match blocking(move || hub.take(collected, &name, format, &order)).await? {
                    Taken::Published(published) => Ok(Handed::Published(published.artifact)),
                    Taken::Kept => Ok(Handed::Kept),
                }
            }
        }
    }
}

impl HubPublisher {
    /// To the directory, from there to the other machine, and as an archive to the hub.
    async fn publish_kernel(
        &self,
        kernel: publish::Collected,
        name: ArtifactName,
        order: LinkOrder,
    ) -> Result<Handed, Fault> {
        let same = again(&kernel)?;
        let (kernels, local, first) = (self.kernels.clone(), name.clone(), order.clone());
        let published = blocking(move || kernels.publish(kernel, &local, &first)).await?;
        if let Some(bootstrap) = &self.bootstrap {
            // The order of pushes is known here alone: there, the link goes where it went here.
            let is_linked = || self.kernels.is_linked(&name).unwrap_or(false);
            bootstrap.deliver(&same, &name, is_linked).await.map_err(|error| undelivered(&error))?;
        }
        let (hub, kernels) = (self.hub.clone(), self.kernels.clone());
        let taken = blocking(move || {
            let archive = kernels.archive(&same)?;
            hub.take(archive, &name.flist_of_kernel(), Format::Flist, &order)
        });
        match taken.await? {
            Taken::Published(_) => Ok(Handed::Published(published.artifact)),
            Taken::Kept => Ok(Handed::Kept),
        }
    }
}

/// The same file once more, for a second reader.
fn again(kernel: &publish::Collected) -> Result<publish::Collected, Fault> {
    let file = kernel.file.try_clone().map_err(|error| undelivered(&error.into()))?;
    Ok(publish::Collected { file, size: kernel.size, sha256: kernel.sha256.clone() })
}

async fn blocking<T: Send + 'static>(
    publish: impl FnOnce() -> Result<T, PublishError> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(publish).await {
        Ok(Ok(published)) => Ok(published),
        Ok(Err(error)) => Err(unpublished(&error)),
        Err(error) => Err(Fault {
            cause: Cause::Publish,
            outcome: Outcome::Error,
            retryable: true,
            message: format!("publishing stopped: {error}"),
        }),
    }
}

/// The kernel is in its directory already; to build it again for that would help nobody.
fn undelivered(error: &BootstrapError) -> Fault {
    Fault {
        cause: Cause::Publish,
        outcome: Outcome::Error,
        retryable: false,
        message: format!("the kernel is published here, but not on the other machine: {}", sentence(error)),
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
