//! A runner on the real engine, with a source from memory and a publisher that remembers. When a test
//! ends, everything is cleaned, and whatever stays behind fails it.
#![allow(dead_code, reason = "no test uses all of it")]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use autobuilder::{
    logs::Logs,
    model::{
        Artifact, ArtifactName, Build, BuildId, BuildState, CommitInfo, Format, Limits, Network, Product, Push, Recipe,
        ScriptAt, Stage, Timestamp, Tip, Variables,
    },
    runner::{
        Bind, Collected, Config, End, Engine, Fault, Handed, Job, Journal, Progress, Publisher, Runner, Signals, Source,
    },
};
use bollard::{Docker, query_parameters::CreateImageOptionsBuilder};
use bytes::Bytes;
use futures_util::StreamExt;

type Noted = Arc<Mutex<Vec<(BuildId, Progress)>>>;
type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;
pub(crate) type TestRunner = Runner<Memory, Shelf, Notes>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Checkouts from memory: the same files for each build, and a script of its own.
pub(crate) struct Memory {
    files: Files,
}

impl Source for Memory {
    fn binds(&self, _build: &Build) -> Result<Vec<Bind>, Fault> {
        Ok(Vec::new())
    }

    async fn prepare(&self, build: &Build, workspace: &Path) -> Result<Option<CommitInfo>, Fault> {
        let script = lock(&self.files).get(&build.id.to_string()).cloned().unwrap_or_default();
        fs::write(workspace.join("build.sh"), script).unwrap();
        for (name, bytes) in lock(&self.files).iter().filter(|(name, _)| name.len() < 32) {
            fs::write(workspace.join(name), bytes).unwrap();
        }
        Ok(None)
    }
}

/// Remembers what was published.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    published: Arc<Mutex<Vec<Artifact>>>,
}

impl Publisher for Shelf {
    async fn publish(&self, build: &Build, collected: Collected) -> Result<Handed, Fault> {
        let name = ArtifactName { versioned: build.id.to_string(), link: "link".into() };
        let artifact = Artifact { name, size: collected.size, sha256: collected.sha256 };
        lock(&self.published).push(artifact.clone());
        Ok(Handed::Published(artifact))
    }
}

/// Remembers what was noted.
pub(crate) struct Notes {
    noted: Noted,
}

impl Journal for Notes {
    fn note(&self, build: BuildId, progress: Progress) {
        lock(&self.noted).push((build, progress));
    }
}

pub(crate) struct World {
    pub(crate) runner: Arc<TestRunner>,
    pub(crate) image: String,
    pub(crate) instance: String,
    tmp: tempfile::TempDir,
    logs: Logs,
    files: Files,
    shelf: Shelf,
    noted: Noted,
    jobs: Mutex<Vec<Job>>,
    images: Mutex<Vec<String>>,
}

impl World {
    pub(crate) async fn test(test: impl AsyncFnOnce(&World)) {
        let world = Self::new().await;
        test(&world).await;
        world.end().await;
    }

    async fn new() -> Self {
        let instance = BuildId::new().to_string()[..12].to_owned() + &BuildId::new().to_string()[26..];
        let image = format!("autobuilder-test-{instance}:busybox");
        import(&image, &["bin/busybox", "bin/sh"]).await;
        let tmp = tempfile::tempdir().unwrap();
        let logs = Logs::new(tmp.path().join("logs")).unwrap();
        let (files, shelf, noted) = (Files::default(), Shelf::default(), Noted::default());
        lock(&files).insert("hello".into(), b"from the source\n".to_vec());
        let runner = runner(&instance, tmp.path(), &logs, &files, &shelf, &noted).await;
        let (jobs, images) = (Mutex::default(), Mutex::new(vec![image.clone()]));
        Self { runner, image, tmp, instance, logs, files, shelf, noted, jobs, images }
    }

    pub(crate) async fn another_runner(&self) -> Arc<TestRunner> {
        runner(&self.instance, self.tmp.path(), &self.logs, &self.files, &self.shelf, &self.noted).await
    }

