//! What a push to a published artifact costs at least: a local clone and the bare engine.
//!
//! The container has the settings of a build's (`src/runner/engine/spec.rs`). It is removed after the
//! artifact was published, as a build's is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::{
    engine::{Engine, attach},
    world::docker::IMAGE,
};

const LABEL: &str = "autobuilder.bench";

/// A place to build without the service.
#[derive(Clone)]
pub(super) struct Floor {
    root: PathBuf,
    network: String,
    label: String,
    _own: Arc<Own>,
}

/// What is in the engine because of us; removed with the last floor, also after a panic.
struct Own {
    name: String,
}

impl Floor {
    /// With a network like the service's own.
    pub(super) async fn new(root: &Path) -> Self {
        let name = format!("autobuilder-bench-{}", std::process::id());
        let network = json!({
            "Name": name, "Driver": "bridge", "Labels": {LABEL: name},
            "Options": {"com.docker.network.bridge.enable_icc": "false"},
        });
        Engine::connect().await.call("POST", "/networks/create", network).await;
        let own = Arc::new(Own { name: name.clone() });
        Self { root: root.join("floor"), label: format!("{LABEL}={name}"), network: name, _own: own }
    }

    /// The same place, with the engine's default network.
    pub(super) fn with_default_network(&self) -> Self {
        Self { network: "bridge".to_owned(), ..self.clone() }
    }

    /// What its containers are labelled with.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Clones, runs, and copies the artifact to its place. Gives the container, to be removed.
    pub(super) async fn build(&self, engine: &mut Engine, repository: &Path, branch: &str, name: &str) -> String {
        let work = self.root.join(name);
        let (source, target) = (work.join("source"), work.join("target"));
        fs::create_dir_all(&target).unwrap();
        let clone = ["clone", "--quiet", "--branch", branch].map(str::to_owned);
        let (from, to) = (repository.to_owned(), source.clone());
        let cloned = spawn_blocking(move || Command::new("git").args(clone).args([from, to]).status());
        assert!(cloned.await.unwrap().unwrap().success());
        let created = engine.call("POST", "/containers/create", self.container(&source, &target)).await;
        let id = created["Id"].as_str().unwrap().to_owned();
        let output = attach(&id).await;
        engine.call("POST", &format!("/containers/{id}/start"), Value::Null).await;
        let ended = engine.call("POST", &format!("/containers/{id}/wait"), Value::Null).await;
        assert_eq!(ended["StatusCode"], 0);
        assert!(!output.await.unwrap().is_empty());
        let published = self.root.join("published");
        fs::create_dir_all(&published).unwrap();
        fs::copy(target.join("result.tar.gz"), published.join(name)).unwrap();
        id
    }

    /// Removes a container and its directories.
    pub(super) async fn clean(&self, engine: &mut Engine, container: &str, name: &str) {
        engine.call("DELETE", &format!("/containers/{container}?force=true&v=true"), Value::Null).await;
        fs::remove_dir_all(self.root.join(name)).unwrap();
    }

    fn container(&self, source: &Path, target: &Path) -> Value {
        let mount = |from: &Path, to| json!({"Type": "bind", "Source": from, "Target": to});
        json!({
            "Image": IMAGE, "User": "0:0", "Entrypoint": ["/tool/build.sh"], "WorkingDir": "/tool",
            "AttachStdout": true, "AttachStderr": true, "Env": ["CI=true"],
            "Labels": {LABEL: self.label.split_once('=').unwrap().1},
            "HostConfig": {
                "Memory": 4_u64 << 30, "MemorySwap": 4_u64 << 30, "NanoCpus": 0,
                "PidsLimit": 4096, "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}], "ShmSize": 256 << 20,
                "CapDrop": ["ALL"],
                "CapAdd": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"],
                "SecurityOpt": ["no-new-privileges"], "Init": true, "LogConfig": {"Type": "none"},
                "NetworkMode": self.network,
                "Mounts": [mount(source, "/tool"), mount(target, "/target")],
            },
        })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let docker = |arguments: &[&str]| Command::new("docker").args(arguments).output();
        let filter = format!("label={LABEL}={}", self.name);
        if let Ok(found) = docker(&["ps", "--all", "--quiet", "--filter", &filter]) {
            for id in String::from_utf8_lossy(&found.stdout).lines() {
                let _ = docker(&["rm", "--force", id]);
            }
        }
        let _ = docker(&["network", "rm", &self.name]);
    }
}
