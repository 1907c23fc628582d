//! The directory hub: whole files, links that only go forward, and nothing served but what is published.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use autobuilder::{
    model::{ArtifactName, BuildId, CommitId, Format, GitRef},
    publish::{Collected, Config, DirectoryHub, KeepArtifacts, LinkMoved, LinkOrder, PublishError, Published},
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const LINK: &str = "acme-tool-main.flist";

struct World {
    directory: TempDir,
    hub: DirectoryHub,
}

fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let hub = open(directory.path());
    World { directory, hub }
}

fn open(directory: &Path) -> DirectoryHub {
    DirectoryHub::open(&Config { directory: directory.to_owned(), binary_directory: None }).unwrap()
}

impl World {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Publishes `content` as the flist of acme/tool at commit number `commit`.
    fn publish(&self, content: &[u8], commit: u32, position: i64) -> Result<Published, PublishError> {
        self.publish_from("refs/heads/main", content, commit, position)
    }

    fn publish_from(&self, git_ref: &str, content: &[u8], at: u32, position: i64) -> Result<Published, PublishError> {
        let order = order("acme/tool", git_ref, position);
        let name = name(Format::Flist, &order, at, "result.tar.gz");
        self.hub.publish(collected(content), &name, Format::Flist, &order)
    }

    fn linked(&self) -> String {
        fs::read_link(self.path(LINK)).unwrap().to_str().unwrap().to_owned()
    }

    fn served(&self, name: &str) -> Option<Vec<u8>> {
        let mut served = self.hub.open_artifact(name).unwrap()?;
        let mut content = Vec::new();
        served.file.read_to_end(&mut content).unwrap();
        Some(content)
    }

    /// What lies in a directory of the hub's own.
    fn inside(&self, hidden: &str) -> usize {
        fs::read_dir(self.path(hidden)).unwrap().count()
    }
}

fn order(repository: &str, git_ref: &str, position: i64) -> LinkOrder {
    LinkOrder {
        repository: repository.parse().unwrap(),
        git_ref: git_ref.parse::<GitRef>().unwrap(),
        position,
        build: BuildId::new(),
    }
}

fn name(format: Format, order: &LinkOrder, at: u32, file: &str) -> ArtifactName {
    ArtifactName::new(format, &order.repository, None, &order.git_ref, &commit(at), file).unwrap()
}

fn commit(number: u32) -> CommitId {
    format!("{:010x}{:030x}", number + 1, 0).parse().unwrap()
}

fn versioned(number: u32) -> String {
    format!("acme-tool-main-{}.flist", commit(number).short())
}

/// As a collector hands it over: hashed, and so read to its end.
fn collected(content: &[u8]) -> Collected {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    Collected { file, size: content.len() as u64, sha256: format!("{:x}", Sha256::digest(content)) }
}

/// 40 KB in which every line tells the version.
fn content(version: u32) -> Vec<u8> {
    format!("{version:07}\n").repeat(5_000).into_bytes()
}

/// The version, if the content is whole.
fn version(bytes: &[u8]) -> u32 {
    let version = std::str::from_utf8(&bytes[..7]).unwrap().parse().unwrap();
    assert!(bytes == content(version), "torn: {} bytes that begin as version {version}", bytes.len());
    version
}

#[test]
fn a_reader_never_sees_a_missing_or_torn_file_while_a_link_moves_a_thousand_times() {
    let world = world();
    world.publish(&content(0), 0, 0).unwrap();
    let moving = AtomicBool::new(true);
    thread::scope(|scope| {
        let from_disk = scope.spawn(|| read_while(&moving, || fs::read(world.path(LINK)).unwrap()));
        let from_hub = scope.spawn(|| read_while(&moving, || world.served(LINK).unwrap()));
        let publisher = scope.spawn(|| {
            for number in 1..=1000 {
                world.publish(&content(number), number, number.into()).unwrap();
            }
        });
        let published = publisher.join();
        moving.store(false, Ordering::Relaxed);
        published.unwrap();
        assert!(from_disk.join().unwrap() > 20);
        assert!(from_hub.join().unwrap() > 20);
    });
    assert_eq!(version(&world.served(LINK).unwrap()), 1000);
    assert_eq!(world.inside(".incoming"), 0);
}

/// Reads about a thousand times a second; how often in all.
fn read_while(moving: &AtomicBool, read: impl Fn() -> Vec<u8>) -> usize {
    let (mut reads, mut newest) = (0, 0);
    while moving.load(Ordering::Relaxed) {
        let seen = version(&read());
        assert!(seen >= newest, "the link went back from {newest} to {seen}");
        (reads, newest) = (reads + 1, seen);
        #[expect(clippy::disallowed_methods, reason = "a reader's own pace, not a wait")]
        thread::sleep(Duration::from_millis(1));
    }
    reads
}

