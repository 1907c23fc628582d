//! What people see on a terminal.

use std::io::{IsTerminal, Write};

/// Whether standard output takes colours.
pub(super) fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Prints an error with its whole chain of causes.
pub(super) fn complain(error: &anyhow::Error) {
    say(&format!("{error:#}"));
}

/// Prints a line of ours to standard error; a closed terminal hears nothing, and that is no error.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "autobuilder: {text}");
}

/// Prints to standard output; a reader that closed it early (`| head`) is no error.
pub(super) fn print(text: &str) {
    print_bytes(text.as_bytes());
}

/// The same, for what need not be text.
pub(super) fn print_bytes(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}
