//! `autobuilder plan DIR`: what a working tree of the configuration repository would change.

use std::path::PathBuf;

use super::{ConfigArgs, End, load, terminal, usage};
use crate::{
    catalog::{Catalog, SourceFile},
    git::{self, TreeLimits},
    service,
};

/// More than any configuration repository needs.
const LIMITS: TreeLimits = TreeLimits { files: 5_000, file_bytes: 64 << 10 };

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The working tree of the configuration repository.
    directory: PathBuf,
    /// What it is compared with, like `origin/main`; without it the last commit.
    #[arg(long, value_name = "REV")]
    against: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<End> {
    let policy = service::policy(&load(&args.config)?).map_err(usage)?;
    let before = git::files_at(&args.directory, args.against.as_deref(), LIMITS).map_err(usage)?;
    let files = before.unwrap_or_default().into_iter().map(|(path, text)| SourceFile { path, text }).collect();
    let impact = Catalog::read(files, &policy).impact_of_directory(&args.directory).map_err(usage)?;
    terminal::print(&impact.text(terminal::colours()));
    terminal::print(&format!("{}\n", impact.summary()));
    Ok(if impact.has_errors() { End::NotFine } else { End::Fine })
}
