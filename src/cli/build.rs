//! `autobuilder build`: one build, here and now, by the very runner that `serve` uses.

use std::path::PathBuf;

use anyhow::{Context, bail};

use super::{
    ConfigArgs, End, interrupt, load,
    once::{OneBuild, Outcome, build_once},
    run_async,
    show::Show,
    usage,
};
use crate::{
    catalog::{Catalog, Lookup, Planned},
    config::Config,
    logging,
    model::{Artifact, GitRef, Recipe, RelativePath, Repository},
    service,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The working tree of the configuration repository.
    #[arg(long, value_name = "DIR")]
    catalog: PathBuf,
    /// The repository, as `org/name`.
    repository: Repository,
    /// The branch; `refs/tags/…` for a tag.
    branch: String,
    /// Which script, if the branch file has several.
    #[arg(long)]
    script: Option<RelativePath>,
    /// A git repository on this machine to build from; without it, `github.clone_url` is used.
    #[arg(long, value_name = "PATH")]
    source: Option<PathBuf>,
    /// Where the artifact is left.
    #[arg(long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(args: Args, format: logging::Format) -> anyhow::Result<End> {
    logging::start(format, "warn");
    let config = load(&args.config)?;
    let full =
        if args.branch.starts_with("refs/") { args.branch.clone() } else { format!("refs/heads/{}", args.branch) };
    let git_ref: GitRef = full.parse().map_err(usage)?;
    let recipe = recipe(&args, &config, &git_ref)?;
    let one = OneBuild { repository: args.repository, git_ref, recipe, source: args.source, output: args.output };
    let show = Show::new();
    let outcome = run_async(async { build_once(&config, one, &show, interrupt::token()?).await });
    show.done();
    match outcome? {
        Outcome::Published(path, Artifact { size, sha256, .. }) => {
            show.say(&format!("published `{}` ({size} bytes, sha256 {sha256})", path.display()));
            Ok(End::Fine)
        }
        Outcome::Failed(message) => {
            show.say(&message);
            Ok(End::NotFine)
        }
    }
}

fn recipe(args: &Args, config: &Config, git_ref: &GitRef) -> anyhow::Result<Recipe> {
    let policy = service::policy(config).map_err(usage)?;
    let catalog = Catalog::load_directory(&args.catalog, &policy).map_err(usage)?;
    let planned = match catalog.lookup(&args.repository, git_ref) {
        Lookup::Recipes(planned) => planned,
        Lookup::Broken { path } => {
            return Err(usage(anyhow::anyhow!("`{path}` has mistakes: run `autobuilder check`")));
        }
        Lookup::UnknownRepository | Lookup::UnknownRef => {
            let kind = if git_ref.is_tag() { "tag" } else { "branch" };
            let (catalog, name) = (args.catalog.display(), git_ref.name());
            let what = format!("`{catalog}` has no file for {kind} `{name}` of `{}`", args.repository);
            return Err(usage(anyhow::anyhow!(what)));
        }
    };
    let wanted = |planned: &Planned| args.script.as_ref().is_none_or(|script| planned.recipe().script == *script);
    let known: Vec<_> = planned.iter().map(|planned| format!("`{}`", planned.recipe().script)).collect();
    let mut chosen: Vec<_> = planned.into_iter().filter(wanted).collect();
    match (chosen.pop(), chosen.is_empty()) {
        (Some(Planned::Ready(recipe)), true) => Ok(recipe),
        (Some(Planned::Refused { reason, .. }), true) => bail!("{reason}"),
        (Some(_), false) => {
            Err(usage(anyhow::anyhow!("there are several scripts, choose one by --script: {}", known.join(", "))))
        }
        (None, _) => Err(usage(anyhow::anyhow!("there is no such script; there is {}", known.join(", ")))),
    }
    .context("nothing was built")
}
