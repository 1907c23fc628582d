//! Base images: containers of pipelines that became images, known by their labels.
//!
//! What an image is stands in its labels. Those are inherited by whatever is built on it, so an image
//! is ours only if its comment, which is not inherited, says so too. The order of two images of one
//! ref is the order of their pushes, so it does not matter which build ends first.

use std::{cmp::Ordering, collections::HashMap};

use bollard::{
    models::{ContainerConfig, ImageInspect},
    query_parameters::{
        CommitContainerOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptionsBuilder,
        RemoveImageOptionsBuilder, TagImageOptionsBuilder,
    },
};

use super::{Engine, EngineError, QUICK, SLOW, base_name, label};
use crate::{
    model::{BuildId, CommitId, GitRef, Repository, Timestamp},
    runner::clock,
};

/// Where a base image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The repository whose pipeline made it; nobody else writes it.
    pub repository: Repository,
    /// The branch or tag.
    pub git_ref: GitRef,
    /// The commit.
    pub commit: CommitId,
    /// The build.
    pub build: BuildId,
    /// Where its push stands among the pushes of the ref.
    pub position: i64,
    /// The id of the image it was built in.
    pub parent: String,
}

/// An image that a pipeline's container became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// Its id, which is its digest: it never came from a registry.
    pub id: String,
    /// Where it comes from.
    pub origin: Origin,
    /// When it was committed.
    pub created: Timestamp,
    /// Its size in bytes, its parent's layers included.
    pub size: u64,
    /// The names it has; none once a newer one took them.
    pub names: Vec<String>,
}

impl BaseImage {
    /// Which of two images of one ref is newer: by push, then by time.
    pub fn age(&self, other: &Self) -> Ordering {
        let key = |image: &Self| (image.origin.position, image.created);
        key(self).cmp(&key(other))
    }
}

impl Engine {
    /// All base images of this instance, or those of one repository: by repository and ref, and of each
    /// the newest first.
    pub async fn bases(&self, repository: Option<&Repository>) -> Result<Vec<BaseImage>, EngineError> {
        let mut filters = self.own();
        let labels = filters.entry("label".to_owned()).or_default();
        labels.push(format!("{}={}", label::KIND, label::BASE));
        labels.extend(repository.map(|repository| format!("{}={repository}", label::BASE_REPOSITORY)));
        // Those without a name, too.
        let options = ListImagesOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self.call("list images", QUICK, self.docker()?.list_images(Some(options))).await?;
        let mut bases = Vec::new();
        for image in found {
            bases.extend(self.base(&image.id).await?);
        }
        bases.sort_by(|a, b| a.origin.of().cmp(&b.origin.of()).then_with(|| b.age(a)));
        Ok(bases)
    }

    /// The image of that name or id, if it is a base image of ours.
    async fn base(&self, name: &str) -> Result<Option<BaseImage>, EngineError> {
        let found = self.describe_image(name).await?;
        Ok(found.and_then(|found| base(found, &self.inner.instance)))
    }

