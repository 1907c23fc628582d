//! A world with a pair of pipelines: `initramfs`, which makes base images, and `fs`, built on them.
//!
//! Its organisation has a name of its own, since the engine's names of images are shared by all tests.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use serde_json::Value;

use crate::common::{
    World,
    client::PATIENCE,
    docker::{IMAGE, docker},
    repository::{Moved, Repository},
};

/// An image with a real kernel, made by `scripts/setup`.
const KERNEL: &str = "autobuilder/kernel:latest";

/// A full build: what it leaves in the container's own file system is what later builds stand on.
pub(crate) const FULL: &str = "#!/bin/sh\nset -e\necho full build of $@\necho \"the state of $1\" >/state\n\
    git_head=$(cat .git/HEAD)\ntest \"$git_head\" = $COMMIT\necho \"kernel $COMMIT\" >/target/vmlinuz.efi\n";

/// A build on a base image.
pub(crate) const ON_BASE: &str = "#!/bin/sh\nset -e\ntest -e /initramfs/build.sh\necho kernel of $@ on $(cat /state)\n\
    cat /state >/target/vmlinuz.efi\n";

pub(crate) struct Pipelines {
    pub(crate) service: World,
    pub(crate) initramfs: Repository,
    pub(crate) fs: Repository,
    org: String,
}

impl Pipelines {
    /// `initramfs` are more lines of its pipeline.
    pub(crate) async fn new(initramfs: &str) -> Self {
        Self::with(initramfs, "").await
    }

    /// The same, with more sections.
    pub(crate) async fn with(initramfs: &str, sections: &str) -> Self {
        Self::configured("", IMAGE, &format!("boot = {{enabled = false}}\n{initramfs}"), sections).await
    }

    /// With more keys in `[kernel]`.
    pub(crate) async fn with_kernel_keys(keys: &str) -> Self {
        Self::configured(keys, IMAGE, "boot = {enabled = false}", "").await
    }

    /// On an image that has a kernel, with the `boot` of its pipeline.
    pub(crate) async fn booting(boot: &str) -> Self {
        let found = docker(&["image", "ls", "--quiet", KERNEL]);
        assert!(!found.is_empty(), "the image {KERNEL} is missing: run `scripts/setup test` once, as `make test` does");
        Self::configured("", KERNEL, boot, "").await
    }

    async fn configured(keys: &str, image: &str, initramfs: &str, sections: &str) -> Self {
        let org = format!("t{}", &uuid::Uuid::now_v7().simple().to_string()[20..]);
        let sections = sections.replace("acme/", &format!("{org}/"));
        let text = format!(
            "[kernel]\n{keys}\n[[kernel.pipeline]]\nrepository = '{org}/initramfs'\nkind = 'initramfs'\n\
             baseimage = '{image}'\nscript = 'build.sh'\ntags = ['.*']\n{initramfs}\n\
             [[kernel.pipeline]]\nrepository = '{org}/fs'\nkind = 'kernel'\nbase = '{org}/initramfs'\n\
             script = 'build.sh'\nboot = {{enabled = false}}\n{sections}"
        );
        let service = World::with(&format!("parallel = 2\n{text}")).await;
        let (initramfs, fs) = (format!("{org}/initramfs"), format!("{org}/fs"));
        let (initramfs, fs) = (service.repository(&initramfs), service.repository(&fs));
        Self { service, initramfs, fs, org }
    }

    /// Pushes a script to a branch, or to a full ref, and waits for the end of its build.
    pub(crate) async fn push_initramfs(&self, branch: &str, script: &str) -> Value {
        self.service.built(&self.initramfs, &push(&self.initramfs, branch, script)).await
    }

    pub(crate) async fn push_kernel(&self, branch: &str, script: &str) -> Value {
        self.service.built(&self.fs, &push(&self.fs, branch, script)).await
    }

    /// The same without waiting: the build's id.
    pub(crate) async fn deliver_initramfs(&self, branch: &str, script: &str) -> String {
        let moved = push(&self.initramfs, branch, script);
        self.service.deliver(&self.initramfs, &moved).await.remove(0)
    }

    pub(crate) async fn log(&self, build: &Value) -> String {
        self.service.client.text(&format!("/report/{}", build["id"].as_str().unwrap())).await
    }

