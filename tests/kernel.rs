//! Pipelines: full builds become base images, kernels are built on them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at its first surprise")]

mod common;

#[path = "kernel/bootstrap.rs"]
mod bootstrap;
#[path = "kernel/world.rs"]
mod pipelines;
#[path = "kernel/readers.rs"]
mod readers;

use bootstrap::Bootstrap;
use common::docker::docker;
use pipelines::{FULL, ON_BASE, Pipelines};
use serde_json::json;

#[tokio::test]
async fn a_kernel_is_built_on_the_base_image_that_a_full_build_left() {
    let world = Pipelines::new("").await;
    let full = world.push_initramfs("main", FULL).await;
    assert_eq!(full["outcome"], "success", "{full:#}\n{}", world.service.log());
    assert_eq!(world.log(&full).await, "full build of main initramfs\n");
    let images = world.images();
    assert_eq!(images.len(), 1);
    assert_eq!(world.label(&images[0], "base.commit"), full["commit"].as_str().unwrap());
    assert_eq!(world.label(&images[0], "base.build"), full["id"].as_str().unwrap());
    assert_eq!(world.label(&images[0], "base.parent"), full["baseimage_digest"].as_str().unwrap());
    assert_eq!(docker(&["image", "inspect", "--format", "{{.Id}}", &world.name("initramfs:main")]), images);

    let kernel = world.push_kernel("main", ON_BASE).await;
    assert_eq!(kernel["outcome"], "success", "{kernel:#}\n{}", world.service.log());
    assert_eq!(world.log(&kernel).await, "kernel of main fs on the state of main\n");
    assert_eq!(kernel["baseimage_digest"], json!(images[0]));
    assert_eq!(world.images(), images, "a kernel's container becomes no image");
    world.end().await;
}

#[tokio::test]
async fn a_tag_is_a_release_and_its_script_says_so() {
    let world = Pipelines::new("").await;
    let build = world.push_initramfs("refs/tags/v1.0", FULL).await;
    assert_eq!(world.log(&build).await, "full build of v1.0 initramfs release\n", "{build:#}");
    world.end().await;
}

#[tokio::test]
async fn the_base_is_that_of_the_longest_beginning_else_of_a_fallback_else_an_error_that_lists_them() {
    let world = Pipelines::new("").await;
    let none = world.push_kernel("development2", ON_BASE).await;
    assert_eq!((&none["outcome"], &none["cause"]), (&json!("failure"), &json!("base-image")));
    assert!(none["error"].as_str().unwrap().contains("there is none at all"), "{none:#}");

    world.push_initramfs("development", FULL).await;
    let none = world.push_kernel("development2", &format!("{ON_BASE}# again\n")).await;
    assert!(none["error"].as_str().unwrap().contains("there is `development`;"), "{none:#}");
    let fitting = world.push_kernel("development/two", ON_BASE).await;
    assert!(world.log(&fitting).await.ends_with("on the state of development\n"), "{fitting:#}");

    world.push_initramfs("main", &format!("{FULL}# main\n")).await;
    let fallback = world.push_kernel("development2", &format!("{ON_BASE}# third\n")).await;
    assert!(world.log(&fallback).await.ends_with("on the state of main\n"), "{fallback:#}");
    world.end().await;
}