    async fn describe_image(&self, name: &str) -> Result<Option<ImageInspect>, EngineError> {
        match self.call("describe an image", QUICK, self.docker()?.inspect_image(name)).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes an image of a container that has ended, and names it for people if that name is free.
    pub async fn commit(&self, container: &str, origin: &Origin) -> Result<String, EngineError> {
        let parent = self.describe_image(&origin.parent).await?.and_then(|image| image.config).unwrap_or_default();
        // As its parent, not as the container: that one's command was a build's. The container has no
        // environment but its parent's, so there is nothing to hide.
        let config = ContainerConfig {
            user: Some(parent.user.unwrap_or_default()),
            entrypoint: Some(parent.entrypoint.unwrap_or_default()),
            cmd: Some(parent.cmd.filter(|cmd| !cmd.is_empty()).unwrap_or_else(|| vec!["/bin/sh".to_owned()])),
            working_dir: parent.working_dir.filter(|directory| !directory.is_empty()).or(Some("/".to_owned())),
            labels: Some(labels(origin, &self.inner.instance)),
            ..ContainerConfig::default()
        };
        // Without a name: the engine would keep the image of a name that it then refuses.
        let options = CommitContainerOptionsBuilder::default()
            .container(container)
            .comment(&comment(&self.inner.instance, origin.build))
            .pause(false)
            .build();
        let deadline = SLOW * 15;
        let made = self.call("make an image", deadline, self.docker()?.commit_container(options, config)).await?;
        self.name_base(&made.id, origin).await?;
        Ok(made.id)
    }

    /// Names an image, unless a newer push of the same ref has the name. What belongs to anybody else
    /// keeps its name, and the image gets the longer one.
    async fn name_base(&self, id: &str, origin: &Origin) -> Result<(), EngineError> {
        for name in base_name::candidates(&origin.repository, &origin.git_ref) {
            if self.describe_image(&name).await?.is_some() {
                match self.base(&name).await? {
                    Some(holder) if holder.origin.of() != origin.of() => continue,
                    Some(holder) if holder.origin.position > origin.position => return Ok(()),
                    Some(_) => {}
                    None => continue,
                }
            }
            let (repository, tag) = name.rsplit_once(':').unwrap_or((&name, "latest"));
            let options = TagImageOptionsBuilder::default().repo(repository).tag(tag).build();
            return self.call("name an image", QUICK, self.docker()?.tag_image(id, Some(options))).await;
        }
        Ok(())
    }

    /// How many containers, running or not, stand on an image.
    pub async fn users(&self, image: &str) -> Result<usize, EngineError> {
        let filters = HashMap::from([("ancestor".to_owned(), vec![image.to_owned()])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self.call("list containers", QUICK, self.docker()?.list_containers(Some(options))).await?;
        Ok(found.len())
    }

    /// Removes an image that has no name and no user; false if the engine still needs it.
    pub async fn remove_base(&self, image: &BaseImage) -> Result<bool, EngineError> {
        let options = RemoveImageOptionsBuilder::default().force(false).noprune(true).build();
        let removed = self.docker()?.remove_image(&image.id, Some(options), None);
        match self.call("remove an image", SLOW, removed).await {
            Ok(_) => Ok(true),
            Err(EngineError::Refused { status: 404, .. }) => Ok(true),
            Err(EngineError::Refused { status: 409, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Origin {
    /// Whose image it is.
    fn of(&self) -> (&Repository, &GitRef) {
        (&self.repository, &self.git_ref)
    }
}

/// What an image's own comment says, and no descendant's.
fn comment(instance: &str, build: BuildId) -> String {
    format!("base image of autobuilder {instance}, build {build}")
}

fn labels(origin: &Origin, instance: &str) -> HashMap<String, String> {
    let labels = [
        (label::INSTANCE, instance.to_owned()),
        (label::KIND, label::BASE.to_owned()),
        (label::BASE_REPOSITORY, origin.repository.to_string()),
        (label::BASE_REF, origin.git_ref.to_string()),
        (label::BASE_COMMIT, origin.commit.to_string()),
        (label::BASE_BUILD, origin.build.to_string()),
        (label::BASE_POSITION, origin.position.to_string()),
        (label::BASE_PARENT, origin.parent.clone()),
    ];
    labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A base image, if that is what its labels and its comment say.
fn base(found: ImageInspect, instance: &str) -> Option<BaseImage> {
    let labels = found.config?.labels?;
    let label = |key: &str| labels.get(key).map(String::as_str);
    let origin = Origin {
        repository: label(label::BASE_REPOSITORY)?.parse().ok()?,
        git_ref: label(label::BASE_REF)?.parse().ok()?,
        commit: label(label::BASE_COMMIT)?.parse().ok()?,
        build: label(label::BASE_BUILD)?.parse().ok()?,
        position: label(label::BASE_POSITION)?.parse().ok()?,
        parent: label(label::BASE_PARENT)?.to_owned(),
    };
    let own = label(label::INSTANCE) == Some(instance) && label(label::KIND) == Some(label::BASE);
    if !own || found.comment.as_deref() != Some(&comment(instance, origin.build)) {
        return None;
    }
    Some(BaseImage {
        id: found.id?,
        origin,
        created: found.created.as_deref().and_then(clock::parse)?,
        size: found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
        names: found.repo_tags.unwrap_or_default(),
    })
}