    /// An image's name below our organisation.
    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.org)
    }

    /// The ids of all base images.
    pub(crate) fn images(&self) -> Vec<String> {
        let filter = self.service.label();
        docker(&["image", "ls", "--all", "--quiet", "--no-trunc", "--filter", &filter])
    }

    pub(crate) fn label(&self, image: &str, name: &str) -> String {
        let format = format!("{{{{index .Config.Labels \"autobuilder.{name}\"}}}}");
        docker(&["image", "inspect", "--format", &format, image]).remove(0)
    }

    /// Lets scripts go on that wait for `/target/go`.
    pub(crate) fn go(&self) {
        let instance = self.service.tmp().join(format!("autobuilder-{}", self.service.instance()));
        for build in std::fs::read_dir(instance).unwrap() {
            let target = build.unwrap().path().join("target");
            if target.exists() {
                std::fs::write(target.join("go"), "").unwrap();
            }
        }
    }

    /// Changes the configuration, and waits until the service says `words` of it.
    pub(crate) async fn reload(&self, change: impl Fn(String) -> String, words: &str) {
        let file = self.service.path().join("config.toml");
        std::fs::write(&file, change(std::fs::read_to_string(&file).unwrap())).unwrap();
        let said = self.service.log().matches(words).count();
        self.service.signal("HUP");
        let heard = async {
            while self.service.log().matches(words).count() == said {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.unwrap();
    }

    /// Pushes a kernel that is booted, which takes its time on a machine that is busy.
    pub(crate) async fn push_and_boot(&self, branch: &str, script: &str) -> Value {
        let id = self.deliver_initramfs(branch, script).await;
        let client = &self.service.client;
        let waiting = async {
            let address = format!("{}/buildio?build={id}", client.address.replace("http://", "ws://"));
            let (mut live, _) = tokio_tungstenite::connect_async(address).await.unwrap();
            loop {
                let build = client.build(&id).await;
                if !build["outcome"].is_null() {
                    return build;
                }
                live.next().await.expect("the websocket stays open").unwrap();
            }
        };
        tokio::time::timeout(PATIENCE * 5, waiting).await.expect("the build ends in time")
    }

    /// Waits until the log of a build that is not at its end is as wanted.
    pub(crate) async fn until_log(&self, id: &str, wanted: impl Fn(&str) -> bool) {
        let client = &self.service.client;
        let address = format!("{}/buildio?build={id}", client.address.replace("http://", "ws://"));
        let waiting = async {
            let (mut live, _) = tokio_tungstenite::connect_async(address).await.unwrap();
            while !wanted(&client.text(&format!("/report/{id}")).await) {
                live.next().await.expect("the websocket stays open").unwrap();
            }
        };
        if tokio::time::timeout(PATIENCE * 3, waiting).await.is_err() {
            panic!("the log did not get there:\n{}", client.text(&format!("/report/{id}")).await);
        }
    }

    /// How many virtual machines run for this service.
    pub(crate) fn machines(&self) -> usize {
        let own = self.service.path().display().to_string();
        let commands = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let command = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&command).into_owned())
        });
        commands.filter(|command| command.contains("qemu-system") && command.contains(&own)).count()
    }

    /// Waits until none runs.
    pub(crate) async fn until_no_machine(&self) {
        self.until("no virtual machine runs", || self.machines() == 0).await;
    }

    /// Waits until there are that many base images.
    pub(crate) async fn until_images(&self, count: usize) {
        self.until(&format!("there are {count} images"), || self.images().len() == count).await;
    }

    /// Neither the system nor the engine tells of these.
    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let waiting = async {
            while !holds() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "in vain until {what}");
    }

    /// What `autobuilder images` says.
    pub(crate) fn list_images(&self, arguments: &[&str]) -> Vec<Value> {
        serde_json::from_str(&self.ask_for_images(&[&["--format", "json"], arguments].concat())).unwrap()
    }

    /// The same for people.
    pub(crate) fn images_table(&self) -> String {
        self.ask_for_images(&[])
    }

    fn ask_for_images(&self, arguments: &[&str]) -> String {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_autobuilder"))
            .args(["images", "--config"])
            .arg(self.service.path().join("config.toml"))
            .args(arguments)
            .current_dir(self.service.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) async fn end(self) {
        self.service.end().await;
    }
}

/// The files of an flist's archive.
pub(crate) fn unpacked(archive: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
        found.insert(entry.path().unwrap().display().to_string(), text);
    }
    found
}

fn push(repository: &Repository, branch: &str, script: &str) -> Moved {
    repository.commit(&[("build.sh", script)]);
    let full = if branch.starts_with("refs/") { branch.to_owned() } else { format!("refs/heads/{branch}") };
    repository.push_head(&full)
}
