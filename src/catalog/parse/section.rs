//! The section of one script: every key checked, every problem reported.

use std::collections::{BTreeMap, HashMap};

use super::{
    keys::{self, SCRIPT_KEYS},
    report::{Mark, Report},
    tree::{Entry, Value},
    value::{self, CAPABILITY, IMAGE, TAG, VARIABLE},
};
use crate::{
    catalog::branch_file::{Places, Section},
    model::{AbsoluteDir, ByteSize, Format, HumanDuration, Network, RelativePath, Variables},
};

/// Less than this no engine starts a container with.
const LEAST_MEMORY: ByteSize = ByteSize(6 << 20);

/// Everything a section may hold, while it is being read.
#[derive(Default)]
struct Draft {
    artifact: Option<RelativePath>,
    archives: Option<AbsoluteDir>,
    baseimage: Option<String>,
    tag: Option<String>,
    format: Format,
    env: Variables,
    timeout: Option<HumanDuration>,
    memory: Option<ByteSize>,
    capabilities: Vec<String>,
    network: Network,
    secrets: Vec<String>,
}

/// Reads the section of the script that `entry` names.
pub(super) fn read(entry: &Entry, report: &mut Report<'_>) -> Option<(Section, Places)> {
    let Value::Map(entries) = &entry.value.value else {
        let message = format!("the section of `{}` is not a mapping", entry.key);
        report.error(entry.mark, message, "write its keys below it, indented: at least `artifact: <file name>`");
        return None;
    };
    let mut draft = Draft::default();
    let mut places = HashMap::new();
    for entry in entries {
        match SCRIPT_KEYS.iter().find(|key| **key == entry.key) {
            Some(key) => {
                places.insert(*key, report.place(span(entry)));
                draft.take(entry, report);
            }
            None => keys::unknown_script_key(&entry.key, entry.mark, report),
        }
    }
    if !places.contains_key("artifact") {
        let message = format!("`{}` does not say which file it leaves", entry.key);
        report.error(entry.mark, message, "add `artifact: <file name>`, the name of the file below `archives`");
    }
    Some((draft.finish()?, Places { section: report.place(entry.mark), keys: places }))
}

/// The value if it is on the key's line, else the key.
fn span(entry: &Entry) -> Mark {
    if entry.value.mark.line == entry.mark.line { entry.value.mark } else { entry.mark }
}

impl Draft {
    fn take(&mut self, entry: &Entry, report: &mut Report<'_>) {
        match entry.key.as_str() {
            "artifact" => self.artifact = value::parsed(entry, "write a file name, like `result.tar.gz`", report),
            "archives" => self.archives = value::parsed(entry, "write an absolute directory, like `/target`", report),
            "baseimage" => self.baseimage = image(entry, report),
            "tag" => self.tag = tag(entry, report),
            "format" => self.format = format(entry, report).unwrap_or_default(),
            "env" => self.env = environment(entry, report),
            "timeout" => self.timeout = timeout(entry, report),
            "memory" => self.memory = memory(entry, report),
            "capabilities" => self.capabilities = capabilities(entry, report),
            "network" => self.network = network(entry, report).unwrap_or_default(),
            "secrets" => self.secrets = secrets(entry, report),
            other => keys::unknown_script_key(other, entry.mark, report),
        }
    }

    fn finish(self) -> Option<Section> {
        Some(Section {
            artifact: self.artifact?,
            archives: self.archives,
            baseimage: self.baseimage,
            tag: self.tag,
            format: self.format,
            env: self.env,
            timeout: self.timeout,
            memory: self.memory,
            capabilities: self.capabilities,
            network: self.network,
            secrets: self.secrets,
        })
    }
}

fn image(entry: &Entry, report: &mut Report<'_>) -> Option<String> {
    value::formed(entry, IMAGE, "the name of an image", "write it as for `docker pull`, like `ubuntu:24.04`", report)
}

