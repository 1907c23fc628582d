//! The monitor: the queue, the history with its filters and pages, and what it says when something is away.

use serde_json::json;

use crate::{
    WAITS, accessible,
    browser::Page,
    common::{World, client::payload, world::recipe},
    go, monitor,
    wire::{build, by_id, hostile_page, quiet_page, say},
};

/// A recipe that asks for what nobody granted: its builds end the moment they are ordered.
fn refused() -> String {
    format!("branches: ['.*']\n{}  network: host\n", recipe("build.sh"))
}

/// Orders so many builds of a branch, which end at once.
async fn ordered(world: &World, repository: &str, branch: &str, count: u32) {
    for _ in 0..count {
        let body = json!({"repository": repository, "ref": branch});
        let (code, answer) = world.client.order("/api/builds", body).await;
        assert_eq!(code, 202, "{answer}");
    }
}

/// The numbers of the finished builds as the page lists them.
const NUMBERS: &str = "[...document.querySelectorAll('#history-list > li')].filter((row) => !row.textContent.includes('acme/builds'))\
     .map((row) => row.querySelector('.facts-line .number').textContent).join(' ')";

fn numbers(range: impl Iterator<Item = u32>) -> String {
    range.map(|number| format!("#{number}")).collect::<Vec<_>>().join(" ")
}

async fn lists(page: &Page, expected: &str) {
    page.until(&format!("{NUMBERS} === {}", json!(expected))).await;
}

