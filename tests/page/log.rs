//! Logs as builds really write them: huge, endless, coloured, rewritten, folded, copied.

use serde_json::json;

use crate::{
    LAST_LINE,
    browser::{Page, key},
    build_page,
    common::World,
};

const ROWS: &str = "document.querySelectorAll('#lines > *').length";

async fn built(script: &str) -> (World, String) {
    let world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", script).await;
    let build = world.built(&repository, &moved).await;
    let id = build["id"].as_str().unwrap().to_owned();
    (world, id)
}

#[tokio::test]
async fn hundreds_of_thousands_of_lines_cost_the_page_no_more_than_a_screen_of_them() {
    let (world, id) = built("#!/bin/sh\nseq 400000 | sed 's/^/line /'\nexit 1\n").await;
    let page = Page::open(&build_page(&world, &id)).await;
    page.sees(LAST_LINE, "line 400000").await;
    for place in ["0", "0.25", "0.5", "0.77", "1"] {
        page.value(&format!(
            "((box) => {{ box.scrollTop = {place} * (box.scrollHeight - box.clientHeight); }})(document.querySelector('#log'))"
        ))
        .await;
        page.value("new Promise((drawn) => { requestAnimationFrame(() => requestAnimationFrame(drawn)); })").await;
        // What stands beside a number is that very line.
        page.until(
            "((rows) => rows.length > 0 && rows.every((row) => row.querySelector('.line-text').textContent === `line ${row.dataset.line}`))\
             ([...document.querySelectorAll('#lines > .row')])",
        )
        .await;
        let first = page.value("Number(document.querySelector('#lines > .row').dataset.line)").await.as_f64().unwrap();
        let wanted = place.parse::<f64>().unwrap() * 400_000.0;
        assert!((first - wanted).abs() < 16_000.0, "at {place} of the log stands line {first}");
        let rows = page.value(ROWS).await.as_i64().unwrap();
        assert!(rows < 200, "{rows} rows are drawn");
    }
    page.goto(&format!("{}#L234567", build_page(&world, &id))).await;
    page.press("g").await;
    page.types("345678").await;
    page.press(key::ENTER).await;
    page.sees(".row.chosen .line-text", "line 345678").await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn ten_million_bytes_without_a_newline_are_cut_and_linked() {
    let (world, id) =
        built("#!/bin/sh\necho before\nhead -c 10000000 /dev/zero | tr '\\0' x\necho\necho after\nexit 1\n").await;
    let page = Page::open(&build_page(&world, &id)).await;
    page.sees(LAST_LINE, "after").await;
    page.press("g").await;
    page.types("2").await;
    page.press(key::ENTER).await;
    page.sees(".row.chosen .cut", "of a line of 9.5 MiB").await;
    let drawn = page.value("document.querySelector('.row.chosen').textContent.length").await.as_i64().unwrap();
    assert!(drawn < 100_000, "{drawn} characters are drawn");
    let whole = "fetch(document.querySelector('.row.chosen .cut a').href).then((answer) => answer.text())\
        .then((text) => [text.length, /^x+$/.test(text)].join())";
    assert_eq!(page.value(whole).await, "10000000,true");
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn colours_go_on_and_progress_bars_show_their_last_state() {
    let script = "#!/bin/sh\nprintf '\\033[31mred\\nstill red\\033[0m plain\\n'\n\
        for i in 10 50 100; do printf 'at %s%%\\r' $i; done; echo\n\
        i=0; while [ $i -lt 20000 ]; do i=$((i+1)); printf '\\rstep %s of 20000' $i; done; echo\nexit 1\n";
    let (world, id) = built(script).await;
    let page = Page::open(&build_page(&world, &id)).await;
    page.sees(LAST_LINE, "step 20000 of 20000").await;
    let line = |number: u32| format!("#lines > .row[data-line='{number}'] .line-text");
    assert_eq!(page.text(&format!("{} .a-fg-red", line(2))).await, "still red");
    assert_eq!(page.text(&line(2)).await, "still red plain");
    assert_eq!(page.text(&line(3)).await, "at 100%");
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn long_lines_wrap_or_do_not_and_the_page_remembers() {
    let (world, id) = built("#!/bin/sh\nseq 3000 | sed 's/^/a rather long line with a number at its very end, so that it must be wrapped on a narrow screen, which is /'\nexit 1\n").await;
    let page = Page::new().await;
    page.resize(600, 800).await;
    page.goto(&format!("{}#L1500", build_page(&world, &id))).await;
    page.sees(".row.chosen .line-text", "which is 1500").await;
    let height = "document.querySelector('.row.chosen').offsetHeight";
    assert!(page.value(height).await.as_i64().unwrap() > 30, "the line is wrapped");
    page.click("#wrap").await;
    page.until(&format!("{height} < 30")).await;
    page.sees(".row.chosen .line-text", "which is 1500").await;
    page.until("(({scrollWidth, clientWidth}) => scrollWidth > clientWidth)(document.querySelector('#log'))").await;
    page.goto("about:blank").await;
    page.goto(&build_page(&world, &id)).await;
    page.sees(LAST_LINE, "which is 3000").await;
    assert_eq!(page.value("document.querySelector('#wrap').getAttribute('aria-pressed')").await, "false");
    page.click("#wrap").await;
    page.press(key::END).await;
    page.sees(LAST_LINE, "which is 3000").await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn chosen_lines_are_copied_without_numbers_and_colours() {
    let (world, id) =
        built("#!/bin/sh\nfor i in $(seq 8); do printf '\\033[32mgreen\\033[0m %s\\n' $i; done\nexit 1\n").await;
    let page = Page::new().await;
    let allowed = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    page.devtools("Browser.grantPermissions", allowed).await;
    page.goto(&format!("{}#L3-L5", build_page(&world, &id))).await;
    page.sees(".row.chosen .line-text", "green 3").await;
    page.sees("#copy", "Copy 3 lines").await;
    page.click("#copy").await;
    page.sees("#copy", "Copied").await;
    assert_eq!(page.value("navigator.clipboard.readText()").await, "green 3\ngreen 4\ngreen 5\n");
    page.press(key::ESCAPE).await;
    page.press("c").await;
    page.until(
        "navigator.clipboard.readText().then((text) => text.startsWith('green 1\\n') && text.endsWith('green 8\\n'))",
    )
    .await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_stage_is_folded_away_and_comes_back_when_one_goes_into_it() {
    let (world, id) = built("#!/bin/sh\nseq 2000 | sed 's/^/line /'\nexit 1\n").await;
    let page = Page::open(&build_page(&world, &id)).await;
    page.sees(LAST_LINE, "line 2000").await;
    page.sees("#timeline", "building").await;
    page.press(key::HOME).await;
    page.sees(".fold", "building").await;
    page.sees(".fold", "2,000 lines").await;
    page.click(".fold").await;
    page.until("document.querySelectorAll('#lines > .row').length === 0").await;
    assert_eq!(page.value("document.querySelector('.fold').getAttribute('aria-expanded')").await, "false");
    page.press("g").await;
    page.types("1000").await;
    page.press(key::ENTER).await;
    page.sees(".row.chosen .line-text", "line 1000").await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_log_that_is_not_there_yet_says_so_and_offers_nothing_that_cannot_work() {
    let world = World::without_engine().await;
    let (repository, moved) = world.tracked("acme/tool", "#!/bin/sh\nexit 7\n").await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    let page = Page::open(&build_page(&world, &id)).await;
    page.sees("#log-note", "The log begins when the build does.").await;
    for tool in ["search", "first-error", "follow", "copy", "download"] {
        assert_eq!(page.value(&format!("document.querySelector('#{tool}').checkVisibility()")).await, false, "#{tool}");
    }
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_log_that_was_removed_is_said_calmly_and_all_else_is_there() {
    let (world, id) = built("#!/bin/sh\necho once\nexit 7\n").await;
    let page = Page::open(&build_page(&world, &id)).await;
    page.sees(LAST_LINE, "once").await;
    std::fs::remove_dir_all(world.path().join("data/logs")).unwrap();
    page.goto(&build_page(&world, &id)).await;
    page.sees("#log-note", "There is no log of this build any more: its file was removed.").await;
    page.sees("#verdict", "exit code 7").await;
    page.sees("#timeline", "building").await;
    for tool in ["search", "first-error", "follow", "copy", "download"] {
        assert_eq!(page.value(&format!("document.querySelector('#{tool}').checkVisibility()")).await, false, "#{tool}");
    }
    page.end().await;
    world.end().await;
}
