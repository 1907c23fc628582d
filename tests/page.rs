//! The live page as people have it: the real service, real builds, and a real browser.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at its first surprise")]

#[path = "page/access.rs"]
mod access;
#[path = "page/accessible.rs"]
mod accessible;
#[path = "page/browser.rs"]
mod browser;
mod common;
#[path = "page/follow.rs"]
mod follow;
#[path = "page/log.rs"]
mod log;
#[path = "page/monitor.rs"]
mod monitor_page;
#[path = "page/repository.rs"]
mod repository_page;
#[path = "page/search.rs"]
mod search;
#[path = "page/wire.rs"]
mod wire;

use std::{path::Path, time::Duration};

use browser::Page;
use common::{World, client::payload, world::recipe};
use serde_json::json;

/// Says so, waits until it is told to go on, says so again.
const WAITS: &str = "#!/bin/sh\necho it begins\nwhile [ ! -e /target/go ]; do sleep 0.05; done\n\
    echo it goes on\necho content >/target/result.tar.gz\n";

/// Lets a [`WAITS`] build go on.
fn go(world: &World) {
    each_target(world, |target| std::fs::write(target.join("go"), "").unwrap());
}

/// Does something in the directory where each running script leaves its artifact.
fn each_target(world: &World, act: impl Fn(&Path)) {
    for build in std::fs::read_dir(world.tmp().join(format!("autobuilder-{}", world.instance()))).unwrap() {
        act(&build.unwrap().path().join("target"));
    }
}

fn monitor(world: &World) -> String {
    format!("{}/monitor", world.client.address)
}

/// The last line on the screen, without its number.
const LAST_LINE: &str = "#lines > :last-child .line-text";

fn build_page(world: &World, id: &str) -> String {
    format!("{}/build/{id}", world.client.address)
}

