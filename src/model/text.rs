//! Text that people wrote or forges made up, made fit to be stored and shown.

/// `text` without control characters other than newline and tab, cut to `limit` bytes on a
/// character's border.
pub fn clean(text: &str, limit: usize) -> String {
    let mut kept = String::with_capacity(text.len().min(limit));
    for c in text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')) {
        if kept.len() + c.len_utf8() > limit {
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go_and_letters_stay_whole() {
        assert_eq!(clean("a\0b\r\nc\td\u{1b}[31m\u{9b}", 100), "ab\nc\td[31m");
        assert_eq!(clean("aéé", 4), "aé");
        assert_eq!(clean("日本", 2), "");
    }
}
