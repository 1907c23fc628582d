//! `autobuilder demo`: the world it makes, room to play in it, and that nothing of it remains.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    common::docker,
    program::{Program, Running, eventually, text},
};

/// The only folder in the program's temporary directory.
fn folder(program: &Program) -> PathBuf {
    let found = program.in_tmp();
    assert_eq!(found.len(), 1, "{found:?}");
    program.tmp().join(&found[0])
}

fn instance(folder: &Path) -> String {
    fs::read_to_string(folder.join("data/instance")).unwrap().trim().to_owned()
}

/// Starts a demonstration, up to where it invites to play.
fn invited(program: &Program) -> Running {
    let mut running = program.start(&["demo", "--listen", "127.0.0.1:0"]);
    running.until("Ctrl-C ends the demonstration");
    running
}

#[track_caller]
fn ends_and_leaves_nothing(program: &Program, running: Running, instance: &str, signal: &str) {
    running.signal(signal);
    let ended = running.end();
    let left = docker::leftovers(instance);
    docker::remove_leftovers(instance);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(left, Vec::<String>::new(), "{}", ended.stderr);
    assert_eq!(program.in_tmp(), Vec::<String>::new(), "{}", ended.stderr);
}

/// Runs a line of shell as a person would, in the demonstration's clone.
fn type_in(folder: &Path, line: &str) {
    let output = Command::new("sh").args(["-ec", line]).current_dir(folder.join("acme/hello")).output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn a_demonstration_builds_twice_says_how_it_went_and_goes() {
    docker::need_image();
    let program = Program::new();
    let ended = program.run(&["demo", "--once", "--listen", "127.0.0.1:0"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for expected in [
        "Watch: http://127.0.0.1:",
        "acme/hello  main    build.sh",
        "a good build: success: published acme-hello-main-",
        "a failing one: failure: the script `broken.sh` ended with exit code 2",
        "/artifacts/acme-hello-main.flist",
        "git commit -am",
    ] {
        assert!(ended.stdout.contains(expected), "no `{expected}` in\n{}", ended.stdout);
    }
    assert_eq!(ended.stderr, "");
    assert_eq!(program.in_tmp(), Vec::<String>::new());
}

#[test]
fn a_person_can_play_with_a_demonstration_by_the_commands_it_prints() {
    docker::need_image();
    let program = Program::new();
    let running = invited(&program);
    let folder = folder(&program);
    let link = folder.join("artifacts/acme-hello-main.flist");
    let before = fs::read_link(&link).unwrap();
    let printed: Vec<_> =
        running.seen.iter().skip_while(|line| *line != "Play with it:").skip(1).take(3).cloned().collect();
    assert!(printed[0].contains("acme/hello"), "{printed:?}");
    type_in(&folder, &printed.join("\n"));
    eventually("the push moves the link", || fs::read_link(&link).ok().filter(|now| *now != before));
    ends_and_leaves_nothing(&program, running, &instance(&folder), "INT");
}

#[test]
fn sigterm_ends_a_demonstration_in_the_middle_of_a_build() {
    docker::need_image();
    let program = Program::new();
    let running = invited(&program);
    let folder = folder(&program);
    let instance = instance(&folder);
    type_in(
        &folder,
        "printf '#!/bin/sh\\nsleep 600\\n' >build.sh; git commit --quiet -am Wait; git push --quiet origin main",
    );
    let filter = format!("label=autobuilder.instance={instance}");
    eventually("its container runs", || {
        Some(()).filter(|()| !docker::docker(&["ps", "--quiet", "--filter", &filter]).is_empty())
    });
    ends_and_leaves_nothing(&program, running, &instance, "TERM");
}

#[test]
fn a_demonstration_says_what_it_misses_before_it_makes_anything() {
    let no_engine = Program::new().set("DOCKER_HOST", "unix:///nowhere/engine.sock");
    let no_git = Program::new().set("PATH", "/nowhere");
    for (program, sentence) in
        [(no_engine, "start Docker or Podman"), (no_git, "the demonstration needs `git`: install it")]
    {
        let ended = program.run(&["demo", "--once"]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(sentence), "{}", ended.stderr);
        assert_eq!((ended.stdout.as_str(), program.in_tmp().len()), ("", 0));
    }
}

#[test]
fn a_demonstration_without_its_image_says_how_to_get_one() {
    let program = Program::new();
    // Nobody listens at port 1, so this registry gives nothing, at once and without the network.
    let ended = program.run(&["demo", "--once", "--image", "127.0.0.1:1/nothing:here"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("`scripts/setup demo` makes a small image"), "{}", ended.stderr);
    assert_eq!(program.in_tmp(), Vec::<String>::new());
}

#[test]
fn an_address_that_was_asked_for_is_never_replaced() {
    docker::need_image();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let program = Program::new();
    let ended = program.run(&["demo", "--once", "--listen", &address]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains(&format!("could not listen on {address}")), "{}", ended.stderr);
    assert_eq!(program.in_tmp(), Vec::<String>::new());
}

#[test]
fn a_demonstration_takes_a_free_port_if_the_usual_one_is_taken() {
    docker::need_image();
    // Taken by us, or by whoever was faster.
    let _taken = std::net::TcpListener::bind("127.0.0.1:5560");
    let ended = Program::new().run(&["demo", "--once"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("127.0.0.1:5560 is taken; listening at a free port instead."), "{}", ended.stdout);
    assert!(!ended.stdout.contains("http://127.0.0.1:5560/"), "{}", ended.stdout);
}
