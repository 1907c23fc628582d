//! The house keeps its shape: arrows point one way, each foreign crate has one door, files stay small.
//!
//! `docs/design.md` says why. Each test names every place that breaks its rule, and what to do there.

#![allow(clippy::unwrap_used)]

#[path = "house/source.rs"]
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use autobuilder::config::Config;
use source::Source;

/// The rank of each module; a module imports only lower ones.
const RANKS: [(&str, u8); 24] = [
    ("model", 0),
    ("sqlite", 0),
    ("shutdown", 0),
    ("logging", 0),
    ("tls", 0),
    ("git", 1),
    ("github", 1),
    ("bus", 1),
    ("hook", 1),
    ("publish", 1),
    ("store", 1),
    ("logs", 1),
    ("queue", 1),
    ("metrics", 1),
    ("catalog", 2),
    ("report", 2),
    ("live", 2),
    ("runner", 2),
    ("lifecycle", 3),
    ("intake", 4),
    ("http", 5),
    ("config", 6),
    ("service", 7),
    ("cli", 8),
];

/// What a module must not know, although its rank would let it.
const STRANGERS: [(&str, &[&str]); 6] = [
    ("catalog", &["queue"]),
    ("live", &["store"]),
    ("runner", &["store"]),
    ("lifecycle", &["runner", "catalog"]),
    ("intake", &["runner"]),
    ("http", &["queue", "runner"]),
];

/// Where alone a foreign crate may be named.
const DOORS: [(&str, &[&str]); 19] = [
    ("warp", &["http/"]),
    ("hyper", &["http/", "git/web/"]),
    ("hyper_util", &["http/", "git/web/"]),
    ("bollard", &["runner/engine"]),
    ("git2", &["git/", "git.rs"]),
    ("octocrab", &["github/", "github.rs"]),
    ("rusqlite", &["sqlite/", "sqlite.rs", "store/", "queue/", "queue.rs"]),
    ("rustls", &["tls.rs"]),
    ("reqwest", &["git/web/", "github/", "publish/zero_hub", "publish/bootstrap.rs"]),
    ("redis", &["bus/", "queue/"]),
    ("serde_yaml", &["catalog/"]),
    ("annotate_snippets", &["catalog/"]),
    ("tokio_tungstenite", &["live/"]),
    ("prometheus_client", &["metrics/", "metrics.rs"]),
    ("clap", &["cli/", "main.rs"]),
    ("clap_complete", &["cli/", "main.rs"]),
    ("clap_mangen", &["cli/", "main.rs"]),
    ("anyhow", &["cli/", "main.rs"]),
    ("indicatif", &["cli/", "main.rs"]),
];

/// What the words of the service are free of, so that everything may use them.
const NOT_IN_THE_MODEL: [&str; 5] = ["tokio", "futures_util", "tokio_util", "http", "reqwest"];

/// Code that ends the process, or speaks past the log.
const ROUGH: [(&str, &str); 9] = [
    (".unwrap()", "say what went wrong as an error"),
    (".expect(", "say what went wrong as an error"),
    ("panic!", "say what went wrong as an error"),
    ("todo!", "write it, or leave its place empty"),
    ("unimplemented!", "write it, or leave its place empty"),
    ("dbg!", "use tracing"),
    ("println!", "use tracing; only cli/ speaks to the terminal"),
    ("eprintln!", "use tracing; only cli/ speaks to the terminal"),
    ("process::Command", "the service starts no process: git is git2, the engine is its API"),
];

/// The one place of the service that starts a process: a kernel's proof that it boots has no API.
const BOOTS: &str = "runner/boot/machine.rs";

const LONGEST_FILE: usize = 400;

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

fn is_front(module: &str) -> bool {
    matches!(module, "lib" | "main")
}

/// Fails with all complaints at once, each a sentence.
#[track_caller]
fn nothing_wrong(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n  {}\n", complaints.join("\n  "));
}

