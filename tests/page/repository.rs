//! The page of a repository: branches, badges, plots; and what a browser finds where nothing is.

use serde_json::{Value, json};

use crate::{
    accessible,
    browser::{Page, key},
    common::{World, world::recipe},
};

/// Fails if there is a file `bad`; else leaves an artifact as large as `size` says.
const SCRIPT: &str =
    "#!/bin/sh\ncd /tool\n[ ! -e bad ] || exit 1\nhead -c $(cat size) /dev/zero >/target/result.tar.gz\n";

/// Three good builds and a bad one of `main`, one of `x/y`.
async fn built() -> (World, Vec<String>) {
    let world = World::new().await;
    let repository = world.repository("acme/tool");
    world.track(&[("acme/tool/main.yaml", &recipe("build.sh")), ("acme/tool/x/y.yaml", &recipe("build.sh"))]).await;
    let mut ids = Vec::new();
    for (branch, size, bad) in
        [("x/y", "10", ""), ("main", "1000", ""), ("main", "4000", ""), ("main", "1", "bad"), ("main", "250000", "")]
    {
        let moved = repository.push(branch, &[("build.sh", SCRIPT), ("size", size), ("bad", bad)]);
        ids.push(world.built(&repository, &moved).await["id"].as_str().unwrap().to_owned());
    }
    (world, ids)
}

async fn points(page: &Page, plot: &str) -> Value {
    page.value(&format!(
        "[...document.querySelectorAll('#{plot} .plot-point')].map((point) => [point.getAttribute('href').split('/').at(-1), point.dataset.state])"
    ))
    .await
}

#[tokio::test]
async fn plots_show_each_build_and_lead_to_it() {
    let (world, ids) = built().await;
    let page = Page::open(&format!("{}/repo/acme/tool", world.client.address)).await;
    page.sees("#title", "acme/tool").await;
    page.sees("#about", "Built by acme/tool/main.yaml, acme/tool/x/y.yaml.").await;
    page.sees("#branches-list > li:nth-child(1)", "main").await;
    page.sees("#branches-list > li:nth-child(2)", "x/y").await;
    page.sees("#recipe-title", "main build.sh").await;
    page.sees("#recipe-about", "Of the last 4 builds 3 succeeded. It usually takes").await;
    let drawn =
        |states: &[(usize, &str)]| json!(states.iter().map(|(at, state)| json!([ids[*at], state])).collect::<Vec<_>>());
    let all = drawn(&[(1, "success"), (2, "success"), (3, "failure"), (4, "success")]);
    assert_eq!(points(&page, "duration").await, all);
    assert_eq!(points(&page, "size").await, drawn(&[(1, "success"), (2, "success"), (4, "success")]));
    page.click("#table-box summary").await;
    let rows = "[...document.querySelectorAll('#table tr')].map((row) => [row.querySelector('a').textContent, row.lastElementChild.textContent])";
    assert_eq!(page.value(rows).await, json!([["#5", "244 KiB"], ["#4", "–"], ["#3", "3.9 KiB"], ["#2", "1000 B"]]));
    accessible::assert_accessible(&page, "a repository").await;

    // By the keyboard alone: one stop for each plot, arrows along it, Enter into the build.
    page.value("void document.querySelector('#size .plot-point[tabindex=\"0\"]').focus()").await;
    page.press(key::LEFT).await;
    page.sees("#size .plot-said", "#3: 3.9 KiB, success").await;
    page.press(key::HOME).await;
    page.sees("#size .plot-said", "#2: 1000 B, success").await;
    assert_eq!(page.value("document.querySelectorAll('#size [tabindex=\"0\"]').length").await, 1);
    page.press(key::ENTER).await;
    page.until(&format!("location.pathname === '/build/{}'", ids[1])).await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_recipe_stands_in_the_address_and_a_new_build_appears_in_its_plot() {
    let (world, _) = built().await;
    let page = Page::open(&format!("{}/repo/acme/tool", world.client.address)).await;
    page.sees("#recipe-title", "main build.sh").await;
    page.click("#branches-list > li:nth-child(2) .recipe").await;
    page.sees("#recipe-title", "x/y build.sh").await;
    assert_eq!(page.value("location.search").await, "?branch=x%2Fy&script=build.sh");
    page.until("document.querySelectorAll('#duration .plot-point').length === 1").await;
    page.value("void history.back()").await;
    page.sees("#recipe-title", "main build.sh").await;
    page.until("document.querySelectorAll('#duration .plot-point').length === 4").await;
    let (code, answer) = world.client.order("/api/builds", json!({"repository": "acme/tool", "ref": "main"})).await;
    assert_eq!(code, 202, "{answer}");
    page.until("document.querySelectorAll('#duration .plot-point').length === 5").await;
    world.client.ended(answer["builds"][0].as_str().unwrap()).await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_badge_is_shown_with_markdown_that_works_elsewhere() {
    let world = World::with("").await;
    let repository = world.repository("acme/tool");
    world.track(&[("acme/tool/a#b.yaml", &recipe("build.sh"))]).await;
    let moved = repository.push("a#b", &[("build.sh", SCRIPT), ("size", "1")]);
    world.built(&repository, &moved).await;
    let page = Page::open(&format!("{}/repo/acme/tool", world.client.address)).await;
    page.until("document.querySelector('.picture')?.naturalWidth > 0").await;
    let markdown = page.value("document.querySelector('.badge-box input').value").await;
    let markdown = markdown.as_str().unwrap();
    assert!(
        markdown.starts_with("[![a#b](http://") && markdown.contains("/badge/acme/tool/a%23b.svg)]("),
        "{markdown}"
    );
    assert!(markdown.ends_with("/repo/acme/tool)"), "{markdown}");
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_browser_finds_a_page_where_nothing_is_and_a_program_finds_json() {
    let world = World::without_engine().await;
    let page = Page::new().await;
    for (path, shows) in [
        ("/nothing/here", "There is nothing here"),
        ("/repo/acme/none", "Nothing was built of `acme/none`"),
        ("/build/00000000000070008000000000000000", "There is no build"),
        ("/artifacts/%3Cb%3Ex", "There is no artifact `<b>x`: none was published, or it was removed."),
    ] {
        page.goto(&format!("{}{path}", world.client.address)).await;
        page.sees("main p", shows).await;
        assert_eq!(accessible::faults(&page).await, Vec::<String>::new(), "{path}");
        let answer = world.client.get(path).await;
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.json::<Value>().await.unwrap()["status"], "error");
    }
    let icon = world.client.get("/favicon.ico").await;
    assert_eq!((icon.status().as_u16(), &icon.headers()["content-type"]), (200, &"image/svg+xml".parse().unwrap()));
    page.end_in_trouble().await;
    world.end().await;
}
