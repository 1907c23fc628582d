//! What a demonstration repository's `post-receive` hook calls: tells the service of the push.
//!
//! git gives the hook a line for each ref that moved, `<before> <after> <ref>`, on standard input
//! (git's documentation, githooks, "post-receive").

use std::{
    io::BufRead,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use super::{End, run_async};
use crate::{
    http,
    model::{Author, CommitInfo, Push, Repository, Tip},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The repository, as `org/name`.
    repository: Repository,
    /// A file with the service's address on its first line and the webhook's secret on its second.
    #[arg(long)]
    forge: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<End> {
    let forge = std::fs::read_to_string(&args.forge).with_context(|| format!("no `{}`", args.forge.display()))?;
    let (address, secret) = forge.trim().split_once('\n').context("the forge's file has two lines")?;
    let address: SocketAddr = address.parse()?;
    for line in std::io::stdin().lock().lines() {
        if let Some(push) = read(&args.repository, &line?)? {
            run_async(async { Ok(http::deliver(address, secret.as_bytes(), &push).await?) })?;
        }
    }
    Ok(End::Fine)
}

/// A ref that is neither branch nor tag concerns nobody.
fn read(repository: &Repository, line: &str) -> anyhow::Result<Option<Push>> {
    let mut words = line.split(' ');
    let (before, after, git_ref) = (words.next(), words.next(), words.next());
    let Some(git_ref) = git_ref.and_then(|text| text.parse().ok()) else { return Ok(None) };
    let tip = |text: Option<&str>| Tip::from(text.and_then(|text| text.parse().ok()));
    let (before, after) = (tip(before), tip(after));
    let head = after.commit().map(|commit| describe(Path::new("."), commit.as_str())).transpose()?;
    Ok(Some(Push {
        repository: repository.clone(),
        git_ref,
        before,
        commit: after.commit().cloned(),
        after,
        author: head.as_ref().map(|head| head.author.clone()),
        message: head.as_ref().map(|head| head.message.clone()).unwrap_or_default(),
        commits: head.into_iter().collect(),
    }))
}

/// The commit that a ref stands at, also when it is an annotated tag.
fn describe(directory: &Path, object: &str) -> anyhow::Result<CommitInfo> {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["log", "-1", "--format=%H%x00%an%x00%ae%x00%cI%x00%B", "--end-of-options", object])
        .output()
        .context("git is needed")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut fields = text.splitn(5, '\0').map(str::to_owned);
    let mut next = || fields.next().unwrap_or_default();
    let (id, name, email, timestamp, message) = (next(), next(), next(), next(), next());
    let author = Author { name, email, username: String::new() };
    Ok(CommitInfo { id, message: message.trim().to_owned(), timestamp, url: String::new(), author })
}
