//! `branches:` and `tags:`: regular expressions over whole names.

use regex::bytes::{Regex, RegexBuilder};

use super::{report::Report, tree::Entry, value};
use crate::catalog::branch_file::Pattern;

/// The most patterns in one list.
const MOST: usize = 32;

/// The longest pattern, in bytes.
const LONGEST: usize = 250;

/// What one pattern may take when compiled, in bytes.
const LARGEST: usize = 256 * 1024;

/// Compiles every pattern of a list.
pub(super) fn read(entry: &Entry, report: &mut Report<'_>) -> Vec<Pattern> {
    let help = format!("write a list of regular expressions, like `{}: ['release/.*']`", entry.key);
    let texts = value::texts(entry, &help, report);
    if entry_is_empty(entry) {
        report.error(entry.mark, format!("`{}` is empty: this file would stand for nothing", entry.key), help);
    }
    if texts.len() > MOST {
        let message = format!("`{}` has more than {MOST} patterns", entry.key);
        report.error(entry.mark, message, "join several into one with `|`");
        return Vec::new();
    }
    let mut patterns = Vec::with_capacity(texts.len());
    for (mark, text) in texts {
        match Pattern::new(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(why) => report.error(
                mark,
                format!("`{text}` is not a regular expression we can use: {why}"),
                "the syntax is that of https://docs.rs/regex; `.*` stands for anything",
            ),
        }
    }
    patterns
}

fn entry_is_empty(entry: &Entry) -> bool {
    matches!(&entry.value.value, super::tree::Value::List(nodes) if nodes.is_empty())
}

/// A regular expression that matches whole names, byte by byte.
pub(in crate::catalog) fn compile(text: &str) -> Result<Regex, String> {
    if text.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    // Alone first: `a)|(b` is only whole once it stands between our parentheses.
    build(text)?;
    build(&format!(r"\A(?:{text})\z"))
}

fn build(text: &str) -> Result<Regex, String> {
    let regex = RegexBuilder::new(text).unicode(false).size_limit(LARGEST).nest_limit(30).build();
    regex.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it would take too much memory".to_owned(),
        // Its report of several lines ends with the reason.
        error => error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_whole_names() {
        let regex = compile(r"release/\d+|main").unwrap();
        for name in ["release/12", "main"] {
            assert!(regex.is_match(name.as_bytes()), "{name}");
        }
        for name in ["release/12x", "xmain", "domain", "main\n", "evil/release/1"] {
            assert!(!regex.is_match(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_pattern_cannot_leave_its_anchors_or_eat_the_memory() {
        for text in ["a)|(b", "(", "*", r"(?:a{1000}){1000}", &"a".repeat(1000), &"(".repeat(100)] {
            assert!(compile(text).is_err(), "{text}");
        }
    }
}
