//! A world with a pair of pipelines: `initramfs`, which makes base images, and `fs`, built on them.
//!
//! Its organisation has a name of its own, since the engine's names of images are shared by all tests.

use serde_json::Value;

use crate::common::{
    World,
    client::PATIENCE,
    docker::{IMAGE, docker},
    repository::{Moved, Repository},
};

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
        let org = format!("t{}", &uuid::Uuid::now_v7().simple().to_string()[20..]);
        let sections = sections.replace("acme/", &format!("{org}/"));
        let text = format!(
            "[[kernel.pipeline]]\nrepository = '{org}/initramfs'\nkind = 'initramfs'\nbaseimage = '{IMAGE}'\n\
             script = 'build.sh'\ntags = ['.*']\nboot = {{enabled = false}}\n{initramfs}\n\
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
            std::fs::write(build.unwrap().path().join("target/go"), "").unwrap();
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

    pub(crate) async fn end(self) {
        self.service.end().await;
    }
}

fn push(repository: &Repository, branch: &str, script: &str) -> Moved {
    repository.commit(&[("build.sh", script)]);
    let full = if branch.starts_with("refs/") { branch.to_owned() } else { format!("refs/heads/{branch}") };
    repository.push_head(&full)
}