fn wrong_imports(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some(own) = rank(module) else { return Vec::new() };
    let strangers = STRANGERS.iter().find(|(name, _)| *name == module).map_or(&[][..], |(_, strangers)| strangers);
    let mut complaints = Vec::new();
    for (line, other) in source.modules_named() {
        let Some(others) = rank(&other).filter(|_| other != module) else { continue };
        let place = format!("src/{}:{line}: `{module}`", source.path);
        if others >= own {
            complaints.push(format!(
                "{place} (rank {own}) imports `{other}` (rank {others}); it may only import lower ranks"
            ));
        } else if strangers.contains(&other.as_str()) {
            complaints.push(format!("{place} must not know `{other}`"));
        }
    }
    complaints
}

fn wrong_doors(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (krate, doors) in DOORS {
        if !doors.iter().any(|door| source.path.starts_with(door)) {
            for line in source.lines_naming(krate) {
                complaints.push(format!("src/{}:{line}: `{krate}` is named only in {}", source.path, doors.join(", ")));
            }
        }
    }
    if source.module() == "model" {
        for krate in NOT_IN_THE_MODEL {
            for line in source.lines_naming(krate) {
                complaints.push(format!("src/{}:{line}: the words of the service do not know `{krate}`", source.path));
            }
        }
    }
    complaints
}

fn rough_code(source: &Source) -> Vec<String> {
    let terminal = source.module() == "cli" || source.path == "main.rs";
    let mut complaints = Vec::new();
    for (text, advice) in ROUGH {
        let may_start_processes = terminal || source.path == BOOTS;
        if (terminal && text.ends_with("println!")) || (may_start_processes && text.ends_with("Command")) {
            continue;
        }
        for line in source.lines_with(text) {
            complaints.push(format!("src/{}:{line}: `{text}`: {advice}", source.path));
        }
    }
    complaints
}

#[test]
fn every_module_has_a_rank() {
    let ranked = |source: &Source| is_front(source.module()) || rank(source.module()).is_some();
    let homeless = Source::all().into_iter().filter(|source| !ranked(source));
    nothing_wrong(
        homeless
            .map(|source| format!("src/{}: give `{}` a rank in tests/house.rs", source.path, source.module()))
            .collect(),
    );
}

#[test]
fn a_module_imports_only_lower_ranks_and_no_stranger() {
    nothing_wrong(Source::all().iter().flat_map(wrong_imports).collect());
}

#[test]
fn each_foreign_crate_has_one_door() {
    nothing_wrong(Source::all().iter().flat_map(wrong_doors).collect());
}

#[test]
fn no_code_ends_the_process_or_speaks_past_the_log() {
    nothing_wrong(Source::all().iter().flat_map(rough_code).collect());
}

#[test]
fn every_file_says_first_what_it_is_for_and_stays_small() {
    let mut complaints = Vec::new();
    for source in Source::all() {
        let lines = source.text.lines().count();
        if !source.is_test && !source.text.starts_with("//! ") {
            complaints.push(format!("src/{}: begin with `//!`: its job, and why it is so", source.path));
        }
        if lines > LONGEST_FILE {
            complaints.push(format!("src/{}: {lines} lines; split it, {LONGEST_FILE} is the most", source.path));
        }
    }
    nothing_wrong(complaints);
}

/// The modules in the table of docs/design.md under "The house": rows of `| rank | module, … | job |`.
fn documented_modules() -> BTreeMap<String, u8> {
    let design = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/design.md")).unwrap();
    let mut modules = BTreeMap::new();
    for row in design.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let Ok(rank) = cells[1].parse() else { continue };
        let names = cells[2].split('`').skip(1).step_by(2);
        modules.extend(names.map(|name| (name.trim_end_matches('/').to_owned(), rank)));
    }
    modules
}

