//! The configuration repository as its users know it: files in, recipes and problems out.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::{fs, sync::Arc, thread, time::Instant};

use autobuilder::{
    catalog::{Catalog, Keeper, Lookup, Planned, Policy, Severity, SourceFile, render, schema},
    model::{GitRef, Network, Recipe, Repository},
};
use proptest::strategy::Strategy;

const GOOD: &str = "buildscripts: [build.sh]\nbuild.sh:\n  artifact: a.tar.gz\n";

fn file(path: &str, text: impl Into<String>) -> SourceFile {
    SourceFile { path: path.into(), text: text.into().into_bytes() }
}

/// A good file with a script of this name, so that a test sees which file was chosen.
fn named(path: &str, script: &str, top: &str) -> SourceFile {
    file(path, format!("{top}buildscripts: [{script}]\n{script}:\n  artifact: a.tar.gz\n"))
}

fn policy(grant: serde_json::Value) -> Policy {
    serde_json::from_value(serde_json::json!({ "grants": [grant] })).unwrap()
}

fn catalog(files: Vec<SourceFile>) -> Catalog {
    let catalog = Catalog::read(files, &Policy::default());
    assert!(catalog.problems().is_empty(), "{:#?}", catalog.problems());
    catalog
}

fn lookup(catalog: &Catalog, repository: &str, git_ref: &str) -> Lookup {
    catalog.lookup(&repository.parse::<Repository>().unwrap(), &git_ref.parse::<GitRef>().unwrap())
}

/// The scripts a push runs; what is refused has a `!` before it.
fn scripts(catalog: &Catalog, repository: &str, git_ref: &str) -> Vec<String> {
    match lookup(catalog, repository, git_ref) {
        Lookup::Recipes(planned) => planned.iter().map(script).collect(),
        other => panic!("{repository} {git_ref}: {other:?}"),
    }
}

fn script(planned: &Planned) -> String {
    match planned {
        Planned::Ready(recipe) => recipe.script.to_string(),
        Planned::Refused { recipe, .. } => format!("!{}", recipe.script),
    }
}

