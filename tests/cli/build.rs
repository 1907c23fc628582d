//! `autobuilder build`: one build without a service, by the same runner.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    common::{
        docker::{self, IMAGE},
        repository::Repository,
    },
    program::{BINARY, Program, Running, eventually, text},
};

struct Bench {
    program: Program,
    source: Repository,
}

const LOG: &[u8] = b"first\nnot text: \xff\xfe\nno end of line";

impl Bench {
    /// A source repository whose `build.sh` is this, and a catalog for its branch `main`.
    fn new(script: &str) -> Self {
        docker::need_image();
        let recipe =
            |script: &str, tag: &str| format!("{script}: {{artifact: r.tar.gz, tag: {tag}, baseimage: '{IMAGE}'}}\n");
        let file =
            format!("buildscripts: [build.sh, bad.sh]\n{}{}", recipe("build.sh", "good"), recipe("bad.sh", "bad"));
        let program = Program::new().with("builds/acme/tool/main.yaml", &file);
        let program = program.with("builds/acme/tool/gone.yaml", &file);
        // Relative, as an operator may write it; the engine takes absolute paths alone.
        let program = program.set("TMP_DIRECTORY", "tmp");
        let source = Repository::new(program.path(), "acme/tool");
        source.commit(&[("build.sh", script), ("bad.sh", "#!/bin/sh\necho before\nexit 3\n")]);
        Self { program, source }
    }

    fn arguments<'a>(&self, repository: &'a str, branch: &'a str, script: &'a str) -> Vec<&'a str> {
        let fixed =
            ["build", "--catalog", "builds", repository, branch, "--source", "work/acme/tool", "--output", "out"];
        fixed.into_iter().chain(["--script", script]).collect()
    }

    fn artifacts(&self) -> Vec<String> {
        let Ok(found) = fs::read_dir(self.program.path().join("out")) else { return Vec::new() };
        found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[track_caller]
    fn nothing_left(&self) {
        assert_eq!(self.program.in_tmp(), Vec::<String>::new());
    }
}

fn good() -> Bench {
    Bench::new(
        "#!/bin/sh\nprintf 'first\\nnot text: \\377\\376\\nno end of line'\ntar -czf /target/r.tar.gz build.sh\n",
    )
}

#[test]
fn a_build_leaves_its_artifact_and_its_log_and_nothing_else() {
    let bench = good();
    let output = bench.program.command(BINARY, &bench.arguments("acme/tool", "main", "build.sh")).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(output.stdout, LOG, "standard output is the log, byte for byte");
    let name = format!("acme-tool-good-main-{}.flist", &bench.source.head()[..10]);
    assert_eq!(bench.artifacts(), std::slice::from_ref(&name));
    let size = fs::metadata(bench.program.path().join("out").join(&name)).unwrap().len();
    assert!(said.contains(&format!("published `out/{name}` ({size} bytes")), "{said}");
    let stages: Vec<_> =
        ["creating", "preparing", "building", "uploading"].iter().map(|word| said.find(word)).collect();
    assert!(stages.iter().all(Option::is_some) && stages.is_sorted(), "{said}");
    bench.nothing_left();
}

#[test]
fn a_failing_script_is_a_failure_with_its_sentence() {
    let bench = good();
    let ended = bench.program.run(&bench.arguments("acme/tool", "main", "bad.sh"));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), "before\n"), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("autobuilder: the script `bad.sh` ended with exit code 3\n"), "{}", ended.stderr);
    assert_eq!(bench.artifacts(), Vec::<String>::new());
    bench.nothing_left();
}

#[test]
fn what_is_unknown_is_named_and_is_a_mistake_of_the_caller() {
    let bench = good();
    for (arguments, sentence) in [
        (bench.arguments("acme/other", "main", "build.sh"), "no file for branch `main` of `acme/other`"),
        (bench.arguments("acme/tool", "other", "build.sh"), "no file for branch `other` of `acme/tool`"),
        (bench.arguments("acme/tool", "gone", "build.sh"), "`acme/tool` has no branch `gone`"),
        (bench.arguments("acme/tool", "main", "none.sh"), "there is no such script; there is `build.sh`, `bad.sh`"),
        (vec!["build", "--catalog", "builds", "acme/tool", "main"], "choose one by --script: `build.sh`, `bad.sh`"),
    ] {
        let ended = bench.program.run(&arguments);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(sentence), "no `{sentence}` in {}", ended.stderr);
    }
    bench.nothing_left();
}

