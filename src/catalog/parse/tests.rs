//! Documents that people and attackers write, each with the place where it goes wrong.

use std::time::{Duration, Instant};

use super::{super::branch_file::BranchFile, branch_file};
use crate::catalog::problem::Problem;

const GOOD: &str = "buildscripts: [b.sh]\nb.sh:\n  artifact: a.tar.gz\n";

fn read(text: &str) -> Result<BranchFile, Vec<Problem>> {
    branch_file("acme/tool/main.yaml", text.as_bytes())
}

/// `line:column message | help` of every problem.
fn problems(bytes: &[u8]) -> Vec<String> {
    let start = Instant::now();
    let problems = branch_file("acme/tool/main.yaml", bytes).expect_err("it should be refused");
    assert!(start.elapsed() < Duration::from_secs(1), "took {:?}", start.elapsed());
    let line = |problem: &Problem| match &problem.place {
        Some(place) => format!("{}:{} {} | {}", place.line, place.column, problem.message, problem.help),
        None => format!("{} | {}", problem.message, problem.help),
    };
    problems.iter().map(line).collect()
}

#[track_caller]
fn refused(text: &str, place: &str, words: &str) {
    let found = problems(text.as_bytes());
    let hit = |line: &&String| line.starts_with(&format!("{place} ")) && line.contains(words);
    assert!(found.iter().any(|line| hit(&line)), "expected `{place} …{words}…` in {found:#?}");
}

#[test]
fn a_whole_file_is_read_with_every_key() {
    let text = "\
buildscripts: [autobuild/flist.sh, ./bin.sh]
branches: ['release/.*']
tags: ['v\\d+']
poll: true
autobuild/flist.sh: &base
  artifact: result.tar.gz
  archives: /tmp/archives/
  baseimage: ubuntu:24.04
  tag: 1.10
  timeout: 30m
  memory: 2g
  env: {MODE: release, N: 1, EMPTY: , NO: no}
bin.sh:
  <<: *base
  format: binary
  tag: no
  network: none
  capabilities: [cap_sys_admin]
  secrets: [TOKEN]
";
    let file = read(text).unwrap();
    assert!(file.poll && file.is_pattern());
    assert!(file.branches[0].matches("release/1") && !file.branches[0].matches("main"));
    let [flist, binary] = &file.scripts[..] else { panic!("two scripts") };
    assert_eq!(flist.section.tag.as_deref(), Some("1.10"), "a number keeps its text");
    assert_eq!(flist.section.archives.as_ref().unwrap().as_str(), "/tmp/archives");
    let environment: Vec<_> = flist.section.env.iter().collect();
    assert_eq!(environment, [("EMPTY", ""), ("MODE", "release"), ("N", "1"), ("NO", "no")]);
    assert_eq!(binary.name.as_str(), "bin.sh");
    assert_eq!(binary.section.artifact.as_str(), "result.tar.gz", "merged");
    assert_eq!(binary.section.tag.as_deref(), Some("no"), "its own key wins, and `no` is a word");
    assert_eq!(binary.section.capabilities, ["SYS_ADMIN"]);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    assert!(read(&format!("\u{feff}{}", GOOD.replace('\n', "\r\n"))).is_ok());
    refused("\u{feff}buildscripts: [b.sh]\r\nb.sh:\r\n  artefact: a\r\n", "3:3", "unknown key `artefact`");
}

