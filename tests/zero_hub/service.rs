//! The whole service before a Zero-OS hub: hours of silence, kills between two steps, pushes out of order.

use serde_json::{Value, json};

use super::common::{
    World,
    client::PATIENCE,
    docker::{IMAGE, docker},
    forge_api::ForgeApi,
    hub::{Act, Call, FakeHub, TOKEN, USER},
    repository::{Moved, Repository},
    world::recipe,
};

/// Leaves an archive, and a line that tells that it ran.
const GOOD: &str = "#!/bin/sh\nset -e\necho the script ran\necho $COMMIT >file\nln -s file again\n\
    tar -czf /target/result.tar.gz file again\n";

const LINK: &str = "acme-tool-main.flist";

async fn world() -> (World, FakeHub) {
    world_with("").await
}

/// One place for builds: what waits for the hub must not take it.
async fn world_with(more: &str) -> (World, FakeHub) {
    let hub = FakeHub::new().await;
    let world = World::with(&format!("parallel = 1\n{}{more}", hub.configuration("data/artifacts"))).await;
    (world, hub)
}

/// Waits until the build waits for the hub, and says why.
async fn waits(world: &World, id: &str) -> String {
    let build = world.client.until(id, |build| build["status"] == "uploading" && !build["error"].is_null()).await;
    build["error"].as_str().unwrap().to_owned()
}

async fn pushed(world: &World, repository: &Repository, moved: &Moved) -> String {
    world.deliver(repository, moved).await.remove(0)
}

/// Artifacts that wait.
fn outgoing(world: &World) -> Vec<String> {
    let names = std::fs::read_dir(world.path().join("data/outgoing")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with('.')).collect()
}

async fn log(world: &World, id: &str) -> String {
    world.client.text(&format!("/report/{id}")).await
}

/// Ends the service; nothing waits any more.
async fn end(world: World) {
    assert_eq!(outgoing(&world), [""; 0]);
    world.end().await;
}

#[tokio::test]
async fn a_kernel_is_published_here_and_its_archive_at_the_hub() {
    // Names of base images are shared with all tests.
    let org = format!("z{}", &uuid::Uuid::now_v7().simple().to_string()[20..]);
    let pipeline = format!(
        "\n[[kernel.pipeline]]\nrepository = '{org}/initramfs'\nkind = 'initramfs'\nbaseimage = '{IMAGE}'\n\
         script = 'build.sh'\nboot = {{enabled = false}}\n"
    );
    let (world, hub) = world_with(&pipeline).await;
    let repository = world.repository(&format!("{org}/initramfs"));
    let moved = repository.push("main", &[("build.sh", "#!/bin/sh\necho $COMMIT >/target/vmlinuz.efi\n")]);
    let build = world.built(&repository, &moved).await;
    assert_eq!(build["outcome"], "success", "{build:#}\n{}", world.log());
    let name = format!("zero-os-main-generic-{}", &moved.after[..10]);
    assert_eq!(build["artifact"], format!("{name}.efi"));
    let kernel = world.client.get(&format!("/artifacts/{name}.efi")).await.text().await.unwrap();
    assert_eq!((kernel.trim(), kernel.len()), (&*moved.after, build["artifact_size"].as_u64().unwrap() as usize));
    hub.look(|hub| assert_eq!(hub.links["zero-os-main-generic.flist"], format!("{name}.flist")));
    end(world).await;
}

