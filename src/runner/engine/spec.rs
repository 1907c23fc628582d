//! What a container may do: the profile of every build, in one place.
//!
//! Everything is dropped and little is given back. The list is what `apt-get install` and compilers
//! need as root in the container (`tests/debian.rs` runs both); `SYS_ADMIN` would be root on the host.

use std::{collections::HashMap, path::PathBuf};

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};

use super::label;
use crate::model::{BuildId, Limits};

/// Capabilities every build has: to own, read and write files as root does, and to become another user.
const CAPABILITIES: [&str; 7] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"];

const SHARED_MEMORY: i64 = 256 << 20;

/// What a container is for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// One attempt of a build.
    Build(BuildId, u32),
    /// Some short work of the service itself.
    Service,
}

/// A directory of the host in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// The directory of the host; it must exist.
    pub host: PathBuf,
    /// Where the container sees it.
    pub container: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// A container to be made.
#[derive(Debug, Clone)]
pub struct ContainerSpec {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// The image's id.
    pub image: String,
    /// The main process and its arguments.
    pub command: Vec<String>,
    /// Where the main process begins.
    pub working_directory: String,
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// Directories of the host.
    pub binds: Vec<Bind>,
    /// What it may use.
    pub limits: Limits,
    /// Capabilities beyond the minimal set.
    pub capabilities: Vec<String>,
    /// The engine's name of the network.
    pub network: String,
    /// `name:address` lines for its `/etc/hosts`.
    pub extra_hosts: Vec<String>,
}

impl Bind {
    /// A directory the container may write to.
    pub fn writable(host: impl Into<PathBuf>, container: impl Into<String>) -> Self {
        Self { host: host.into(), container: container.into(), read_only: false }
    }

    /// A directory the container may only read.
    pub fn read_only(host: impl Into<PathBuf>, container: impl Into<String>) -> Self {
        Self { host: host.into(), container: container.into(), read_only: true }
    }

    fn into_mount(self) -> Mount {
        Mount {
            source: Some(self.host.to_string_lossy().into_owned()),
            target: Some(self.container),
            typ: Some(MountType::BIND),
            read_only: Some(self.read_only),
            ..Mount::default()
        }
    }
}

impl ContainerSpec {
    pub(super) fn into_body(self, instance: &str) -> ContainerCreateBody {
        let labels = self.labels(instance);
        let host_config = HostConfig {
            memory: Some(signed(self.limits.memory.0)),
            memory_swap: Some(signed(self.limits.memory.0)),
            nano_cpus: Some(nano_cpus(self.limits.cpus)),
            pids_limit: Some(i64::from(self.limits.pids)),
            // Lower is always allowed. The number of open files stays the engine's: one that was itself
            // started with a lower limit could not grant more, and no container would start.
            ulimits: Some(vec![ulimit("core", 0)]),
            shm_size: Some(SHARED_MEMORY),
            cap_drop: Some(vec!["ALL".to_owned()]),
            cap_add: Some(CAPABILITIES.map(str::to_owned).into_iter().chain(self.capabilities).collect()),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            // A process that forwards SIGTERM and reaps orphans, with the script as its child.
            init: Some(true),
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
            auto_remove: Some(false),
            mounts: Some(self.binds.into_iter().map(Bind::into_mount).collect()),
            network_mode: Some(self.network),
            extra_hosts: Some(self.extra_hosts),
            ..HostConfig::default()
        };
        ContainerCreateBody {
            image: Some(self.image),
            user: Some("0:0".to_owned()),
            entrypoint: Some(self.command),
            cmd: Some(Vec::new()),
            working_dir: Some(self.working_directory),
            env: Some(self.environment),
            tty: Some(false),
            labels: Some(labels),
            host_config: Some(host_config),
            ..ContainerCreateBody::default()
        }
    }

    fn labels(&self, instance: &str) -> HashMap<String, String> {
        let mut labels = HashMap::from([(label::INSTANCE.to_owned(), instance.to_owned())]);
        match self.purpose {
            Purpose::Build(build, attempt) => {
                labels.insert(label::KIND.to_owned(), "build".to_owned());
                labels.insert(label::BUILD.to_owned(), build.to_string());
                labels.insert(label::ATTEMPT.to_owned(), attempt.to_string());
            }
            Purpose::Service => {
                labels.insert(label::KIND.to_owned(), "service".to_owned());
            }
        }
        labels
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Zero means all, to us and to the engine; the engine refuses more than the machine has.
fn nano_cpus(cpus: f64) -> i64 {
    if cpus <= 0.0 {
        return 0;
    }
    let most = std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
    (cpus.clamp(0.01, most) * 1e9) as i64
}

fn ulimit(name: &str, value: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(value), hard: Some(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_of_processors_is_not_the_smallest_one() {
        assert_eq!(nano_cpus(0.0), 0);
        assert_eq!(nano_cpus(0.5), 500_000_000);
        assert!(nano_cpus(1e6) >= 1_000_000_000 && nano_cpus(1e6) <= 1_000_000_000_000);
    }
}
