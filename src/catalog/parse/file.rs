//! The top level of a branch file: which scripts, which refs, and a section for each script.

use std::collections::HashMap;

use super::{
    keys::{self, TOP_KEYS},
    patterns,
    report::{Mark, Report},
    section,
    tree::{Entry, Node, Value},
    value,
};
use crate::{
    catalog::branch_file::{BranchFile, Pattern, Script},
    model::RelativePath,
};

/// More scripts than this in one file are a mistake, and each would be a container.
const MOST_SCRIPTS: usize = 64;

/// A script named in `buildscripts`, and where.
struct Listed {
    mark: Mark,
    name: RelativePath,
}

/// Reads the whole file. None if its author first has to mend something.
pub(super) fn read(root: Option<&Node>, report: &mut Report<'_>) -> Option<BranchFile> {
    let help = "begin with `buildscripts:` and a list of scripts";
    let entries = match root.map(|node| &node.value) {
        Some(Value::Map(entries)) => entries,
        Some(Value::Scalar { text, plain: true }) if value::is_null(text) => return empty(report),
        None => return empty(report),
        Some(_) => {
            report.error(root.map_or(Mark::START, |node| node.mark), "a branch file is a mapping of keys", help);
            return None;
        }
    };
    let listed = listed(entries, report);
    let sections = listed.as_ref().map(|listed| sections(entries, listed, report)).unwrap_or_default();
    Some(BranchFile {
        branches: patterns_of("branches", entries, report),
        tags: patterns_of("tags", entries, report),
        poll: find("poll", entries).and_then(|entry| value::boolean(entry, report)).unwrap_or_default(),
        scripts: scripts(&listed.unwrap_or_default(), &sections, report),
    })
}

fn empty(report: &mut Report<'_>) -> Option<BranchFile> {
    report.error(
        Mark::START,
        "this file is empty",
        "name at least one script under `buildscripts`, or remove the file",
    );
    None
}

fn find<'n>(key: &str, entries: &'n [Entry]) -> Option<&'n Entry> {
    entries.iter().find(|entry| entry.key == key)
}

fn patterns_of(key: &str, entries: &[Entry], report: &mut Report<'_>) -> Vec<Pattern> {
    find(key, entries).map(|entry| patterns::read(entry, report)).unwrap_or_default()
}

/// The scripts under `buildscripts`; none if there is no such list at all.
fn listed(entries: &[Entry], report: &mut Report<'_>) -> Option<Vec<Listed>> {
    let help = "write a list with at least one script, like `buildscripts: [build.sh]`";
    let Some(entry) = find("buildscripts", entries) else {
        let slip = entries.iter().find(|entry| keys::nearest(&entry.key, ["buildscripts"]).is_some());
        match slip {
            Some(slip) => {
                report.error(slip.mark, format!("unknown key `{}`", slip.key), "did you mean `buildscripts`?")
            }
            None => report.error(Mark::START, "`buildscripts` is missing: this file names no script", help),
        }
        return None;
    };
    let texts = value::texts(entry, help, report);
    if matches!(&entry.value.value, Value::List(nodes) if nodes.is_empty()) {
        report.error(entry.mark, "`buildscripts` is empty", help);
    }
    if texts.len() > MOST_SCRIPTS {
        report.error(entry.mark, format!("`buildscripts` names more than {MOST_SCRIPTS} scripts"), "name fewer");
        return None;
    }
    let mut listed: Vec<Listed> = Vec::with_capacity(texts.len());
    for (mark, text) in texts {
        match text.parse::<RelativePath>() {
            Ok(_) if TOP_KEYS.contains(&text) => {
                report.error(
                    mark,
                    format!("`{text}` is a key of this file"),
                    format!("write `./{text}` for the script"),
                );
            }
            Ok(name) if listed.iter().any(|other| other.name == name) => {
                report.error(mark, format!("`{text}` stands twice in `buildscripts`"), "remove one of the two");
            }
            Ok(name) => listed.push(Listed { mark, name }),
            Err(error) => report.error(mark, error, "write the script's path below the repository's root"),
        }
    }
    Some(listed)
}

/// Sections by the path their key names.
type Sections<'n> = HashMap<RelativePath, &'n Entry>;

/// The sections of listed scripts; every other key is a problem.
fn sections<'n>(entries: &'n [Entry], listed: &[Listed], report: &mut Report<'_>) -> Sections<'n> {
    let mut sections = Sections::new();
    for entry in entries.iter().filter(|entry| !TOP_KEYS.contains(&entry.key.as_str())) {
        let path = entry.key.parse::<RelativePath>().ok();
        match path.filter(|path| listed.iter().any(|script| script.name == *path)) {
            Some(path) if sections.contains_key(&path) => {
                report.error(entry.mark, format!("`{path}` has a second section here"), "keep one of the two");
            }
            Some(path) => _ = sections.insert(path, entry),
            None if report.is_full() => break,
            None => unlisted(entry, listed, report),
        }
    }
    sections
}

/// Reports a key that is neither ours nor the name of a listed script.
fn unlisted(entry: &Entry, listed: &[Listed], report: &mut Report<'_>) {
    let scripts = listed.iter().map(|script| script.name.as_str());
    let section = matches!(entry.value.value, Value::Map(_));
    match keys::nearest(&entry.key, scripts.chain(TOP_KEYS)) {
        Some(known) => {
            let message = format!("`{}` is neither a key nor a script named in `buildscripts`", entry.key);
            report.error(entry.mark, message, format!("did you mean `{known}`?"));
        }
        None if section => {
            let message = format!("`{}` has a section, and is not named in `buildscripts`", entry.key);
            report.error(entry.mark, message, "add it to `buildscripts`, or remove the section");
        }
        None => {
            let help = format!("remove it; a file's keys are {}, and its scripts", TOP_KEYS.join(", "));
            report.error(entry.mark, format!("unknown key `{}`", entry.key), help);
        }
    }
}

fn scripts(listed: &[Listed], sections: &Sections<'_>, report: &mut Report<'_>) -> Vec<Script> {
    let mut scripts = Vec::with_capacity(listed.len());
    for Listed { mark, name } in listed {
        let Some(entry) = sections.get(name) else {
            let help = format!("add `{name}:` with `artifact: <file name>` below it, indented");
            report.error(*mark, format!("`{name}` has no section of its own"), help);
            continue;
        };
        if let Some((section, places)) = section::read(entry, report) {
            scripts.push(Script { name: name.clone(), section, places });
        }
    }
    scripts
}
