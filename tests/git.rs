//! Mirrors, work trees and submodules, with real repositories and the `git` binary as a second opinion.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use autobuilder::{
    git::{Author, Checkout, Compacted, Config, Fetched, GitError, Mirrors, SkipReason, TreeLimits, Workspace},
    model::{CommitId, GitRef, Repository},
};
use tempfile::TempDir;

const TOKEN: &str = "canary-5f0c2a";

/// A forge in a directory, and the mirrors of one service.
struct World {
    root: TempDir,
    mirrors: Mirrors,
}

fn branch(name: &str) -> GitRef {
    format!("refs/heads/{name}").parse().unwrap()
}

fn tool() -> Repository {
    "acme/tool".parse().unwrap()
}

/// Runs git in a directory, without this machine's configuration.
fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "-c",
            "protocol.file.allow=always",
            "-c",
            "safe.directory=*",
        ])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

impl World {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let mut config = Config::new(root.path().join("mirrors"));
        config.clone_url = format!("file://{}/forge/{{repository}}", root.path().display());
        config.token = Some(TOKEN.into());
        config.timeout = Duration::from_secs(20);
        let mirrors = Mirrors::new(config).unwrap();
        Self { root, mirrors }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn forge(&self, repository: &str) -> PathBuf {
        self.path("forge").join(repository)
    }

    fn author(&self, repository: &str) -> Author {
        let path = self.forge(repository);
        if path.exists() { Author::open(&path).unwrap() } else { Author::create(&path).unwrap() }
    }

    fn commit(&self, git_ref: &GitRef, files: &[(&str, &[u8])]) -> CommitId {
        self.author("acme/tool").commit(git_ref, "a change", files).unwrap()
    }

    /// Commits the work of a shell script in a clone; for what only git itself can make.
    fn script(&self, repository: &str, script: &str) -> CommitId {
        let clone = TempDir::new().unwrap();
        self.author(repository);
        let forge = self.forge(repository);
        git(clone.path(), &["clone", "-q", forge.to_str().unwrap(), "."]);
        let status = Command::new("sh").args(["-ec", script]).current_dir(clone.path()).status().unwrap();
        assert!(status.success());
        git(clone.path(), &["add", "-A"]);
        git(clone.path(), &["commit", "-q", "--allow-empty", "-m", "by script"]);
        git(clone.path(), &["push", "-q", "origin", "HEAD:refs/heads/main", "--tags"]);
        git(clone.path(), &["rev-parse", "HEAD"]).parse().unwrap()
    }

    async fn fetch(&self, git_ref: &GitRef, commit: &CommitId) -> Result<Fetched, GitError> {
        self.mirrors.fetch(&tool(), git_ref, commit, None).await
    }

    /// Checks out with the objects "mounted" where they are, so that git works on this side too.
    async fn checkout(&self, git_ref: &GitRef, commit: &CommitId, name: &str) -> Result<Workspace, GitError> {
        let fetched = self.fetch(git_ref, commit).await?;
        let objects = self.mirrors.in_use(&tool()).await.objects().to_str().unwrap().to_owned();
        self.mirrors.checkout(fetched, Checkout { directory: self.path(name), objects_mount: objects }).await
    }
}

fn read(directory: &Path, file: &str) -> String {
    fs::read_to_string(directory.join(file)).unwrap()
}

#[tokio::test]
async fn two_pushes_within_a_moment_are_built_each_with_its_own_files() {
    let world = World::new();
    let main = branch("main");
    let first = world.commit(&main, &[("file", b"A")]);
    let second = world.commit(&main, &[("file", b"B")]);
    let (one, two) = tokio::join!(world.checkout(&main, &first, "one"), world.checkout(&main, &second, "two"));
    assert_eq!((one.unwrap().commit, two.unwrap().commit), (first, second));
    assert_eq!((read(&world.path("one"), "file"), read(&world.path("two"), "file")), ("A".into(), "B".into()));
}

#[tokio::test]
async fn a_commit_that_is_here_costs_no_network() {
    let world = World::new();
    let main = branch("main");
    let first = world.commit(&main, &[("file", b"A")]);
    let second = world.commit(&main, &[("file", b"B")]);
    assert!(!world.fetch(&main, &second).await.unwrap().was_here);
    fs::rename(world.path("forge"), world.path("away")).unwrap();
    let fetched = world.fetch(&main, &first).await.unwrap();
    assert!(fetched.was_here && fetched.commit == first && fetched.tip == second);
}