    async fn end(self) {
        for job in lock(&self.jobs).iter() {
            self.runner.clean(job);
        }
        self.runner.leave().await.unwrap();
        for image in lock(&self.images).iter() {
            self.docker(&format!("rmi -f {image}"));
        }
        for what in ["ps -aq", "network ls -q"] {
            let left = self.docker(&format!("{what} --filter label=autobuilder.instance={}", self.instance));
            assert_eq!(left, "", "left behind: {what}");
        }
        assert!(self.directories().is_empty(), "left behind: {:?}", self.directories());
    }

    pub(crate) fn job(&self, script: &str) -> Job {
        let build = self.new_build();
        let script = format!("#!/bin/sh\n{script}\n");
        lock(&self.files).insert(build.id.to_string(), script.into_bytes());
        let job = Job { build, secrets: BTreeMap::from([("EXTRA".into(), "more".into())]) };
        lock(&self.jobs).push(job.clone());
        job
    }

    fn new_build(&self) -> Build {
        let commit: autobuilder::model::CommitId = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        let push = Push {
            repository: "acme/tool".parse().unwrap(),
            git_ref: "refs/heads/feature/x".parse().unwrap(),
            before: Tip::None,
            after: Tip::At(commit.clone()),
            commit: Some(commit.clone()),
            author: None,
            message: "a message".into(),
            commits: Vec::new(),
        };
        Build {
            id: BuildId::new(),
            number: 1,
            push,
            commit,
            position: 1,
            recipe: recipe(&self.image),
            state: BuildState::Running { stage: Stage::Creating, delay: None },
            attempt: 1,
            queued: Timestamp::now(),
            started: None,
            ended: None,
            baseimage_digest: None,
            container: None,
            usual: None,
        }
    }

    pub(crate) async fn build(&self, script: &str) -> End {
        self.run(&self.job(script)).await
    }

    pub(crate) async fn run(&self, job: &Job) -> End {
        self.run_with(job, &Signals::default()).await
    }

    pub(crate) async fn run_with(&self, job: &Job, signals: &Signals) -> End {
        self.runner.run(job, signals).await
    }

    pub(crate) fn add_source(&self, name: &str, bytes: &[u8]) {
        lock(&self.files).insert(name.to_owned(), bytes.to_vec());
    }

    pub(crate) fn log_bytes(&self, job: &Job) -> Vec<u8> {
        let part = self.logs.last(job.build.id, usize::MAX).unwrap();
        part.map_or_else(Vec::new, |mut part| {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut part.file, &mut bytes).unwrap();
            bytes
        })
    }

    pub(crate) fn log(&self, job: &Job) -> String {
        String::from_utf8_lossy(&self.log_bytes(job)).into_owned()
    }

    pub(crate) fn published(&self) -> Vec<Artifact> {
        lock(&self.shelf.published).clone()
    }

    fn notes<T>(&self, job: &Job, pick: impl Fn(&Progress) -> Option<T>) -> Vec<T> {
        lock(&self.noted).iter().filter(|(id, _)| *id == job.build.id).filter_map(|(_, note)| pick(note)).collect()
    }

    pub(crate) fn stages(&self, job: &Job) -> Vec<Stage> {
        self.notes(job, |note| if let Progress::Stage(stage) = note { Some(*stage) } else { None })
    }

    /// What viewers were told, put together by its offsets.
    pub(crate) fn output(&self, job: &Job) -> Vec<u8> {
        let mut all = Vec::new();
        let pick = |note: &Progress| match note {
            Progress::Output { offset, bytes } => Some((*offset, bytes.clone())),
            _ => None,
        };
        for (offset, bytes) in self.notes(job, pick) {
            assert_eq!(offset, all.len() as u64, "a gap or a double");
            all.extend_from_slice(&bytes);
        }
        all
    }

    pub(crate) async fn until_log_has(&self, job: &Job, words: &str) {
        self.until(async || self.log(job).contains(words)).await;
    }

    pub(crate) async fn until_running(&self, job: &Job) {
        self.until_stage(job, Stage::Building).await;
    }

    pub(crate) async fn until_stage(&self, job: &Job, stage: Stage) {
        self.until(async || self.stages(job).contains(&stage)).await;
    }

    async fn until(&self, holds: impl AsyncFn() -> bool) {
        for _ in 0..3000 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited in vain");
    }

    pub(crate) fn container(&self, job: &Job) -> String {
        format!("abtest-{}-{}", job.build.id, job.build.attempt)
    }

    pub(crate) async fn container_runs(&self, job: &Job) -> bool {
        let filter = format!("name=^{}$", self.container(job));
        !self.docker(&format!("ps -q --filter {filter}")).is_empty()
    }

    pub(crate) fn directories(&self) -> Vec<String> {
        let root = self.tmp.path().join(format!("autobuilder-{}", self.instance));
        let entries = fs::read_dir(root).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    pub(crate) fn docker(&self, arguments: &str) -> String {
        let output = Command::new("docker").args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "docker {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Imports an archive of a root directory.
    pub(crate) fn import_file(&self, archive: &str) -> String {
        let image = format!("autobuilder-test-{}:file", self.instance);
        self.docker(&format!("import {archive} {image}"));
        lock(&self.images).push(image.clone());
        image
    }

    pub(crate) async fn image_without_shell(&self) -> String {
        let image = format!("autobuilder-test-{}:bare", self.instance);
        import(&image, &["bin/other"]).await;
        lock(&self.images).push(image.clone());
        image
    }
}

/// Processes on this machine that have the build's environment, in whatever container.
pub(crate) fn processes(job: &Job) -> usize {
    let variable = format!("BUILD_ID={}", job.build.id).into_bytes();
    let environments =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("environ")).ok());
    environments.filter(|all| all.split(|byte| *byte == 0).any(|one| one == variable)).count()
}

