//! One buildscript of one branch file, with all defaults filled in.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AbsoluteDir, ByteSize, Format, HumanDuration, RelativePath, Variables};

/// What a build does, fixed at the moment the push is accepted: a later change of the
/// configuration repository never changes a build that is already accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The script, below the checkout.
    pub script: RelativePath,
    /// The file the script leaves, below `archives`.
    pub artifact: RelativePath,
    /// Where in the container the script leaves it.
    pub archives: AbsoluteDir,
    /// The image the container is made from.
    pub baseimage: String,
    /// An extra part of the artifact's name.
    pub tag: Option<String>,
    /// How the artifact is published.
    pub format: Format,
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
            artifact: RelativePath::word(word),
            archives: AbsoluteDir::target(),
            baseimage: String::new(),
            tag: None,
            format: Format::default(),
            environment: Variables::default(),
            limits: Limits::default(),
            capabilities: Vec::new(),
            network: Network::None,
            secrets: Vec::new(),
        }
    }

    /// Whether it is the service's own. The recipe of a script always has an image.
    pub fn is_of_service(&self) -> bool {
        self.baseimage.is_empty()
    }
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