#[tokio::test]
async fn a_waiting_build_shows_its_place_and_its_reason() {
    let world = World::with("parallel = 1").await;
    let (tool, first) = world.tracked("acme/tool", WAITS).await;
    let (other, third) = world.tracked("acme/other", WAITS).await;
    let page = Page::open(&monitor(&world)).await;
    let running = world.deliver(&tool, &first).await.remove(0);
    world.client.until(&running, |build| build["status"] == "building").await;
    let again = tool.push("main", &[("note", "again")]);
    let second = world.deliver(&tool, &again).await.remove(0);
    let third = world.deliver(&other, &third).await.remove(0);
    page.sees("#queue-list > li:nth-child(1)", "acme/other main").await;
    page.sees("#queue-list > li:nth-child(1) .position", "1.").await;
    page.sees("#queue-list > li:nth-child(1) .reason", "Waits: 1 build runs, as many as allowed.").await;
    page.sees("#queue-list > li:nth-child(2)", "acme/tool main").await;
    page.sees("#queue-list > li:nth-child(2) .reason", "acme/tool runs 1 of them, so other repositories go first")
        .await;
    page.sees("#running-list .against", "first of its kind").await;
    page.sees("#summary", "1 of 1 running, 2 waiting").await;
    // What a push made stands beside it.
    page.sees("#deliveries-list .chip[data-state='queued']", "build.sh #1 queued").await;
    accessible::assert_accessible(&page, "a queue").await;
    for id in [&running, &third, &second] {
        world.client.until(id, |build| build["status"] == "building").await;
        if *id == second {
            page.sees("#running-list .against", "of about").await;
            assert_eq!(page.value("document.querySelector('.bar-of-time').checkVisibility()").await, true);
        }
        go(&world);
        world.client.ended(id).await;
    }
    page.until(
        "document.querySelector('#queue').hidden && [...document.querySelectorAll('#history-list > li')].filter((row) => !row.textContent.includes('acme/builds')).length === 3",
    )
    .await;
    page.sees("#history-list .artifact-line", "acme-tool-main-").await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn filters_and_pages_stand_in_the_address_and_the_back_button_leads_back() {
    let world = World::new().await;
    let tool = world.repository("acme/tool");
    tool.push("main", &[("build.sh", WAITS)]);
    tool.push("next", &[("note", "next")]);
    world.track(&[("acme/tool/all.yaml", &refused())]).await;
    ordered(&world, "acme/tool", "main", 60).await;
    ordered(&world, "acme/tool", "next", 2).await;
    let page = Page::open(&monitor(&world)).await;
    let newest = numbers((38..=62).rev());
    lists(&page, &newest).await;

    page.click("#older").await;
    lists(&page, &numbers((13..=37).rev())).await;
    page.click("#older").await;
    lists(&page, &numbers((1..=12).rev())).await;
    assert_eq!(page.value("document.querySelector('#older').hidden").await, true);
    let shared = page.value("location.href").await.as_str().unwrap().to_owned();
    page.value("void history.back()").await;
    lists(&page, &numbers((13..=37).rev())).await;
    page.click("#newer").await;
    lists(&page, &newest).await;
    assert_eq!(page.value("location.search").await, "");
    page.goto(&shared).await;
    lists(&page, &numbers((1..=12).rev())).await;

    page.goto(&monitor(&world)).await;
    lists(&page, &newest).await;
    page.keys("#filters [name=branch]", "next").await;
    lists(&page, "#62 #61").await;
    page.until("location.search === '?branch=next'").await;
    page.keys("#filters [name=repository]", "acme/nothing").await;
    page.sees("#history-none", "No finished build fits").await;
    page.value("void history.back()").await;
    lists(&page, "#62 #61").await;
    assert_eq!(page.value("document.querySelector('[name=repository]').value").await, "");
    // What ends meanwhile and fits appears.
    ordered(&world, "acme/tool", "next", 1).await;
    lists(&page, "#63 #62 #61").await;
    page.click("#filters-clear").await;
    lists(&page, &numbers((39..=63).rev())).await;
    page.goto(&format!("{}?repository=acme/tool&status=success", monitor(&world))).await;
    page.sees("#history-none", "No finished build fits").await;
    assert_eq!(page.value("document.querySelector('[name=status]').value").await, "success");
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_push_that_did_not_build_says_why_and_a_broken_file_says_where() {
    let world = World::new().await;
    world
        .track(&[("acme/tool/main.yaml", "buildscripts: [build.sh]\nbuild.sh:\n  artifact: x\n  baseimag: y\n")])
        .await;
    let other = world.repository("acme/stranger");
    let moved = other.push("main", &[("note", "x")]);
    let page = Page::open(&monitor(&world)).await;
    world.client.send_push("strange", &payload("acme/stranger", &moved)).await;
    page.sees("#deliveries-list > li", "ignored").await;
    page.sees("#deliveries-list > li .reason", "`acme/stranger` is not in the configuration repository").await;
    page.sees("#trouble", "1 problem in the configuration").await;
    page.sees("#catalog-problems .place", "acme/tool/main.yaml:4:3").await;
    page.sees("#catalog-problems .help", "did you mean `baseimage`?").await;
    accessible::assert_accessible(&page, "an empty service with a broken file").await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn fifty_changes_a_second_keep_every_row_and_the_focus() {
    let world = World::without_engine().await;
    let page = quiet_page().await;
    page.goto(&monitor(&world)).await;
    let status = |stage: &str| {
        let running = (1..=8).map(|number| build(number, stage));
        by_id(&running.chain((9..=40).map(|number| build(number, "queued"))).collect::<Vec<_>>())
    };
    say(&page, "history", &json!((50..75).rev().map(|number| build(number, "success")).collect::<Vec<_>>())).await;
    say(&page, "status", &status("creating")).await;
    page.until("document.querySelectorAll('#running-list > li').length === 8").await;
    page.sees("#queue-more", "Show all 32").await;
    page.value(
        "void (() => { window.rows = [...document.querySelectorAll('.card, .rows > li')]; window.gone = 0;
         new MutationObserver((changes) => { for (const { target, removedNodes } of changes)
           if (target.matches('.cards, .rows')) window.gone += removedNodes.length; }).observe(document.body, { childList: true, subtree: true });
         document.querySelector('.card:nth-child(3) h3 a').focus(); window.focused = document.activeElement; })()",
    )
    .await;
    let stages = ["creating", "preparing", "building", "uploading"].map(status);
    page.value(&format!(
        "void (() => {{ const stages = {}; let sent = 0; const timer = setInterval(() => {{
           window.wire.say('status', stages[sent % 4]);
           window.wire.say('update', {{ id: '{:032x}', line: `line ${{sent}}\\n`, offset: sent * 10, end: sent * 10 + 10 }});
           sent += 1; if (sent === 100) {{ clearInterval(timer); window.sent = sent; }} }}, 20); }})()",
        json!(stages),
        3
    ))
    .await;
    page.until("window.sent === 100").await;
    page.sees(".card:nth-child(3) .stage", "uploading").await;
    page.sees(".card:nth-child(3) .tail", "line 99").await;
    let kept = "window.gone === 0 && window.rows.length === 43 && window.rows.every((row) => row.isConnected) && document.activeElement === window.focused";
    assert_eq!(page.value(kept).await, true);
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_bus_that_is_away_is_said_and_the_service_is_asked_instead() {
    let world = World::without_engine().await;
    let (tool, moved) = world.tracked("acme/tool", WAITS).await;
    let page = quiet_page().await;
    page.goto(&monitor(&world)).await;
    say(&page, "status", &json!({})).await;
    say(&page, "history", &json!([])).await;
    page.sees("#welcome", "Nothing has been built yet").await;
    // The websocket says nothing of this push.
    world.deliver(&tool, &moved).await;
    say(&page, "bus", &json!({"connected": false, "live": false})).await;
    page.sees("#notices", "The message bus is away").await;
    page.sees("#queue-list > li", "acme/tool main").await;
    page.sees("#notices", "No build can start now").await;
    say(&page, "bus", &json!({"connected": true, "live": true})).await;
    page.until("!document.querySelector('#notices').innerText.includes('bus')").await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_relay_without_a_service_leaves_nobody_with_an_old_page() {
    let mut world = World::without_engine().await;
    world.keep_port();
    let page = quiet_page().await;
    page.goto(&monitor(&world)).await;
    say(&page, "status", &json!({})).await;
    say(&page, "history", &json!([])).await;
    page.sees("#connection", "live").await;
    // A page that lost its websocket keeps what it knew of a running build.
    let mut running = build(1, "building");
    running["monitor"] = json!("the last known line");
    say(&page, "status", &by_id(&[running])).await;
    page.sees(".card .tail", "the last known line").await;
    page.value("void window.wire.socket.onclose({})").await;
    page.sees("#connection", "reconnecting").await;
    assert_eq!(page.text(".card .tail").await, "the last known line");
    page.sees("#connection", "live").await;
    say(&page, "status", &json!({})).await;
    let deserted = json!({"connected": true, "live": false, "message": "the service has not been heard of"});
    say(&page, "bus", &deserted).await;
    // It is only cut off from the bus.
    page.sees("#notices", "The service does not reach the message bus").await;
    page.sees("#connection", "polling").await;
    world.kill();
    page.sees("#connection", "offline").await;
    page.sees("#notices", "The service does not answer. What you see may be old").await;
    world.start().await;
    page.sees("#connection", "polling").await;
    say(&page, "bus", &json!({"connected": true, "live": true})).await;
    page.sees("#connection", "live").await;
    page.until("document.querySelector('#notices').innerText === '' || !/service|bus/.test(document.querySelector('#notices').innerText)").await;
    page.end_in_trouble().await;
    world.end().await;
}

#[tokio::test]
async fn an_author_is_a_filter_and_is_never_cut_before_the_subject() {
    let world = World::without_engine().await;
    world.track(&[("acme/tool/all.yaml", &refused())]).await;
    let tool = world.repository("acme/tool");
    for (branch, name) in [("main", "Ada Lovelace"), ("next", "Grace Hopper")] {
        let mut told = payload("acme/tool", &tool.push(branch, &[("note", branch)]));
        told["head_commit"]["author"]["name"] = json!(name);
        told["head_commit"]["message"] = json!("A subject that is much too long for a telephone. ".repeat(4));
        told["commits"] = json!([told["head_commit"]]);
        world.client.send_push(branch, &told).await;
    }
    let page = Page::open(&monitor(&world)).await;
    page.keys("#filters [name=author]", "grace hopper").await;
    lists(&page, "#2").await;
    page.until("location.search === '?author=grace+hopper'").await;
    page.goto(&format!("{}?author=ADA@example.org&branch=main", monitor(&world))).await;
    lists(&page, "#1").await;
    assert_eq!(page.value("document.querySelector('[name=author]').value").await, "ADA@example.org");
    for width in [360, 1280] {
        page.resize(width, 800).await;
        let whole = "[...document.querySelectorAll('.history .author')].every((author) => author.scrollWidth <= author.clientWidth \
            && author.getBoundingClientRect().right <= author.closest('li').getBoundingClientRect().right)";
        assert_eq!(page.value(whole).await, true, "{width}");
    }
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_service_that_went_away_is_said_in_words() {
    let mut world = World::without_engine().await;
    world.keep_port();
    let page = Page::open(&monitor(&world)).await;
    page.sees("#connection", "live").await;
    world.kill();
    page.sees("#notices", "The service does not answer. What you see may be old").await;
    world.start().await;
    page.sees("#connection", "live").await;
    page.until("!document.querySelector('#notices').innerText.includes('does not answer')").await;
    page.end_in_trouble().await;
    world.end().await;
}

/// What would run, load, or lead somewhere if any field were taken for more than text.
const EVIL: [&str; 6] = [
    "<img src=x onerror=window.__x=1><svg onload=window.__x=1><script>window.__x=1</script>",
    "\"><iframe srcdoc='<script>parent.__x=1</script>'></iframe><a href='javascript:window.__x=1'>",
    "javascript:window.__x=1",
    "\u{202e}</title><style>*{display:none}</style>\u{0}\u{1b}[31m\u{1b}]8;;javascript:window.__x=1\u{7}",
    "__proto__",
    "${alert(1)}{{constructor.constructor('window.__x=1')()}}",
];

#[tokio::test]
async fn no_field_of_any_answer_can_inject_anything() {
    let world = World::new().await;
    let (tool, moved) = world.tracked("acme/tool", "#!/bin/sh\necho x >/target/result.tar.gz\n").await;
    world.built(&tool, &moved).await;
    world.track(&[("acme/tool/bad.yaml", "artefact: x\n")]).await;
    let innocent = format!(
        "!('__x' in window) && [...document.scripts].every((script) => script.src.startsWith(location.origin + '/assets/')) && document.querySelectorAll('iframe, style, object').length === 0 && \
         ({}).x === undefined && [...document.images].every((image) => image.src === '' || \
           ['/assets/icon.svg', '/badge/'].some((path) => image.src.startsWith(location.origin + path))) && \
         [...document.querySelectorAll('a, svg a')].every((link) => /^(https?:|\\/|#|\\?)/.test(link.getAttribute('href') ?? '/')) && \
         [...document.links].every((link) => link.protocol === 'http:')",
        "{}"
    );
    for evil in EVIL {
        let page = hostile_page(evil).await;
        page.goto(&monitor(&world)).await;
        say(&page, "status", &json!({})).await;
        for (event, builds) in
            [("history", json!([build(7, "success")])), ("status", by_id(&[build(8, "building"), build(9, "queued")]))]
        {
            page.value(&format!("void window.wire.say({}, window.hostile({builds}))", json!(event))).await;
        }
        page.until("document.querySelectorAll('#history-list > li').length === 1 && document.querySelectorAll('#running-list > li').length > 0").await;
        page.until("document.querySelectorAll('#deliveries-list > li').length > 0 && document.querySelectorAll('#catalog-problems > li').length > 0").await;
        assert_eq!(page.value(&innocent).await, true, "/monitor, {evil}");
        page.goto(&format!("{}/repo/acme/tool", world.client.address)).await;
        page.until("document.querySelectorAll('#branches-list > li').length > 0").await;
        assert_eq!(page.value(&innocent).await, true, "/repo/acme/tool, {evil}");
        page.end_in_trouble().await;
    }
    world.end().await;
}
