//! Durations and sizes as people write them: `45m`, `90s`, `2h`; `64m`, `2g`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// A duration in whole milliseconds, written with one unit: `250ms`, `90s`, `45m`, `2h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(pub Duration);

/// A number of bytes, written with one unit: `512`, `64k`, `64m`, `2g`, `1t` (powers of 1024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Why a text is not a duration.
#[derive(Debug, Error)]
#[error("`{0}` is not a duration: write a number and a unit, like `90s`, `45m` or `2h`")]
pub struct NotADuration(pub String);

/// Why a text is not a size.
#[derive(Debug, Error)]
#[error("`{0}` is not a size: write a number and a unit, like `64m` or `2g`")]
pub struct NotASize(pub String);

const MILLIS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const BYTES: [(&str, u64); 5] = [("t", 1 << 40), ("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10), ("", 1)];

/// Splits `45m` into its number and its unit.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

fn scale(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = split(text)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

/// The largest unit that leaves a whole number.
fn write(value: u64, units: &[(&str, u64)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let fits = |(_, factor): &&(&str, u64)| value >= *factor && value.is_multiple_of(*factor);
    match units.iter().find(fits) {
        Some((unit, factor)) => write!(f, "{}{unit}", value / factor),
        None => write!(f, "0{}", units.last().map_or("", |(unit, _)| unit)),
    }
}

impl HumanDuration {
    /// For a sentence: `30 days`, `1 hour`.
    pub fn in_words(self) -> String {
        let short = self.to_string();
        let (count, unit) = split(&short).unwrap_or_default();
        let name = match unit {
            "d" => "day",
            "h" => "hour",
            "m" => "minute",
            "s" => "second",
            _ => "millisecond",
        };
        format!("{count} {name}{}", if count == 1 { "" } else { "s" })
    }
}

impl ByteSize {
    /// For a sentence, rounded: `512 B`, `1.5 GiB`.
    pub fn in_words(self) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"];
        let (mut value, mut unit) = (self.0 as f64, 0);
        while value >= 1024.0 && unit < units.len() - 1 {
            value /= 1024.0;
            unit += 1;
        }
        if unit == 0 { format!("{} B", self.0) } else { format!("{value:.1} {}", units[unit]) }
    }
}

impl FromStr for HumanDuration {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        let millis = scale(text.trim(), &MILLIS).ok_or_else(|| NotADuration(text.to_owned()))?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl FromStr for ByteSize {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let lower = text.trim().to_ascii_lowercase();
        let plain = lower.strip_suffix("ib").or(lower.strip_suffix('b')).unwrap_or(&lower);
        scale(plain, &BYTES).map(Self).ok_or_else(|| NotASize(text.to_owned()))
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return f.write_str("0s");
        }
        write(u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX), &MILLIS, f)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, &BYTES, f)
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

as_text!(HumanDuration);
as_text!(ByteSize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write() {
        for text in ["45m", "90s", "2h", "250ms", "7d", "0s"] {
            assert_eq!(text.parse::<HumanDuration>().unwrap().to_string(), text);
        }
        for text in ["", "45", "m", "-5m", "1.5h", "99999999999999999999s", "18446744073709551615d"] {
            assert!(text.parse::<HumanDuration>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_stands_in_a_sentence() {
        for (text, words) in [("30d", "30 days"), ("24h", "1 day"), ("36h", "36 hours"), ("1m", "1 minute")] {
            assert_eq!(text.parse::<HumanDuration>().unwrap().in_words(), words);
        }
    }

    #[test]
    fn sizes_read_and_write() {
        for text in ["64m", "2g", "1t", "512", "0"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        assert_eq!("2GiB".parse::<ByteSize>().unwrap(), ByteSize(2 << 30));
        assert!("two".parse::<ByteSize>().is_err());
        assert_eq!([512, 3 << 29].map(|bytes| ByteSize(bytes).in_words()), ["512 B", "1.5 GiB"]);
    }
}
