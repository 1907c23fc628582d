//! What travels on the bus: three topics, with the payloads that viewers get.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::BuildId;

/// The longest payload that is taken from outside, in bytes.
const LONGEST: usize = 16 << 20;

/// What a message is about, by the names that 0-autobuilder gave its topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Queued and running builds.
    Current,
    /// The last finished builds.
    History,
    /// Console output.
    Update,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Queued and running builds: a JSON object by build id.
    Current(Arc<str>),
    /// The last finished builds, newest first: a JSON array.
    History(Arc<str>),
    /// Console output of one build.
    Update(Update),
}

/// Console output of one build, on its way to screens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Whose.
    pub id: BuildId,
    /// The text, several lines of it; what was no UTF-8 is replaced.
    #[serde(rename = "line")]
    pub text: String,
    /// The byte of the log where it begins.
    pub offset: u64,
    /// The byte of the log after it: the text's own length says nothing where bytes were replaced.
    pub end: u64,
}

/// Why something that came from outside is no message.
#[derive(Debug, Error)]
pub enum NotAMessage {
    /// No topic of ours.
    #[error("there is no topic of that name")]
    Topic,
    /// More than anybody would send.
    #[error("its payload has {0} bytes, and {LONGEST} are the most")]
    TooLong(usize),
    /// No text.
    #[error("its payload is not UTF-8")]
    NotText,
    /// Not the JSON that belongs to the topic.
    #[error("its payload is not what the topic carries: {0}")]
    NotJson(#[from] serde_json::Error),
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Current, Self::History, Self::Update];

    /// The name, of the topic as of the key that holds its newest picture.
    pub fn name(self) -> &'static str {
        match self {
            Self::Current => "autobuilder-current",
            Self::History => "autobuilder-history",
            Self::Update => "autobuilder-update",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Message {
    /// Reads what came on a topic. What is inside the pictures is looked at by whoever shows them.
    pub fn parse(topic: &[u8], payload: &[u8]) -> Result<Self, NotAMessage> {
        let topic = Topic::ALL.into_iter().find(|known| known.name().as_bytes() == topic).ok_or(NotAMessage::Topic)?;
        if payload.len() > LONGEST {
            return Err(NotAMessage::TooLong(payload.len()));
        }
        let text = std::str::from_utf8(payload).map_err(|_| NotAMessage::NotText)?;
        Ok(match topic {
            Topic::Current => Self::Current(text.into()),
            Topic::History => Self::History(text.into()),
            Topic::Update => Self::Update(serde_json::from_str(text)?),
        })
    }

    /// What it is about.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Current(_) => Topic::Current,
            Self::History(_) => Topic::History,
            Self::Update(_) => Topic::Update,
        }
    }

    /// Its JSON.
    pub fn payload(&self) -> Arc<str> {
        match self {
            Self::Current(json) | Self::History(json) => json.clone(),
            Self::Update(update) => update.payload().into(),
        }
    }
}

impl Update {
    /// Its JSON.
    pub fn payload(&self) -> String {
        // Serialising strings and numbers into memory cannot fail; if it ever did, a screen shows nothing.
        serde_json::to_string(self).unwrap_or_else(|_| "null".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back_from_its_payload() {
        let update = Update { id: BuildId::new(), text: "\u{1b}[1mé\n".into(), offset: 3, end: 10 };
        for message in [Message::Current("{}".into()), Message::History("[]".into()), Message::Update(update)] {
            let name = message.topic().name().as_bytes();
            assert_eq!(Message::parse(name, message.payload().as_bytes()).unwrap(), message);
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let parse = |topic: &str, payload: &[u8]| Message::parse(topic.as_bytes(), payload).map_err(|e| e.to_string());
        assert!(parse("autobuilder", b"{}").unwrap_err().contains("no topic"));
        assert!(parse("autobuilder-current", b"\xff").unwrap_err().contains("UTF-8"));
        assert!(parse("autobuilder-current", &vec![b' '; LONGEST + 1]).unwrap_err().contains("bytes"));
        assert!(parse("autobuilder-update", br#"{"id":"../x","line":"","offset":0,"end":0}"#).is_err());
        assert!(parse("autobuilder-update", br#"{"id":"01900000000070008000000000000001"}"#).is_err());
    }
}
