//! One buildscript of one branch file, or one pipeline of the operator's, with all defaults filled in.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AbsoluteDir, BaseOf, ByteSize, Format, HumanDuration, Kernel, RelativePath, Variables};

/// What a build does, fixed at the moment the push is accepted: a later change of the
/// configuration repository never changes a build that is already accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The script.
    pub script: RelativePath,
    /// Below which directory it lies.
    #[serde(default)]
    pub script_at: ScriptAt,
    /// What the script is called with.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The file the script leaves, below `archives`.
    pub artifact: RelativePath,
    /// Where in the container the script leaves it.
    pub archives: AbsoluteDir,
    /// The image the container is made from.
    pub baseimage: Base,
    /// An extra part of the artifact's name.
    pub tag: Option<String>,
    /// What the artifact is, and so how it is published.
    pub product: Product,
    /// More environment for the script.
    pub environment: Variables,
    /// What the build may use.
    pub limits: Limits,
    /// Linux capabilities beyond the minimal set, granted by the operator.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Which network the container sees.
    #[serde(default)]
    pub network: Network,
    /// Names of secrets, granted by the operator, that come in as environment.
    #[serde(default)]
    pub secrets: Vec<String>,
}

/// What the service does itself, in no container: it is in the history among builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// A push to the configuration repository is read and put in force.
    Configuration,
    /// What a change of the configuration repository would come to is found out.
    Preview,
}

impl Recipe {
    /// The recipe of what the service does itself. It has no image, since nothing is run.
    pub fn of_service(task: Task) -> Self {
        let word = match task {
            Task::Configuration => "configuration",
            Task::Preview => "preview",
        };
        Self {
            script: RelativePath::word(word),
            script_at: ScriptAt::Checkout,
            arguments: Vec::new(),
            artifact: RelativePath::word(word),
            archives: AbsoluteDir::target(),
            baseimage: Base::Image(String::new()),
            tag: None,
            product: Product::File(Format::default()),
            environment: Variables::default(),
            limits: Limits::default(),
            capabilities: Vec::new(),
            network: Network::None,
            secrets: Vec::new(),
        }
    }

    /// Whether it is the service's own. The recipe of a script always has an image.
    pub fn is_of_service(&self) -> bool {
        matches!(&self.baseimage, Base::Image(name) if name.is_empty())
    }
}

/// Where a script lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScriptAt {
    /// In the checkout of the commit.
    #[default]
    Checkout,
    /// In the image: what a base image brings is older than the commit, and may build it.
    Image,
}

/// The image a container is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    /// One that has a name, here or in a registry.
    Image(String),
    /// The one that another repository's pipeline made of the branch that fits.
    Of(BaseOf),
}

/// What an artifact is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// A file for the hub.
    File(Format),
    /// A kernel, for a boot service and for the hub.
    Kernel(Kernel),
}

/// What one build may use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// From the start of the container to its end.
    pub timeout: HumanDuration,
    /// The longest silence of the script; zero for no limit.
    pub stall_timeout: HumanDuration,
    /// Memory of the container, swap included, in bytes.
    pub memory: ByteSize,
    /// Processors, in cores.
    pub cpus: f64,
    /// Processes and threads.
    pub pids: u32,
    /// Bytes of output kept; a script that writes more is ended.
    pub log_limit: ByteSize,
}

/// Which network a build's container sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The service's own bridge: the outside is reachable, other builds are not.
    #[default]
    Bridge,
    /// Loopback only.
    None,
    /// The host's own network. Only by grant.
    Host,
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(name) => f.write_str(name),
            Self::Of(base) => base.repository.fmt(f),
        }
    }
}

impl From<&str> for Base {
    fn from(image: &str) -> Self {
        Self::Image(image.to_owned())
    }
}

impl Product {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::File(Format::Flist) => "flist",
            Self::File(Format::Binary) => "binary",
            Self::Kernel(_) => "kernel",
        }
    }

    /// What a pipeline says of it, if it is a kernel.
    pub const fn kernel(&self) -> Option<&Kernel> {
        match self {
            Self::File(_) => None,
            Self::Kernel(kernel) => Some(kernel),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: HumanDuration(Duration::from_secs(45 * 60)),
            stall_timeout: HumanDuration(Duration::from_secs(15 * 60)),
            memory: ByteSize(4 << 30),
            cpus: 2.0,
            pids: 4096,
            log_limit: ByteSize(2 << 30),
        }
    }
}

impl Limits {
    /// The longest silence, if there is a limit.
    pub fn stall(&self) -> Option<Duration> {
        (!self.stall_timeout.0.is_zero()).then_some(self.stall_timeout.0)
    }
}
