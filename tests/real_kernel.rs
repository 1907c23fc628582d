//! The real thing: a Linux kernel built in full, then again on the image that left; both boot.
//!
//! It takes minutes and all processors, so `cargo test` passes it over; `make test-kernel` runs it.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]
#![allow(clippy::print_stderr, reason = "its figures are for a person")]

mod common;

use std::path::Path;

use common::{World, docker::docker, repository::Repository};
use futures_util::StreamExt;
use serde_json::Value;

/// What an incremental build may cost, of a full one.
const GOAL: f64 = 0.15;

const IMAGE: &str = "autobuilder/linux:latest";

fn configuration() -> String {
    let boot = "boot = {enabled = true, marker = 'AUTOBUILDER-BOOT-OK', timeout = '5m'}";
    format!(
        "parallel = 1\ntimeout = '2h'\n\
         [[kernel.pipeline]]\nrepository = 'acme/initramfs'\nkind = 'initramfs'\nbaseimage = '{IMAGE}'\n\
         script = 'build.sh'\n{boot}\n\
         [[kernel.pipeline]]\nrepository = 'acme/fs'\nkind = 'kernel'\nbase = 'acme/initramfs'\n\
         script = 'build.sh'\n{boot}\n"
    )
}

/// Pushes the files of a folder beside this test, and waits for the build with more patience than usual.
async fn built(world: &World, name: &str) -> (Value, f64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel/real").join(name);
    let files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap()))
        .collect();
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let repository: Repository = world.repository(&format!("acme/{name}"));
    let moved = repository.push("main", &files);
    let id = world.deliver(&repository, &moved).await.remove(0);
    eprintln!("building `{name}`; {}/build/{id}", world.client.address);
    let live = format!("{}/buildio?build={id}", world.client.address.replace("http://", "ws://"));
    let (mut live, _) = tokio_tungstenite::connect_async(live).await.unwrap();
    let build = loop {
        let build = world.client.build(&id).await;
        if !build["outcome"].is_null() {
            break build;
        }
        live.next().await.expect("the websocket stays open").unwrap();
    };
    let log = world.client.text(&format!("/report/{id}")).await;
    assert_eq!(build["outcome"], "success", "{build:#}\n{}", &log[log.len().saturating_sub(8000)..]);
    for words in [format!("build {}, efi no", moved.after), format!("build {}, efi yes", moved.after)] {
        assert!(log.contains(&words), "{words}:\n{}", &log[log.len().saturating_sub(8000)..]);
    }
    let took = build["ended"].as_f64().unwrap() - build["started"].as_f64().unwrap();
    eprintln!("`{name}` took {took:.0} s, from its claim to its publication");
    (build, took)
}

#[tokio::test]
async fn a_real_kernel_is_built_in_full_and_again_on_the_image_that_left() {
    let found = docker(&["image", "ls", "--quiet", IMAGE]);
    assert!(
        !found.is_empty(),
        "the image {IMAGE} is missing: run `scripts/setup kernel` once, as `make test-kernel` does"
    );
    let world = World::with(&configuration()).await;
    let (full, long) = built(&world, "initramfs").await;
    let (quick, short) = built(&world, "fs").await;

    for (build, link) in [(&full, "zero-os-main-generic"), (&quick, "zero-os-main")] {
        let name = build["artifact"].as_str().unwrap();
        let target = |path: std::path::PathBuf| std::fs::read_link(path).unwrap().to_str().unwrap().to_owned();
        assert_eq!(target(world.kernels().join(format!("{link}.efi"))), name);
        let flist = name.replace(".efi", ".flist");
        assert_eq!(target(world.artifacts().join(format!("{link}.flist"))), flist);
        let size = std::fs::metadata(world.kernels().join(name)).unwrap().len();
        eprintln!("{name}: {size} bytes, in the directory and on the hub");
    }
    let ratio = short / long;
    let verdict = if ratio <= GOAL { "reached" } else { "missed" };
    eprintln!("full {long:.0} s, incremental {short:.0} s: ratio {ratio:.3}, goal {GOAL} {verdict}");
    world.end().await;
}
