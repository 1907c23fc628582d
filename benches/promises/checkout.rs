//! What the second build of a large repository costs: one new commit fetched, and a fresh work tree.
//!
//! Measured against a full `git clone` of the same repository (20,000 files, 200 MB of history), on tmpfs: on some
//! ext4, deleting and making 20,000 files costs seconds of the kernel's time on both sides.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use autobuilder::{
    git::{Author, Checkout, Config, Mirrors},
    model::{CommitId, GitRef, Repository},
};

use crate::{
    push::millis,
    report::{Limit, Table},
};

const FILES: usize = 20_000;
const SIZE: usize = 4_000;
const COMMITS: usize = 60;
const ROUNDS: usize = 5;

pub(super) async fn measure() -> Table {
    let directory = tempfile::TempDir::new_in("/dev/shm").unwrap();
    let mut config = Config::new(directory.path().join("mirrors"));
    config.clone_url = format!("file://{}/{{repository}}", directory.path().display());
    let mirrors = Mirrors::new(config).unwrap();

    Author::create(&directory.path().join("acme/small")).unwrap();
    let small = builds(&mirrors, "acme/small", directory.path(), 20).await;

    let large = directory.path().join("acme/large");
    Author::create(&large).unwrap();
    import(&large);
    let clone = least((0..3).map(|_| clone(&large, &directory.path().join("clone"))));
    let second = builds(&mirrors, "acme/large", directory.path(), ROUNDS).await;

    let mut table = Table::new("Fetch and checkout of a new commit (the best of some)");
    let times = (millis(second), millis(clone));
    table.against("20,000 files, 200 MB of history, over git clone", times, "ms", Some(Limit::RatioAtMost(0.2)));
    table.number("one file", millis(small), "ms", None);
    table
}

fn least(times: impl Iterator<Item = Duration>) -> Duration {
    times.min().unwrap()
}

/// The best of some builds after the first, each of a new commit.
async fn builds(mirrors: &Mirrors, name: &str, directory: &Path, rounds: usize) -> Duration {
    let repository: Repository = name.parse().unwrap();
    let main: GitRef = "refs/heads/main".parse().unwrap();
    let author = Author::open(&directory.join(name)).unwrap();
    let mut times = Vec::new();
    for round in 0..=rounds {
        let commit = author.commit(&main, "a change", &[("d1/changed", round.to_string().as_bytes())]).unwrap();
        let time = build(mirrors, &repository, &main, &commit, &directory.join("work")).await;
        times.push(time);
    }
    least(times.into_iter().skip(1))
}

async fn build(mirrors: &Mirrors, repository: &Repository, main: &GitRef, commit: &CommitId, work: &Path) -> Duration {
    let start = Instant::now();
    let fetched = mirrors.fetch(repository, main, commit, None).await.unwrap();
    let to = Checkout { directory: work.to_owned(), objects_mount: "/.autobuilder/objects".to_owned() };
    mirrors.checkout(fetched, to).await.unwrap();
    let time = start.elapsed();
    fs::remove_dir_all(work).unwrap();
    time
}

fn clone(from: &Path, to: &Path) -> Duration {
    let start = Instant::now();
    let url = format!("file://{}", from.display());
    let status = Command::new("git").args(["clone", "-q", &url]).arg(to).status().unwrap();
    assert!(status.success());
    let time = start.elapsed();
    fs::remove_dir_all(to).unwrap();
    time
}

/// Every file once, then a share of them anew in each commit; content that does not compress.
fn import(repository: &Path) {
    let mut git = Command::new("git")
        .args(["fast-import", "--quiet"])
        .current_dir(repository)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = std::io::BufWriter::new(git.stdin.take().unwrap());
    let mut noise = 1_u64;
    for commit in 0..=COMMITS {
        writeln!(input, "commit refs/heads/main\ncommitter a <a@b> {} +0000\ndata 1\nx", 1_700_000_000 + commit)
            .unwrap();
        let share = FILES / 40;
        let files = if commit == 0 { 0..FILES } else { ((commit - 1) % 40) * share..((commit - 1) % 40 + 1) * share };
        for file in files {
            writeln!(input, "M 100644 inline d{}/s{}/f{file}\ndata {SIZE}", file % 40, file % 1000).unwrap();
            for _ in 0..SIZE / 8 {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                input.write_all(&(noise ^ (noise >> 29)).to_le_bytes()).unwrap();
            }
            writeln!(input).unwrap();
        }
    }
    drop(input);
    assert!(git.wait().unwrap().success());
}
