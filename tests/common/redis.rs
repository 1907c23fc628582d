//! A Redis of one test: a process on a port of its own, that can be stopped, frozen and started again.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

pub struct Redis {
    port: u16,
    password: Option<&'static str>,
    process: Option<Child>,
    directory: TempDir,
}

impl Redis {
    /// One that answers.
    pub fn start() -> Self {
        let mut redis = Self::away();
        redis.go_on();
        redis
    }

    /// One that answers who knows the password.
    pub fn with_password(password: &'static str) -> Self {
        let mut redis = Self::away();
        redis.password = Some(password);
        redis.go_on();
        redis
    }

    /// One that is not there yet.
    pub fn away() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = tempfile::Builder::new().prefix("autobuilder-redis-").tempdir().unwrap();
        Self { port, password: None, process: None, directory }
    }

    pub fn url(&self) -> String {
        let who = self.password.map_or(String::new(), |password| format!(":{password}@"));
        format!("redis://{who}127.0.0.1:{}", self.port)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it, with nothing in it; ends when it answers.
    pub fn go_on(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--dir", self.directory.path().to_str().unwrap(), "--loglevel", "warning"]);
        if let Some(password) = self.password {
            command.args(["--requirepass", password]);
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.process =
            Some(process.expect("redis-server is there: run `scripts/setup test` once, as `make test` does"));
        let since = Instant::now();
        while TcpStream::connect(self.address()).is_err() {
            assert!(since.elapsed() < Duration::from_secs(20), "Redis does not start");
            // There is no event to wait for: it is the connecting that tells.
            std::thread::yield_now();
        }
    }

    /// Ends it; what it knew is gone.
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Keeps its connections, and answers nothing, as a network that swallows everything.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// What its own client prints.
    pub fn ask(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string()]);
        if let Some(password) = self.password {
            command.env("REDISCLI_AUTH", password);
        }
        let output = command.args(arguments).output().expect("redis-cli is there");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn signal(&self, name: &str) {
        let pid = self.process.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
