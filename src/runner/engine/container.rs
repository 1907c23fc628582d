//! Containers: made, started, asked about, signalled, removed.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bollard::{
    models::ContainerInspectResponse,
    query_parameters::{
        CreateContainerOptionsBuilder, KillContainerOptionsBuilder, ListContainersOptionsBuilder,
        RemoveContainerOptionsBuilder,
    },
};
use tokio::time::{Instant, sleep};

use super::{ContainerSpec, Engine, EngineError, QUICK, SLOW, Watch, label, unless_gone};
use crate::model::BuildId;

/// How long a container that is being made, or removed, is left alone before its name is tried again.
const STILL_MADE: Duration = Duration::from_millis(50);

/// What the engine says about a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerState {
    /// Its id.
    pub id: String,
    /// The id of its image.
    pub image: String,
    /// Whether its main process runs.
    pub running: bool,
    /// Whether it was ever started.
    pub started: bool,
    /// Its exit code; 0 while it runs.
    pub exit_code: i64,
    /// One of its processes was killed for want of memory. True only after the end.
    pub out_of_memory: bool,
    /// When it was started, as RFC 3339.
    pub started_at: String,
    /// When it ended, as RFC 3339.
    pub finished_at: String,
}

/// A container with our label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// Its id.
    pub id: String,
    /// The build it belongs to; `None` for one that serves the service itself.
    pub build: Option<BuildId>,
    /// The attempt it belongs to.
    pub attempt: u32,
}

impl Engine {
    /// Makes a container and returns its id.
    ///
    /// A container of ours that has the name already makes room: an earlier process ordered it and died
    /// before the engine had made it, so nobody ever started it. The engine keeps the name of such a
    /// container before it can be found under it, hence the patience.
    pub async fn create(&self, spec: ContainerSpec) -> Result<String, EngineError> {
        let until = Instant::now() + SLOW;
        loop {
            match self.make(spec.clone()).await {
                Err(error) if error.is_conflict() && Instant::now() < until => {
                    if !self.make_room(&spec.name).await? {
                        return Err(error);
                    }
                    sleep(STILL_MADE).await;
                }
                made_or_not => return made_or_not,
            }
        }
    }

    async fn make(&self, spec: ContainerSpec) -> Result<String, EngineError> {
        let options = CreateContainerOptionsBuilder::default().name(&spec.name).build();
        let body = spec.into_body(&self.inner.instance);
        let created = self.call("make a container", SLOW, self.docker()?.create_container(Some(options), body)).await?;
        Ok(created.id)
    }

    /// Removes the container of that name if it is ours; false if it is somebody else's.
    async fn make_room(&self, name: &str) -> Result<bool, EngineError> {
        match self.call("describe a container", QUICK, self.docker()?.inspect_container(name, None)).await {
            Ok(found) => {
                let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
                if labels.get(label::INSTANCE) != Some(&self.inner.instance) {
                    return Ok(false);
                }
                self.remove(name).await?;
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Watches what happens to a container; to be called before it is started.
    pub fn watch(&self, container: &str) -> Watch {
        Arc::clone(&self.inner.events).watch(container)
    }

    /// Starts a container.
    pub async fn start(&self, container: &str) -> Result<(), EngineError> {
        self.call("start a container", SLOW, self.docker()?.start_container(container, None)).await
    }

    /// Sends a signal (`SIGTERM`, `SIGKILL`) to a container's main process; fine if it ended already.
    pub async fn signal(&self, container: &str, signal: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        let sent = self.call("stop a container", QUICK, self.docker()?.kill_container(container, Some(options))).await;
        unless_gone(sent)
    }

    /// Asks about a container by name or id; `None` if there is none.
    pub async fn inspect(&self, container: &str) -> Result<Option<ContainerState>, EngineError> {
        match self.call("describe a container", QUICK, self.docker()?.inspect_container(container, None)).await {
            Ok(answer) => Ok(Some(state(answer))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a container by name or id, running or not, with its anonymous volumes.
    pub async fn remove(&self, container: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        unless_gone(
            self.call("remove a container", SLOW, self.docker()?.remove_container(container, Some(options))).await,
        )
    }

    /// All containers of this instance, running or not.
    pub async fn owned(&self) -> Result<Vec<Owned>, EngineError> {
        let options = ListContainersOptionsBuilder::default().all(true).filters(&self.own()).build();
        let found = self.call("list containers", QUICK, self.docker()?.list_containers(Some(options))).await?;
        Ok(found.into_iter().filter_map(|found| Some(owned(found.id?, &found.labels?))).collect())
    }
}

fn owned(id: String, labels: &HashMap<String, String>) -> Owned {
    let label = |name| labels.get(name).map(String::as_str).unwrap_or_default();
    Owned { id, build: label(label::BUILD).parse().ok(), attempt: label(label::ATTEMPT).parse().unwrap_or(0) }
}

fn state(answer: ContainerInspectResponse) -> ContainerState {
    let state = answer.state.unwrap_or_default();
    let started_at = state.started_at.unwrap_or_default();
    ContainerState {
        id: answer.id.unwrap_or_default(),
        image: answer.image.unwrap_or_default(),
        running: state.running.unwrap_or(false),
        started: state.running.unwrap_or(false) || began(&started_at),
        exit_code: state.exit_code.unwrap_or(0),
        out_of_memory: state.oom_killed.unwrap_or(false),
        started_at,
        finished_at: state.finished_at.unwrap_or_default(),
    }
}

/// Whether that is a time; the engine gives the year 1 for never. The status would not do: a container
/// that is removed without ever having run is "removing", with the exit code 0.
fn began(started_at: &str) -> bool {
    !started_at.is_empty() && !started_at.starts_with("0001-")
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerState as State, ContainerStateStatusEnum as Status};

    use super::*;

    fn started(status: Status, started_at: &str) -> bool {
        let running = Some(status == Status::RUNNING);
        let told = State { status: Some(status), running, started_at: Some(started_at.into()), ..State::default() };
        state(ContainerInspectResponse { state: Some(told), ..ContainerInspectResponse::default() }).started
    }

    #[test]
    fn a_container_that_is_removed_before_it_ever_ran_has_not_ended_well() {
        let never = "0001-01-01T00:00:00Z";
        for status in [Status::CREATED, Status::REMOVING, Status::DEAD] {
            assert!(!started(status, never), "{status}");
        }
        let once = "2026-01-01T00:00:00.123456789Z";
        for status in [Status::RUNNING, Status::EXITED, Status::REMOVING] {
            assert!(started(status, once), "{status}");
        }
    }
}
