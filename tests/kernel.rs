//! Pipelines: full builds become base images, kernels are built on them.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod common;

#[path = "kernel/world.rs"]
mod pipelines;

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
