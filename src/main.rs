//! Decides only how to leave.

use std::process::ExitCode;

fn main() -> ExitCode {
    autobuilder::cli::run()
}
