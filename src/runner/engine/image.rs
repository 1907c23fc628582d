//! Base images: found here, else pulled, and named by what cannot change.
//!
//! What a name stands for is remembered for a minute, so that most builds ask nothing; a container
//! that cannot be made because its image is gone makes us forget and look again.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bollard::{models::CreateImageInfo, query_parameters::CreateImageOptionsBuilder};
use futures_util::StreamExt;
use thiserror::Error;
use tokio::time::timeout;

use super::{Engine, EngineError, QUICK};

const REMEMBERED: Duration = Duration::from_secs(60);
const IDLE_PULL: Duration = Duration::from_secs(120);

/// An image that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its id in the engine.
    pub id: String,
    /// The registry's digest of it, or its id if it never came from one.
    pub digest: String,
}

/// How far a pull is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullProgress {
    /// The layer, or empty.
    pub layer: String,
    /// What is being done.
    pub status: String,
    /// Bytes done.
    pub current: u64,
    /// Bytes in all; 0 if unknown.
    pub total: u64,
}

impl fmt::Display for PullProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.layer, self.status)?;
        match self.total {
            0 => Ok(()),
            total => write!(f, " {:.1} of {:.1} MiB", mib(self.current), mib(total)),
        }
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Why there is no image.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The name cannot be one, or no registry has it. Its author has to change it.
    #[error("the base image `{image}` does not exist: {reason}")]
    Unknown {
        /// What was asked for.
        image: String,
        /// The engine's words.
        reason: String,
    },
    /// The registry, or the way to it, failed.
    #[error("the base image `{image}` could not be pulled: {reason}")]
    Pull {
        /// What was asked for.
        image: String,
        /// The engine's words.
        reason: String,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

#[derive(Default)]
pub(super) struct Images {
    known: Mutex<HashMap<String, (Image, Instant)>>,
}

impl Images {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, (Image, Instant)>) -> T) -> T {
        act(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn recall(&self, name: &str) -> Option<Image> {
        self.with(|known| {
            known.get(name).filter(|(_, when)| when.elapsed() < REMEMBERED).map(|(image, _)| image.clone())
        })
    }

    fn remember(&self, name: &str, image: &Image) {
        self.with(|known| {
            known.retain(|_, (_, when)| when.elapsed() < REMEMBERED);
            known.insert(name.to_owned(), (image.clone(), Instant::now()));
        });
    }
}

impl Engine {
    /// The image of that name; pulled if it is not here.
    pub async fn image(&self, name: &str, progress: impl Fn(PullProgress)) -> Result<Image, ImageError> {
        let full = full_name(name)?;
        if let Some(image) = self.inner.images.recall(&full) {
            return Ok(image);
        }
        let image = match self.local_image(&full).await? {
            Some(image) => image,
            None => {
                self.pull(&full, progress).await?;
                self.local_image(&full).await?.ok_or_else(|| ImageError::Pull {
                    image: full.clone(),
                    reason: "the engine pulled it and does not have it".to_owned(),
                })?
            }
        };
        self.inner.images.remember(&full, &image);
        Ok(image)
    }

    /// Forgets what is known about images, because it proved wrong.
    pub fn forget_images(&self) {
        self.inner.images.with(HashMap::clear);
    }

    /// Any image that is here, for work that needs nothing but a shell.
    pub async fn local_image(&self, name: &str) -> Result<Option<Image>, EngineError> {
        let found = match self.call("describe an image", QUICK, self.docker()?.inspect_image(name)).await {
            Ok(found) => found,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let id = found.id.unwrap_or_default();
        let digest = found.repo_digests.unwrap_or_default().into_iter().next();
        let digest = digest.and_then(|digest| digest.split_once('@').map(|(_, digest)| digest.to_owned()));
        Ok(Some(Image { digest: digest.unwrap_or_else(|| id.clone()), id }))
    }

    async fn pull(&self, name: &str, progress: impl Fn(PullProgress)) -> Result<(), ImageError> {
        let options = CreateImageOptionsBuilder::default().from_image(name).build();
        let mut steps = std::pin::pin!(self.docker()?.create_image(Some(options), None, None));
        loop {
            let step = timeout(IDLE_PULL, steps.next()).await.map_err(|_| ImageError::Pull {
                image: name.to_owned(),
                reason: format!("nothing came for {} s", IDLE_PULL.as_secs()),
            })?;
            match step {
                None => return Ok(()),
                Some(Ok(step)) => progress(describe(step)),
                Some(Err(error)) => return Err(classify(name, EngineError::new("pull an image", error))),
            }
        }
    }
}

fn describe(step: CreateImageInfo) -> PullProgress {
    let detail = step.progress_detail.unwrap_or_default();
    let bytes = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0);
    PullProgress {
        layer: step.id.unwrap_or_default(),
        status: step.status.unwrap_or_default(),
        current: bytes(detail.current),
        total: bytes(detail.total),
    }
}

/// `ubuntu` is `ubuntu:latest`: without a tag, the engine would pull all of them.
fn full_name(name: &str) -> Result<String, ImageError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@');
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts_well || !name.chars().all(plain) || name.contains("..") || name.contains("//") {
        let reason = "this is not a name an image can have".to_owned();
        return Err(ImageError::Unknown { image: name.to_owned(), reason });
    }
    let last = name.rsplit('/').next().unwrap_or(name);
    Ok(if last.contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") })
}

/// A registry that says "there is no such image" blames the recipe; anything else blames the way there.
fn classify(image: &str, error: EngineError) -> ImageError {
    const UNKNOWN: [&str; 6] = [
        "manifest unknown",
        "pull access denied",
        "repository does not exist",
        "no matching manifest",
        "invalid reference format",
        "repository name must be",
    ];
    let image = image.to_owned();
    match error {
        EngineError::Refused { status, message, .. } => {
            let unknown = matches!(status, 400 | 404) || UNKNOWN.iter().any(|words| message.contains(words));
            let reason = message;
            if unknown { ImageError::Unknown { image, reason } } else { ImageError::Pull { image, reason } }
        }
        other => ImageError::Engine(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_tag_means_latest() {
        for (name, full) in [
            ("ubuntu", "ubuntu:latest"),
            ("ubuntu:24.04", "ubuntu:24.04"),
            ("localhost:5000/tool", "localhost:5000/tool:latest"),
            ("tool@sha256:00", "tool@sha256:00"),
        ] {
            assert_eq!(full_name(name).unwrap(), full);
        }
        for name in ["", "-x", "../containers", "a b", "a?b", "a//b", "a\nb"] {
            assert!(matches!(full_name(name), Err(ImageError::Unknown { .. })), "{name}");
        }
    }

    #[test]
    fn a_missing_image_is_the_recipes_fault_and_a_broken_registry_is_ours() {
        let refused = |status, message: &str| {
            let message = message.to_owned();
            classify("x", EngineError::Refused { doing: "pull an image", status, message })
        };
        let missing = "manifest for x:y not found: manifest unknown: manifest unknown";
        assert!(matches!(refused(404, missing), ImageError::Unknown { .. }));
        assert!(matches!(refused(500, missing), ImageError::Unknown { .. }));
        let network = "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup failed";
        assert!(matches!(refused(500, network), ImageError::Pull { .. }));
        assert!(matches!(refused(500, "toomanyrequests: rate limit"), ImageError::Pull { .. }));
    }
}