#[test]
fn every_problem_of_a_file_is_told_at_once() {
    let text = "\
buildscripts: [b.sh, ../c.sh, d.sh]
pol: true
b.sh:
  artefact: x
  archives: /etc
  baseimage: Ubuntu Latest
  timeout: 45
  memory: lots
  tag: a/b
  format: flits
  privileged: true
  env: {LD_PRELOAD: x, OK: [1]}
";
    let found = problems(text.as_bytes());
    for start in [
        "1:22 `../c.sh` must be a relative path",
        "1:31 `d.sh` has no section",
        "2:1 `pol` is neither a key nor a script named in `buildscripts` | did you mean `poll`?",
        "3:1 `b.sh` does not say which file it leaves",
        "4:3 unknown key `artefact` | did you mean `artifact`?",
        "5:13 `archives`: `/etc` belongs to the system",
        "6:14 `baseimage`: `Ubuntu Latest` is not the name of an image",
        "7:12 `timeout`: `45` is not a duration",
        "8:11 `memory`: `lots` is not a size",
        "9:8 `tag`: `a/b` is not usable",
        "10:11 `format` cannot be `flits` | did you mean `flist`?",
        "11:3 `privileged` cannot be asked for: policy",
        "12:9 `LD_PRELOAD` may not be set",
        "12:24 the value of `OK` is not a single text",
    ] {
        assert!(found.iter().any(|line| line.starts_with(start)), "{start} is not in {found:#?}");
    }
    assert_eq!(found.len(), 14, "{found:#?}");
}

#[test]
fn keys_that_would_open_the_container_name_the_policy() {
    for key in ["privileged", "volumes", "cap_add", "devices", "network_mode", "pid", "ipc", "security_opt"] {
        refused(&format!("{GOOD}  {key}: host\n"), "4:3", "policy");
    }
    refused(&format!("{GOOD}  image: x\n"), "4:3", "did you mean `baseimage`?");
    refused(&format!("{GOOD}  zebra: x\n"), "4:3", "a script's keys are artifact");
}

#[test]
fn scripts_and_sections_belong_together() {
    refused("b.sh:\n  artifact: a\n", "1:1", "`buildscripts` is missing");
    refused("buildscript: [b.sh]\nb.sh:\n  artifact: a\n", "1:1", "did you mean `buildscripts`?");
    refused("buildscripts: []\n", "1:1", "is empty");
    refused("buildscripts: b.sh\nb.sh: {artifact: a}\n", "1:1", "must be a list");
    refused("buildscripts:\n- b.sh\n- b.sh\nb.sh: {artifact: a}\n", "3:3", "twice");
    refused("buildscripts: [tags]\ntags: {artifact: a}\n", "1:16", "write `./tags`");
    refused(&format!("{GOOD}other:\n  artifact: a\n"), "4:1", "is not named in `buildscripts`");
    refused(&format!("{GOOD}bb.sh:\n  artifact: a\n"), "4:1", "did you mean `b.sh`?");
    refused(&format!("{GOOD}./b.sh:\n  artifact: a\n"), "4:1", "second section");
    refused("buildscripts: [b.sh]\nb.sh: x\n", "2:1", "is not a mapping");
}

#[test]
fn values_have_the_types_they_should() {
    refused(&format!("{GOOD}poll: no\n"), "4:7", "neither `true` nor `false`");
    refused(&format!("{GOOD}poll: 'true'\n"), "4:7", "without quotes");
    refused(&format!("{GOOD}branches: main\n"), "4:1", "must be a list");
    refused(&format!("{GOOD}branches: []\n"), "4:1", "stand for nothing");
    refused(&format!("{GOOD}branches: ['a)|(b']\n"), "4:12", "not a regular expression");
    refused(&format!("{GOOD}  tag:\n"), "4:3", "`tag` has no value");
    refused(&format!("{GOOD}  tag: [a]\n"), "4:3", "`tag` is a list");
    refused(&format!("{GOOD}  timeout: 0s\n"), "4:12", "is zero");
    refused(&format!("{GOOD}  timeout: 1e400\n"), "4:12", "not a duration");
    refused(&format!("{GOOD}  memory: 512\n"), "4:11", "too few");
    refused(&format!("{GOOD}  capabilities: [ALL]\n"), "4:18", "not a single Linux capability");
    refused(&format!("{GOOD}  network: hots\n"), "4:12", "did you mean `host`?");
    refused(&format!("{GOOD}  secrets: ['A=B']\n"), "4:13", "not the name of a secret");
}

