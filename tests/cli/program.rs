//! One call of the program, in a directory of its own and with an environment without surprises.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tempfile::TempDir;

pub const BINARY: &str = env!("CARGO_BIN_EXE_autobuilder");

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Program {
    root: TempDir,
    environment: BTreeMap<String, String>,
}

/// How a call ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A call that goes on.
pub struct Running {
    child: Child,
    lines: Box<dyn Iterator<Item = String> + Send>,
    pub seen: Vec<String>,
    stderr: JoinHandle<String>,
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Program {
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("autobuilder-cli-").tempdir().unwrap();
        fs::create_dir(root.path().join("tmp")).unwrap();
        Self { root, environment: BTreeMap::new() }
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Where the program makes its own temporary folders.
    pub fn tmp(&self) -> PathBuf {
        self.path().join("tmp")
    }

    /// What is there now.
    pub fn in_tmp(&self) -> Vec<String> {
        fs::read_dir(self.tmp()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Writes a file first.
    pub fn with(self, path: &str, content: &str) -> Self {
        let file = self.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
        self
    }

    /// Sets a variable of the environment.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The call, not made yet.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AUTOBUILDER_")) {
            command.env_remove(name);
        }
        command.env_remove("NO_COLOR").env_remove("RUST_LOG").env_remove("TMP_DIRECTORY");
        command.env("TMPDIR", self.tmp()).env("TERM", "xterm").envs(&self.environment);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(BINARY, arguments).output().unwrap())
    }

    /// The same on a terminal of its own; standard error comes with standard output.
    pub fn on_terminal(&self, arguments: &[&str]) -> Ended {
        let line: Vec<_> = [BINARY].iter().chain(arguments).map(|word| format!("'{word}'")).collect();
        ended(self.command("script", &["-qec", &line.join(" "), "/dev/null"]).output().unwrap())
    }

    /// Starts it, and goes on.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(BINARY, arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut errors = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).unwrap();
            text
        });
        Running { child, lines: Box::new(lines), seen: Vec::new(), stderr }
    }
}

fn ended(output: Output) -> Ended {
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

impl Running {
    /// Reads on to the first line with this in it.
    pub fn until(&mut self, words: &str) -> String {
        for line in self.lines.by_ref() {
            self.seen.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
        panic!("it ended without `{words}`: {:#?}", self.seen);
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        self.seen.extend(self.lines.by_ref());
        let code = self.child.wait().unwrap().code();
        Ended {
            code,
            stdout: self.seen.join("\n"),
            stderr: std::mem::replace(&mut self.stderr, std::thread::spawn(String::new)).join().unwrap(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            // It cleans up on this; a failing test must not leave a service behind.
            self.signal("TERM");
            let _ = self.child.wait();
        }
    }
}

/// Asks again and again for what no event tells.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        #[allow(clippy::disallowed_methods, reason = "another program's work has no event here")]
        std::thread::sleep(Duration::from_millis(20));
    }
}