#[test]
fn an_older_push_is_published_and_leaves_the_link_alone() {
    let world = world();
    let newer = world.publish(b"newer", 2, 2).unwrap();
    assert_eq!(newer.link, LinkMoved::Yes);
    let older = world.publish(b"older", 1, 1).unwrap();
    assert!(matches!(older.link, LinkMoved::No { .. }));
    assert_eq!(world.linked(), versioned(2));
    assert_eq!(world.served(&versioned(1)).unwrap(), b"older");

    // Not even a process that knows nothing of before moves it back.
    let world = World { hub: open(world.directory.path()), ..world };
    assert!(matches!(world.publish(b"older", 1, 1).unwrap().link, LinkMoved::No { .. }));
    assert_eq!(world.served(LINK).unwrap(), b"newer");
}

#[test]
fn a_commit_pushed_again_keeps_its_newer_place() {
    let world = world();
    world.publish(b"a", 1, 1).unwrap();
    world.publish(b"b", 2, 2).unwrap();
    world.publish(b"a", 1, 3).unwrap();
    assert_eq!(world.linked(), versioned(1));
    // The first push of the commit is built once more: the file is new, its place is not.
    world.publish(b"a, rebuilt", 1, 1).unwrap();
    assert!(matches!(world.publish(b"b, rebuilt", 2, 2).unwrap().link, LinkMoved::No { .. }));
    assert_eq!(world.served(LINK).unwrap(), b"a, rebuilt");
}

#[test]
fn pushes_that_finish_at_once_leave_the_link_at_the_newest() {
    let world = world();
    thread::scope(|scope| {
        for thread in 0..4_u32 {
            let world = &world;
            scope.spawn(move || {
                for number in (0..25).rev().map(|number| number * 4 + thread) {
                    world.publish(&content(number), number, number.into()).unwrap();
                }
            });
        }
    });
    assert_eq!(version(&world.served(LINK).unwrap()), 99);
}

#[test]
fn publishing_again_after_a_crash_ends_as_if_there_had_been_none() {
    let world = world();
    world.publish(b"one", 1, 1).unwrap();
    world.publish(b"two", 2, 2).unwrap();
    // As if the power had gone after the second file had its name and before the link moved,
    // with a third file half-written.
    fs::remove_file(world.path(LINK)).unwrap();
    symlink(versioned(1), world.path(LINK)).unwrap();
    fs::write(world.path(".incoming/4711-0"), b"hal").unwrap();
    symlink("nothing", world.path(".incoming/4711-1")).unwrap();
    fs::write(world.path(".records").join(versioned(3)), b"{\"repo").unwrap();

    let world = World { hub: open(world.directory.path()), ..world };
    assert_eq!(world.inside(".incoming"), 0);
    assert_eq!(world.served(LINK).unwrap(), b"one");
    world.publish(b"two", 2, 2).unwrap();
    assert_eq!(world.linked(), versioned(2));
    world.publish(b"three", 3, 3).unwrap();
    assert_eq!(world.served(LINK).unwrap(), b"three");

    // A record whose file and link never came to be.
    for name in [LINK, &versioned(3)] {
        fs::remove_file(world.path(name)).unwrap();
    }
    world.publish(b"three", 3, 3).unwrap();
    assert_eq!(world.served(LINK).unwrap(), b"three");
}

#[test]
fn a_rebuild_replaces_the_file_and_whoever_reads_the_old_one_reads_it_to_its_end() {
    let world = world();
    world.publish(&content(1), 1, 1).unwrap();
    let mut old = world.hub.open_artifact(LINK).unwrap().unwrap();
    world.publish(&content(2), 1, 1).unwrap();
    let new = world.hub.open_artifact(LINK).unwrap().unwrap();
    assert_ne!(old.etag, new.etag);
    let mut bytes = Vec::new();
    old.file.read_to_end(&mut bytes).unwrap();
    assert_eq!(version(&bytes), 1);
    assert_eq!(version(&world.served(&versioned(1)).unwrap()), 2);
}

#[test]
fn two_refs_that_make_the_same_name_do_not_overwrite_each_other() {
    let world = world();
    world.publish_from("refs/heads/a/b", b"first", 1, 1).unwrap();
    for git_ref in ["refs/heads/a-b", "refs/tags/a/b"] {
        for at in [1, 2] {
            let error = world.publish_from(git_ref, b"second", at, 9).unwrap_err();
            assert!(matches!(error, PublishError::Owned { .. }), "{error}");
            assert!(error.to_string().contains("refs/heads/a/b"), "{error}");
        }
    }
    assert_eq!(world.served("acme-tool-a-b.flist").unwrap(), b"first");
    assert_eq!(world.hub.list().unwrap().len(), 2);
    assert_eq!(world.inside(".incoming"), 0);
}