#[test]
fn a_build_says_that_it_builds_the_commit_and_not_the_work_tree() {
    let bench = good();
    let arguments = bench.arguments("acme/tool", "main", "build.sh");
    assert!(!bench.program.run(&arguments).stderr.contains("not committed"));
    fs::write(bench.program.path().join("work/acme/tool/build.sh"), "#!/bin/sh\nexit 9\n").unwrap();
    let ended = bench.program.run(&arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("what is not committed is not built"), "{}", ended.stderr);
}

#[test]
fn on_a_terminal_a_build_shows_how_it_goes() {
    let bench = good();
    let shown = bench.program.on_terminal(&bench.arguments("acme/tool", "main", "build.sh"));
    assert_eq!(shown.code, Some(0), "{}", shown.stdout);
    assert!(shown.stdout.contains("asking for `main`") && shown.stdout.contains("\x1b["), "{}", shown.stdout);
    let (log, end) = (shown.stdout.find("no end of line\r\n").unwrap(), shown.stdout.find("published").unwrap());
    assert!(log < end, "{}", shown.stdout);
}

#[test]
fn without_an_engine_a_build_says_so_and_makes_nothing() {
    let Bench { program, source } = good();
    let bench = Bench { program: program.set("DOCKER_HOST", "tcp://127.0.0.1:1"), source };
    let ended = bench.program.run(&bench.arguments("acme/tool", "main", "build.sh"));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("the container engine cannot be reached"), "{}", ended.stderr);
    bench.nothing_left();
}

/// The instance of the one build that runs in `program`'s temporary directory.
fn instance(program: &Program) -> String {
    let container = eventually("the build's container runs", || {
        let running = docker::docker(&["ps", "--no-trunc", "--format", "{{.ID}} {{.Mounts}}"]);
        let path = program.path().display().to_string();
        running.iter().find(|line| line.contains(&path)).map(|line| line.split(' ').next().unwrap().to_owned())
    });
    let label = "{{index .Config.Labels \"autobuilder.instance\"}}";
    docker::docker(&["inspect", "--format", label, &container]).remove(0)
}

/// Waits for the script, interrupts the build, and looks for what it left.
fn interrupted_leaves_nothing(bench: &Bench, mut running: Running, signal: &str) {
    running.until("waiting");
    let instance = instance(&bench.program);
    assert!(!docker::leftovers(&instance).is_empty());
    running.signal(signal);
    let ended = running.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.ends_with("autobuilder: the build was cancelled\n"), "{}", ended.stderr);
    let left = docker::leftovers(&instance);
    docker::remove_leftovers(&instance);
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(bench.artifacts(), Vec::<String>::new());
    bench.nothing_left();
}

#[test]
fn an_interrupted_build_ends_its_container_and_leaves_nothing() {
    for signal in ["INT", "TERM"] {
        let bench = Bench::new("#!/bin/sh\ntrap 'exit 0' TERM\necho waiting\nwhile :; do sleep 0.1; done\n");
        let running = bench.program.start(&bench.arguments("acme/tool", "main", "build.sh"));
        interrupted_leaves_nothing(&bench, running, signal);
    }
}

#[test]
fn a_reader_of_the_log_that_leaves_early_does_not_end_the_build() {
    let bench = good();
    let mut command = bench.program.command(BINARY, &bench.arguments("acme/tool", "main", "build.sh"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(bench.artifacts().len(), 1);
}

#[test]
fn a_forge_that_never_answers_does_not_hold_up_an_interrupted_build() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/{{repository}}.git", silent.local_addr().unwrap());
    let Bench { program, source } = good();
    let bench = Bench { program: program.set("AUTOBUILDER_GITHUB_CLONE_URL", &url), source };
    let arguments = ["build", "--catalog", "builds", "acme/tool", "main", "--script", "build.sh"];
    let running = bench.program.start(&arguments);
    // It has asked, and waits for the answer.
    let _asked = silent.accept().unwrap();
    running.signal("INT");
    let since = Instant::now();
    let ended = running.end();
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("the build was cancelled"), "{}", ended.stderr);
    bench.nothing_left();
}

#[test]
fn a_bare_repository_can_be_built_too() {
    let bench = good();
    bench.source.push_head("refs/heads/main");
    let mut arguments = bench.arguments("acme/tool", "main", "build.sh");
    let source = arguments.iter().position(|word| *word == "work/acme/tool").unwrap();
    arguments[source] = "forge/acme/tool.git";
    let status: Command = bench.program.command(BINARY, &arguments);
    let output = { status }.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}