#[tokio::test]
async fn a_base_image_holds_a_whole_checkout_and_no_environment_of_the_build() {
    let world = Pipelines::with(
        "secrets = ['KEY']",
        "[[grant]]\nrepository = 'acme/initramfs'\nsecrets = {KEY = 'hunter2-hunter2'}\n",
    )
    .await;
    let script = format!("{FULL}[ \"$KEY\" = hunter2-hunter2 ] && [ \"$BRANCH\" = feature/x ] || exit 9\n");
    let build = world.push_initramfs("feature/x", &script).await;
    assert_eq!(build["outcome"], "success", "{build:#}\n{}", world.log(&build).await);
    let image = &world.images()[0];
    let configuration = docker(&["image", "inspect", image]).join("\n");
    assert!(!configuration.contains("hunter2") && !configuration.contains("KEY"), "{configuration}");
    let environment = |image: &str| docker(&["image", "inspect", "--format", "{{json .Config.Env}}", image]);
    assert_eq!(environment(image), environment(common::docker::IMAGE));
    let names = docker(&["image", "inspect", "--format", "{{index .RepoTags 0}}", image]);
    assert!(names[0].starts_with(&world.name("initramfs:feature-x-")), "{names:?}");

    // Everything the checkout has is in the image, and nothing it borrowed is missing.
    let script = "cat /initramfs/build.sh; ls /.autobuilder /.autobuilder-source /.autobuilder-objects; \
        test ! -e /initramfs/.git/objects/info/alternates; find /initramfs/.git/objects -type f | wc -l";
    let found = docker(&["run", "--rm", "--network", "none", image, "sh", "-c", script]);
    assert!(found.contains(&"#!/bin/sh".to_owned()));
    assert!(found.last().unwrap().parse::<usize>().unwrap() >= 2, "{found:?}");
    assert!(!found.join("\n").contains("environment\nconsole"));
    world.end().await;
}

#[tokio::test]
async fn a_failed_full_build_leaves_the_base_image_as_it_was() {
    let world = Pipelines::new("").await;
    world.push_initramfs("main", FULL).await;
    let before = world.images();
    let failed = world.push_initramfs("main", "#!/bin/sh\necho x >/target/vmlinuz.efi\nexit 3\n").await;
    assert_eq!(failed["outcome"], "failure");
    let none = world.push_initramfs("main", "#!/bin/sh\necho nothing\n").await;
    assert_eq!(none["cause"], "missing-artifact");
    assert_eq!(world.images(), before);
    world.end().await;
}

#[tokio::test]
async fn of_two_full_builds_of_a_branch_the_newer_push_has_the_name_whichever_ends_last() {
    let world = Pipelines::new("").await;
    let slow =
        "#!/bin/sh\nuntil [ -e /target/go ]; do sleep 0.05; done\necho older >/state\necho k >/target/vmlinuz.efi\n";
    let older = world.deliver_initramfs("main", slow).await;
    world.service.client.until(&older, |build| build["status"] == "building").await;
    let newer = world.push_initramfs("main", FULL).await;
    assert_eq!(newer["outcome"], "success", "{newer:#}");
    world.go();
    let older = world.service.client.ended(&older).await;
    assert_eq!(older["outcome"], "success", "{older:#}");
    assert_eq!(world.images().len(), 2);
    let named = docker(&[
        "image",
        "inspect",
        "--format",
        "{{index .Config.Labels \"autobuilder.base.build\"}}",
        &world.name("initramfs:main"),
    ]);
    assert_eq!(named, [newer["id"].as_str().unwrap()]);
    let kernel = world.push_kernel("main", ON_BASE).await;
    assert!(world.log(&kernel).await.ends_with("on the state of main\n"), "{kernel:#}");
    world.end().await;
}

#[tokio::test]
async fn an_image_of_somebody_elses_keeps_its_name() {
    let world = Pipelines::new("").await;
    let name = world.name("initramfs:main");
    docker(&["tag", common::docker::IMAGE, &name]);
    let before = docker(&["image", "inspect", "--format", "{{.Id}}", &name]);
    world.push_initramfs("main", FULL).await;
    let kernel = world.push_kernel("main", ON_BASE).await;
    let after = docker(&["image", "inspect", "--format", "{{.Id}}", &name]);
    docker(&["rmi", &name]);
    assert_eq!(after, before);
    assert_eq!(kernel["outcome"], "success", "{kernel:#}");
    world.end().await;
}

