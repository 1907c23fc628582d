//! What the operator says about git: where repositories come from, and where their mirrors stand.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

/// The part of the configuration that concerns git.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address of a repository, with `{repository}` where its name goes: the only source of addresses.
    pub clone_url: String,
    /// Sent as a password to the host of `clone_url`, and to no other; never in a URL.
    pub token: Option<SecretString>,
    /// The directory of the bare mirrors.
    pub mirrors: PathBuf,
    /// How long one fetch may take as a whole.
    pub timeout: Duration,
    /// How long a forge may send nothing while an answer is due.
    pub silence: Duration,
}

impl Config {
    /// The defaults, with mirrors in this directory.
    pub fn new(mirrors: impl Into<PathBuf>) -> Self {
        Self {
            clone_url: "https://github.com/{repository}.git".to_owned(),
            token: None,
            mirrors: mirrors.into(),
            timeout: Duration::from_mins(10),
            // The patience of the web server in front of most forges: none of them answers later.
            silence: Duration::from_mins(1),
        }
    }
}