#[tokio::test]
async fn the_work_tree_is_one_that_git_understands() {
    let world = World::new();
    world.script("acme/tool", "echo 1 > a; git add a; git -c user.name=a -c user.email=a@b commit -qm one; git -c user.name=a -c user.email=a@b tag -am v1 v1.0; git tag light");
    let tip = world.script(
        "acme/tool",
        "mkdir -p deep/er 'with space'; echo x > deep/er/file; printf '#!/bin/sh\\n' > run.sh; chmod +x run.sh; \
         ln -s /etc/passwd link; ln -s deep dir-link; : > empty; printf 'a\\r\\n' > 'with space/é'; \
         printf '* text=auto eol=crlf\\n' > .gitattributes; echo x > deep.txt; echo x > deep-er",
    );
    let main = branch("main");
    let workspace = world.checkout(&main, &tip, "ws").await.unwrap();
    let ws = world.path("ws");
    assert_eq!(git(&ws, &["rev-parse", "HEAD"]), tip.as_str());
    assert_eq!(git(&ws, &["rev-parse", "main"]), tip.as_str());
    assert_eq!(git(&ws, &["status", "--porcelain"]), "");
    assert!(git(&ws, &["describe", "--tags"]).starts_with("v1.0-2-g"));
    assert_eq!(git(&ws, &["log", "--format=%s"]), "by script\nby script\none");
    git(&ws, &["fsck", "--no-dangling"]);
    assert_eq!(git(&ws, &["ls-files"]).lines().count(), workspace.files);
    assert_eq!(fs::read_link(ws.join("link")).unwrap(), Path::new("/etc/passwd"));
    assert_eq!(fs::metadata(ws.join("run.sh")).unwrap().permissions().mode() & 0o111, 0o111);
    assert_eq!(fs::metadata(ws.join("empty")).unwrap().permissions().mode() & 0o111, 0);
    assert_eq!(read(&ws, "deep/er/file"), "x\n", "blobs are written as they are");
}

#[tokio::test]
async fn nothing_of_ours_is_in_the_work_tree() {
    let world = World::new();
    let main = branch("main");
    let commit = world.commit(&main, &[("file", b"A")]);
    let fetched = world.fetch(&main, &commit).await.unwrap();
    let to = Checkout { directory: world.path("ws"), objects_mount: "/.autobuilder/objects".into() };
    let workspace = world.mirrors.checkout(fetched, to).await.unwrap();
    assert!(workspace.objects().ends_with("objects") && workspace.objects().is_dir());
    let ws = world.path("ws");
    assert_eq!(read(&ws, ".git/objects/info/alternates"), "/.autobuilder/objects\n");
    for needle in [TOKEN, world.root.path().to_str().unwrap(), "remote", "hook"] {
        let found = Command::new("grep").args(["-r", "-F", needle]).arg(&ws).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "{needle}");
    }
    let mirrors = Command::new("grep").args(["-r", "-F", TOKEN]).arg(world.path("mirrors")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&mirrors.stdout), "");
}

#[tokio::test]
async fn hostile_names_of_refs_are_only_names() {
    let world = World::new();
    let hex = "0123456789abcdef0123456789abcdef01234567";
    for (i, name) in ["-x", "--upload-pack=touch${IFS}pwn", "$(id)", "a;id", "é/ü", hex, "HEAD", "{a,b}", "%2e%2e/x"]
        .iter()
        .enumerate()
    {
        let git_ref = branch(name);
        let commit = world.commit(&git_ref, &[("name", name.as_bytes())]);
        let ws = format!("ws{i}");
        world.checkout(&git_ref, &commit, &ws).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read(&world.path(&ws), "name"), *name);
        assert_eq!(git(&world.path(&ws), &["rev-parse", &git_ref.to_string()]), commit.as_str());
    }
}