fn tag(entry: &Entry, report: &mut Report<'_>) -> Option<String> {
    let what = "usable in the name of an artifact";
    value::formed(entry, TAG, what, "use at most 64 letters, digits, `.`, `_`, `+` and `-`", report)
}

fn format(entry: &Entry, report: &mut Report<'_>) -> Option<Format> {
    one_of(entry, &[("flist", Format::Flist), ("binary", Format::Binary)], report)
}

fn network(entry: &Entry, report: &mut Report<'_>) -> Option<Network> {
    one_of(entry, &[("bridge", Network::Bridge), ("none", Network::None), ("host", Network::Host)], report)
}

fn one_of<T: Copy>(entry: &Entry, words: &[(&str, T)], report: &mut Report<'_>) -> Option<T> {
    let known = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let text = value::text(entry, &format!("write one of {known}"), report)?;
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if found.is_none() {
        let help = match keys::nearest(text, words.iter().map(|(word, _)| *word)) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("write one of {known}"),
        };
        report.error(entry.value.mark, format!("`{}` cannot be `{text}`", entry.key), help);
    }
    found
}

fn timeout(entry: &Entry, report: &mut Report<'_>) -> Option<HumanDuration> {
    let help = "write a number and a unit, like `90s`, `45m` or `2h`";
    let timeout: HumanDuration = value::parsed(entry, help, report)?;
    if timeout.0.is_zero() {
        report.error(entry.value.mark, "`timeout` is zero: the build would end before it begins", help);
        return None;
    }
    Some(timeout)
}

fn memory(entry: &Entry, report: &mut Report<'_>) -> Option<ByteSize> {
    let help = "write a number and a unit, like `512m` or `2g`";
    let memory: ByteSize = value::parsed(entry, help, report)?;
    if memory < LEAST_MEMORY {
        let message =
            format!("`memory`: {memory} bytes are too few: no container starts with less than {LEAST_MEMORY}");
        report.error(entry.value.mark, message, help);
        return None;
    }
    Some(memory)
}

fn environment(entry: &Entry, report: &mut Report<'_>) -> Variables {
    let help = "write names and values, like `env: {MODE: release}`";
    let Value::Map(entries) = &entry.value.value else {
        report.error(entry.mark, "`env` must be a mapping", help);
        return Variables::default();
    };
    let mut variables = BTreeMap::new();
    for variable in entries {
        let Value::Scalar { text, plain } = &variable.value.value else {
            report.error(variable.mark, format!("the value of `{}` is not a single text", variable.key), help);
            continue;
        };
        let text = if *plain && value::is_null(text) { "" } else { text };
        match Variables::new(BTreeMap::from([(variable.key.clone(), text.to_owned())])) {
            Ok(_) => _ = variables.insert(variable.key.clone(), text.to_owned()),
            Err(error) => report.error(variable.mark, error, "choose another name or value"),
        }
    }
    Variables::new(variables).unwrap_or_default()
}

fn capabilities(entry: &Entry, report: &mut Report<'_>) -> Vec<String> {
    let help = "write a list of Linux capabilities, like `[SYS_ADMIN]`";
    let texts = value::texts(entry, help, report);
    let mut names = Vec::with_capacity(texts.len());
    for (mark, text) in texts {
        let name = text.to_ascii_uppercase();
        if value::has_form(CAPABILITY, &name) && name != "ALL" {
            names.push(name.strip_prefix("CAP_").unwrap_or(&name).to_owned());
        } else {
            report.error(mark, format!("`{text}` is not a single Linux capability"), help);
        }
    }
    names
}

fn secrets(entry: &Entry, report: &mut Report<'_>) -> Vec<String> {
    let help = "write a list of names, like `[REGISTRY_TOKEN]`; the operator holds the values";
    let texts = value::texts(entry, help, report);
    let mut names = Vec::with_capacity(texts.len());
    for (mark, text) in texts {
        if value::has_form(VARIABLE, text) {
            names.push(text.to_owned());
        } else {
            report.error(mark, format!("`{text}` is not the name of a secret"), help);
        }
    }
    names
}
