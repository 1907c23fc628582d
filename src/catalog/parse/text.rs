//! Bytes to text: UTF-8 of a bounded size, or a problem that says where it stops being that.

use crate::catalog::problem::{Place, Problem, printable};

/// A branch file is a few dozen lines; what is larger is something else.
pub(in crate::catalog) const LARGEST: usize = 64 * 1024;

/// The text without a byte order mark.
pub(super) fn decode<'a>(path: &str, bytes: &'a [u8]) -> Result<&'a str, Problem> {
    if bytes.len() > LARGEST {
        let message = "this file is larger than 64 KiB, and a branch file never is";
        return Err(Problem::of_file(path, message, "split it, or move what is not a branch file elsewhere"));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(start_of_file(path, "this file is written as UTF-16", "save it as UTF-8"));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => Err(not_utf8(path, bytes, error.valid_up_to())),
    }
}

fn start_of_file(path: &str, message: &str, help: &str) -> Problem {
    Problem::at(path, Place { line: 1, column: 1, length: 1, text: String::new() }, message, help)
}

fn not_utf8(path: &str, bytes: &[u8], valid: usize) -> Problem {
    let before = String::from_utf8_lossy(&bytes[..valid]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let whole = String::from_utf8_lossy(bytes);
    let text = printable(&whole.lines().nth(line - 1).unwrap_or_default().chars().take(300).collect::<String>());
    Problem::at(path, Place { line, column, length: 1, text }, "this byte is not UTF-8", "save the file as UTF-8")
}