#[tokio::test]
async fn a_commit_that_was_pushed_away_is_not_built() {
    let world = World::new();
    let main = branch("main");
    world.commit(&main, &[("file", b"0")]);
    git(&world.forge("acme/tool"), &["branch", "keep", "main"]);
    let away = world.commit(&main, &[("file", b"A")]);
    git(&world.forge("acme/tool"), &["update-ref", "refs/heads/main", "refs/heads/keep"]);
    let tip = world.commit(&main, &[("file", b"B")]);
    let refused = world.fetch(&main, &away).await.unwrap_err();
    assert!(matches!(refused, GitError::NotOnRef { .. }) && !refused.is_ours(), "{refused}");
    let forged = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef".parse().unwrap();
    assert!(matches!(world.fetch(&main, &forged).await, Err(GitError::NotOnRef { .. })));
    assert!(world.fetch(&main, &tip).await.is_ok());
}

#[tokio::test]
async fn a_commit_of_another_branch_is_not_on_this_one() {
    let world = World::new();
    world.commit(&branch("main"), &[("file", b"0")]);
    let other = world.commit(&branch("other"), &[("file", b"1")]);
    world.fetch(&branch("other"), &other).await.unwrap();
    assert!(matches!(world.fetch(&branch("main"), &other).await, Err(GitError::NotOnRef { .. })));
}

#[tokio::test]
async fn a_deleted_ref_is_gone_and_stands_in_nobodys_way() {
    let world = World::new();
    let first = world.commit(&branch("a"), &[("file", b"A")]);
    world.fetch(&branch("a"), &first).await.unwrap();
    git(&world.forge("acme/tool"), &["update-ref", "-d", "refs/heads/a"]);
    let below = world.commit(&branch("a/b"), &[("file", b"B")]);
    world.fetch(&branch("a/b"), &below).await.unwrap();
    assert!(matches!(world.fetch(&branch("a"), &first).await, Err(GitError::RefGone { .. })));
}

#[tokio::test]
async fn an_annotated_tag_builds_its_commit() {
    let world = World::new();
    let commit = world.commit(&branch("main"), &[("file", b"A")]);
    git(&world.forge("acme/tool"), &["tag", "-am", "first", "v1", "main"]);
    let tag: GitRef = "refs/tags/v1".parse().unwrap();
    world.checkout(&tag, &commit, "ws").await.unwrap();
    assert_eq!(git(&world.path("ws"), &["describe"]), "v1");
    assert_eq!(world.mirrors.head_of(&tool(), &tag).await.unwrap(), Some(commit.clone()));
    let heads = world.mirrors.list_heads(&tool()).await.unwrap();
    assert_ne!(heads[1].object, commit, "the tag is an object of its own");
    let heads: Vec<_> = heads.into_iter().map(|head| (head.git_ref, head.commit)).collect();
    assert_eq!(heads, [(branch("main"), commit.clone()), (tag, commit)]);
    assert_eq!(world.mirrors.head_of(&tool(), &branch("none")).await.unwrap(), None);
}

#[tokio::test]
async fn a_lock_left_by_a_killed_process_does_not_block() {
    let world = World::new();
    let main = branch("main");
    let first = world.commit(&main, &[("file", b"A")]);
    world.fetch(&main, &first).await.unwrap();
    let objects = world.mirrors.in_use(&tool()).await.objects().to_owned();
    fs::write(objects.with_file_name("refs").join("heads/main.lock"), "").unwrap();
    let second = world.commit(&main, &[("file", b"B")]);
    assert_eq!(world.fetch(&main, &second).await.unwrap().tip, second);
}

#[tokio::test]
async fn submodules_are_checked_out_at_their_recorded_commits() {
    let world = World::new();
    world.script("acme/deep", "echo deep > file");
    world.script("acme/lib", "echo old > file; git -c protocol.file.allow=always submodule add -q ../deep.git nested 2>/dev/null || git -c protocol.file.allow=always submodule add -q ../deep nested");
    let tip = world
        .script("acme/tool", "git -c protocol.file.allow=always submodule add -q ../lib vendor/lib; echo x > file");
    world.script("acme/lib", "echo new > file");
    let workspace = world.checkout(&branch("main"), &tip, "ws").await.unwrap();
    let ws = world.path("ws");
    assert_eq!((workspace.submodules, read(&ws, "vendor/lib/file").as_str()), (2, "old\n"));
    assert_eq!(read(&ws, "vendor/lib/nested/file"), "deep\n");
    assert_eq!(git(&ws, &["status", "--porcelain"]), "");
    let lib = ws.join("vendor/lib");
    assert_eq!(git(&lib, &["log", "--format=%s"]), "by script");
    assert_eq!(git(&lib, &["status", "--porcelain"]), "");
    git(&lib, &["fsck", "--no-dangling"]);
}

