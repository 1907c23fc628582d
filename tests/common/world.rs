//! A forge, a configuration repository, and the service itself as a process.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    client::{Client, PATIENCE, SECRET, TOKEN},
    docker::{self, IMAGE},
    forge_api::ForgeApi,
    repository::{Moved, Repository},
};

pub struct World {
    pub client: Client,
    pub catalog: Repository,
    root: TempDir,
    service: Option<Child>,
    configuration: String,
    environment: Vec<(String, String)>,
    engine: bool,
    /// Where the next start listens; 0 is any free port.
    port: u16,
}

/// The recipe of most tests.
pub fn recipe(script: &str) -> String {
    format!("buildscripts:\n  - {script}\n\n{script}:\n  artifact: result.tar.gz\n  baseimage: {IMAGE}\n")
}

impl World {
    /// A service with an empty catalog and the usual configuration.
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// The same, with more lines in `config.toml`.
    pub async fn with(configuration: &str) -> Self {
        Self::within(Vec::new(), configuration).await
    }

    /// The same with a forge whose API it may use.
    pub async fn beside(api: &ForgeApi, configuration: &str) -> Self {
        Self::within(api.environment(), configuration).await
    }

    /// The same, with more variables in the service's environment.
    pub async fn within(environment: Vec<(String, String)>, configuration: &str) -> Self {
        docker::need_image();
        let root = tempfile::Builder::new().prefix("autobuilder-test-").tempdir().unwrap();
        let catalog = Repository::new(root.path(), "acme/builds");
        catalog.push("main", &[("README.md", "What is built here.\n")]);
        let client = Client::new(String::new());
        let mut world = Self {
            client,
            catalog,
            root,
            service: None,
            configuration: configuration.to_owned(),
            environment,
            engine: true,
            port: 0,
        };
        world.start().await;
        world
    }

    /// A service whose engine is away: it takes pushes, and builds nothing.
    pub async fn without_engine() -> Self {
        let mut world = Self::new().await;
        world.signal("INT");
        assert_eq!(world.left().await, Some(0));
        world.engine = false;
        world.start().await;
        world
    }

    /// The engine is there from the next start on.
    pub fn with_engine(&mut self) {
        self.engine = true;
    }

