//! `autobuilder check DIR`: every mistake of a configuration repository, each with its place.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;

use super::{ConfigArgs, End, load, terminal, usage};
use crate::{
    catalog::{self, Catalog},
    service,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The working tree of the configuration repository.
    directory: PathBuf,
    /// How problems are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(args: &Args) -> anyhow::Result<End> {
    let policy = service::policy(&load(&args.config)?).map_err(usage)?;
    let catalog = Catalog::load_directory(&args.directory, &policy).map_err(usage)?;
    let problems = catalog.problems();
    let (repositories, recipes) = catalog.counts();
    match args.format {
        Format::Json => {
            let report = json!({"repositories": repositories, "recipes": recipes, "problems": problems});
            terminal::print(&format!("{report:#}\n"));
        }
        Format::Text => {
            terminal::print(&catalog::render(problems, terminal::colours()));
            let verdict = match problems.len() {
                0 => "no problems".to_owned(),
                1 => "1 problem".to_owned(),
                many => format!("{many} problems"),
            };
            terminal::print(&format!("{repositories} repositories, {recipes} recipes: {verdict}\n"));
        }
    }
    Ok(if catalog.has_errors() { End::NotFine } else { End::Fine })
}