#[test]
fn what_is_not_a_link_is_not_replaced_by_one_nor_a_link_by_a_file() {
    let world = world();
    fs::write(world.path(LINK), b"by hand").unwrap();
    assert!(matches!(world.publish(b"x", 1, 1), Err(PublishError::Taken { .. })));
    fs::remove_file(world.path(LINK)).unwrap();
    fs::create_dir(world.path(LINK)).unwrap();
    assert!(matches!(world.publish(b"x", 1, 1), Err(PublishError::Taken { .. })));
    fs::remove_dir(world.path(LINK)).unwrap();
    symlink("elsewhere", world.path(&versioned(1))).unwrap();
    assert!(matches!(world.publish(b"x", 1, 1), Err(PublishError::Taken { .. })));
}

#[test]
fn a_link_from_before_the_hub_is_taken_over() {
    let world = world();
    fs::write(world.path("old.flist"), b"old").unwrap();
    for target in [Path::new("old.flist"), &world.path("old.flist")] {
        symlink(target, world.path(LINK)).unwrap();
        assert_eq!(world.publish(b"new", 1, 1).unwrap().link, LinkMoved::Yes);
        assert_eq!(world.served(LINK).unwrap(), b"new");
        fs::remove_file(world.path(LINK)).unwrap();
    }
}

#[test]
fn a_copy_that_differs_from_what_was_collected_is_never_seen() {
    let world = world();
    let order = order("acme/tool", "refs/heads/main", 1);
    let name = name(Format::Flist, &order, 1, "result.tar.gz");
    for damaged in [
        Collected { sha256: "0".repeat(64), ..collected(b"content") },
        Collected { size: 8, ..collected(b"content") },
        Collected { file: tempfile::tempfile().unwrap(), ..collected(b"content") },
    ] {
        let result = world.hub.publish(damaged, &name, Format::Flist, &order);
        assert!(matches!(result, Err(PublishError::Damaged { .. })));
    }
    assert!(world.hub.list().unwrap().is_empty());
    assert_eq!((world.inside(".incoming"), world.inside(".records")), (0, 0));
}

#[test]
fn names_that_would_leave_the_hub_or_hide_in_it_are_refused() {
    let world = world();
    let order = order("acme/tool", "refs/heads/main", 1);
    for bad in ["../x", "/x", "a/b", "..", ".", "", ".hidden", "a\0b", &"a".repeat(251)] {
        for (versioned, link) in [(bad, "link"), ("file", bad)] {
            let name = ArtifactName { versioned: versioned.into(), link: link.into() };
            let result = world.hub.publish(collected(b"x"), &name, Format::Flist, &order);
            assert!(matches!(result, Err(PublishError::Name(_))), "{bad:?}");
        }
    }
    assert!(world.hub.list().unwrap().is_empty());
}

#[test]
fn only_published_names_are_served() {
    let world = world();
    world.publish(b"content", 1, 1).unwrap();
    let outside = tempfile::NamedTempFile::new().unwrap();
    symlink(outside.path(), world.path("absolute")).unwrap();
    symlink("../../../../../../etc/passwd", world.path("up")).unwrap();
    symlink(LINK, world.path("twice")).unwrap();
    symlink("loop", world.path("loop")).unwrap();
    symlink(format!(".records/{}", versioned(1)), world.path("record")).unwrap();
    fs::create_dir(world.path("directory")).unwrap();
    fs::write(world.path(".hidden"), b"x").unwrap();
    let pipe = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, world.path("pipe"), pipe, 0o644.into(), 0).unwrap();

    let inside = format!(".records/{}", versioned(1));
    for name in [
        "absolute",
        "up",
        "twice",
        "loop",
        "record",
        "directory",
        "pipe",
        ".hidden",
        ".records",
        ".incoming",
        &inside,
        "..",
        ".",
        "",
        "../x",
        "a\0",
        "missing",
        &"a".repeat(4096),
    ] {
        assert!(world.hub.open_artifact(name).unwrap().is_none(), "{name}");
    }
    let mut listed: Vec<_> = world.hub.list().unwrap().into_iter().map(|entry| entry.name).collect();
    listed.sort();
    assert_eq!(listed, [versioned(1), LINK.to_owned()]);
}

