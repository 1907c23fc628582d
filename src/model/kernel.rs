//! What the operator's kernel pipelines add to a recipe.
//!
//! An initramfs pipeline builds everything from an ordinary image, and its container becomes the base
//! image of its branch. A kernel pipeline builds on such an image, in minutes instead of an hour.

use serde::{Deserialize, Serialize};

use super::{Branch, HumanDuration, Repository};

/// What a recipe of a pipeline makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// Whether it makes a base image or stands on one.
    pub kind: PipelineKind,
    /// What the names of its kernels begin with.
    pub prefix: String,
    /// How a kernel proves that it boots before anybody gets it.
    pub boot: Boot,
}

/// The two kinds of pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PipelineKind {
    /// Builds everything; its container is committed as the base image of its branch.
    Initramfs,
    /// Builds on a base image.
    Kernel,
}

/// How a kernel is booted in a virtual machine before it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Boot {
    /// Whether it is; without a word, wherever the virtual machine is installed.
    pub enabled: Option<bool>,
    /// What its serial console has to say.
    pub marker: String,
    /// Within what time, for each way of booting.
    pub timeout: HumanDuration,
    /// More words for the kernel's command line.
    pub append: String,
}

impl Default for Boot {
    fn default() -> Self {
        Self {
            enabled: None,
            // What a kernel says when it has found its initramfs whole and starts the first program in it.
            marker: "Run /init as init process".to_owned(),
            timeout: HumanDuration(std::time::Duration::from_secs(120)),
            append: String::new(),
        }
    }
}

/// The base image another repository's initramfs pipeline made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseOf {
    /// Whose image.
    pub repository: Repository,
    /// Which branches' images serve a ref that has none of its own, in this order.
    pub fallback: Vec<Branch>,
}
