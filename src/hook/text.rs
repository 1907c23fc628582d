//! Errors of parsers, made fit to be stored and shown.

use std::fmt;

use crate::model::clean;

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
    fn a_sentence_is_bounded_whatever_it_quotes() {
        assert_eq!(sentence(&"é\n".repeat(1_000_000)).len(), 399);
    }
}
