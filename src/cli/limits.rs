//! How many files and connections the process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit to the most that is allowed: shells and systemd set a low one, for programs that
/// cannot count past it, and a thousand viewers need more.
pub(super) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let most = rustix::process::Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::debug!("The limit of open files stays as it is: {error}");
    }
}
