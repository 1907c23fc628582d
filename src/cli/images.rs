//! `autobuilder images`: the base images of this service, and what of them may go.

use std::fmt::Write;

use clap::ValueEnum;
use serde_json::json;

use super::{ConfigArgs, End, load, run_async, terminal, usage};
use crate::{
    config::Config,
    logging,
    model::Timestamp,
    runner::{Engine, Listed},
    service, store,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Remove what newer images have replaced, as the service itself does from time to time.
    #[arg(long)]
    prune: bool,
    /// With `--prune`: only tell what would be removed.
    #[arg(long, requires = "prune")]
    dry_run: bool,
    /// How images are printed.
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

pub(super) fn run(args: &Args, format: logging::Format) -> anyhow::Result<End> {
    logging::start(format, "warn");
    let config = load(&args.config)?;
    let directory = &config.store.directory;
    let instance = store::existing_instance(directory)
        .map_err(|error| usage(anyhow::anyhow!("could not read `{}`: {error}", directory.display())))?;
    // Where no service has run yet, there is nothing.
    let images = match instance {
        Some(instance) => run_async(look(&config, &instance, args))?,
        None => Vec::new(),
    };
    match args.format {
        Format::Json => {
            let all: Vec<_> = images.iter().map(document).collect();
            terminal::print(&format!("{:#}\n", json!(all)));
        }
        Format::Text => terminal::print(&describe(&images, args)),
    }
    Ok(End::Fine)
}

/// All images; with `--prune` those that went, or would go.
async fn look(config: &Config, instance: &str, args: &Args) -> anyhow::Result<Vec<Listed>> {
    let host = (!config.docker.host.is_empty()).then_some(config.docker.host.as_str());
    let (engine, keep) = (Engine::new(host, instance)?, service::keep(&config.kernel));
    if args.prune && !args.dry_run {
        return Ok(engine.prune_bases(keep).await?);
    }
    let images = engine.list_bases(keep).await?;
    Ok(images.into_iter().filter(|image| !args.prune || image.may_go()).collect())
}

fn document(listed: &Listed) -> serde_json::Value {
    let (image, origin) = (&listed.image, &listed.image.origin);
    json!({
        "id": image.id,
        "names": image.names,
        "repository": origin.repository,
        "ref": origin.git_ref.to_string(),
        "commit": origin.commit,
        "build": origin.build,
        "parent": origin.parent,
        "created": image.created,
        "size": image.size,
        "use": listed.used.as_str(),
        "containers": listed.containers,
    })
}

fn describe(images: &[Listed], args: &Args) -> String {
    let size: u64 = images.iter().map(|listed| listed.image.size).sum();
    let count = images.len();
    let summary = match (args.prune, args.dry_run) {
        (true, true) => format!("{count} image(s) would be removed"),
        (true, false) => format!("{count} image(s) removed"),
        // Layers they share are counted for each, as the engine does.
        (false, _) => format!("{count} image(s), {}", mib(size)),
    };
    let mut text = String::new();
    if count > 0 {
        let _ = writeln!(text, "{:<36} {:<11} {:>11} {:>5}  {:<12} USE", "IMAGE", "COMMIT", "SIZE", "AGE", "ID");
    }
    for listed in images {
        let (image, origin) = (&listed.image, &listed.image.origin);
        let name = format!("{}:{}", origin.repository, origin.git_ref.name());
        let id: String = image.id.trim_start_matches("sha256:").chars().take(12).collect();
        let (size, age) = (mib(image.size), age(image.created));
        let used = match listed.containers {
            0 => listed.used.as_str().to_owned(),
            count => format!("{}, {count} container(s)", listed.used.as_str()),
        };
        let _ = writeln!(text, "{name:<36} {:<11} {size:>11} {age:>5}  {id:<12} {used}", origin.commit.short());
    }
    text + &summary + "\n"
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// The largest whole unit.
fn age(created: Timestamp) -> String {
    let seconds = Timestamp::now().since(created).as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
