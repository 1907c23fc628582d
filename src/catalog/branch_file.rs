//! What one branch file says, before the service's defaults and grants are applied.
//!
//! [`Section`] is both what the parser fills and what the JSON Schema is generated from, so that
//! editors and the service never disagree about a key.

use std::collections::HashMap;

use schemars::JsonSchema;

use super::{parse::compile, problem::Place, schema};
use crate::model::{AbsoluteDir, ByteSize, Format, HumanDuration, Network, RelativePath, Variables};

/// One `.yaml` file of the configuration repository, checked.
#[derive(Debug, Clone)]
pub(super) struct BranchFile {
    /// At least one, in the order of `buildscripts`.
    pub(super) scripts: Vec<Script>,
    /// Branches it stands for, if it is a pattern.
    pub(super) branches: Vec<Pattern>,
    /// Tags it stands for.
    pub(super) tags: Vec<Pattern>,
    /// Whether its refs are looked up from time to time, hook or not.
    pub(super) poll: bool,
}

/// One buildscript and its section.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) name: RelativePath,
    pub(super) section: Section,
    /// Where its keys stand, to point at the one that asks for too much.
    pub(super) places: Places,
}

/// Where the keys of a section stand.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) section: Place,
    pub(super) keys: HashMap<&'static str, Place>,
}

impl Places {
    /// The place of a key, or of the section that lacks it.
    pub(super) fn of(&self, key: &str) -> Place {
        self.keys.get(key).unwrap_or(&self.section).clone()
    }
}

/// A regular expression over whole names of refs.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub(super) text: String,
    regex: regex::bytes::Regex,
}

impl Pattern {
    /// Compiles it; the error says in half a sentence why that cannot be done.
    pub fn new(text: &str) -> Result<Self, String> {
        Ok(Self { text: text.to_owned(), regex: compile(text)? })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name.as_bytes())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl BranchFile {
    /// Whether it stands for what its patterns match, and its own name is only a label.
    pub(super) fn is_pattern(&self) -> bool {
        !self.branches.is_empty() || !self.tags.is_empty()
    }
}

/// How one script is run and what it leaves.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename_all = "lowercase", deny_unknown_fields)]
pub(super) struct Section {
    /// The file the script leaves: a name, or a relative path, below `archives`.
    #[schemars(schema_with = "schema::relative_path")]
    pub(super) artifact: RelativePath,
    /// The directory in the container where the script leaves it; an empty one is mounted there. Default `/target`.
    #[schemars(default = "schema::absent", schema_with = "schema::absolute_dir")]
    pub(super) archives: Option<AbsoluteDir>,
    /// The image the script runs in. Default: the service's `default_baseimage`.
    #[schemars(default = "schema::absent", schema_with = "schema::image")]
    pub(super) baseimage: Option<String>,
    /// An extra part of the artifact's name, to tell two artifacts of one branch apart.
    #[schemars(default = "schema::absent", schema_with = "schema::tag")]
    pub(super) tag: Option<String>,
    /// How the artifact is published: `flist` (an archive that a hub serves as an flist) or `binary` (the file as it
    /// is). Default `flist`.
    #[schemars(default)]
    pub(super) format: Format,
    /// More environment for the script, by name.
    #[schemars(default = "schema::absent", schema_with = "schema::environment")]
    pub(super) env: Variables,
    /// The longest the whole build may take, like `90s`, `45m` or `2h`. Default and ceiling come from the service.
    #[schemars(default = "schema::absent", schema_with = "schema::duration")]
    pub(super) timeout: Option<HumanDuration>,
    /// The most memory the container may use, like `512m` or `2g`. Default and ceiling come from the service.
    #[schemars(default = "schema::absent", schema_with = "schema::size")]
    pub(super) memory: Option<ByteSize>,
    /// Linux capabilities beyond the minimal set, like `SYS_ADMIN`. Only by the operator's grant.
    #[schemars(default = "schema::absent", schema_with = "schema::capabilities")]
    pub(super) capabilities: Vec<String>,
    /// The network the container sees: `bridge` (the outside, not other builds), `none`, or `host` (only by the
    /// operator's grant). Default `bridge`.
    #[schemars(default, schema_with = "schema::network")]
    pub(super) network: Network,
    /// Names of secrets that come in as environment. Only by the operator's grant.
    #[schemars(default = "schema::absent", schema_with = "schema::secrets")]
    pub(super) secrets: Vec<String>,
}
