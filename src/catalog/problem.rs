//! What is wrong with the configuration repository: where, what, and what to change.

use std::fmt;

use serde::Serialize;

/// One mistake, for a person to mend. As JSON for `check --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether it keeps anything from being built.
    pub severity: Severity,
    /// The file, from the root of the configuration repository.
    pub path: String,
    /// Where in the file; none if it is about the file as a whole.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to change.
    pub help: String,
}

/// A stretch of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The first character of the stretch, from 1.
    pub column: usize,
    /// How many characters are marked, at least 1.
    pub length: usize,
    /// The whole line as it stands in the file.
    pub text: String,
}

/// How much a problem hurts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The branch is not built as the file now says.
    Error,
    /// Worth knowing; nothing is lost.
    Warning,
}

impl Problem {
    /// An error about a file as a whole.
    pub(super) fn of_file(path: &str, message: impl fmt::Display, help: impl fmt::Display) -> Self {
        Self {
            severity: Severity::Error,
            path: printable(path),
            place: None,
            message: printable(&message.to_string()),
            help: printable(&help.to_string()),
        }
    }

    /// An error at a place.
    pub(super) fn at(path: &str, place: Place, message: impl fmt::Display, help: impl fmt::Display) -> Self {
        Self { place: Some(place), ..Self::of_file(path, message, help) }
    }

    /// The same, as a warning.
    pub(super) fn as_warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }
}

/// `path:line:column: message (help)`, for logs.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {} ({})", self.message, self.help)
    }
}

/// The text without characters that could take over a terminal or turn its direction around.
pub(super) fn printable(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_cannot_send_commands_to_the_terminal_of_its_reader() {
        let problem = Problem::of_file("a\u{1b}[2J.yaml", "bad \u{202e}txet", "mend it");
        assert_eq!(problem.to_string(), "a\u{fffd}[2J.yaml: bad \u{fffd}txet (mend it)");
    }
}