#[tokio::test]
async fn a_pushed_build_appears_on_the_open_monitor_page_and_its_log_is_read_along() {
    let world = World::new().await;
    let page = Page::open(&monitor(&world)).await;
    page.sees("#connection", "live").await;
    page.sees("#welcome", "Nothing has been built yet").await;
    assert_eq!(page.text("#hook-address").await, format!("{}/hook/monitor-watch", world.client.address));
    page.value("window.samePage = true").await;

    let (repository, moved) = world.tracked("acme/tool", WAITS).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    page.sees("#running-list .card h3", "acme/tool main").await;
    page.sees("#running-list .card .tail", "it begins").await;
    page.sees("#running-list .card .commit-line", "Change something").await;
    page.sees("#deliveries-list li", "accepted").await;
    assert_eq!(page.text("#running-count").await, "1");

    go(&world);
    page.sees("#history-list li[data-state='success']", &format!("acme-tool-main-{}.flist", &moved.after[..10])).await;
    page.sees("#running-none", "Nothing is being built right now").await;
    assert_eq!(page.value("window.samePage").await, true);

    page.click("#history-list .title a").await;
    page.sees("#verdict", "Success: published acme-tool-main").await;
    page.until("[...document.querySelectorAll('.line-text')].map((line) => line.textContent).join() === 'it begins,it goes on'").await;
    assert!(page.value("location.pathname").await.as_str().unwrap().ends_with(&id));
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_failing_build_says_why_at_first_sight() {
    let world = World::new().await;
    let script = "#!/bin/sh\nfor i in $(seq 300); do echo step $i; done\necho the compiler is not amused\nexit 3\n";
    let (repository, moved) = world.tracked("acme/tool", script).await;
    let build = world.built(&repository, &moved).await;
    let why = build["error"].as_str().unwrap();
    assert!(why.contains('3'), "{why}");

    let page = Page::open(&monitor(&world)).await;
    page.sees("#history-list li[data-state='failure'] .badge", "failed").await;
    page.sees("#history-list li[data-state='failure'] .error-line", why).await;
    page.click("#history-list .title a").await;
    page.sees("#verdict[data-state='failure']", why).await;
    // The reason and the last line are on the first screen, without a hand on the mouse.
    page.sees(LAST_LINE, "not amused").await;
    let on_screen = |selector: &str| {
        format!(
            "(({{top, bottom}}) => top >= 0 && bottom <= innerHeight)\
             (document.querySelector('{selector}').getBoundingClientRect())"
        )
    };
    assert_eq!(page.value(&on_screen("#verdict")).await, true);
    page.until("(({scrollTop, scrollHeight, clientHeight}) => scrollTop > 0 && scrollTop + clientHeight >= scrollHeight - 1)(document.querySelector('#log'))").await;
    page.until(&on_screen(LAST_LINE)).await;
    // Of a build this short, too, the stages fill their row.
    let filled = "(({children, lastElementChild: last, clientWidth}) => children.length > 2 && last.offsetLeft + last.offsetWidth \
        - children[0].offsetLeft > clientWidth - 2)(document.querySelector('#timeline'))";
    page.until(filled).await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn without_a_websocket_the_page_still_follows_by_polling() {
    let world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", WAITS).await;
    let page = Page::new().await;
    // As a proxy that knows no websockets leaves it.
    let source = "window.WebSocket = class { constructor() { setTimeout(() => this.onclose?.({}), 5); } close() {} };";
    page.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    page.goto(&build_page(&world, &id)).await;
    page.sees("#connection", "polling").await;
    page.sees("#lines", "it begins").await;
    go(&world);
    page.sees("#verdict", "Success").await;
    page.until("[...document.querySelectorAll('.line-text')].map((line) => line.textContent).join() === 'it begins,it goes on'").await;
    page.goto(&monitor(&world)).await;
    page.sees("#connection", "polling").await;
    page.sees("#history-list li[data-state='success']", "acme/tool main").await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn nothing_from_outside_runs_in_the_page() {
    const EVIL: &str = "<img/src=x/onerror=window.__x=1><script>window.__x=1</script>";
    let world = World::new().await;
    let repository = world.repository("acme/tool");
    let file = format!("branches: ['.*']\n{}", recipe("build.sh"));
    world.track(&[("acme/tool/all.yaml", &file)]).await;
    // Markup, a link to a script, a title, a jump to the top, a reversed name, and bytes that are no text.
    let script = format!(
        "#!/bin/sh\ncat <<'EOF'\n{EVIL}\nEOF\nprintf '\\033]8;;javascript:window.__x=1\\007click me\\033]8;;\\007\\n'\n\
         printf '\\033]0;owned\\007\\033[2J\\033[Hhome\\n\\342\\200\\256reversed\\n\\377\\376\\000end\\n\\033[31mred\\033[0m\\n'\n\
         while [ ! -e /target/go ]; do sleep 0.05; done\nexit 1\n"
    );
    repository.commit(&[("build.sh", &script)]);
    let moved = repository.push_head(&format!("refs/heads/{EVIL}"));
    let mut body = payload("acme/tool", &moved);
    for commit in ["/commits/0", "/head_commit"] {
        let commit = body.pointer_mut(commit).unwrap();
        commit["message"] = json!(format!("{EVIL}\n\n{EVIL}"));
        commit["author"]["name"] = json!(EVIL);
        commit["url"] = json!("javascript:window.__x=1");
    }
    let page = Page::open(&monitor(&world)).await;
    let answer = world.client.send_push("hostile", &body).await;
    let id = answer["builds"][0].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    page.sees("#running-list .card h3", EVIL).await;
    page.sees("#running-list .card .tail", EVIL).await;
    page.sees("#running-list .card .commit-line", EVIL).await;
    go(&world);
    page.sees("#history-list li[data-state='failure']", EVIL).await;
    let innocent = "!('__x' in window) && document.title.includes('autobuilder') && \
        [...document.images].every((image) => image.src.endsWith('/assets/icon.svg')) && \
        [...document.scripts].every((script) => script.src.startsWith(`${location.origin}/assets/`)) && [...document.links].every((link) => link.protocol === 'http:')";
    assert_eq!(page.value(innocent).await, true);

    page.goto(&build_page(&world, &id)).await;
    page.sees("#title", EVIL).await;
    page.sees("#message", EVIL).await;
    page.sees("#lines", "click me").await;
    page.sees("#lines", "home\n⟨U+202E⟩reversed\n\u{fffd}\u{fffd}^@end\nred").await;
    assert_eq!(page.text("#lines .a-fg-red").await, "red");
    assert_eq!(page.value("document.querySelectorAll('.line-text a').length").await, 0);
    let innocent = innocent.replace("autobuilder", "failed");
    assert_eq!(page.value(&innocent).await, true);
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_problem_of_the_configuration_is_shown_with_its_place() {
    let world = World::new().await;
    let (_repository, _moved) = world.tracked("acme/tool", WAITS).await;
    let page = Page::open(&monitor(&world)).await;
    page.sees("#catalog-state", "1 recipe").await;
    assert_eq!(page.value("document.querySelector('#trouble').checkVisibility()").await, false);
    world.track(&[("acme/tool/main.yaml", "buildscripts: [build.sh]\nbuild.sh:\n  artefact: x\n")]).await;
    page.sees("#trouble", "problem").await;
    page.sees("#catalog-problems", "acme/tool/main.yaml:3").await;
    page.sees("#catalog-problems", "did you mean `artifact`?").await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn every_page_fits_a_phone_and_obeys_its_own_policy() {
    let world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool-with-quite-a-long-name-that-does-not-end", WAITS).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    go_when_running(&world, &id).await;
    let page = Page::new().await;
    page.resize(360, 740).await;
    for (path, shows) in [
        ("/", "acme/tool"),
        (&*format!("/build/{id}"), "it goes on"),
        ("/repo/acme/tool-with-quite-a-long-name-that-does-not-end", "main build.sh"),
        ("/monitor?repository=acme/none", "No finished build fits"),
        ("/artifacts", "acme-tool"),
        ("/nothing/here", "nothing here"),
    ] {
        page.goto(&format!("{}{path}", world.client.address)).await;
        page.sees("body", shows).await;
        let overflow = page.value("document.scrollingElement.scrollWidth - innerWidth").await;
        assert!(overflow.as_i64().unwrap() <= 0, "{path} is {overflow} px too wide");
        let complaints: Vec<_> =
            page.complaints().await.into_iter().filter(|line| !line.contains("status of 404")).collect();
        assert_eq!(complaints, Vec::<String>::new(), "{path}");
    }
    page.end().await;
    world.end().await;
}

async fn go_when_running(world: &World, id: &str) {
    world.client.until(id, |build| build["status"] == "building").await;
    go(world);
    let ended = tokio::time::timeout(Duration::from_secs(30), world.client.ended(id)).await.unwrap();
    assert_eq!(ended["outcome"], "success");
}
