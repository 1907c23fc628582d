//! `autobuilder relay` as a process.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

pub struct Relay {
    directory: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Relay {
    /// One that is fed by the Redis at this address.
    pub fn start(redis: &str) -> Self {
        let mut relay = Self::configured(redis);
        relay.go_on();
        relay
    }

    /// Not started.
    pub fn configured(redis: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("autobuilder-relay-").tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!(
            "[redis]\nurl = '{redis}'\n[server]\npublic_url = 'https://builds.example'\n\
             [relay]\nlisten = '127.0.0.1:{port}'\n"
        );
        fs::write(directory.path().join("config.toml"), text).unwrap();
        Self { directory, port, process: None }
    }

    /// Starts it, where it was before; ends when it lets viewers in.
    pub fn go_on(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.directory.path().join("log")).unwrap();
        let mut process = self.command().stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let said = lines.next().unwrap_or_else(|| panic!("it did not start: {}", self.log())).unwrap();
        assert_eq!(said, format!("Listening on {}", self.address()));
        self.process = Some(process);
    }

    /// Runs it to its end.
    pub fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_autobuilder"));
        command.args(["relay", "--config", "config.toml"]).current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    pub fn address(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Tells it to leave, and gives its exit code.
    pub async fn leave(mut self) -> Option<i32> {
        let mut process = self.process.take().unwrap();
        let told = Command::new("kill").args(["-s", "TERM", &process.id().to_string()]).status().unwrap();
        assert!(told.success());
        let code = tokio::task::spawn_blocking(move || process.wait().unwrap().code()).await.unwrap();
        assert!(!self.log().contains("panicked"), "{}", self.log());
        code
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