#[tokio::test]
async fn a_reload_changes_pipelines_and_a_mistake_changes_nothing() {
    let world = Pipelines::new("branches = ['none']").await;
    let moved = world.initramfs.push("main", &[("build.sh", FULL)]);
    let answer = world.service.client.deliver(&world.initramfs.name, &moved).await;
    assert_eq!(answer["status"], "ignored", "{answer}");
    world.reload(|text| text.replace("branches = ['none']", "branches = ['(']"), "regular expression").await;
    world.reload(|text| text.replace("branches = ['(']", "branches = ['ma.*']"), "Configuration reloaded").await;
    let build = world.service.built(&world.initramfs, &moved).await;
    assert_eq!(build["outcome"], "success", "{build:#}");
    world.end().await;
}

#[tokio::test]
async fn kernels_come_to_the_directory_and_to_the_hub_with_their_links() {
    let world = Pipelines::new("").await;
    let full = world.push_initramfs("feature/x", FULL).await;
    let quick = world.push_kernel("feature/x", ON_BASE).await;
    let commit = |build: &serde_json::Value| build["commit"].as_str().unwrap()[..10].to_owned();
    let (full_name, quick_name) =
        (format!("zero-os-feature-x-generic-{}", commit(&full)), format!("zero-os-feature-x-fs-{}", commit(&quick)));
    assert_eq!(full["artifact"], format!("{full_name}.efi"), "{full:#}");
    assert_eq!(quick["artifact"], format!("{quick_name}.efi"), "{quick:#}");

    let kernels = world.service.kernels();
    let read = |name: &str| std::fs::read_to_string(kernels.join(name)).unwrap();
    assert_eq!(read("zero-os-feature-x-generic.efi"), format!("kernel {}\n", full["commit"].as_str().unwrap()));
    assert_eq!(read("zero-os-feature-x.efi"), "the state of feature/x\n");
    let target = std::fs::read_link(kernels.join("zero-os-feature-x.efi")).unwrap();
    assert_eq!(target.to_str(), Some(&*format!("{quick_name}.efi")));
    // The way to it from the build's page, and what stands in the listing of artifacts.
    for name in ["zero-os-feature-x.efi", quick["artifact"].as_str().unwrap()] {
        let served = world.service.client.get(&format!("/artifacts/{name}")).await;
        assert_eq!(served.headers()["content-type"], "application/efi", "{name}");
        assert_eq!(served.text().await.unwrap(), "the state of feature/x\n");
    }
    std::fs::write(kernels.join("foreign.efi"), "not ours").unwrap();
    let listing = world.service.client.text("/artifacts/").await;
    for name in [&full_name, &quick_name] {
        assert!(listing.contains(&format!("{name}.efi")) && listing.contains(&format!("{name}.flist")), "{listing}");
    }
    assert!(!listing.contains("foreign.efi"), "{listing}");
    assert_eq!(world.service.client.get("/artifacts/foreign.efi").await.status(), 404);
    std::fs::remove_file(kernels.join("foreign.efi")).unwrap();
    // What a boot service offers: every regular file, and those two it should be.
    let mut offered: Vec<_> = std::fs::read_dir(&kernels)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    offered.sort();
    assert_eq!(offered, [format!("{quick_name}.efi"), format!("{full_name}.efi")]);

    let archive = world.service.client.get("/artifacts/zero-os-feature-x.flist").await.bytes().await.unwrap();
    let found = pipelines::unpacked(&archive);
    assert_eq!(found["kernel.efi"], "the state of feature/x\n");
    assert_eq!(found["boot/boot.yaml"], "kernel: /kernel.efi\nnodefault: true\n");
    let target = std::fs::read_link(world.service.artifacts().join("zero-os-feature-x-generic.flist")).unwrap();
    assert_eq!(target.to_str(), Some(&*format!("{full_name}.flist")));
    world.end().await;
}

