//! Keeps granted secrets out of the log, also when one is cut in two between two reads.
//!
//! Each byte of a secret becomes a star, so the log stays as long as the console and every offset
//! keeps its meaning. A script can always encode a secret so that no mask knows it again: the real
//! protection is to grant few.

use regex::bytes::Regex;

/// A shorter text would blacken half the log and protect nothing.
const SHORTEST: usize = 4;

/// The secrets of one build.
#[derive(Debug, Default)]
pub(super) struct Mask {
    /// Whole secrets, and the lines of those that have several; longest first.
    secrets: Vec<Vec<u8>>,
    pattern: Option<Regex>,
}

impl Mask {
    pub(super) fn new<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let with_lines = |value: &'a str| std::iter::once(value).chain(value.lines().map(str::trim));
        let mut secrets: Vec<_> = values
            .flat_map(with_lines)
            .filter(|text| text.len() >= SHORTEST)
            .map(|text| text.as_bytes().to_vec())
            .collect();
        secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        let any: Vec<_> = secrets
            .iter()
            .map(|secret| secret.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>())
            .collect();
        let pattern = (!any.is_empty()).then(|| Regex::new(&format!("(?-u){}", any.join("|"))).ok()).flatten();
        Self { secrets, pattern }
    }

    /// Masks what is there, and tells how many bytes may be kept now: a secret may have begun at the
    /// end. Of the last bytes all may be kept.
    pub(super) fn apply(&self, bytes: &mut [u8], last: bool) -> usize {
        let Some(pattern) = &self.pattern else { return bytes.len() };
        let found: Vec<_> = pattern.find_iter(bytes).map(|secret| secret.range()).collect();
        for secret in found {
            bytes[secret].fill(b'*');
        }
        if last { bytes.len() } else { bytes.len() - self.begun(bytes) }
    }

    /// The length of the longest end of `bytes` with which a secret begins.
    fn begun(&self, bytes: &[u8]) -> usize {
        let longest = self.secrets.first().map_or(0, Vec::len).saturating_sub(1);
        let ends = (1..=longest.min(bytes.len())).rev();
        ends.into_iter()
            .find(|length| {
                let end = &bytes[bytes.len() - length..];
                self.secrets.iter().any(|secret| secret.len() > *length && secret.starts_with(end))
            })
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Masks a text that comes in pieces, as the copier does: what was not kept is read again.
    fn in_pieces(mask: &Mask, text: &[u8], sizes: &[usize]) -> Vec<u8> {
        let (mut kept, mut sizes) = (Vec::new(), sizes.iter().cycle());
        let mut end = 0;
        while kept.len() < text.len() {
            end = (end + sizes.next().unwrap()).min(text.len());
            let mut piece = text[kept.len()..end].to_vec();
            let safe = mask.apply(&mut piece, end == text.len());
            kept.extend_from_slice(&piece[..safe]);
        }
        kept
    }

    #[test]
    fn a_secret_becomes_as_many_stars() {
        let mask = Mask::new(["hunter2!", "one line\nanother line"].into_iter());
        assert_eq!(in_pieces(&mask, b"x hunter2! y another line z", &[5]), b"x ******** y ************ z");
        assert_eq!(in_pieces(&mask, b"hunter is no secret", &[1]), b"hunter is no secret");
    }

    #[test]
    fn without_secrets_nothing_is_held_back() {
        let mut bytes = *b"anything";
        assert_eq!(Mask::new(["abc"].into_iter()).apply(&mut bytes, false), 8);
    }

    proptest! {
        #[test]
        fn no_cut_lets_a_secret_through(before in "[ab]{0,9}", after in "[ab]{0,9}", sizes in prop::collection::vec(1_usize..7, 1..5)) {
            let mask = Mask::new(["abba!ab"].into_iter());
            let text = format!("{before}abba!ab{after}");
            let masked = in_pieces(&mask, text.as_bytes(), &sizes);
            prop_assert_eq!(masked.len(), text.len());
            prop_assert!(!String::from_utf8(masked).unwrap().contains("abba!ab"));
        }
    }
}
