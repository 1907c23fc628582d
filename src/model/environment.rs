//! Environment variables that a recipe or the operator adds to a build.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;

/// Variables by name, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Variables(BTreeMap<String, String>);

/// Why a variable may not be set.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ForbiddenVariable {
    /// The name is no name.
    #[error("`{0}` is not a variable name: use letters, digits and `_`, not starting with a digit")]
    Malformed(String),
    /// The service itself sets it, or it changes how programs are loaded.
    #[error("`{0}` may not be set by a recipe: the service or the container's programs rely on it")]
    Reserved(String),
    /// The value cannot be an environment variable.
    #[error("the value of `{0}` has a NUL character or is longer than 100 KiB")]
    Value(String),
}

/// Set by the service for every build.
const OURS: [&str; 11] =
    ["HOST", "BRANCH", "COMMIT", "COMMIT_SHORT", "MESSAGE", "TAG", "TIMESTAMP", "REPOSITORY", "REF", "BUILD_ID", "CI"];

/// Changes how every program in the container is found or loaded.
fn is_loader(name: &str) -> bool {
    name.starts_with("LD_") || name.starts_with("GIT_CONFIG") || matches!(name, "BASH_ENV" | "ENV" | "IFS")
}

impl Variables {
    /// Checks names and values.
    pub fn new(variables: BTreeMap<String, String>) -> Result<Self, ForbiddenVariable> {
        for (name, value) in &variables {
            check(name, value)?;
        }
        Ok(Self(variables))
    }

    /// Name and value, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn check(name: &str, value: &str) -> Result<(), ForbiddenVariable> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(ForbiddenVariable::Malformed(name.to_owned()));
    }
    if OURS.contains(&name) || is_loader(name) {
        return Err(ForbiddenVariable::Reserved(name.to_owned()));
    }
    if value.contains('\0') || value.len() > 100 * 1024 {
        return Err(ForbiddenVariable::Value(name.to_owned()));
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Variables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(BTreeMap::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_cannot_pose_as_the_service_or_change_the_loader() {
        for name in ["COMMIT", "LD_PRELOAD", "BASH_ENV", "GIT_CONFIG_COUNT", "1A", "A B", "", "A=B"] {
            let variables = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
            assert!(Variables::new(variables).is_err(), "{name}");
        }
        assert!(Variables::new(BTreeMap::from([("MODE".into(), "release".into())])).is_ok());
    }
}
