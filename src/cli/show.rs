//! One build as a person watches it: the log on standard output, byte for byte, and everything else on
//! standard error, with a moving line for what takes long if that is a terminal.

use std::{
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use indicatif::{HumanBytes, ProgressBar};

use super::terminal;
use crate::{
    git::{OnProgress, Progress as Fetch},
    model::{BuildId, Stage},
    runner::{Journal, Progress},
};

/// Who watches; clones are the same one.
#[derive(Clone)]
pub(super) struct Show {
    bar: ProgressBar,
    /// The log's last line has no end yet.
    open_line: Arc<AtomicBool>,
}

impl Show {
    pub(super) fn new() -> Self {
        // Hidden by itself where standard error is no terminal.
        Self { bar: ProgressBar::new_spinner(), open_line: Arc::default() }
    }

    /// A line that stays.
    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| terminal::say(text));
    }

    /// What is being done now, on the moving line.
    pub(super) fn moving(&self, text: String) {
        self.bar.set_message(text);
        self.bar.enable_steady_tick(Duration::from_millis(120));
    }

    /// What a fetch is told to report to.
    pub(super) fn on_fetch(&self) -> OnProgress {
        let show = self.clone();
        Arc::new(move |Fetch { done, total, bytes }| {
            show.moving(format!("{done} of {total} objects, {}", HumanBytes(bytes as u64)));
        })
    }

    /// Takes the moving line away, and ends the log's last line on a terminal.
    pub(super) fn done(&self) {
        self.bar.finish_and_clear();
        if self.open_line.swap(false, Ordering::Relaxed) && std::io::stdout().is_terminal() {
            terminal::print("\n");
        }
    }

    fn output(&self, bytes: &[u8]) {
        terminal::print_bytes(bytes);
        if let Some(last) = bytes.last() {
            self.open_line.store(*last != b'\n', Ordering::Relaxed);
        }
    }
}

impl Journal for Show {
    fn note(&self, _build: BuildId, progress: Progress) {
        match progress {
            Progress::Stage(stage) => {
                if stage > Stage::Initializing {
                    // The log has the terminal now: a moving line would overwrite a line without end.
                    self.done();
                }
                self.say(stage.as_str());
            }
            Progress::Pull(pull) => self.moving(pull.to_string()),
            Progress::Commit(_) | Progress::Image(_) | Progress::Container(_) => {}
            Progress::Output { bytes, .. } => self.output(&bytes),
        }
    }
}