    /// Later starts have this environment.
    pub fn environment(&mut self, environment: Vec<(String, String)>) {
        self.environment = environment;
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    pub fn repository(&self, name: &str) -> Repository {
        Repository::new(self.path(), name)
    }

    /// A repository with one script for `main`, tracked by the catalog.
    pub async fn tracked(&self, name: &str, script: &str) -> (Repository, Moved) {
        let repository = self.repository(name);
        let moved = repository.push("main", &[("build.sh", script)]);
        self.track(&[(&format!("{name}/main.yaml"), &recipe("build.sh"))]).await;
        (repository, moved)
    }

    /// Changes the configuration repository, and tells the service as a forge would.
    pub async fn track(&self, files: &[(&str, &str)]) -> Value {
        let moved = self.catalog.push("main", files);
        let answer = self.client.deliver("acme/builds", &moved).await;
        assert_eq!(answer["status"], "success", "{answer}");
        answer
    }

    /// Delivers a push and gives the ids of its builds.
    pub async fn deliver(&self, repository: &Repository, moved: &Moved) -> Vec<String> {
        let answer = self.client.deliver(&repository.name, moved).await;
        assert_eq!(answer["status"], "success", "{answer}");
        answer["builds"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    /// Pushes, and waits for the end of the first build.
    pub async fn built(&self, repository: &Repository, moved: &Moved) -> Value {
        let ids = self.deliver(repository, moved).await;
        self.client.ended(&ids[0]).await
    }

    pub fn artifacts(&self) -> PathBuf {
        self.path().join("data/artifacts")
    }

    pub fn kernels(&self) -> PathBuf {
        self.path().join("data/kernels")
    }

    pub fn tmp(&self) -> PathBuf {
        self.path().join("tmp")
    }

    pub fn instance(&self) -> String {
        fs::read_to_string(self.path().join("data/instance")).unwrap().trim().to_owned()
    }

    /// The engine's filter for what belongs to this world.
    pub fn label(&self) -> String {
        format!("label=autobuilder.instance={}", self.instance())
    }

    /// Later starts listen where the service listens now, as for a reader who keeps a page open.
    pub fn keep_port(&mut self) {
        self.port = self.client.address.rsplit(':').next().unwrap().parse().unwrap();
    }

    /// Starts the service, and waits until it says where it listens.
    pub async fn start(&mut self) {
        let root = self.path().display().to_string();
        fs::create_dir_all(self.tmp()).unwrap();
        // A test may bring a hub of its own.
        let own = self.configuration.contains("[hub]");
        let hub = if own { String::new() } else { format!("[hub]\ndirectory = '{root}/data/artifacts'\n") };
        let text = format!(
            "[server]\nlisten = '127.0.0.1:{}'\napi_token = '{TOKEN}'\n[webhook]\nsecret = '{SECRET}'\n\
             [catalog]\nrepository = 'acme/builds'\n[github]\nclone_url = 'file://{root}/forge/{{repository}}.git'\n\
             [store]\ndirectory = '{root}/data'\n{hub}\
             [build]\ntmp_directory = '{root}/tmp'\n{}\n",
            self.port, self.configuration
        );
        let engine = if self.engine { String::new() } else { format!("[docker]\nhost = 'unix://{root}/none.sock'\n") };
        fs::write(self.path().join("config.toml"), format!("{text}{engine}")).unwrap();
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path().join("service.log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_autobuilder"))
            .args(["serve", "--config"])
            .arg(self.path().join("config.toml"))
            .current_dir(self.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map(|line| line.unwrap())
            .find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned))
            .unwrap_or_else(|| panic!("the service did not start: {}", self.log()));
        // What it prints later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        self.service = Some(child);
        self.client = Client::new(address);
        if self.engine {
            self.ready().await;
        }
    }

    /// Waits until the service says it is ready.
    async fn ready(&self) {
        let since = Instant::now();
        loop {
            let response = self.client.get("/readyz").await;
            if response.status().is_success() {
                return;
            }
            let why = response.text().await.unwrap();
            assert!(since.elapsed() < Duration::from_secs(30), "not ready: {why}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("service.log")).unwrap_or_default()
    }

    /// Waits until the service's log has these words.
    pub async fn until_log(&self, words: &str) {
        let since = Instant::now();
        while !self.log().contains(words) {
            assert!(since.elapsed() < PATIENCE, "the log never said `{words}`: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn pid(&self) -> u32 {
        self.service.as_ref().unwrap().id()
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Ends the service as a power cut would.
    pub fn kill(&mut self) {
        let mut child = self.service.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits for the service to leave by itself, and gives its exit code.
    pub async fn left(&mut self) -> Option<i32> {
        let mut child = self.service.take().unwrap();
        tokio::task::spawn_blocking(move || child.wait().unwrap().code()).await.unwrap()
    }

    /// Ends the service, and fails if it left anything.
    pub async fn end(mut self) {
        if self.service.is_some() {
            self.signal("INT");
            assert_eq!(self.left().await, Some(0), "{}", self.log());
        }
        let instance = self.instance();
        let left = docker::leftovers(&instance);
        docker::remove_leftovers(&instance);
        docker::remove_images(&instance);
        assert!(left.is_empty(), "left in the engine: {left:?}\n{}", self.log());
        let files: Vec<_> = fs::read_dir(self.tmp()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.is_empty(), "left in the temporary directory: {files:?}");
        assert!(!self.log().contains("panicked"), "{}", self.log());
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut child) = self.service.take() {
            let _ = child.kill();
            let _ = child.wait();
            if let Ok(instance) = fs::read_to_string(self.path().join("data/instance")) {
                docker::remove_leftovers(instance.trim());
                docker::remove_images(instance.trim());
            }
        }
        if std::thread::panicking() {
            eprintln!("--- the service's log:\n{}", self.log());
        }
    }
}