#[tokio::test]
async fn a_push_becomes_a_linked_flist_at_the_hub() {
    let (world, hub) = world().await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    let build = world.built(&repository, &moved).await;
    assert_eq!(build["outcome"], "success", "{build:#}\n{}", world.log());
    let file = format!("acme-tool-main-{}.flist", &moved.after[..10]);
    assert_eq!(build["artifact"], file);
    hub.look(|hub| {
        assert_eq!(hub.links[LINK], file);
        assert_eq!(hub.flists[&file].counted["regular"], 1);
        assert_eq!(hub.flists[&file].counted["symlink"], 1);
    });
    let id = build["id"].as_str().unwrap();
    let log = log(&world, id).await;
    for words in
        ["the script ran", &format!("[autobuilder] uploading `{file}`"), USER, "1 files, 1 symbolic links", LINK]
    {
        assert!(log.contains(words), "{words} is not in {log}");
    }
    // The page's link leads there.
    let led = world.client.get(&format!("/artifacts/{LINK}")).await;
    assert_eq!(led.url().as_str(), format!("{}/{USER}/{LINK}", hub.url()));
    let status = world.client.json("/readyz").await;
    assert_eq!(status["hub"], Value::Null);
    assert!(world.log().contains(&format!("The hub knows us as `{USER}`")));
    for text in [log, world.log(), world.client.text("/build/history").await, world.client.text("/metrics").await] {
        assert!(!text.contains(TOKEN));
    }
    end(world).await;
}

#[tokio::test]
async fn a_hub_that_is_down_holds_up_no_build_and_what_waits_survives_a_kill() {
    let (mut world, mut hub) = world().await;
    let (repository, first) = world.tracked("acme/tool", GOOD).await;
    hub.stop().await;
    let second = repository.push("main", &[("more", "1")]);
    let ids = [pushed(&world, &repository, &first).await, pushed(&world, &repository, &second).await];
    for id in &ids {
        let reason = waits(&world, id).await;
        assert!(reason.contains("could not be reached"), "{reason}");
    }
    assert!(world.client.json("/readyz").await["hub"].as_str().unwrap().contains("could not be reached"));
    world.kill();
    assert_eq!(outgoing(&world).len(), 2);
    world.start().await;
    let instance = world.label();
    assert_eq!(
        docker(&["ps", "--all", "--quiet", "--filter", &instance]),
        [""; 0],
        "nothing of a build is kept for it"
    );
    for id in &ids {
        waits(&world, id).await;
    }
    hub.start().await;
    for (id, moved) in ids.iter().zip([&first, &second]) {
        let build = world.client.ended(id).await;
        assert_eq!((&build["outcome"], &build["attempt"]), (&json!("success"), &json!(1)), "{build:#}");
        assert_eq!(build["commit"], moved.after);
        let log = log(&world, id).await;
        assert_eq!(log.matches("the script ran").count(), 1, "{log}");
    }
    hub.look(|hub| {
        assert_eq!((hub.flists.len(), hub.most_at_once), (2, 1));
        assert!(hub.links[LINK].contains(&second.after[..10]));
    });
    end(world).await;
}

#[tokio::test]
async fn a_kill_between_upload_and_link_costs_no_second_upload_and_leaves_no_link_behind() {
    let (mut world, hub) = world().await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    hub.next(Call::Link, Act::Hold);
    let id = pushed(&world, &repository, &moved).await;
    hub.until(|hub| hub.count(Call::Link) == 1).await;
    world.kill();
    hub.look(|hub| assert!(hub.links.is_empty()));
    world.start().await;
    assert_eq!(world.client.ended(&id).await["outcome"], "success");
    hub.look(|hub| {
        assert_eq!(hub.count(Call::Upload), 1);
        assert!(hub.links[LINK].contains(&moved.after[..10]));
    });
    end(world).await;
}

#[tokio::test]
async fn of_two_pushes_out_of_order_the_newer_keeps_the_link() {
    let (world, hub) = world().await;
    let (repository, first) = world.tracked("acme/tool", GOOD).await;
    let second = repository.push("main", &[("more", "1")]);
    let third = repository.push("main", &[("more", "2")]);
    drop(first);
    let newer = pushed(&world, &repository, &third).await;
    let older = pushed(&world, &repository, &second).await;
    for id in [&newer, &older] {
        assert_eq!(world.client.ended(id).await["outcome"], "success");
    }
    hub.look(|hub| {
        assert_eq!(hub.flists.len(), 2);
        let file = format!("acme-tool-main-{}.flist", &third.after[..10]);
        assert_eq!(hub.moves, [(LINK.to_owned(), file)]);
    });
    assert!(log(&world, &older).await.contains("stays where the newer push"));
    end(world).await;
}

