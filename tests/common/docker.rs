//! Questions to the engine, by its own command line, so that a fault of ours cannot hide itself.

use std::process::Command;

/// The image of most tests: a static busybox, made by `scripts/setup`.
pub const IMAGE: &str = "autobuilder/busybox:latest";

/// What `docker` prints, line by line.
pub fn docker(arguments: &[&str]) -> Vec<String> {
    let output = Command::new("docker").args(arguments).output().expect("docker is there");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Fails with a hint if the image is missing.
pub fn need_image() {
    let found = docker(&["image", "ls", "--quiet", IMAGE]);
    assert!(!found.is_empty(), "the image {IMAGE} is missing: run `scripts/setup test` once, as `make test` does");
}

/// Everything the engine still has of an instance.
pub fn leftovers(instance: &str) -> Vec<String> {
    let filter = format!("label=autobuilder.instance={instance}");
    let mut found = docker(&["ps", "--all", "--quiet", "--filter", &filter]);
    found.extend(docker(&["network", "ls", "--quiet", "--filter", &filter]));
    found
}

/// Removes the base images of an instance, which outlive it on purpose.
pub fn remove_images(instance: &str) {
    let filter = format!("label=autobuilder.instance={instance}");
    for image in docker(&["image", "ls", "--all", "--quiet", "--no-trunc", "--filter", &filter]) {
        let _ = Command::new("docker").args(["rmi", "--force", &image]).output();
    }
}

/// Removes it, so that one failing test does not fail the next.
pub fn remove_leftovers(instance: &str) {
    let filter = format!("label=autobuilder.instance={instance}");
    // What is on its way out by itself is as good as removed.
    for container in docker(&["ps", "--all", "--quiet", "--filter", &filter]) {
        let _ = Command::new("docker").args(["rm", "--force", &container]).output();
    }
    for network in docker(&["network", "ls", "--quiet", "--filter", &filter]) {
        let _ = Command::new("docker").args(["network", "rm", &network]).output();
    }
}
