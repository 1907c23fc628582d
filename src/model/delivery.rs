//! One webhook call as received, with the verdict on it.

use std::{fmt, str::FromStr};

use super::{BuildId, Timestamp, ending::keyword};

/// The id a forge gives a delivery (`X-GitHub-Delivery`, `Idempotency-Key`): at most 100 printable
/// characters, kept as given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryId(Box<str>);

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Builds were made.
    Accepted,
    /// Nothing to build; the reason says why.
    Ignored,
    /// The same push was accepted before.
    Duplicate,
    /// A greeting.
    Ping,
    /// The signature or the body was refused.
    Refused,
}

keyword!(Verdict {
    Accepted => "accepted",
    Ignored => "ignored",
    Duplicate => "duplicate",
    Ping => "ping",
    Refused => "refused",
});

/// A line of the delivery ledger.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The forge's id for it, if it gave one.
    pub id: Option<DeliveryId>,
    /// When it came.
    pub received: Timestamp,
    /// Which event, as the forge names it.
    pub event: String,
    /// Which repository it names, if it was read that far.
    pub repository: Option<String>,
    /// Which ref it names, if it was read that far.
    pub git_ref: Option<String>,
    /// Where the ref stands after it.
    pub after: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub reason: String,
    /// The builds it made or belongs to.
    pub builds: Vec<BuildId>,
}

impl DeliveryId {
    /// The id as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeliveryId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let fits = !text.is_empty() && text.len() <= 100 && text.chars().all(|c| c.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(()) }
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Verdict {
    /// Every verdict, for metrics.
    pub const ALL: [Self; 5] = [Self::Accepted, Self::Ignored, Self::Duplicate, Self::Ping, Self::Refused];
}
