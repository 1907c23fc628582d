//! The sections of `config.toml`, key by key, with their defaults.
//!
//! `config.sample.toml` explains each key to the operator; a test holds the two together.

use std::{collections::HashMap, net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{Secret, Secrets};
use crate::model::{Boot, ByteSize, HumanDuration, Network, PipelineKind, Variables};

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize, Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type),* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default),* }
            }
        }
    };
}

const fn minutes(count: u64) -> HumanDuration {
    HumanDuration(std::time::Duration::from_secs(60 * count))
}

section!(
    /// The web server.
    Server {
        /// Where to listen.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 5560)),
        /// How people reach it; empty means `http://<listen>`.
        public_url: String = String::new(),
        /// Bearer of the calls that change something; empty refuses them.
        api_token: Secret = Secret::default(),
    }
);

section!(
    /// Deliveries from forges.
    Webhook {
        /// Shared with the forge.
        secret: Secrets = Secrets::default(),
        /// Accept deliveries without a signature.
        allow_unsigned: bool = false,
        /// Accept `X-Hub-Signature` (SHA-1).
        allow_sha1: bool = false,
        /// Create missing hooks.
        install: bool = false,
    }
);

section!(
    /// The forge.
    Github {
        /// Its API.
        api_url: String = "https://api.github.com".to_owned(),
        /// The only source of clone addresses.
        clone_url: String = "https://github.com/{repository}.git".to_owned(),
        /// For private repositories and statuses.
        token: Secret = Secret::default(),
        /// The beginning of every status' context.
        status_context: String = "autobuilder".to_owned(),
    }
);

section!(
    /// The configuration repository.
    Catalog {
        /// Its `org/name`.
        repository: String = String::new(),
        /// Its branch; empty means its default branch.
        branch: String = String::new(),
    }
);

section!(
    /// Looking for pushes nobody told us of.
    Poll {
        /// How often; `0s` never.
        interval: HumanDuration = minutes(5),
        /// Every repository, not only those without a hook.
        all: bool = false,
    }
);

section!(
    /// Builds, unless their recipe says otherwise.
    Build {
        /// Shared with the containers; the same path inside and outside.
        tmp_directory: PathBuf = PathBuf::from("/tmp"),
        /// How many builds run at once.
        parallel: usize = 2,
        /// Longest build, and the ceiling for recipes.
        timeout: HumanDuration = minutes(45),
        /// Longest silence; `0s` for no limit.
        stall_timeout: HumanDuration = minutes(15),
        /// Memory of a build, and the ceiling for recipes.
        memory: ByteSize = ByteSize(4 << 30),
        /// Processors of a build; 0 for all.
        cpus: f64 = 0.0,
        /// Processes and threads of a build.
        pids: u32 = 4096,
        /// The image of recipes that name none.
        default_baseimage: String = "ubuntu:16.04".to_owned(),
        /// `name:address` lines for `/etc/hosts` of every build.
        extra_hosts: Vec<String> = Vec::new(),
        /// The beginning of every container's name.
        container_prefix: String = "autobuilder-".to_owned(),
        /// More environment for every build.
        environment: Variables = Variables::default(),
        /// Output kept of one build; a build that writes more is ended.
        log_limit: ByteSize = ByteSize(2 << 30),
    }
);

section!(
    /// What only the operator may give.
    Grant {
        /// To whom.
        repository: String = String::new(),
        /// On which branch; empty means every one.
        branch: String = String::new(),
        /// Linux capabilities.
        capabilities: Vec<String> = Vec::new(),
        /// Memory above the service's ceiling.
        memory: Option<ByteSize> = None,
        /// Time above the service's ceiling.
        timeout: Option<HumanDuration> = None,
        /// Networks other than the service's bridge.
        network: Vec<Network> = Vec::new(),
        /// Environment that only these builds see.
        secrets: HashMap<String, Secret> = HashMap::new(),
    }
);

section!(
    /// The container engine.
    Docker {
        /// Its socket; empty means the usual one.
        host: String = String::new(),
    }
);

