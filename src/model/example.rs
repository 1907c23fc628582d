//! Values for tests of every module: a build like any other, to be changed where a test cares.

use std::time::Duration;

use super::{
    Author, Build, BuildId, BuildState, ByteSize, Format, HumanDuration, Limits, Network, Product, Push, Recipe,
    ScriptAt, Timestamp, Tip, Variables,
};

/// A waiting build of a repository and a ref.
pub(crate) fn build(repository: &str, git_ref: &str) -> Build {
    let push = push(repository, git_ref);
    Build {
        id: BuildId::new(),
        number: 1,
        commit: push.commit.clone().unwrap(),
        push,
        position: 1,
        recipe: recipe(),
        state: BuildState::Queued { not_before: None, reason: None },
        attempt: 0,
        queued: Timestamp::from_millis(1_700_000_000_000),
        started: None,
        ended: None,
        baseimage_digest: None,
        container: None,
        usual: None,
    }
}

fn push(repository: &str, git_ref: &str) -> Push {
    let commit: super::CommitId = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    Push {
        repository: repository.parse().unwrap(),
        git_ref: git_ref.parse().unwrap(),
        before: Tip::None,
        after: Tip::At(commit.clone()),
        commit: Some(commit),
        author: Some(Author { name: "Ada".into(), email: "ada@example.org".into(), username: "ada".into() }),
        message: "Mend the build\n\nIt was broken.".into(),
        commits: Vec::new(),
    }
}

fn recipe() -> Recipe {
    Recipe {
        script: "build.sh".parse().unwrap(),
        script_at: ScriptAt::Checkout,
        arguments: Vec::new(),
        artifact: "result.tar.gz".parse().unwrap(),
        archives: "/target".parse().unwrap(),
        baseimage: "ubuntu:24.04".into(),
        tag: None,
        product: Product::File(Format::Flist),
        environment: Variables::default(),
        limits: Limits {
            timeout: HumanDuration(Duration::from_secs(3600)),
            stall_timeout: HumanDuration(Duration::ZERO),
            memory: ByteSize(1 << 30),
            cpus: 1.0,
            pids: 512,
            log_limit: ByteSize(1 << 20),
        },
        capabilities: Vec::new(),
        network: Network::Bridge,
        secrets: Vec::new(),
    }
}
