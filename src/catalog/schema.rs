//! The JSON Schema of a branch file, for editors, generated from the types the parser fills.
//!
//! An editor reads YAML with types: `tag: 1.10` is a number to it. Where the service takes any plain
//! word as text, the schema therefore allows numbers and booleans too.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::Value;

use super::{
    branch_file::Section,
    parse::{CAPABILITY, IMAGE, TAG, VARIABLE},
};

/// What is built from one branch of one repository, or from every ref that matches.
#[derive(JsonSchema)]
#[schemars(title = "autobuilder branch file")]
#[expect(dead_code, reason = "only its shape is used")]
struct BranchFile {
    /// The scripts to run, by their paths in the repository; each becomes a build of its own, and each needs a section
    /// of the same name in this file.
    #[schemars(schema_with = "scripts")]
    buildscripts: Vec<String>,
    /// Regular expressions over whole names of branches. With them the file stands for every branch that matches, and
    /// its own name is only a label.
    #[schemars(default = "absent", schema_with = "patterns")]
    branches: Vec<String>,
    /// Regular expressions over whole names of tags. With them the file stands for every tag that matches, and its own
    /// name is only a label.
    #[schemars(default = "absent", schema_with = "patterns")]
    tags: Vec<String>,
    /// Whether the repository is looked up from time to time, hook or not. Default false.
    #[schemars(default = "absent", schema_with = "boolean")]
    poll: bool,
    /// One section for each script.
    #[schemars(flatten)]
    sections: BTreeMap<String, Section>,
}

/// The schema of a branch file (JSON Schema 2020-12).
pub fn schema() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<BranchFile>().to_value()
}

/// For optional keys: they need not be there, and their defaults are told in words.
pub(super) fn absent() -> Absent {
    Absent
}

/// No value, and none that could be written down.
pub(super) struct Absent;

fn scripts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": 64, "uniqueItems": true,
        "items": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^/]" },
    })
}

fn patterns(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": 32, "uniqueItems": true,
        "items": { "type": "string", "minLength": 1, "maxLength": 250 },
    })
}

fn boolean(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "boolean" })
}

pub(super) fn relative_path(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^/]" })
}

pub(super) fn absolute_dir(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 2, "maxLength": 255, "pattern": "^/" })
}

pub(super) fn image(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 255, "pattern": IMAGE })
}

pub(super) fn tag(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "number", "boolean"], "pattern": TAG })
}

pub(super) fn environment(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "pattern": VARIABLE },
        "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
    })
}

pub(super) fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^[0-9]+ ?(?:ms|s|m|h|d)$" })
}

pub(super) fn size(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "integer"], "pattern": "^[0-9]+ ?(?:[kKmMgGtT](?:[iI]?[bB])?|[bB])?$" })
}

pub(super) fn network(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["bridge", "none", "host"] })
}

pub(super) fn capabilities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "uniqueItems": true, "items": { "type": "string", "pattern": CAPABILITY } })
}

pub(super) fn secrets(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "uniqueItems": true, "items": { "type": "string", "pattern": VARIABLE } })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalog::parse::{SCRIPT_KEYS, TOP_KEYS};

    fn keys(properties: &Value) -> BTreeSet<&str> {
        properties.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn schema_and_parser_know_the_same_keys() {
        let schema = schema();
        assert_eq!(keys(&schema["properties"]), BTreeSet::from(TOP_KEYS));
        assert_eq!(schema["required"], serde_json::json!(["buildscripts"]));
        let section = &schema["$defs"]["Section"];
        assert_eq!(keys(&section["properties"]), BTreeSet::from(SCRIPT_KEYS));
        assert_eq!(section["required"], serde_json::json!(["artifact"]));
        for (key, property) in section["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "`{key}` has no description");
        }
    }
}