#[test]
fn text_that_is_not_yaml_says_where() {
    refused("buildscripts: [b.sh\nb.sh: x\n", "2:5", "not YAML");
    refused("buildscripts:\n\t- b.sh\n", "2:2", "indent with spaces");
    refused("buildscripts: 'b.sh\n", "1:15", "not YAML");
    refused(&format!("{GOOD}---\n{GOOD}"), "4:1", "one document");
    refused("", "1:1", "is empty");
    refused("# nothing\n", "1:1", "is empty");
    refused("~\n", "1:1", "is empty");
    refused("- a\n", "1:1", "a mapping of keys");
    refused("just text\n", "1:1", "a mapping of keys");
    refused(&format!("{GOOD}  ? [a]\n  : b\n"), "4:5", "a key is a list or a mapping");
}

#[test]
fn duplicate_keys_are_refused_wherever_they_stand() {
    refused(&format!("{GOOD}buildscripts: [b.sh]\n"), "4:1", "`buildscripts` is given twice");
    refused(&format!("{GOOD}  artifact: b\n"), "4:3", "`artifact` is given twice");
    refused(&format!("{GOOD}  env: {{A: 1, A: 2}}\n"), "4:15", "`A` is given twice");
}

#[test]
fn tags_and_anchors_do_nothing_but_share_values() {
    refused(&format!("{GOOD}  tag: !!python/object/apply:os.system ['id']\n"), "4:8", "YAML tag");
    refused(&format!("{GOOD}  tag: *nothing\n"), "4:8", "names no anchor");
    refused("buildscripts: &a [*a]\n", "1:19", "inside what it names");
    refused(&format!("{GOOD}  <<: text\n"), "4:3", "merges a mapping");
}

#[test]
fn bombs_go_off_in_nobodys_memory() {
    let mut laughs = String::from("a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for (new, old) in "bcdefghi".chars().zip("abcdefgh".chars()) {
        laughs += &format!("{new}: &{new} [{}]\n", vec![format!("*{old}"); 9].join(", "));
    }
    refused(&laughs, "1:1", "`buildscripts` is missing");
    refused(&format!("{laughs}buildscripts: *i\n"), "8:7", "not a text");

    let mut merges = String::from("a: &a {a1: 1, a2: 1, a3: 1}\n");
    for (new, old) in "bcdefghi".chars().zip("abcdefgh".chars()) {
        merges += &format!("{new}: &{new} {{<<: [{}]}}\n", vec![format!("*{old}"); 20].join(", "));
    }
    refused(&merges, "1:1", "`buildscripts` is missing");

    refused(&format!("a: [{}]\n", "*a, ".repeat(300)), "1:5", "names no anchor");
    refused(&format!("b: &a 1\na: [{}]\n", "*a, ".repeat(300)), "2:805", "more than 200 aliases");
    refused(&format!("a: [{}]\n", "1, ".repeat(20_000)), "1:29996", "more than 10000 values");
    assert!(problems("[".repeat(60_000).as_bytes())[0].contains("deeper than 16"));
    assert!(problems("- ".repeat(30_000).as_bytes())[0].contains("deeper than 16"));
    assert!(problems("a: {".repeat(15_000).as_bytes())[0].contains("deeper than 16"));
    assert!(problems("x".repeat(100_000).as_bytes())[0].contains("larger than 64 KiB"));
    assert!(problems(format!("a: {}", "x".repeat(60_000)).as_bytes())[0].contains("`buildscripts` is missing"));
}

#[test]
fn many_problems_are_counted_and_not_kept() {
    let text = format!("{GOOD}{}", (0..4_000).map(|n| format!("zz{n}: 1\n")).collect::<String>());
    let found = problems(text.as_bytes());
    assert_eq!(found.len(), 50, "{}", found.len());
    let text = format!("{GOOD}{}", (0..2_000).map(|n| format!("  zz{n}: 1\n")).collect::<String>());
    let found = problems(text.as_bytes());
    assert_eq!(found.len(), 51);
    assert!(found[50].contains("1950 more problems"), "{}", found[50]);
}

#[test]
fn other_encodings_are_named() {
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(GOOD.bytes().flat_map(|byte| [byte, 0])).collect();
    assert!(problems(&utf16)[0].contains("UTF-16"));
    assert!(problems(b"buildscripts: [b.sh]\nb.sh: \xe9\n")[0].starts_with("2:7 this byte is not UTF-8"));
    assert!(problems(b"a: \x00\n")[0].starts_with("1:"));
}