#[tokio::test]
async fn a_retry_hurries_what_waits_and_a_cancel_ends_it() {
    let (world, mut hub) = world().await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    // An hour is longer than this test.
    hub.next(Call::Me, Act::With(503, "Retry-After: 3600\r\n", "{}".into()));
    let id = pushed(&world, &repository, &moved).await;
    let reason = waits(&world, &id).await;
    assert!(reason.contains("503"), "{reason}");
    let (code, answer) = world.client.order(&format!("/api/builds/{id}/retry"), json!({})).await;
    assert_eq!((code, &answer["builds"]), (202, &json!([id])));
    let build = world.client.ended(&id).await;
    assert_eq!((&build["outcome"], &build["number"]), (&json!("success"), &json!(1)));

    hub.stop().await;
    let next = repository.push("main", &[("more", "1")]);
    let id = pushed(&world, &repository, &next).await;
    waits(&world, &id).await;
    assert_eq!(world.client.order(&format!("/api/builds/{id}/cancel"), json!({})).await.0, 202);
    assert_eq!(world.client.ended(&id).await["outcome"], "cancelled");
    hub.start().await;
    hub.look(|hub| assert_eq!(hub.flists.len(), 1));
    end(world).await;
}

#[tokio::test]
async fn a_refused_token_fails_the_build_and_a_retry_sends_what_was_built() {
    let (mut world, hub) = world().await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    hub.reject(TOKEN);
    let failed = world.built(&repository, &moved).await;
    assert_eq!((&failed["outcome"], &failed["cause"]), (&json!("error"), &json!("publish")), "{failed:#}");
    let message = failed["error"].as_str().unwrap();
    assert!(message.contains("hub.token") && message.contains("retry"), "{message}");
    world.kill();
    world.start().await;
    let told = async { while world.client.json("/readyz").await["hub"].is_null() {} };
    tokio::time::timeout(PATIENCE, told).await.unwrap();
    assert!(world.log().contains("Artifacts cannot be published now"), "{}", world.log());
    hub.accept(TOKEN, USER);
    let (_, answer) =
        world.client.order(&format!("/api/builds/{}/retry", failed["id"].as_str().unwrap()), json!({})).await;
    let id = answer["builds"][0].as_str().unwrap().to_owned();
    assert_ne!(failed["id"], id);
    let build = world.client.ended(&id).await;
    assert_eq!((&build["outcome"], &build["number"]), (&json!("success"), &json!(2)), "{build:#}");
    let log = log(&world, &id).await;
    assert!(!log.contains("the script ran") && log.contains("uploading"), "{log}");
    hub.look(|hub| assert!(hub.links[LINK].contains(&moved.after[..10])));
    assert!(!world.log().contains(TOKEN));
    end(world).await;
}

#[tokio::test]
async fn sighup_takes_a_new_token_over() {
    let (world, hub) = world().await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    hub.reject(TOKEN);
    let failed = world.built(&repository, &moved).await;
    assert_eq!(failed["outcome"], "error", "{failed:#}");
    hub.accept("another-token", USER);
    let file = world.path().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace(TOKEN, "another-token");
    std::fs::write(&file, text).unwrap();
    world.signal("HUP");
    world.until_log("Configuration reloaded").await;
    let path = format!("/api/builds/{}/retry", failed["id"].as_str().unwrap());
    let (_, answer) = world.client.order(&path, json!({})).await;
    let build = world.client.ended(answer["builds"][0].as_str().unwrap()).await;
    assert_eq!(build["outcome"], "success", "{build:#}");
    assert!(!world.log().contains("another-token"));
    end(world).await;
}