#[tokio::test]
async fn a_submodule_from_elsewhere_is_refused_by_rule() {
    for url in ["ext::sh -c touch% /tmp/pwn", "-u./x", "file:///etc", "../../../../etc", "git@github.com:a/b.git"] {
        let world = World::new();
        let link = "1111111111111111111111111111111111111111";
        let tip = world.script(
            "acme/tool",
            &format!("git config -f .gitmodules submodule.a.path a; git config -f .gitmodules submodule.a.url '{url}'; git update-index --add --cacheinfo 160000,{link},a; mkdir a; cd a; git init -q; git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x"),
        );
        let refused = world.checkout(&branch("main"), &tip, "ws").await.unwrap_err();
        assert!(matches!(refused, GitError::Submodule { .. }) && !refused.is_ours(), "{url}: {refused}");
        assert!(refused.to_string().contains("are allowed"), "{refused}");
    }
}

#[tokio::test]
async fn a_tree_that_plays_with_names_is_refused() {
    let world = World::new();
    world.commit(&branch("main"), &[("file", b"/tmp")]);
    let forge = world.forge("acme/tool");
    let blob = git(&forge, &["rev-parse", "main:file"]);
    let raw = |entries: &str, dir: &Path| {
        let script = format!("{entries} | git hash-object -t tree --literally -w --stdin");
        let out = Command::new("sh").args(["-ec", &script]).current_dir(dir).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    };
    let binary = format!("$(printf '{blob}' | sed 's/../\\\\x&/g')");
    let one = |mode: &str, name: &str| format!("printf '{mode} {name}\\000'; bash -c \"printf '{binary}'\"");
    let cases = [
        format!("({})", one("100644", ".git")),
        format!("({})", one("100644", ".GIT")),
        format!("({})", one("100644", "..")),
        format!("({})", one("100644", "a/b")),
        format!("({}; {})", one("120000", "a"), one("100644", "a")),
        format!("({})", one("120000", ".gitmodules")),
    ];
    for (i, case) in cases.iter().enumerate() {
        let tree = raw(case, &forge);
        assert_eq!(tree.len(), 40, "{case}");
        let commit = git(&forge, &["commit-tree", &tree, "-m", "evil"]);
        git(&forge, &["update-ref", &format!("refs/heads/evil{i}"), &commit]);
        let refused = world.checkout(&branch(&format!("evil{i}")), &commit.parse().unwrap(), &format!("ws{i}")).await;
        assert!(matches!(refused, Err(GitError::Tree { .. } | GitError::Disk { .. })), "{case}: {refused:?}");
    }
}

#[tokio::test]
async fn a_directory_in_use_is_not_checked_out_into() {
    let world = World::new();
    let commit = world.commit(&branch("main"), &[("file", b"A")]);
    fs::create_dir(world.path("ws")).unwrap();
    fs::write(world.path("ws/mine"), "").unwrap();
    assert!(matches!(world.checkout(&branch("main"), &commit, "ws").await, Err(GitError::Disk { .. })));
}

#[tokio::test]
async fn a_catalog_is_read_without_a_work_tree_and_again_without_a_network() {
    let world = World::new();
    let tip = world.script(
        "acme/tool",
        "mkdir -p acme/x; echo yes > acme/x/main.yaml; ln -s /etc/passwd evil.yaml; head -c 5000 /dev/zero > big",
    );
    let limits = TreeLimits { files: 10, file_bytes: 1000 };
    assert!(matches!(world.mirrors.cached_tree(&tool(), None, limits).await, Err(GitError::NotCached { .. })));
    let tree = world.mirrors.read_tree(&tool(), None, limits).await.unwrap();
    assert_eq!(tree.files, [("acme/x/main.yaml".to_owned(), b"yes\n".to_vec())]);
    assert_eq!((tree.commit.clone(), tree.branch.as_str()), (tip, "main"));
    let reasons: Vec<_> = tree.skipped.iter().map(|skipped| (skipped.path.as_str(), skipped.reason)).collect();
    assert_eq!(reasons, [("big", SkipReason::TooLarge), ("evil.yaml", SkipReason::Link)]);
    fs::remove_dir_all(world.path("forge")).unwrap();
    assert_eq!(world.mirrors.cached_tree(&tool(), None, limits).await.unwrap(), tree);
    assert!(matches!(world.mirrors.read_tree(&tool(), None, limits).await, Err(GitError::NoRepository { .. })));
    let few = TreeLimits { files: 2, ..limits };
    assert!(matches!(world.mirrors.cached_tree(&tool(), None, few).await, Err(GitError::Tree { .. })));
}

