//! One build without a service: the same runner, another journal, a folder instead of a hub.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    git::{self, Mirrors},
    logs::Logs,
    model::{
        Artifact, ArtifactName, Build, BuildId, BuildState, Cause, GitRef, Outcome as Whose, Push, Recipe, Repository,
        Stage, Timestamp, Tip,
    },
    runner::{self, Collected, End, Engine, Fault, Job, Journal, Progress, Publisher, Runner, Signals},
    service::{self, GitSource, Uses},
};

/// What is to be built.
pub(super) struct OneBuild {
    /// Of which repository.
    pub(super) repository: Repository,
    /// Which branch or tag, as it stands now.
    pub(super) git_ref: GitRef,
    /// How.
    pub(super) recipe: Recipe,
    /// A repository on this machine, instead of the forge's.
    pub(super) source: Option<PathBuf>,
    /// Where the artifact is left.
    pub(super) output: PathBuf,
}

/// How it ended.
pub(super) enum Outcome {
    /// The artifact is here.
    Published(PathBuf),
    /// There is none; the sentence says why.
    Failed(String),
}

/// Who watches.
pub(super) trait BuildView: Send + Sync + 'static {
    /// A new stage began.
    fn stage(&self, text: &str);
    /// The stage made progress.
    fn progress(&self, text: &str);
    /// The script wrote something.
    fn output(&self, bytes: &[u8]);
    /// Nothing more comes.
    fn done(&self);
}

/// Builds, shows, and leaves nothing but the artifact.
pub(super) async fn build_once<V: BuildView>(config: &Config, one: OneBuild, view: V) -> anyhow::Result<Outcome> {
    let own = tempfile::Builder::new().prefix("autobuilder-build-").tempdir().context("no temporary directory")?;
    let id = BuildId::new();
    let clone_url = match &one.source {
        Some(path) => local_source(own.path(), &one.repository, path)?,
        None => config.github.clone_url.clone(),
    };
    let token = config.github.token.get().cloned();
    let mirrors = Mirrors::new(git::Config { clone_url, token, ..git::Config::new(own.path().join("mirrors")) })?;
    let build = prepare(&mirrors, id, &one).await?;
    let host = (!config.docker.host.is_empty()).then_some(config.docker.host.as_str());
    let instance = format!("build-{}", &id.to_string()[20..]);
    let settings = runner::Config {
        instance: instance.clone(),
        tmp_directory: config.build.tmp_directory.clone(),
        container_prefix: config.build.container_prefix.clone(),
        extra_hosts: config.build.extra_hosts.clone(),
        host: service::public_url(config),
        environment: config.build.environment.clone(),
    };
    let runner = std::sync::Arc::new(Runner::new(
        settings,
        Engine::new(host, &instance)?,
        Logs::new(own.path().join("logs"))?,
        GitSource::new(mirrors, Uses::default()),
        Folder { directory: one.output.clone() },
        ViewJournal(view),
    ));
    runner.prepare().await?;
    let job = Job { build, secrets: service::secrets(&config.grant, &one.repository, &one.git_ref, &one.recipe) };
    let signals = Signals { cancel: on_interrupt(), ..Signals::default() };
    let end = runner.run(&job, &signals).await;
    runner.journal().0.done();
    runner.clean(&job);
    runner.leave().await?;
    match end {
        End::Published(artifact) => Ok(Outcome::Published(one.output.join(artifact.name.versioned))),
        End::Failed(failure) => Ok(Outcome::Failed(failure.to_string())),
        End::Detached => Err(anyhow!("the build was left alone")),
    }
}

/// A clone address whose `{repository}` is a link to the given directory.
fn local_source(own: &Path, repository: &Repository, path: &Path) -> anyhow::Result<String> {
    let path = fs::canonicalize(path).with_context(|| format!("there is no repository at `{}`", path.display()))?;
    let link = own.join("forge").join(repository.as_str());
    fs::create_dir_all(link.parent().context("a repository has an org")?)?;
    std::os::unix::fs::symlink(path, link)?;
    Ok(format!("file://{}/forge/{{repository}}", own.display()))
}

async fn prepare(mirrors: &Mirrors, id: BuildId, one: &OneBuild) -> anyhow::Result<Build> {
    let commit = mirrors
        .head_of(&one.repository, &one.git_ref)
        .await?
        .ok_or_else(|| anyhow!("`{}` has no `{}`", one.repository, one.git_ref))?;
    Ok(Build {
        id,
        number: 1,
        push: Push {
            repository: one.repository.clone(),
            git_ref: one.git_ref.clone(),
            before: Tip::None,
            after: Tip::At(commit.clone()),
            commit: Some(commit.clone()),
            author: None,
            message: String::new(),
            commits: Vec::new(),
        },
        commit,
        position: 0,
        recipe: one.recipe.clone(),
        state: BuildState::Running { stage: Stage::Creating },
        attempt: 1,
        queued: Timestamp::now(),
        started: None,
        ended: None,
        baseimage_digest: None,
        container: None,
    })
}

/// Cancelled by the first Ctrl-C.
fn on_interrupt() -> CancellationToken {
    let token = CancellationToken::new();
    let told = token.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            told.cancel();
        }
    });
    token
}

struct ViewJournal<V>(V);

impl<V: BuildView> Journal for ViewJournal<V> {
    fn note(&self, _build: BuildId, progress: Progress) {
        match progress {
            Progress::Stage(stage) => self.0.stage(stage.as_str()),
            Progress::Pull(pull) => self.0.progress(&pull.to_string()),
            Progress::Image(digest) => self.0.progress(&digest),
            Progress::Container(_) => {}
            Progress::Output { bytes, .. } => self.0.output(&bytes),
        }
    }
}

/// Leaves the artifact in a directory, under its versioned name.
struct Folder {
    directory: PathBuf,
}

impl Publisher for Folder {
    async fn publish(&self, build: &Build, collected: Collected) -> Result<Artifact, Fault> {
        let recipe = &build.recipe;
        let fault = |message: String| Fault { cause: Cause::Publish, outcome: Whose::Error, retryable: false, message };
        let name = ArtifactName::new(
            recipe.format,
            build.repository(),
            recipe.tag.as_deref(),
            build.git_ref(),
            &build.commit,
            recipe.artifact.file_name(),
        )
        .map_err(|error| fault(error.to_string()))?;
        let Collected { file, size, sha256 } = collected;
        keep(&self.directory, &name.versioned, file)
            .map_err(|error| fault(format!("could not write to `{}`: {error}", self.directory.display())))?;
        Ok(Artifact { name, size, sha256 })
    }
}

/// Whole or not at all: written beside, then renamed.
fn keep(directory: &Path, name: &str, mut file: fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(directory)?;
    let mut beside = tempfile::NamedTempFile::new_in(directory)?;
    let mode = file.metadata()?.permissions().mode() & 0o755;
    io::copy(&mut file, &mut beside)?;
    beside.as_file().set_permissions(fs::Permissions::from_mode(mode | 0o644))?;
    beside.persist(directory.join(name)).map_err(|error| error.error)?;
    Ok(())
}