fn recipe(image: &str) -> Recipe {
    Recipe {
        script: "build.sh".parse().unwrap(),
        script_at: ScriptAt::Checkout,
        arguments: Vec::new(),
        artifact: "tool".parse().unwrap(),
        archives: "/target".parse().unwrap(),
        baseimage: image.into(),
        tag: None,
        product: Product::File(Format::Binary),
        environment: Variables::default(),
        limits: Limits {
            timeout: "60s".parse().unwrap(),
            stall_timeout: "0s".parse().unwrap(),
            memory: "256m".parse().unwrap(),
            cpus: 2.0,
            pids: 256,
            log_limit: "64m".parse().unwrap(),
        },
        capabilities: Vec::new(),
        network: Network::Bridge,
        secrets: Vec::new(),
    }
}

async fn runner(
    instance: &str,
    tmp: &Path,
    logs: &Logs,
    files: &Files,
    shelf: &Shelf,
    noted: &Noted,
) -> Arc<TestRunner> {
    let config = Config {
        instance: instance.to_owned(),
        tmp_directory: tmp.to_owned(),
        container_prefix: "abtest-".to_owned(),
        extra_hosts: Vec::new(),
        host: "http://127.0.0.1:5560".to_owned(),
        environment: Variables::default(),
    };
    let engine = Engine::new(None, instance).unwrap();
    let (source, notes) = (Memory { files: Arc::clone(files) }, Notes { noted: Arc::clone(noted) });
    let runner = Runner::new(config, engine, logs.clone(), source, shelf.clone(), notes);
    runner.prepare().await.unwrap();
    Arc::new(runner)
}

/// Imports an image that holds busybox under the given paths; its shell knows all its applets.
async fn import(image: &str, paths: &[&str]) {
    let mut archive = tar::Builder::new(Vec::new());
    for path in paths {
        let mut file = fs::File::open("/bin/busybox").unwrap();
        archive.append_file(path, &mut file).unwrap();
    }
    let body = Bytes::from(archive.into_inner().unwrap());
    let (repository, tag) = image.split_once(':').unwrap();
    let options = CreateImageOptionsBuilder::default().from_src("-").repo(repository).tag(tag).build();
    let docker = Docker::connect_with_defaults().unwrap();
    let mut steps = std::pin::pin!(docker.create_image(Some(options), Some(bollard::body_full(body)), None));
    while let Some(step) = steps.next().await {
        step.unwrap();
    }
}
