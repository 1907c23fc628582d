//! Text that people wrote or forges made up, made fit to be stored and shown.

use std::fmt;

/// `text` without control characters other than newline and tab, cut to `limit` bytes on a
/// character's border.
pub(super) fn clean(text: &str, limit: usize) -> String {
    let mut kept = String::with_capacity(text.len().min(limit));
    for c in text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')) {
        if kept.len() + c.len_utf8() > limit {
            break;
        }
        kept.push(c);
    }
    kept
}

/// An error's sentence on one line. Parsers quote what they refuse, which may be megabytes of it.
pub(super) fn sentence(error: &dyn fmt::Display) -> String {
    const LONGEST: usize = 400;
    let mut bounded = Bounded { text: String::new(), left: LONGEST };
    // The bound ends the writing; what was written by then is what is wanted.
    let _ = fmt::write(&mut bounded, format_args!("{error}"));
    clean(&bounded.text.replace(['\n', '\t'], " "), LONGEST)
}

struct Bounded {
    text: String,
    left: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.floor_char_boundary(self.left);
        self.text.push_str(&text[..end]);
        self.left -= end;
        if end < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
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

    #[test]
    fn a_sentence_is_bounded_whatever_it_quotes() {
        assert_eq!(sentence(&"é\n".repeat(1_000_000)).len(), 399);
    }
}