#[tokio::test]
async fn the_forge_hears_once_that_the_hub_is_waited_for_and_why() {
    let (api, mut hub) = (ForgeApi::new().await, FakeHub::new().await);
    let world = World::beside(&api, &hub.configuration("data/artifacts")).await;
    let (repository, moved) = world.tracked("acme/tool", GOOD).await;
    hub.stop().await;
    let id = pushed(&world, &repository, &moved).await;
    let waits = |api: &ForgeApi| {
        let (state, words) = api.shown(&moved.after, "autobuilder/build.sh")?;
        (state == "pending" && words.starts_with("built, waits for the hub to take it: ")).then_some(words)
    };
    let words = api.until("that the build waits for the hub", waits).await;
    assert!(words.contains("could not be reached") && words.chars().count() <= 140, "{words}");
    for times in 2..4 {
        let path = format!("/api/builds/{id}/retry");
        assert_eq!(world.client.order(&path, json!({})).await.0, 202);
        let tried = async { while log(&world, &id).await.matches("trying again").count() < times {} };
        tokio::time::timeout(PATIENCE, tried).await.unwrap();
    }
    hub.start().await;
    assert_eq!(world.client.ended(&id).await["outcome"], "success");
    assert_eq!(api.verdict(&moved.after, "autobuilder/build.sh").await.0, "success");
    let told = api.statuses(&moved.after);
    let waiting = told.iter().filter(|status| status["description"].as_str().unwrap().starts_with("built, waits"));
    assert_eq!(waiting.count(), 1, "{told:#?}");
    end(world).await;
}

#[tokio::test]
async fn half_an_archive_is_the_recipes_failure_and_a_success_that_stored_nothing_is_ours() {
    let (world, hub) = world().await;
    let half = format!("{GOOD}head -c 60 /target/result.tar.gz >/target/half\nmv /target/half /target/result.tar.gz\n");
    let (repository, moved) = world.tracked("acme/tool", &half).await;
    let build = world.built(&repository, &moved).await;
    assert_eq!((&build["outcome"], &build["cause"]), (&json!("failure"), &json!("bad-artifact")), "{build:#}");
    assert!(build["error"].as_str().unwrap().contains("no whole archive"));
    hub.look(|hub| assert_eq!(hub.count(Call::Upload), 0));

    let nothing = json!({"success": true, "error": null, "response": {}, "status": 1});
    for _ in 0..5 {
        hub.next(Call::Upload, Act::StoresNothing(nothing.clone()));
    }
    let whole = repository.push("main", &[("build.sh", GOOD)]);
    let build = world.built(&repository, &whole).await;
    assert_eq!((&build["outcome"], &build["cause"]), (&json!("error"), &json!("publish")), "{build:#}");
    assert!(build["error"].as_str().unwrap().contains("has not stored what was sent"), "{build:#}");
    hub.look(|hub| assert!(hub.links.is_empty() && hub.flists.is_empty()));
    assert_eq!(outgoing(&world), [build["id"].as_str().unwrap()]);
    world.end().await;
}

#[tokio::test]
async fn binaries_stay_in_a_directory_of_ours() {
    let (world, hub) = world_with("[binary]\ndirectory = 'data/binaries'\n").await;
    let repository = world.repository("acme/tool");
    let moved = repository.push("main", &[("build.sh", "#!/bin/sh\necho tool >/target/result.tar.gz\n")]);
    world.track(&[("acme/tool/main.yaml", &format!("{}  format: binary\n", recipe("build.sh")))]).await;
    let build = world.built(&repository, &moved).await;
    assert_eq!(build["outcome"], "success", "{build:#}");
    let link = world.path().join("data/binaries/acme-tool-main.tar.gz");
    assert_eq!(std::fs::read_to_string(link).unwrap(), "tool\n");
    assert_eq!(world.client.text("/artifacts/acme-tool-main.tar.gz").await, "tool\n");
    hub.look(|hub| assert_eq!(hub.count(Call::Upload), 0));
    end(world).await;
}