fn only_recipe(catalog: &Catalog, repository: &str, git_ref: &str) -> Recipe {
    match lookup(catalog, repository, git_ref) {
        Lookup::Recipes(planned) => match &planned[..] {
            [Planned::Ready(recipe)] => recipe.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn messages(catalog: &Catalog) -> Vec<String> {
    catalog.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn a_recipe_has_the_services_defaults_filled_in() {
    let catalog = catalog(vec![file("acme/tool/main.yaml", GOOD), file("README.md", "# Hello")]);
    let recipe = only_recipe(&catalog, "acme/tool", "refs/heads/main");
    assert_eq!((recipe.archives.as_str(), &*recipe.baseimage.to_string()), ("/target", "ubuntu:16.04"));
    assert_eq!((recipe.limits.timeout.to_string(), recipe.limits.memory.to_string()), ("45m".into(), "4g".into()));
    assert_eq!((recipe.network, recipe.tag), (Network::Bridge, None));
}

#[test]
fn a_branch_with_slashes_is_a_nested_file_and_not_its_last_part() {
    let catalog = catalog(vec![file("acme/tool/feature/x.yaml", GOOD)]);
    assert_eq!(scripts(&catalog, "acme/tool", "refs/heads/feature/x"), ["build.sh"]);
    for git_ref in ["refs/heads/x", "refs/heads/feature", "refs/heads/evil/feature/x", "refs/heads/feature/x.yaml"] {
        assert_eq!(lookup(&catalog, "acme/tool", git_ref), Lookup::UnknownRef, "{git_ref}");
    }
    assert_eq!(lookup(&catalog, "acme/too", "refs/heads/x"), Lookup::UnknownRepository);
    assert_eq!(lookup(&catalog, "acme/tool2", "refs/heads/x"), Lookup::UnknownRepository);
}

#[test]
fn a_sub_group_of_gitlab_is_part_of_the_repository() {
    let catalog = catalog(vec![file("group/sub/tool/main.yml", GOOD)]);
    assert_eq!(scripts(&catalog, "group/sub/tool", "refs/heads/main"), ["build.sh"]);
    assert_eq!(scripts(&catalog, "group/sub", "refs/heads/tool/main"), ["build.sh"]);
    assert!(catalog.tracks_repository(&"group/sub/tool".parse().unwrap()));
    assert!(!catalog.tracks_repository(&"group/su".parse().unwrap()));
}

#[test]
fn an_exact_file_beats_patterns_and_the_first_pattern_by_path_wins() {
    let catalog = catalog(vec![
        named("acme/tool/main.yaml", "exact.sh", ""),
        named("acme/tool/b.yaml", "second.sh", "branches: ['.*']\n"),
        named("acme/tool/a.yaml", "first.sh", "branches: ['release/.*', main]\ntags: ['v\\d+']\n"),
    ]);
    assert_eq!(scripts(&catalog, "acme/tool", "refs/heads/main"), ["exact.sh"]);
    assert_eq!(scripts(&catalog, "acme/tool", "refs/heads/release/1"), ["first.sh"]);
    assert_eq!(scripts(&catalog, "acme/tool", "refs/heads/other"), ["second.sh"]);
    assert_eq!(scripts(&catalog, "acme/tool", "refs/heads/a"), ["second.sh"], "a pattern's own name is a label");
}

#[test]
fn tags_build_only_by_patterns_of_tags() {
    let catalog = catalog(vec![
        named("acme/tool/main.yaml", "exact.sh", ""),
        named("acme/tool/x.yaml", "tag.sh", "tags: ['v\\d+']\n"),
    ]);
    assert_eq!(scripts(&catalog, "acme/tool", "refs/tags/v12"), ["tag.sh"]);
    for git_ref in ["refs/tags/main", "refs/tags/v12x", "refs/heads/v12", "refs/heads/x"] {
        assert_eq!(lookup(&catalog, "acme/tool", git_ref), Lookup::UnknownRef, "{git_ref}");
    }
}

#[test]
fn more_than_the_ceiling_is_refused_by_name_and_granted_by_the_operator() {
    let text = "\
buildscripts: [b.sh]
b.sh:
  artifact: a
  timeout: 3h
  memory: 64g
  network: host
  capabilities: [SYS_ADMIN]
  secrets: [TOKEN]
";
    let files = || vec![file("acme/tool/main.yaml", text)];
    let problems = messages(&Catalog::read(files(), &Policy::default()));
    for (start, grant) in [
        ("4:12: `timeout: 3h` is more than `acme/tool` may have: the most is 45m", "timeout = \"3h\""),
        ("5:11: `memory: 64g` is more than `acme/tool` may have: the most is 4g", "memory = \"64g\""),
        ("6:12: `acme/tool` asks for the network `host`", "network = [\"host\"]"),
        ("7:17: `acme/tool` asks for the capability `SYS_ADMIN`", "capabilities = [\"SYS_ADMIN\"]"),
        ("8:12: `acme/tool` asks for the secret `TOKEN`", "secrets = [\"TOKEN\"]"),
    ] {
        let start = format!("acme/tool/main.yaml:{start}");
        let told = |text: &String| text.starts_with(&start) && text.contains("[[grant]]") && text.contains(grant);
        assert!(problems.iter().any(told), "{start} is not in {problems:#?}");
    }
    let granted = policy(serde_json::json!({
        "repository": "acme/tool", "branch": "main", "timeout": "3h", "memory": "64g", "network": ["host"],
        "capabilities": ["CAP_SYS_ADMIN"], "secrets": ["TOKEN"],
    }));
    let catalog = Catalog::read(files(), &granted);
    assert!(catalog.problems().is_empty(), "{:#?}", catalog.problems());
    let recipe = only_recipe(&catalog, "acme/tool", "refs/heads/main");
    assert_eq!((recipe.network, recipe.limits.timeout.to_string().as_str()), (Network::Host, "3h"));
}

#[test]
fn a_pattern_is_refused_for_the_branches_that_have_no_grant() {
    let text = "branches: ['.*']\nbuildscripts: [b.sh]\nb.sh:\n  artifact: a\n  network: host\n";
    let policy = policy(serde_json::json!({ "repository": "acme/tool", "branch": "main", "network": ["host"] }));
    let catalog = Catalog::read(vec![file("acme/tool/any.yaml", text)], &policy);
    assert!(catalog.problems().is_empty());
    assert_eq!(scripts(&catalog, "acme/tool", "refs/heads/main"), ["b.sh"]);
    assert_eq!(scripts(&catalog, "acme/tool", "refs/heads/evil/main"), ["!b.sh"]);
}

#[test]
fn two_recipes_never_move_one_link() {
    let files = vec![file("acme/tool/a-b.yaml", GOOD), file("acme/tool/a/b.yaml", GOOD)];
    let catalog = Catalog::read(files, &Policy::default());
    let told = messages(&catalog);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("acme/tool/a/b.yaml:2:1: its artifact would be `acme-tool-a-b.flist`"), "{told:?}");
    assert_eq!(scripts(&catalog, "acme/tool", "refs/heads/a-b"), ["build.sh"]);
    assert!(matches!(lookup(&catalog, "acme/tool", "refs/heads/a/b"), Lookup::Broken { .. }));

    let twice = "buildscripts: [a.sh, b.sh]\na.sh: {artifact: x}\nb.sh: {artifact: y}\n";
    let told = messages(&Catalog::read(vec![file("acme/tool/main.yaml", twice)], &Policy::default()));
    assert!(told[0].starts_with("acme/tool/main.yaml:3:1: another script of this file"), "{told:?}");

    let catalog = self::catalog(vec![
        file("acme/tool/a-b.yaml", GOOD),
        named("acme/tool/x.yaml", "any.sh", "branches: ['.*']\ntags: ['.*']\n"),
    ]);
    assert_eq!(scripts(&catalog, "acme/tool", "refs/heads/a/b"), ["!any.sh"]);
    assert_eq!(scripts(&catalog, "acme/tool", "refs/tags/a-b"), ["!any.sh"]);
    assert_eq!(scripts(&catalog, "acme/tool", "refs/heads/c"), ["any.sh"]);
}

#[test]
fn files_in_wrong_places_are_told_where_to_stand() {
    let paths = ["x.yaml", "acme/x.yaml", "acme/tool/a..b.yaml", "acme/tool/main.yaml", "acme/tool/main.yml"];
    let mut files = paths.map(|path| file(path, GOOD)).to_vec();
    files.push(file(".github/workflows/ci.yaml", "on: push"));
    let catalog = Catalog::read(files, &Policy::default());
    let paths: Vec<_> = catalog.problems().iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["acme/tool/a..b.yaml", "acme/tool/main.yml", "acme/x.yaml", "x.yaml"]);
    assert!(catalog.problems()[3].help.contains("<org>/<repository>/<branch>.yaml"));
    assert_eq!(scripts(&catalog, "acme/tool", "refs/heads/main"), ["build.sh"]);
}

#[test]
fn a_bad_file_hurts_its_branch_alone_and_keeps_its_last_good_version() {
    let keeper = Keeper::new(Policy::default());
    let first = keeper.apply("1".into(), vec![file("acme/tool/main.yaml", GOOD), file("acme/tool/dev.yaml", GOOD)]);
    assert_eq!(first.added, ["acme/tool/dev.yaml", "acme/tool/main.yaml"]);
    let held = keeper.current();

    let tree = || vec![file("acme/tool/main.yaml", "buildscripts: [oops\n"), named("acme/tool/dev.yaml", "new.sh", "")];
    let second = keeper.apply("2".into(), tree());
    assert_eq!(second.kept, ["acme/tool/main.yaml"]);
    assert_eq!(second.changed, ["acme/tool/dev.yaml"]);
    assert!(second.has_errors() && second.removed.is_empty() && second.added.is_empty());
    let now = keeper.current();
    assert_eq!(now.revision(), Some("2"));
    assert_eq!(scripts(&now, "acme/tool", "refs/heads/main"), ["build.sh"]);
    assert_eq!(scripts(&now, "acme/tool", "refs/heads/dev"), ["new.sh"]);
    assert_eq!(scripts(&held, "acme/tool", "refs/heads/dev"), ["build.sh"], "a snapshot never changes");
}

#[test]
fn a_last_good_version_survives_a_restart() {
    let keeper = Keeper::new(Policy::default());
    keeper.apply("1".into(), vec![file("acme/tool/main.yaml", GOOD)]);
    let bad = || vec![file("acme/tool/main.yaml", "buildscripts: [oops\n")];
    keeper.apply("2".into(), bad());

    let restarted = Keeper::new(Policy::default());
    restarted.restore("2".into(), keeper.good_files());
    let again = restarted.apply("2".into(), bad());
    assert_eq!((again.kept.len(), again.problems.len()), (1, 1));
    assert_eq!(scripts(&restarted.current(), "acme/tool", "refs/heads/main"), ["build.sh"]);
}

#[test]
fn a_removed_file_is_no_longer_tracked_even_the_last_one() {
    let keeper = Keeper::new(Policy::default());
    keeper.apply("1".into(), vec![file("acme/tool/main.yaml", GOOD), file("acme/tool/dev.yaml", GOOD)]);
    let applied = keeper.apply("2".into(), vec![file("acme/tool/main.yaml", GOOD)]);
    assert_eq!(applied.removed, ["acme/tool/dev.yaml"]);
    assert_eq!(lookup(&keeper.current(), "acme/tool", "refs/heads/dev"), Lookup::UnknownRef);
    assert_eq!(keeper.apply("3".into(), Vec::new()).removed, ["acme/tool/main.yaml"]);
    assert_eq!(lookup(&keeper.current(), "acme/tool", "refs/heads/main"), Lookup::UnknownRepository);
}

#[test]
fn a_file_that_was_never_good_is_not_replaced_by_a_pattern() {
    let files = vec![file("acme/tool/main.yaml", "{"), named("acme/tool/x.yaml", "any.sh", "branches: ['.*']\n")];
    let catalog = Catalog::read(files, &Policy::default());
    let broken = Lookup::Broken { path: "acme/tool/main.yaml".into() };
    assert_eq!(lookup(&catalog, "acme/tool", "refs/heads/main"), broken);
    assert_eq!(scripts(&catalog, "acme/tool", "refs/heads/dev"), ["any.sh"]);
}

#[test]
fn who_has_a_link_keeps_it_when_a_newcomer_wants_it() {
    let keeper = Keeper::new(Policy::default());
    keeper.apply("1".into(), vec![file("acme/tool/a/b.yaml", GOOD)]);
    let second = keeper.apply("2".into(), vec![file("acme/tool/a/b.yaml", GOOD), file("acme/tool/a-b.yaml", GOOD)]);
    assert_eq!(second.problems[0].path, "acme/tool/a-b.yaml");
    assert_eq!(scripts(&keeper.current(), "acme/tool", "refs/heads/a/b"), ["build.sh"]);
}

#[test]
fn a_tighter_policy_refuses_what_it_no_longer_grants() {
    let keeper = Keeper::new(policy(serde_json::json!({ "repository": "acme/tool", "network": ["host"] })));
    keeper.apply("1".into(), vec![file("acme/tool/main.yaml", format!("{GOOD}  network: host\n"))]);
    assert_eq!(scripts(&keeper.current(), "acme/tool", "refs/heads/main"), ["build.sh"]);
    assert_eq!(keeper.set_policy(Policy::default()).problems.len(), 1);
    assert_eq!(scripts(&keeper.current(), "acme/tool", "refs/heads/main"), ["!build.sh"]);
}

#[test]
fn readers_see_one_tree_or_the_other_while_it_is_swapped() {
    let keeper = Arc::new(Keeper::new(Policy::default()));
    let tree = |script: &str| vec![named("acme/tool/a.yaml", script, ""), named("acme/tool/b.yaml", script, "")];
    keeper.apply("0".into(), tree("s0.sh"));
    let reader = thread::spawn({
        let keeper = Arc::clone(&keeper);
        move || {
            while keeper.current().revision() != Some("end") {
                let now = keeper.current();
                let a = scripts(&now, "acme/tool", "refs/heads/a");
                assert_eq!(a, scripts(&now, "acme/tool", "refs/heads/b"));
            }
        }
    });
    for turn in 0..200 {
        keeper.apply(turn.to_string(), tree(&format!("s{}.sh", turn % 7)));
    }
    keeper.apply("end".into(), tree("s0.sh"));
    reader.join().unwrap();
}

#[test]
fn a_directory_is_read_without_following_links() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::create_dir_all(root.join("acme/tool/feature")).unwrap();
    fs::create_dir_all(root.join(".git/a/b")).unwrap();
    fs::write(root.join(".git/a/b/c.yaml"), "{").unwrap();
    fs::write(root.join("README.md"), "# hello").unwrap();
    fs::write(root.join("acme/tool/feature/x.yaml"), GOOD).unwrap();
    fs::write(root.join("acme/tool/large.yaml"), "#".repeat(1 << 20)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.join("acme/tool/main.yaml")).unwrap();
    let catalog = Catalog::load_directory(root, &Policy::default()).unwrap();
    let found: Vec<_> = catalog.problems().iter().map(|problem| (problem.severity, problem.path.as_str())).collect();
    assert_eq!(found, [(Severity::Error, "acme/tool/large.yaml"), (Severity::Warning, "acme/tool/main.yaml")]);
    assert_eq!(scripts(&catalog, "acme/tool", "refs/heads/feature/x"), ["build.sh"]);
    assert!(Catalog::load_directory(&root.join("none"), &Policy::default()).is_err());
}

#[test]
fn problems_are_shown_with_place_line_caret_and_help_and_as_json() {
    let text = GOOD.replace("artifact", "artefact");
    let catalog = Catalog::read(vec![file("acme/tool/main.yaml", text)], &Policy::default());
    let shown = render(catalog.problems(), false);
    for part in [
        "error: unknown key `artefact`",
        "--> acme/tool/main.yaml:3:3",
        "3 |   artefact: a.tar.gz",
        "  |   ^^^^^^^^",
        "= help: did you mean `artifact`?",
    ] {
        assert!(shown.contains(part), "`{part}` is not in\n{shown}");
    }
    assert!(render(catalog.problems(), true).contains("\u{1b}["));
    let json = serde_json::to_value(catalog.problems()).unwrap();
    let expected = serde_json::json!({
        "severity": "error", "path": "acme/tool/main.yaml", "line": 3, "column": 3, "length": 8,
        "text": "  artefact: a.tar.gz", "message": "unknown key `artefact`", "help": "did you mean `artifact`?",
    });
    assert!(json.as_array().unwrap().contains(&expected), "{json:#}");
}

#[test]
fn what_is_watched_can_be_listed() {
    let catalog = catalog(vec![named("acme/tool/any.yaml", "any.sh", "poll: true\ntags: ['v.*']\n")]);
    let watched: Vec<_> = catalog.watched().collect();
    assert_eq!((watched[0].repository.as_str(), watched[0].label), ("acme/tool", "any"));
    assert_eq!(watched[0].tags, ["v.*"]);
    assert!(watched[0].poll && catalog.polls(&"acme/tool".parse().unwrap()));
    assert_eq!(script(&watched[0].recipes[0]), "any.sh");
}

#[test]
fn editors_and_the_service_agree_on_good_and_bad_files() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let section = |more: &str| format!("{{\"buildscripts\": [\"b.sh\"], \"b.sh\": {{\"artifact\": \"a\"{more}}}}}");
    let good = [
        section(""),
        section(r#", "tag": 1.1, "env": {"A": 1, "B": null, "C": true}, "timeout": "45m", "memory": "2g""#),
        section(r#", "format": "binary", "baseimage": "ghcr.io/acme/x:1", "archives": "/tmp/x", "network": "none""#),
    ];
    let bad = [
        "{}".to_owned(),
        "[]".to_owned(),
        r#"{"buildscripts": []}"#.to_owned(),
        r#"{"buildscripts": ["b.sh"], "b.sh": {}}"#.to_owned(),
        section(r#", "artefact": "x""#),
        section(r#", "privileged": true"#),
        section(r#", "format": "flits""#),
        section(r#", "baseimage": "Not An Image""#),
        section(r#", "tag": "a/b""#),
        section(r#", "timeout": 45"#),
        section(r#", "memory": "lots""#),
        section(r#", "network": "hots""#),
        section(r#", "archives": "target""#),
        section(r#", "env": {"A B": "x"}"#),
        section(r#", "env": ["A"]"#),
        section(r#", "capabilities": "SYS_ADMIN""#),
    ];
    for (documents, is_good) in [(&good[..], true), (&bad[..], false)] {
        for document in documents {
            // A JSON document is a YAML document.
            let parsed = Catalog::read(vec![file("acme/tool/main.yaml", document.clone())], &Policy::default());
            let value = serde_json::from_str(document).unwrap();
            assert_eq!(validator.is_valid(&value), is_good, "the schema on {document}");
            assert_eq!(parsed.problems().is_empty(), is_good, "the parser on {document}: {:?}", parsed.problems());
        }
    }
}

#[test]
fn too_many_files_are_cut_off_with_a_word() {
    let files = (0..5_001).map(|n| file(&format!("acme/tool/b{n:04}.yaml"), GOOD)).collect();
    let start = Instant::now();
    let catalog = Catalog::read(files, &Policy::default());
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    assert!(messages(&catalog)[0].contains("there are 5001 branch files"));
    assert_eq!(catalog.watched().count(), 5_000);
}

#[test]
fn the_guides_examples_are_good_files() {
    let guide = include_str!("../docs/catalog.md");
    let examples: Vec<&str> =
        guide.split("```yaml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        catalog(vec![file("acme/tool/main.yaml", example)]);
    }
}

#[test]
fn the_guides_problem_looks_as_it_really_does() {
    let text = "buildscripts: [build.sh]\n\nbuild.sh:\n  artefact: result.tar.gz\n";
    let catalog = Catalog::read(vec![file("acme/tool/main.yaml", text)], &Policy::default());
    let slip: Vec<_> =
        catalog.problems().iter().filter(|problem| problem.message.contains("artefact")).cloned().collect();
    assert!(include_str!("../docs/catalog.md").contains(&render(&slip, false)), "{}", render(&slip, false));
}

proptest::proptest! {
    #[test]
    fn no_text_however_odd_stops_the_service(
        pieces in proptest::collection::vec(
            proptest::prop_oneof![
                proptest::sample::select(vec![
                    "buildscripts", "b.sh", "artifact", "env", "branches", ":", ": ", "- ", "\n", "\n  ", "\t", "\r", "[",
                    "]", "{", "}", "&a ", "*a", "<<", "!!x ", "'", "\"", "|\n", ">\n", "---\n", "...\n", "#", "%YAML 1.2\n",
                    "? ", ",", "~", "é", "\u{feff}", "\u{202e}", "\0", "\\x1b",
                ]).prop_map(str::to_owned),
                "[ -~]{0,8}",
                "\\PC{0,4}",
            ],
            0..60,
        )
    ) {
        let catalog = Catalog::read(vec![file("acme/tool/main.yaml", pieces.concat())], &Policy::default());
        render(catalog.problems(), true);
        let quiet = |c: char| c == '\n' || !c.is_control();
        proptest::prop_assert!(render(catalog.problems(), false).chars().all(quiet));
    }
}