#[tokio::test]
async fn a_kernel_of_another_repository_does_not_take_a_link() {
    let other = "[[kernel.pipeline]]\nrepository = 'acme/core'\nkind = 'kernel'\nbase = 'acme/initramfs'\n\
        script = 'build.sh'\nboot = {enabled = false}\n";
    let world = Pipelines::with("", other).await;
    world.push_initramfs("main", FULL).await;
    world.push_kernel("main", ON_BASE).await;
    let before = std::fs::read_link(world.service.kernels().join("zero-os-main.efi")).unwrap();
    let core = world.service.repository(&world.name("core"));
    let moved = core.push("main", &[("build.sh", ON_BASE)]);
    let refused = world.service.built(&core, &moved).await;
    assert_eq!((&refused["outcome"], &refused["cause"]), (&json!("failure"), &json!("publish")), "{refused:#}");
    assert!(refused["error"].as_str().unwrap().contains("already belongs to `refs/heads/main`"), "{refused:#}");
    assert_eq!(std::fs::read_link(world.service.kernels().join("zero-os-main.efi")).unwrap(), before);
    world.end().await;
}

#[tokio::test]
async fn a_boot_service_on_another_machine_gets_kernel_and_link() {
    let bootstrap = Bootstrap::start().await;
    let world = Pipelines::with_kernel_keys(&bootstrap.keys("right")).await;
    let full = world.push_initramfs("main", FULL).await;
    assert_eq!(full["outcome"], "success", "{full:#}\n{}", world.service.log());
    let name = full["artifact"].as_str().unwrap();
    assert_eq!(bootstrap.file(name), std::fs::read(world.service.kernels().join(name)).unwrap());
    assert_eq!(bootstrap.link("zero-os-main-generic.efi").as_deref(), Some(name));

    world.end().await;

    // Its errors are answers like any other.
    let world = Pipelines::with_kernel_keys(&bootstrap.keys("wrong")).await;
    let refused = world.push_initramfs("other", FULL).await;
    assert_eq!((&refused["outcome"], &refused["cause"]), (&json!("error"), &json!("publish")), "{refused:#}");
    assert!(refused["error"].as_str().unwrap().contains("invalid token"), "{refused:#}");
    assert_eq!(refused["attempt"], 1);
    assert_eq!(bootstrap.link("zero-os-other-generic.efi"), None);
    world.end().await;
}

/// A real kernel, and what is made of it.
const REAL: &str = "#!/bin/sh\nset -e\ncp /boot/vmlinuz /target/vmlinuz.efi\necho state >/state\n";
const CUT: &str = "#!/bin/sh\nset -e\nhead -c 3000000 /boot/vmlinuz >/target/vmlinuz.efi\necho state >/state\n";

