//! Secrets cannot be printed, compared, or written out again.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One secret; empty if not set.
#[derive(Clone, Default)]
pub struct Secret(SecretString);

/// One or several secrets that are all valid, so that one can be replaced without a gap.
#[derive(Clone, Default)]
pub struct Secrets(Vec<SecretString>);

impl Secret {
    /// The secret, if it is set.
    pub fn get(&self) -> Option<&SecretString> {
        (!self.0.expose_secret().is_empty()).then_some(&self.0)
    }
}

impl Secrets {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn all(&self) -> &[SecretString] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

/// Written as if it were not set: what is written is only ever shown.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("")
    }
}

impl Serialize for Secrets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrSeveral)
    }
}

struct OneOrSeveral;

impl<'de> de::Visitor<'de> for OneOrSeveral {
    type Value = Secrets;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret or a list of secrets")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secrets, E> {
        Ok(Secrets(if text.is_empty() { Vec::new() } else { vec![text.into()] }))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Secrets, A::Error> {
        let mut secrets = Vec::new();
        while let Some(text) = items.next_element::<String>()? {
            if text.is_empty() {
                return Err(de::Error::custom("an empty secret protects nothing"));
            }
            secrets.push(text.into());
        }
        Ok(Secrets(secrets))
    }
}