/// Which hub artifacts go to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HubKind {
    /// The embedded one: a directory, served at `/artifacts/`.
    #[default]
    Directory,
    /// A Zero-OS hub.
    ZeroHub,
}

section!(
    /// Where flists go.
    Hub {
        /// Which hub.
        kind: HubKind = HubKind::Directory,
        /// The embedded hub's directory.
        directory: PathBuf = PathBuf::from("data/artifacts"),
        /// The Zero-OS hub's address, without `/api`.
        url: String = String::new(),
        /// Whose name to publish under.
        user: String = String::new(),
        /// The Zero-OS hub's token.
        token: Secret = Secret::default(),
        /// Where expired tokens are renewed.
        refresh_url: String = String::new(),
    }
);

section!(
    /// Where binaries go.
    Binary {
        /// The directory; empty means the hub's.
        directory: PathBuf = PathBuf::new(),
    }
);

section!(
    /// Kernels.
    Kernel {
        /// Where a boot service finds them.
        directory: PathBuf = PathBuf::from("data/kernels"),
        /// The beginning of every kernel's name.
        prefix: String = "zero-os".to_owned(),
        /// Branches whose base image serves a branch that has none.
        fallback: Vec<String> = vec!["master".to_owned(), "main".to_owned()],
        /// Another machine's 0-bootstrap; empty means none.
        bootstrap_url: String = String::new(),
        /// Its secret.
        bootstrap_token: Secret = Secret::default(),
        /// How many base images of each branch are kept.
        keep: usize = 2,
        /// For how long at least the others are.
        keep_for: HumanDuration = minutes(24 * 60),
        /// What is built how.
        pipeline: Vec<Pipeline> = Vec::new(),
    }
);

section!(
    /// How one repository's kernels are built.
    Pipeline {
        /// Which repository.
        repository: String = String::new(),
        /// Whether it makes a base image or stands on one.
        kind: Option<PipelineKind> = None,
        /// For a kernel: whose base image it is built on.
        base: String = String::new(),
        /// For an initramfs: the image it is built in; empty means `build.default_baseimage`.
        baseimage: String = String::new(),
        /// The script, in the checkout; with a leading `/`, in the base image.
        script: String = String::new(),
        /// What it is called with.
        arguments: Option<Vec<String>> = None,
        /// What it leaves in `/target`.
        artifact: String = "vmlinuz.efi".to_owned(),
        /// Patterns of the branches that are built.
        branches: Vec<String> = vec![".*".to_owned()],
        /// Patterns of the tags that are built.
        tags: Vec<String> = Vec::new(),
        /// Longest build.
        timeout: Option<HumanDuration> = None,
        /// Memory of a build.
        memory: Option<ByteSize> = None,
        /// Linux capabilities.
        capabilities: Vec<String> = Vec::new(),
        /// More environment.
        environment: Variables = Variables::default(),
        /// Names of secrets that a grant has for the repository.
        secrets: Vec<String> = Vec::new(),
        /// How a kernel proves that it boots.
        boot: Boot = Boot::default(),
    }
);

section!(
    /// What must not be lost.
    Store {
        /// The database, logs and mirrors.
        directory: PathBuf = PathBuf::from("data"),
        /// How long logs of builds that have ended are kept; `0s` for ever.
        keep_logs: HumanDuration = HumanDuration(std::time::Duration::ZERO),
        /// How many artifacts of each link are kept; 0 for all.
        keep_artifacts: usize = 0,
        /// For how long at least the others are.
        keep_artifacts_for: HumanDuration = minutes(30 * 24 * 60),
        /// Room that builds leave on the disks: while there is less, they wait.
        reserve: ByteSize = ByteSize(256 << 20),
    }
);

section!(
    /// The bus between service and relay.
    Redis {
        /// Its address; empty means in process.
        url: Secret = Secret::default(),
    }
);

section!(
    /// The websocket relay.
    Relay {
        /// Where to listen.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 3333)),
        /// How browsers reach it.
        public_url: String = String::new(),
    }
);
