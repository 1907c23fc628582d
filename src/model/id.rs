//! A build's name: 32 hexadecimal digits, in the order of creation.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;
use uuid::Uuid;

/// A UUID version 7 (RFC 9562): later builds sort after earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BuildId(Uuid);

/// Why a text is not the id of a build.
#[derive(Debug, Error)]
#[error("`{0}` is not a build id: expected 32 hexadecimal digits")]
pub struct NotABuildId(pub String);

impl BuildId {
    /// A new id, later than every one before it in this process.
    #[expect(clippy::new_without_default, reason = "a default that differs each time would surprise")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl FromStr for BuildId {
    type Err = NotABuildId;

    fn from_str(text: &str) -> Result<Self, NotABuildId> {
        match text.len() {
            32 => Uuid::try_parse(text).map(Self).map_err(|_| NotABuildId(text.to_owned())),
            _ => Err(NotABuildId(text.to_owned())),
        }
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl Serialize for BuildId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BuildId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_ids_sort_after_earlier_ones_and_read_back() {
        let ids: Vec<_> = (0..1000).map(|_| BuildId::new()).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids[0].to_string().parse::<BuildId>().unwrap(), ids[0]);
        assert!("../../etc/passwd".parse::<BuildId>().is_err());
    }
}
