//! What is searched for: a text, or a regular expression in the syntax of the regex crate.
//!
//! Expressions come from strangers. The engine's time is linear in what it reads, and what it may hold in memory is
//! bounded here. Bytes that are no UTF-8 are searched too; `.` does not match them.

use std::ops::Range;

use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use thiserror::Error;

use super::{
    seen::ESCAPE,
    within::{names, within_a_line},
};

/// The longest pattern, in bytes.
const LONGEST: usize = 1_000;

/// How deep an expression may be nested.
const DEEPEST: u32 = 50;

/// What an expression may take when compiled, in bytes.
const LARGEST: usize = 2 << 20;

/// What may be kept of the states that an expression goes through, in bytes, for each search.
const STATES: usize = 2 << 20;

/// What is searched for in each line.
#[derive(Debug)]
pub struct Pattern {
    matcher: Matcher,
    /// Whether escapes themselves are looked for, so that lines are taken as they are and not as they are seen.
    names_escapes: bool,
}

#[derive(Debug)]
enum Matcher {
    Text(Box<Finder<'static>>),
    Expression(Regex),
}

/// Why a pattern cannot be searched for.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    /// Nothing to look for.
    #[error("the search is empty: say what to look for")]
    Empty,
    /// Longer than any reasonable one.
    #[error("the search is longer than {LONGEST} bytes")]
    TooLong,
    /// A match lies within one line.
    #[error("a line holds no line break, so nothing can match: search for what stands in one line")]
    LineBreak,
    /// The syntax is wrong.
    #[error(
        "`{pattern}` is not a regular expression: {why}, at character {column}; the syntax is that of https://docs.rs/regex"
    )]
    Syntax {
        /// The whole expression.
        pattern: String,
        /// What is wrong.
        why: String,
        /// Where, from 1.
        column: usize,
    },
    /// It would take too much memory.
    #[error("`{0}` is too large a regular expression: repeat less often, or use fewer alternatives")]
    TooLarge(String),
}

impl Pattern {
    /// A text as it stands. `case` is whether upper and lower case differ.
    pub fn text(text: &str, case: bool) -> Result<Self, PatternError> {
        check(text)?;
        if text.contains('\n') {
            return Err(PatternError::LineBreak);
        }
        if case {
            let matcher = Matcher::Text(Box::new(Finder::new(text).into_owned()));
            return Ok(Self { matcher, names_escapes: text.as_bytes().contains(&ESCAPE) });
        }
        Self::expression(&regex_syntax::escape(text), false)
    }

    /// A regular expression; `^` and `$` are the ends of a line. `case` is whether upper and lower case differ.
    pub fn expression(text: &str, case: bool) -> Result<Self, PatternError> {
        // What was made of a text may be longer by its escapes.
        check(text)?;
        let mut parser =
            ParserBuilder::new().utf8(false).multi_line(true).case_insensitive(!case).nest_limit(DEEPEST).build();
        let expression = parser.parse(text).map_err(|error| explain(text, &error))?;
        let names_escapes = names(&expression, ESCAPE);
        // An expression prints as a pattern of the same meaning.
        let pattern = within_a_line(expression)?.to_string();
        let regex = RegexBuilder::new(&pattern).size_limit(LARGEST).dfa_size_limit(STATES).build();
        let regex = regex.map_err(|_| PatternError::TooLarge(text.to_owned()))?;
        Ok(Self { matcher: Matcher::Expression(regex), names_escapes })
    }

    /// Whether escapes themselves are looked for.
    pub(super) fn names_escapes(&self) -> bool {
        self.names_escapes
    }

    /// The first match in `lines` at or after `from`.
    pub(super) fn find(&self, lines: &[u8], from: usize) -> Option<Range<usize>> {
        match &self.matcher {
            Matcher::Text(finder) => {
                let start = from + finder.find(&lines[from..])?;
                Some(start..start + finder.needle().len())
            }
            Matcher::Expression(regex) => Some(regex.find_at(lines, from)?.range()),
        }
    }
}

fn check(text: &str) -> Result<(), PatternError> {
    match text.len() {
        0 => Err(PatternError::Empty),
        length if length > LONGEST => Err(PatternError::TooLong),
        _ => Ok(()),
    }
}

fn explain(pattern: &str, error: &regex_syntax::Error) -> PatternError {
    let (why, column) = match error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span().start.column),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span().start.column),
        other => (other.to_string(), 1),
    };
    PatternError::Syntax { pattern: pattern.to_owned(), why, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(pattern: Result<Pattern, PatternError>, lines: &str) -> Option<String> {
        let found = pattern.unwrap().find(lines.as_bytes(), 0)?;
        Some(lines[found].to_owned())
    }

    #[test]
    fn no_expression_matches_across_lines() {
        for (pattern, found) in [
            (r"^b.*$", Some("b1")),
            (r"\Ab\d\z", Some("b1")),
            (r"(?-m)^b.$", Some("b1")),
            (r"1\s*b", None),
            (r"a[^x]*c", None),
            (r"(?s)a.*c", None),
            (r"(?s-u)a.*c", None),
            (r"^$", None),
            (r"[\n\t]", None),
            (r"\bC\d\b", None),
            (r"(?i)\bC\d\b", Some("c1")),
        ] {
            assert_eq!(first(Pattern::expression(pattern, true), "a1\nb1\nc1").as_deref(), found, "{pattern}");
        }
        for impossible in [r"a\nb", "a\nb", r"(x|y\n)z", r"\x0a"] {
            assert_eq!(Pattern::expression(impossible, true).unwrap_err(), PatternError::LineBreak, "{impossible}");
        }
        assert_eq!(Pattern::text("a\nb", true).unwrap_err(), PatternError::LineBreak);
    }

    #[test]
    fn a_text_is_taken_as_it_stands_whatever_its_case() {
        assert_eq!(first(Pattern::text("a.c", true), "abc A.C a.c").unwrap(), "a.c");
        assert_eq!(first(Pattern::text("a.c", false), "abc A.C a.c").unwrap(), "A.C");
        assert_eq!(first(Pattern::text("ÄRGER", false), "ärger").unwrap(), "ärger");
        assert_eq!(first(Pattern::expression("ärger|x+", false), "ÄRGER").unwrap(), "ÄRGER");
        let bytes = Pattern::expression(r"(?-u)\xff+", true).unwrap().find(b"a\xff\xffb", 0);
        assert_eq!(bytes, Some(1..3));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = |pattern: &str| Pattern::expression(pattern, true).unwrap_err().to_string();
        assert!(
            said("foo(").starts_with("`foo(` is not a regular expression: unclosed group, at character 4"),
            "{}",
            said("foo(")
        );
        assert!(said("é*(?<!a)").contains("at character 3"), "{}", said("é*(?<!a)"));
        assert!(said(r"\p{Nope}").contains("at character 1"), "{}", said(r"\p{Nope}"));
        assert!(said("").contains("empty") && said(&"x".repeat(1_001)).contains("1000"));
        assert!(said("(((x{99}){99}){99}){99}").contains("too large"));
        assert!(said(&"(".repeat(400)).contains("not a regular expression"));
    }

    #[test]
    fn ordinary_expressions_are_not_too_large() {
        for ordinary in
            [r"\w+@\w+\.\w+", r"error|warning|fatal", r"\b\w{1,20}\s+\d{4}-\d\d-\d\d\b", r"(?i)undefined reference"]
        {
            assert!(Pattern::expression(ordinary, true).is_ok(), "{ordinary}");
        }
    }
}
