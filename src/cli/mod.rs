//! The command line: one file per command, each a few lines over the library.
//!
//! Exit codes: 0 fine, 1 the thing asked about is not, 2 usage or configuration.

mod build;
mod check;
mod config;
mod deliver;
mod demo;
mod folder;
mod generate;
mod images;
mod interrupt;
mod limits;
mod once;
mod plan;
mod relay;
mod serve;
mod show;
mod terminal;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::logging;

/// Builds artifacts from git pushes.
#[derive(Debug, Parser)]
#[command(name = "autobuilder", version, about, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// How the service's own log is written, on standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service.
    Serve(ConfigArgs),
    /// Run only the websocket relay, fed by Redis.
    Relay(ConfigArgs),
    /// Look for mistakes in a configuration repository's working tree.
    Check(check::Args),
    /// Show what a configuration repository's working tree would change.
    Plan(plan::Args),
    /// Print the JSON Schema of a branch file, for editors.
    Schema,
    /// Build once, here and now: log on the terminal, artifact in a folder.
    Build(build::Args),
    /// Make a small world in a temporary folder, and serve it to play with.
    Demo(demo::Args),
    /// Deliver pushes as a forge does; called by the hooks of the demo's repositories.
    #[command(hide = true)]
    Deliver(deliver::Args),
    /// List the base images that pipelines made, and remove old ones.
    Images(images::Args),
    /// Print the effective configuration, and where each value came from.
    Config(ConfigArgs),
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

#[derive(Debug, Clone, clap::Args)]
struct ConfigArgs {
    /// The configuration file; without it `config.toml`, if there is one.
    #[arg(long, short, value_name = "FILE", env = "AUTOBUILDER_CONFIG")]
    config: Option<PathBuf>,
}

/// How a command ended, short of an error.
enum End {
    Fine,
    /// The thing asked about is not fine.
    NotFine,
}

/// Something is wrong with how we were called, or with the configuration.
#[derive(Debug)]
struct Usage(anyhow::Error);

/// Parses the command line, runs the command, chooses the exit code.
pub fn run() -> ExitCode {
    // clap leaves by itself: 0 for help, 2 for usage.
    let cli = Cli::parse();
    let format = match cli.log_format {
        LogFormat::Text => logging::Format::Text,
        LogFormat::Json => logging::Format::Json,
    };
    let ended = match cli.command {
        Command::Serve(args) => serve::run(&args, format),
        Command::Relay(args) => relay::run(&args, format),
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Schema => generate::schema(),
        Command::Build(args) => build::run(args, format),
        Command::Demo(args) => demo::run(&args, format),
        Command::Deliver(args) => deliver::run(&args),
        Command::Images(args) => images::run(&args, format),
        Command::Config(args) => config::run(&args),
        Command::Completions { shell } => generate::completions(&mut Cli::command(), shell),
        Command::Man => generate::man(Cli::command()),
    };
    match ended {
        Ok(End::Fine) => ExitCode::SUCCESS,
        Ok(End::NotFine) => ExitCode::from(1),
        Err(error) => {
            terminal::complain(&error);
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The whole chain: what failed, and why.
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Usage {}

/// Marks an error as one of usage or configuration.
fn usage(error: impl Into<anyhow::Error>) -> anyhow::Error {
    anyhow::Error::new(Usage(error.into()))
}

/// The configuration a command was given.
fn load(args: &ConfigArgs) -> anyhow::Result<crate::config::Config> {
    let default = PathBuf::from("config.toml");
    let file = args.config.clone().or_else(|| default.exists().then_some(default));
    // A variable that is not text cannot be one of ours.
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    crate::config::Config::load(file.as_deref(), environment).map_err(usage)
}

/// How long a thread that hangs, in the network most likely, may hold up the end of the process.
const HANGING: Duration = Duration::from_secs(1);

/// Runs a command's async part to its end.
fn run_async<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    // Builds run in containers; this process only moves bytes.
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(64)
        .thread_stack_size(1 << 20)
        .enable_all()
        .build()?;
    let done = runtime.block_on(command);
    runtime.shutdown_timeout(HANGING);
    done
}