#[tokio::test]
async fn a_kernel_that_boots_is_published_and_its_console_is_in_the_log() {
    let marker = "Kernel command line: console=ttyS0 panic=-1 from_the_pipeline";
    let boot = format!("boot = {{enabled = true, marker = '{marker}', timeout = '5m', append = 'from_the_pipeline'}}");
    let world = Pipelines::booting(&boot).await;
    let build = world.push_and_boot("main", REAL).await;
    let log = world.log(&build).await;
    assert_eq!(build["outcome"], "success", "{build:#}\n{log}");
    for words in ["booting the kernel directly", marker, "the kernel boots directly", "boots as an EFI application"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    assert_eq!(world.images().len(), 1);
    assert!(world.service.kernels().join("zero-os-main-generic.efi").exists());
    world.end().await;
}

#[tokio::test]
async fn a_kernel_that_panics_or_is_cut_off_is_a_failure_and_nothing_moves() {
    // Without an initramfs it never comes to what the marker says by default.
    let world = Pipelines::booting("boot = {timeout = '5m'}").await;
    for (script, words) in [(REAL, "Kernel panic"), (CUT, "booting the kernel directly")] {
        let build = world.push_and_boot("main", script).await;
        let log = world.log(&build).await;
        assert_eq!((&build["outcome"], &build["cause"]), (&json!("failure"), &json!("boot")), "{build:#}\n{log}");
        let error = build["error"].as_str().unwrap();
        assert!(error.contains("does not boot directly: it ended without printing `Run /init"), "{error}");
        assert!(log.contains(words), "{log}");
    }
    assert!(world.images().is_empty());
    assert!(!world.service.kernels().join("zero-os-main-generic.efi").exists());
    world.end().await;
}

#[tokio::test]
async fn a_kernel_that_hangs_is_ended_in_time_and_a_restart_begins_its_boot_anew() {
    // It never ends by itself, as nobody reads its console but us.
    let boot = "boot = {marker = 'never said', timeout = '5m', append = 'panic=0'}";
    let mut world = Pipelines::booting(boot).await;
    let id = world.deliver_initramfs("main", REAL).await;
    let booting = |log: &str| log.matches("booting the kernel directly").count();
    world.until_log(&id, |log| log.contains("Kernel panic")).await;
    world.service.signal("TERM");
    assert_eq!(world.service.left().await, Some(0));
    assert_eq!(world.machines(), 0, "no virtual machine outlives the service");
    world.service.start().await;
    world.until_log(&id, |log| booting(log) == 2).await;
    world.service.kill();
    world.until_no_machine().await;
    world.service.start().await;
    world.until_log(&id, |log| booting(log) == 3).await;
    let (status, _) = world.service.client.order(&format!("/api/builds/{id}/cancel"), json!({})).await;
    assert_eq!(status, 202);
    assert_eq!(world.service.client.ended(&id).await["outcome"], "cancelled");
    assert_eq!(world.machines(), 0);
    world.end().await;
}

#[tokio::test]
async fn old_base_images_go_and_the_newest_of_each_branch_stay() {
    let world = Pipelines::with_kernel_keys("keep = 2\nkeep_for = '0s'\n").await;
    let foreign = world.name("foreign:1");
    docker(&["tag", common::docker::IMAGE, &foreign]);
    world.push_initramfs("dev", FULL).await;
    let mut builds = Vec::new();
    for number in 1..=4 {
        builds.push(world.push_initramfs("main", &format!("{FULL}# {number}\n")).await);
    }
    world.until_images(3).await;
    let listed = world.list_images(&[]);
    let of_main: Vec<_> = listed.iter().filter(|image| image["ref"] == "refs/heads/main").collect();
    assert_eq!(of_main.len(), 2);
    assert_eq!((&of_main[0]["build"], &of_main[0]["use"]), (&builds[3]["id"], &json!("current")));
    assert_eq!((&of_main[1]["commit"], &of_main[1]["use"]), (&builds[2]["commit"], &json!("kept")));
    assert!(of_main[0]["size"].as_u64().unwrap() > 1_000_000);
    let table = world.images_table();
    assert!(table.lines().nth(2).unwrap().starts_with(&world.name("initramfs:main ")), "{table}");
    assert!(table.ends_with("MiB\n") && table.contains(" current\n") && table.contains(" kept\n"), "{table}");

    world.reload(|text| text.replace("keep = 2", "keep = 1"), "Configuration reloaded").await;
    let would_go = world.list_images(&["--prune", "--dry-run"]);
    assert_eq!((would_go.len(), &would_go[0]["build"]), (1, &builds[2]["id"]));
    assert_eq!(world.images().len(), 3);
    assert_eq!(world.list_images(&["--prune"]), would_go);
    assert_eq!(world.images().len(), 2);
    assert!(world.list_images(&["--prune"]).is_empty());
    assert_eq!(docker(&["image", "ls", "--quiet", &foreign]).len(), 1);
    docker(&["rmi", &foreign]);
    world.end().await;
}

#[test]
fn a_reader_of_the_directory_sees_no_missing_and_no_torn_kernel_while_links_move() {
    readers::read_while_links_move(1000);
}