#[test]
fn flists_and_binaries_are_served_as_one_with_their_hashes() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        directory: directory.path().join("flists"),
        binary_directory: Some(directory.path().join("deeper/binaries")),
    };
    let hub = DirectoryHub::open(&config).unwrap();
    let order = order("acme/tool", "refs/heads/main", 7);
    let gzip = [0x1f, 0x8b, 8, 0];
    let flist = name(Format::Flist, &order, 1, "result.tar.gz");
    hub.publish(collected(&gzip), &flist, Format::Flist, &order).unwrap();
    let program = collected(b"#!/bin/sh\n");
    program.file.set_permissions(fs::Permissions::from_mode(0o700)).unwrap();
    let binary = name(Format::Binary, &order, 1, "tool");
    hub.publish(program, &binary, Format::Binary, &order).unwrap();

    let served = hub.open_artifact(&flist.link).unwrap().unwrap();
    assert_eq!((served.content_type, served.size, &served.file_name), ("application/gzip", 4, &flist.versioned));
    let sha256 = format!("{:x}", Sha256::digest(gzip));
    assert_eq!((served.sha256.as_deref(), served.etag), (Some(&*sha256), format!("\"{sha256}\"")));
    assert_eq!(hub.open_artifact(&binary.link).unwrap().unwrap().content_type, "application/octet-stream");
    let mode = fs::metadata(config.binary_directory.unwrap().join(&binary.versioned)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o744);

    let entries = hub.list().unwrap();
    assert_eq!(entries.len(), 4);
    assert!(entries.is_sorted_by(|a, b| a.modified >= b.modified));
    let link = entries.iter().find(|entry| entry.name == binary.link).unwrap();
    assert_eq!((link.target.as_ref(), link.size), (Some(&binary.versioned), 10));
    let origin = link.origin.as_ref().unwrap();
    assert_eq!((&origin.repository, &origin.git_ref, origin.build), (&order.repository, &order.git_ref, order.build));
}

#[test]
fn a_file_changed_by_hand_loses_its_hash_and_not_its_place() {
    let world = world();
    world.publish(b"published", 1, 1).unwrap();
    File::options().append(true).open(world.path(&versioned(1))).unwrap().write_all(b"!").unwrap();
    let served = world.hub.open_artifact(LINK).unwrap().unwrap();
    assert_eq!((served.sha256, served.size), (None, 10));
    assert!(matches!(world.publish(b"older", 0, 0).unwrap().link, LinkMoved::No { .. }));
}

#[test]
fn only_what_newer_artifacts_replaced_goes_and_never_what_a_link_means_or_somebody_else_put_there() {
    let world = world();
    let keep = |newest, hours| {
        let mut gone = world.hub.prune(KeepArtifacts { newest, at_least: Duration::from_hours(hours) }).unwrap();
        gone.sort();
        gone
    };
    for number in 1..=6 {
        world.publish(&content(number), number, i64::from(number)).unwrap();
    }
    // An older push that came late, another branch of the same repository, and names of other people.
    world.publish_from("refs/heads/next", b"next", 1, 1).unwrap();
    symlink(versioned(2), world.path("pinned")).unwrap();
    fs::write(world.path(&versioned(9)), b"by hand").unwrap();
    fs::write(world.path(&versioned(3)), b"changed by hand").unwrap();
    let reading = world.hub.open_artifact(&versioned(1)).unwrap().unwrap();

    assert_eq!(keep(0, 0), [""; 0], "all are kept");
    assert_eq!(keep(1, 1), [""; 0], "all are young");
    assert_eq!(keep(2, 0), [versioned(1), versioned(4)]);
    assert_eq!(keep(2, 0), [""; 0]);
    assert_eq!(keep(1, 0), [versioned(5)]);
    assert_eq!(world.linked(), versioned(6));
    for (number, there) in [(1, false), (2, true), (3, true), (4, false), (5, false), (6, true), (9, true)] {
        assert_eq!(world.path(&versioned(number)).exists(), there, "{number}");
    }
    assert_eq!(world.hub.list().unwrap().len(), 8, "files 2, 3, 6, 9, that of the other branch, and three links");
    let mut read = Vec::new();
    { reading.file }.read_to_end(&mut read).unwrap();
    assert_eq!(read, content(1));

    // What was removed can be published again, and takes its old place.
    assert!(matches!(world.publish(&content(4), 4, 4).unwrap().link, LinkMoved::No { .. }));
    assert_eq!((world.linked(), world.served(&versioned(4)).unwrap()), (versioned(6), content(4)));
    assert_eq!(keep(1, 0), [versioned(4)]);
}