#[tokio::test]
async fn compaction_waits_for_builds_and_loses_nothing() {
    let world = World::new();
    let main = branch("main");
    let mut commits = Vec::new();
    for i in 0..8 {
        commits.push(world.commit(&main, &[("file", format!("{i}").as_bytes())]));
        world.fetch(&main, &commits[i]).await.unwrap();
    }
    git(&world.forge("acme/tool"), &["tag", "-am", "x", "v1", "main"]);
    world.mirrors.read_tree(&tool(), None, TreeLimits { files: 9, file_bytes: 9 }).await.unwrap();
    let running = world.checkout(&main, &commits[0], "ws").await.unwrap();
    assert_eq!(world.mirrors.compact(&tool(), 5).await.unwrap(), Compacted::InUse);
    let objects = running.objects().to_owned();
    drop(running);
    assert!(matches!(world.mirrors.compact(&tool(), 5).await.unwrap(), Compacted::Done { packs } if packs >= 8));
    assert_eq!(world.mirrors.compact(&tool(), 5).await.unwrap(), Compacted::NotNeeded);
    let packs = fs::read_dir(objects.join("pack"))
        .unwrap()
        .filter(|it| it.as_ref().unwrap().path().extension().unwrap() == "pack");
    assert_eq!(packs.count(), 1);
    git(objects.parent().unwrap(), &["fsck", "--full"]);
    for (i, commit) in commits.iter().enumerate() {
        let ws = format!("again{i}");
        world.checkout(&main, commit, &ws).await.unwrap();
        assert_eq!(read(&world.path(&ws), "file"), i.to_string());
    }
    assert_eq!(git(&world.path("again7"), &["describe"]), "v1");
}

#[tokio::test]
async fn mirrors_that_nobody_needs_go_and_those_in_use_or_needed_stay() {
    let world = World::new();
    let (main, mirrors) = (branch("main"), world.path("mirrors"));
    let commit = world.commit(&main, &[("file", b"x")]);
    let running = world.checkout(&main, &commit, "ws").await.unwrap();
    let mirror = running.objects().parent().unwrap().to_owned();
    let aged = || {
        let long_ago = std::time::SystemTime::now() - Duration::from_hours(31 * 24);
        fs::File::open(mirror.join("HEAD")).unwrap().set_modified(long_ago).unwrap();
    };
    let retired = async |but: &[Repository]| {
        let removed = world.mirrors.retire(Duration::from_hours(30 * 24), but.to_vec()).await.unwrap();
        assert_eq!(removed, usize::from(!mirror.exists()));
        removed
    };
    aged();
    assert_eq!(retired(&[]).await, 0, "a container has it mounted");
    drop(running);
    assert_eq!(retired(&[tool()]).await, 0, "it is needed");
    world.fetch(&main, &commit).await.unwrap();
    assert_eq!(retired(&[]).await, 0, "it was just used");
    aged();
    fs::create_dir(mirrors.join("half-removed.discarded")).unwrap();
    assert_eq!(retired(&[]).await, 1);
    assert_eq!(fs::read_dir(&mirrors).unwrap().count(), 0);
    world.checkout(&main, &commit, "again").await.unwrap();

    // A service that does not know of it yet.
    aged();
    let later = Mirrors::new(Config::new(&mirrors)).unwrap();
    assert_eq!(later.retire(Duration::from_hours(30 * 24), Vec::new()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_said_to_be_so() {
    let world = World::new();
    let commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let refused = world.fetch(&branch("main"), &commit).await.unwrap_err();
    assert!(matches!(refused, GitError::NoRepository { .. }) && !refused.is_ours());
    assert!(refused.to_string().contains("check the name, github.clone_url and github.token"), "{refused}");
}
