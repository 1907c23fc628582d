//! One build without a service: the same runner, another journal, a folder instead of a hub.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use anyhow::{Context, anyhow};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{folder::Folder, show::Show, usage};
use crate::{
    config::Config,
    git::{self, Mirrors},
    logs::Logs,
    model::{Artifact, Build, BuildId, BuildState, CommitId, GitRef, Push, Recipe, Repository, Stage, Timestamp},
    runner::{self, End, Engine, Job, RunError, Runner, Signals},
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
    Published(PathBuf, Artifact),
    /// There is none; the sentence says why.
    Failed(String),
}

/// Builds, shows, and leaves nothing but the artifact.
pub(super) async fn build_once(
    config: &Config,
    one: OneBuild,
    show: &Show,
    cancel: CancellationToken,
) -> anyhow::Result<Outcome> {
    let id = BuildId::new();
    let instance = format!("build-{}", &id.to_string()[20..]);
    let engine = Engine::new(host(config), &instance)?;
    engine.version().await?;
    // Here, since containers mount the mirror.
    let tmp = &config.build.tmp_directory;
    let own =
        fs::create_dir_all(tmp).and_then(|()| tempfile::Builder::new().prefix("autobuilder-build-").tempdir_in(tmp));
    let own = own.with_context(|| format!("could not use `{}` (build.tmp_directory)", tmp.display()))?;
    let mirrors = mirrors(config, &one, own.path())?;
    let Some(build) = cancel.run_until_cancelled(fetch(&mirrors, id, &one, show)).await else {
        return Ok(Outcome::Failed(RunError::Cancelled.to_string()));
    };
    let settings = runner::Config {
        instance,
        tmp_directory: tmp.clone(),
        container_prefix: config.build.container_prefix.clone(),
        extra_hosts: config.build.extra_hosts.clone(),
        host: service::public_url(config),
        environment: config.build.environment.clone(),
    };
    let runner = Arc::new(Runner::new(
        settings,
        engine,
        Logs::new(own.path().join("logs"))?,
        GitSource::new(mirrors, Uses::default()),
        Folder(one.output.clone()),
        show.clone(),
    ));
    let job =
        Job { build: build?, secrets: service::secrets(&config.grant, &one.repository, &one.git_ref, &one.recipe) };
    let end = match runner.prepare().await {
        Ok(()) => runner.run(&job, &Signals { cancel, ..Signals::default() }).await,
        Err(error) => End::Failed(error),
    };
    show.done();
    runner.clean(&job);
    if let Err(error) = runner.leave().await {
        warn!("Something of this build stays in the container engine: {error}");
    }
    match end {
        End::Published(artifact) => Ok(Outcome::Published(one.output.join(&artifact.name.versioned), artifact)),
        End::Failed(failure) => Ok(Outcome::Failed(failure.to_string())),
        End::Kept | End::Detached => Err(anyhow!("the build was left alone")),
    }
}

fn host(config: &Config) -> Option<&str> {
    (!config.docker.host.is_empty()).then_some(config.docker.host.as_str())
}

fn mirrors(config: &Config, one: &OneBuild, own: &Path) -> anyhow::Result<Mirrors> {
    let clone_url = match &one.source {
        Some(path) => local_source(own, &one.repository, path)?,
        None => config.github.clone_url.clone(),
    };
    let token = config.github.token.get().cloned();
    Ok(Mirrors::new(git::Config { clone_url, token, ..git::Config::new(own.join("mirrors")) })?)
}

/// A clone address whose `{repository}` is a link to the given directory.
fn local_source(own: &Path, repository: &Repository, path: &Path) -> anyhow::Result<String> {
    let path = fs::canonicalize(path)
        .with_context(|| format!("there is no repository at `{}`", path.display()))
        .map_err(usage)?;
    let link = own.join("forge").join(repository.as_str());
    fs::create_dir_all(link.parent().context("a repository has an org")?)?;
    std::os::unix::fs::symlink(path, link)?;
    Ok(format!("file://{}/forge/{{repository}}", own.display()))
}

/// Fetches what the ref stands at, before the runner asks for it, so that the fetch can be watched.
async fn fetch(mirrors: &Mirrors, id: BuildId, one: &OneBuild, show: &Show) -> anyhow::Result<Build> {
    let kind = if one.git_ref.is_tag() { "tag" } else { "branch" };
    let (repository, name) = (&one.repository, one.git_ref.name());
    show.moving(format!("asking for `{name}` of `{repository}`"));
    let commit = mirrors.head_of(repository, &one.git_ref).await?;
    let commit = commit.ok_or_else(|| usage(anyhow!("`{repository}` has no {kind} `{name}`")))?;
    mirrors.fetch(repository, &one.git_ref, &commit, Some(show.on_fetch())).await?;
    show.done();
    show.say(&format!("`{}` of `{repository}`, {kind} `{name}`, commit {}", one.recipe.script, commit.short()));
    if one.source.as_deref().is_some_and(is_dirty) {
        show.say("what is not committed is not built: the work tree differs from the commit");
    }
    Ok(build(id, one, commit))
}

/// Whether a work tree has what no commit has. A bare repository, or a machine without `git`, has no answer.
fn is_dirty(source: &Path) -> bool {
    let status =
        Command::new("git").arg("-C").arg(source).args(["status", "--porcelain"]).stdin(Stdio::null()).output();
    status.is_ok_and(|output| output.status.success() && !output.stdout.is_empty())
}

fn build(id: BuildId, one: &OneBuild, commit: CommitId) -> Build {
    Build {
        id,
        number: 1,
        push: Push::by_hand(one.repository.clone(), one.git_ref.clone(), commit.clone()),
        commit,
        position: 0,
        recipe: one.recipe.clone(),
        state: BuildState::Running { stage: Stage::Creating, delay: None },
        attempt: 1,
        queued: Timestamp::now(),
        started: None,
        ended: None,
        baseimage_digest: None,
        container: None,
        usual: None,
    }
}