#[test]
fn the_design_names_exactly_the_modules_that_exist() {
    let sources = Source::all();
    let modules: BTreeSet<&str> = sources.iter().map(Source::module).filter(|module| !is_front(module)).collect();
    let documented = documented_modules();
    let mut complaints = Vec::new();
    for (name, stated) in &documented {
        if !modules.contains(name.as_str()) {
            complaints.push(format!("docs/design.md names `{name}`, and there is no such module below src/"));
        } else if rank(name) != Some(*stated) {
            complaints.push(format!("docs/design.md gives `{name}` rank {stated}, and tests/house.rs another"));
        }
    }
    let missing = modules.iter().filter(|name| !documented.contains_key(**name));
    complaints.extend(missing.map(|name| format!("docs/design.md: add a row for the module `{name}`")));
    nothing_wrong(complaints);
}

#[test]
fn the_sample_configuration_shows_every_key_with_its_default() {
    let sample = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.sample.toml")).unwrap();
    let sample: toml::Table = sample.parse().unwrap();
    let mut defaults = toml::Table::try_from(Config::default()).unwrap();
    // These have no default that would say anything; the sample shows them as comments.
    defaults.remove("grant");
    defaults["kernel"].as_table_mut().unwrap().remove("pipeline");
    defaults["catalog"].as_table_mut().unwrap().remove("repository");
    for section in defaults.keys().chain(sample.keys()) {
        assert_eq!(sample.get(section), defaults.get(section), "[{section}]: left the sample, right the defaults");
    }
}

// The reader that the tests above trust.

#[test]
fn an_import_of_an_equal_or_higher_rank_is_seen_in_every_form() {
    for code in [
        "use crate::http::Server;",
        "use crate::{model::Build, http};",
        "use crate::{\n    model::{Build, Push},\n    http as web,\n};",
        "fn f() -> crate::http::Server {}",
        "use super::super::http::Server;",
        "pub(crate) use crate::live::Board;",
    ] {
        assert_eq!(wrong_imports(&Source::new("runner/worker.rs", code)).len(), 1, "{code}");
    }
    assert_eq!(wrong_imports(&Source::new("git.rs", "use super::catalog;")).len(), 1);
    assert_eq!(wrong_imports(&Source::new("main.rs", "use autobuilder::cli;")).len(), 0);
}

#[test]
fn a_stranger_is_refused_although_it_ranks_lower() {
    let complaints = wrong_imports(&Source::new("live/board.rs", "\nuse crate::store::Store;"));
    assert_eq!(complaints, ["src/live/board.rs:2: `live` must not know `store`"]);
}

#[test]
fn what_is_said_in_comments_texts_and_tests_is_no_import() {
    let code = r##"
        //! See `crate::http::Server`.
        /* use crate::http; /* nested */ use bollard; */
        use crate::model::Build;
        const A: &str = "use crate::http; \" .unwrap()";
        const B: &str = r#"bollard::Docker "quoted" "#;
        const C: [char; 3] = ['"', '\'', '\\'];
        fn life<'a>(text: &'a str) -> super::Worker<'a> { text.unwrap_or_default() }
        #[cfg(test)]
        mod tests { use crate::http; fn f() { x.unwrap(); bollard::run("{") } }
    "##;
    let source = Source::new("runner/worker.rs", code);
    let complaints = [wrong_imports(&source), wrong_doors(&source), rough_code(&source)].concat();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn code_behind_texts_and_tests_is_still_read() {
    let code =
        "const A: char = '\"';\n#[cfg(test)]\nuse crate::x;\nfn f() { bollard::run().unwrap(); println!(\"\") }\n";
    let source = Source::new("hook/mod.rs", code);
    assert_eq!(wrong_doors(&source), ["src/hook/mod.rs:4: `bollard` is named only in runner/engine"]);
    assert_eq!(rough_code(&source).len(), 2);
    assert_eq!(
        wrong_doors(&Source::new("hook/mod.rs", "use hyper;\nuse hyper_util::rt;\nuse crate::hyper::X;")).len(),
        2
    );
}
