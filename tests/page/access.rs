//! The page of a build for everybody: with the keyboard alone, with a screen reader, in light and dark.

use serde_json::json;

use crate::{
    WAITS,
    accessible::assert_accessible,
    browser::{Page, key},
    build_page,
    common::World,
    go,
};

#[tokio::test]
async fn nothing_serious_hinders_anybody() {
    let world = World::new().await;
    let script = WAITS.replace(
        "echo it begins",
        "for c in 30 31 32 33 34 35 36 37 90 91 92 93 94 95 96 97; do printf '\\033[%smcolour\\033[0m\\n' $c; done; echo it begins",
    );
    let (repository, moved) = world.tracked("acme/tool", &script).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    let page = Page::open(&build_page(&world, &id)).await;
    page.sees("#lines", "it begins").await;
    assert_accessible(&page, "a running build").await;
    go(&world);
    page.sees("#verdict", "Success").await;
    page.resize(1280, 900).await;
    page.click("#facts-box summary").await;
    page.press("/").await;
    page.types("colour").await;
    page.sees("#search-state", "of 16").await;
    assert_accessible(&page, "an ended build with details and matches").await;
    page.resize(1280, 900).await;
    page.press(key::ESCAPE).await;
    page.click("#log").await;
    page.press("?").await;
    page.sees("#help-dialog", "search the whole log").await;
    assert_accessible(&page, "the help").await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn every_tool_is_reached_by_tab_and_single_keys_can_be_turned_off() {
    let world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", "#!/bin/sh\nseq 100\nexit 1\n").await;
    let build = world.built(&repository, &moved).await;
    let page = Page::open(&build_page(&world, build["id"].as_str().unwrap())).await;
    page.sees("#lines", "100").await;
    let mut reached = Vec::new();
    for _ in 0..60 {
        page.press(key::TAB).await;
        let focused = page.value("document.activeElement.id").await;
        reached.push(focused.as_str().unwrap_or_default().to_owned());
    }
    for tool in
        ["search", "search-case", "search-regex", "first-error", "wrap", "go-to", "copy", "download", "help", "log"]
    {
        assert!(reached.iter().any(|id| id == tool), "#{tool} is not among {reached:?}");
    }

    let wraps = "document.querySelector('#wrap').getAttribute('aria-pressed')";
    page.click("#log").await;
    page.press("w").await;
    assert_eq!(page.value(wraps).await, "false");
    page.press("?").await;
    page.click("#keys-on").await;
    page.click("#help-close").await;
    page.press("w").await;
    assert_eq!(page.value(wraps).await, "false");
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_page_that_lost_a_part_on_the_way_loads_again() {
    let world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", "#!/bin/sh\necho it is there\nexit 1\n").await;
    let build = world.built(&repository, &moved).await;
    let page = Page::new().await;
    page.devtools("Network.enable", json!({})).await;
    page.devtools("Network.setBlockedURLs", json!({ "urls": ["*/assets/ansi.js"] })).await;
    page.goto(&build_page(&world, build["id"].as_str().unwrap())).await;
    page.devtools("Network.setBlockedURLs", json!({ "urls": [] })).await;
    page.sees("#lines", "it is there").await;
    // The browser notes what it was kept from.
    page.end_in_trouble().await;
    world.end().await;
}
