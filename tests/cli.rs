//! The command line, by the real program: what it prints, where it prints it, and its exit code.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]
#![allow(unreachable_pub, reason = "modules of one test binary")]

#[path = "cli/build.rs"]
mod build;
mod common;
#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/program.rs"]
mod program;
#[path = "cli/settings.rs"]
mod settings;

use program::{Program, text};
use serde_json::{Value, json};

const GOOD: &str = "buildscripts: [build.sh]\n\nbuild.sh:\n  artifact: result.tar.gz\n";
const WRONG: &str = "buildscripts: [build.sh]\n\nbuild.sh:\n  artefact: result.tar.gz\n";

fn catalog(content: &str) -> Program {
    Program::new().with("builds/acme/tool/main.yaml", content).with("builds/README.md", "What is built.\n")
}

#[test]
fn check_says_nothing_bad_of_a_good_catalog() {
    let ended = catalog(GOOD).run(&["check", "builds"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "1 repositories, 1 recipes: no problems\n");
}

#[test]
fn check_points_at_a_mistake_and_says_what_to_change() {
    let ended = catalog(WRONG).run(&["check", "builds"]);
    assert_eq!(ended.code, Some(1));
    for expected in [
        "error: unknown key `artefact`",
        "--> acme/tool/main.yaml:4:3",
        "4 |   artefact: result.tar.gz\n",
        "  |   ^^^^^^^^",
        "did you mean `artifact`?",
    ] {
        assert!(ended.stdout.contains(expected), "no `{expected}` in\n{}", ended.stdout);
    }
}

#[test]
fn check_prints_json_for_programs() {
    let ended = catalog(WRONG).run(&["check", "builds", "--format", "json"]);
    assert_eq!(ended.code, Some(1));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let problems = report["problems"].as_array().unwrap();
    let unknown = problems.iter().find(|problem| problem["line"] == 4).unwrap();
    assert_eq!((&unknown["path"], &unknown["column"]), (&json!("acme/tool/main.yaml"), &json!(3)));
    assert_eq!((&unknown["severity"], &unknown["length"]), (&json!("error"), &json!(8)));
    assert!(unknown["help"].as_str().unwrap().contains("artifact"));
}

#[test]
fn plan_shows_what_a_working_tree_would_change() {
    let program = catalog(GOOD);
    let builds = program.path().join("builds");
    let plan = |arguments: &[&str]| program.run(&[&["plan", "builds"], arguments].concat());
    let all_new = plan(&[]);
    assert_eq!(all_new.code, Some(0), "{all_new:?}");
    assert!(all_new.stdout.contains("+ acme/tool main, build.sh: in ubuntu:16.04"), "{}", all_new.stdout);
    common::repository::git(&builds, &["init", "--quiet", "--initial-branch=main"]);
    common::repository::git(&builds, &["add", "--all"]);
    common::repository::git(&builds, &["commit", "--quiet", "--message", "What is built"]);
    assert!(plan(&[]).stdout.ends_with("nothing would change\n"), "{}", plan(&[]).stdout);
    std::fs::write(builds.join("acme/tool/main.yaml"), format!("{GOOD}  timeout: 5m\n")).unwrap();
    let changed = plan(&["--against", "main"]);
    assert!(
        changed.stdout.contains("timeout: 45m -> 5m") && changed.stdout.contains("1 changed"),
        "{}",
        changed.stdout
    );
    std::fs::write(builds.join("acme/tool/main.yaml"), WRONG).unwrap();
    let wrong = plan(&[]);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stdout.contains("--> acme/tool/main.yaml:4:3"), "{}", wrong.stdout);
    assert_eq!(plan(&["--against", "no-such-branch"]).code, Some(2));
}

#[test]
fn check_of_a_directory_that_is_not_there_is_a_mistake_of_the_caller() {
    let ended = Program::new().run(&["check", "nowhere"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("nowhere"), "{}", ended.stderr);
}

#[test]
fn colours_are_for_terminals_alone() {
    let program = catalog(WRONG);
    assert!(!program.run(&["check", "builds"]).stdout.contains('\x1b'));
    let shown = program.on_terminal(&["check", "builds"]);
    assert_eq!(shown.code, Some(1));
    assert!(shown.stdout.contains("\x1b["), "{}", shown.stdout);
    let plain = program.set("NO_COLOR", "1").on_terminal(&["check", "builds"]);
    assert!(!plain.stdout.contains('\x1b'), "{}", plain.stdout);
}

#[test]
fn the_schema_takes_a_good_branch_file_and_refuses_a_wrong_one() {
    let ended = Program::new().run(&["schema"]);
    assert_eq!(ended.code, Some(0));
    let schema: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&json!({"buildscripts": ["build.sh"], "build.sh": {"artifact": "result.tar.gz"}})));
    assert!(!validator.is_valid(&json!({"buildscripts": ["build.sh"], "build.sh": {"artefact": "result.tar.gz"}})));
}

#[test]
fn completions_and_manual_come_from_the_program_itself() {
    for (shell, word) in [("bash", "complete -F"), ("zsh", "#compdef autobuilder"), ("fish", "complete -c autobuilder")]
    {
        let ended = Program::new().run(&["completions", shell]);
        assert_eq!(ended.code, Some(0));
        assert!(ended.stdout.contains(word) && ended.stdout.contains("demo"), "{shell}: {}", ended.stdout);
    }
    let manual = Program::new().run(&["man"]);
    assert_eq!(manual.code, Some(0));
    assert!(manual.stdout.contains(".TH autobuilder 1"), "{}", manual.stdout);
    for command in ["serve", "relay", "check", "plan", "schema", "build", "demo", "config"] {
        let section = format!("\n.SH {}\n", command.to_uppercase());
        assert!(manual.stdout.contains(&section), "no {command} in\n{}", manual.stdout);
    }
    assert!(!manual.stdout.contains("deliver"));
}

#[test]
fn bash_takes_its_completions() {
    let script = Program::new().run(&["completions", "bash"]).stdout;
    let program = Program::new().with("completions", &script);
    let bash = std::process::Command::new("bash")
        .args(["-c", "source completions && COMP_WORDS=(autobuilder sch) COMP_CWORD=1 && _autobuilder autobuilder sch autobuilder && echo ${COMPREPLY[@]}"])
        .current_dir(program.path())
        .output()
        .unwrap();
    assert_eq!(text(&bash.stdout), "schema\n", "{}", text(&bash.stderr));
}

#[test]
fn wrong_usage_and_help_have_their_codes() {
    assert_eq!(Program::new().run(&["sevre"]).code, Some(2));
    assert_eq!(Program::new().run(&["build", "acme/tool"]).code, Some(2));
    assert_eq!(Program::new().run(&["demo", "--listen", "somewhere"]).code, Some(2));
    let help = Program::new().run(&["--help"]);
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("Usage: autobuilder") && !help.stdout.contains("deliver"));
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let line = format!("set -o pipefail; '{}' man | head -n 1", program::BINARY);
    let shell = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
    assert!(shell.status.success(), "{}", text(&shell.stderr));
    assert_eq!(text(&shell.stderr), "");
}
