//! Which base images have had their time.
//!
//! The engine's own pruning looks at names, whoever's they are. Here only what this instance committed is
//! looked at, and of that only what newer images of the same branch have replaced for good.

use std::{collections::HashMap, time::Duration};

use tracing::info;

use super::engine::{BaseImage, Engine, EngineError};
use crate::model::Timestamp;

/// What is kept in any case.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// So many of each branch, the newest ones.
    pub newest: usize,
    /// And the others so long.
    pub at_least: Duration,
}

/// What a base image is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Kernels of its branch are built on it.
    Current,
    /// A newer one replaced it; it is kept for a while.
    Kept,
    /// It may go.
    Superseded,
}

/// A base image with its use.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The image.
    pub image: BaseImage,
    /// What it is there for.
    pub used: Use,
    /// How many containers stand on it.
    pub containers: usize,
}

impl Use {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Kept => "kept",
            Self::Superseded => "superseded",
        }
    }
}

impl Listed {
    /// Whether it would be removed.
    pub fn may_go(&self) -> bool {
        self.used == Use::Superseded && self.containers == 0
    }
}

impl Engine {
    /// All base images of this instance with their use, in the order of [`Engine::bases`].
    pub async fn list_bases(&self, keep: Keep) -> Result<Vec<Listed>, EngineError> {
        let images = self.bases(None).await?;
        let uses = judge(&images, keep, Timestamp::now());
        let mut listed = Vec::with_capacity(images.len());
        for (image, used) in images.into_iter().zip(uses) {
            let containers = self.users(&image.id).await?;
            listed.push(Listed { image, used, containers });
        }
        Ok(listed)
    }

    /// Removes what may go, and tells what went.
    pub async fn prune_bases(&self, keep: Keep) -> Result<Vec<Listed>, EngineError> {
        let mut gone = Vec::new();
        for listed in self.list_bases(keep).await?.into_iter().filter(Listed::may_go) {
            if self.remove_base(&listed.image).await? {
                let origin = &listed.image.origin;
                info!("Removed an old base image of `{}` {}", origin.repository, origin.git_ref.name());
                gone.push(listed);
            }
        }
        Ok(gone)
    }
}

/// The use of each image; of each ref the newest comes first.
fn judge(images: &[BaseImage], keep: Keep, now: Timestamp) -> Vec<Use> {
    let mut seen: HashMap<_, usize> = HashMap::new();
    let one = |image: &BaseImage| {
        let newer = seen.entry((image.origin.repository.clone(), image.origin.git_ref.clone())).or_default();
        let (rank, young) = (*newer, now.since(image.created) < keep.at_least);
        *newer += 1;
        match rank {
            0 => Use::Current,
            // A name was given by somebody, who may rely on it.
            _ if rank < keep.newest || young || !image.names.is_empty() => Use::Kept,
            _ => Use::Superseded,
        }
    };
    images.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::BuildId, runner::engine::Origin};

    fn image(branch: &str, hours_old: u64) -> BaseImage {
        BaseImage {
            id: String::new(),
            origin: Origin {
                repository: "acme/initramfs".parse().unwrap(),
                git_ref: format!("refs/heads/{branch}").parse().unwrap(),
                commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
                build: BuildId::new(),
                position: 1,
                parent: String::new(),
            },
            created: Timestamp::from_millis(i64::try_from((1000 - hours_old) * 3_600_000).unwrap()),
            size: 0,
            names: Vec::new(),
        }
    }

    #[test]
    fn each_branch_keeps_its_newest_and_for_a_while_the_others() {
        let mut named = image("main", 900);
        named.names.push("mine:1".into());
        let images =
            [image("main", 1), image("dev", 800), image("main", 2), image("main", 3), image("main", 40), named];
        let keep = Keep { newest: 2, at_least: Duration::from_secs(24 * 3600) };
        let uses = judge(&images, keep, Timestamp::from_millis(1000 * 3_600_000));
        assert_eq!(uses, [Use::Current, Use::Current, Use::Kept, Use::Kept, Use::Superseded, Use::Kept]);
        let none = Keep { newest: 0, at_least: Duration::ZERO };
        assert_eq!(judge(&images[..2], none, Timestamp::from_millis(0)), [Use::Current, Use::Current]);
    }
}
