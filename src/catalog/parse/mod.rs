//! One branch file: text in, a checked [`BranchFile`] or every problem of it out.

mod file;
mod keys;
mod merge;
mod patterns;
mod report;
mod section;
mod text;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use self::report::Report;
use super::{branch_file::BranchFile, problem::Problem};

#[cfg(test)]
pub(super) use self::keys::{SCRIPT_KEYS, TOP_KEYS};
pub(super) use self::{
    patterns::compile,
    text::LARGEST,
    value::{CAPABILITY, IMAGE, TAG, VARIABLE},
};

/// Reads one file. The problems are never empty, and in the order of the file.
pub(super) fn branch_file(path: &str, bytes: &[u8]) -> Result<BranchFile, Vec<Problem>> {
    let text = text::decode(path, bytes)?;
    let mut report = Report::new(path, text);
    let file = match tree::read(text, &mut report) {
        Ok(root) => file::read(root.as_deref(), &mut report),
        Err(tree::Unreadable) => None,
    };
    match file {
        Some(file) if report.is_clean() => Ok(file),
        _ => Err(report.into_problems()),
    }
}
