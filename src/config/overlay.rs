//! Lays the environment over the file, and remembers where each value came from.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use toml::{Table, Value};

use super::{Config, ConfigError};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The configuration file.
    File,
    /// A variable of the environment.
    Environment(String),
    /// A secret's own file.
    SecretFile(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("file"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::SecretFile(path) => write!(f, "file {path}"),
        }
    }
}

/// Keys whose value may stand in a file of its own, named by `<key>_file`.
const SECRETS: [(&str, &str); 6] = [
    ("server", "api_token"),
    ("webhook", "secret"),
    ("github", "token"),
    ("hub", "token"),
    ("kernel", "bootstrap_token"),
    ("redis", "url"),
];

const PREFIX: &str = "AUTOBUILDER_";

pub(super) fn read(
    text: &str,
    path: &Path,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let invalid = |problem: toml::de::Error| ConfigError::File { path: path.to_owned(), problem: problem.to_string() };
    let mut table: Table = toml::from_str(text).map_err(invalid)?;
    let mut sources = BTreeMap::new();
    note_file(&table, &mut sources);
    let has_secret_files = SECRETS.iter().any(|(section, key)| has(&table, section, &format!("{key}_file")));
    if !has_secret_files {
        // Read from the text while it is what counts, so that errors point at line and column.
        toml::from_str::<Config>(text).map_err(invalid)?;
    }
    lay_over(&mut table, &mut sources, environment)?;
    read_secret_files(&mut table, &mut sources)?;
    let mut config: Config = table.try_into().map_err(invalid)?;
    config.sources = sources;
    Ok(config)
}

fn has(table: &Table, section: &str, key: &str) -> bool {
    table.get(section).and_then(Value::as_table).is_some_and(|section| section.contains_key(key))
}

fn note_file(table: &Table, sources: &mut BTreeMap<String, Source>) {
    for (section, value) in table {
        match value {
            Value::Table(keys) => {
                sources.extend(keys.keys().map(|key| (format!("{section}.{key}"), Source::File)));
            }
            _ => {
                sources.insert(section.clone(), Source::File);
            }
        }
    }
}

fn lay_over(
    table: &mut Table,
    sources: &mut BTreeMap<String, Source>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    let known = Table::try_from(Config::default()).unwrap_or_default();
    // Sorted, so that our own name for a key wins over the one shared with other programs.
    let variables: BTreeMap<bool, Vec<(String, String)>> =
        environment.fold(BTreeMap::new(), |mut sorted, (name, value)| {
            sorted.entry(name.starts_with(PREFIX)).or_insert_with(Vec::new).push((name, value));
            sorted
        });
    for (name, value) in variables.into_values().flatten() {
        let Some((section, key)) = place(&name) else { continue };
        let wrong = |problem: String| ConfigError::Environment { name: name.clone(), problem };
        let base = key.strip_suffix("_file").filter(|base| SECRETS.contains(&(&section, base)));
        let default = known.get(&section).and_then(|keys| keys.get(base.unwrap_or(&key)));
        let Some(default) = default else {
            return Err(wrong(format!("there is no key `{key}` in a section `[{section}]`")));
        };
        let value = typed(&value, default).map_err(wrong)?;
        let keys = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(keys) = keys {
            keys.insert(key.clone(), value);
        }
        sources.insert(format!("{section}.{key}"), Source::Environment(name));
    }
    Ok(())
}

/// Which section and key a variable stands for.
fn place(name: &str) -> Option<(String, String)> {
    match name {
        "TMP_DIRECTORY" => Some(("build".into(), "tmp_directory".into())),
        "DOCKER_HOST" => Some(("docker".into(), "host".into())),
        // Tells where the file is; not a key in it.
        "AUTOBUILDER_CONFIG" => None,
        _ => {
            let (section, key) = name.strip_prefix(PREFIX)?.split_once('_')?;
            Some((section.to_ascii_lowercase(), key.to_ascii_lowercase()))
        }
    }
}

/// Reads a variable as the type the key's default has.
fn typed(text: &str, like: &Value) -> Result<Value, String> {
    let parse = |expected: &str| {
        toml::from_str::<Table>(&format!("value = {text}"))
            .ok()
            .and_then(|mut table| table.remove("value"))
            .filter(|value| value.same_type(like))
            .ok_or_else(|| format!("`{text}` is not {expected}"))
    };
    match like {
        Value::String(_) => Ok(Value::String(text.to_owned())),
        Value::Boolean(_) => parse("true or false"),
        Value::Integer(_) => parse("a whole number"),
        Value::Float(_) => text.parse().map(Value::Float).map_err(|_| format!("`{text}` is not a number")),
        Value::Array(_) => parse("a list, like [\"a\", \"b\"]"),
        Value::Table(_) => parse("a table, like {A = \"b\"}"),
        Value::Datetime(_) => Err("no key is a date".to_owned()),
    }
}

fn read_secret_files(table: &mut Table, sources: &mut BTreeMap<String, Source>) -> Result<(), ConfigError> {
    for (section, key) in SECRETS {
        let Some(Value::Table(keys)) = table.get_mut(section) else { continue };
        let Some(path) = keys.remove(&format!("{key}_file")) else { continue };
        let Some(path) = path.as_str() else {
            return Err(ConfigError::Invalid(format!("`{section}.{key}_file` must be a path")));
        };
        sources.remove(&format!("{section}.{key}_file"));
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let value = match lines.as_slice() {
            [] => return Err(ConfigError::Invalid(format!("`{path}`, named by `{section}.{key}_file`, is empty"))),
            [one] => Value::from(*one),
            // Several webhook secrets, a line each, while one is being replaced.
            several => Value::from(several.to_vec()),
        };
        keys.insert(key.to_owned(), value);
        sources.insert(format!("{section}.{key}"), Source::SecretFile(path.to_owned()));
    }
    Ok(())
}
