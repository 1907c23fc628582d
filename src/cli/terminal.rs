//! What people see on a terminal.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

use super::once::BuildView;

/// Whether standard output takes colours.
pub(super) fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Prints an error with its whole chain of causes.
pub(super) fn complain(error: &anyhow::Error) {
    let mut stderr = std::io::stderr().lock();
    // A closed terminal hears no complaint either.
    let _ = writeln!(stderr, "autobuilder: {error:#}");
}

/// Prints to standard output; a reader that closed it early (`| head`) is no error.
pub(super) fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Shows a build as it goes: the log on standard output as it is, everything else on standard error,
/// with a progress bar for what takes long if that is a terminal.
pub(super) struct Show {
    bar: ProgressBar,
}

impl Show {
    pub(super) fn new() -> Self {
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::new_spinner();
        bar.set_style(ProgressStyle::default_spinner());
        Self { bar }
    }
}

impl BuildView for Show {
    fn stage(&self, text: &str) {
        if self.bar.is_hidden() {
            complain_line(text);
        } else {
            self.bar.set_message(text.to_owned());
            self.bar.enable_steady_tick(std::time::Duration::from_millis(120));
        }
    }

    fn progress(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    fn output(&self, bytes: &[u8]) {
        self.bar.suspend(|| {
            let mut stdout = std::io::stdout().lock();
            // A reader that closed the pipe early ends nothing: the build goes on.
            let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
        });
    }

    fn done(&self) {
        self.bar.finish_and_clear();
    }
}

fn complain_line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
