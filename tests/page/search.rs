//! Finding something in a log: the search box, the first error, and a link that leads to lines.

use serde_json::json;

use crate::{
    browser::{Page, key},
    build_page,
    common::World,
};

/// 30,000 lines, of which every thousandth is one to look for, and one that reports an error.
const SCRIPT: &str = "#!/bin/sh\nseq 30000 | sed -e 's/^/step /' -e 's/000$/000 is a Milestone/' \
    -e 's/^step 21213$/main.c:7:1: error: nothing fits/'\nexit 1\n";

const NOW: &str = "document.querySelector('.row.match-now')?.dataset.line";

/// What is highlighted as the current match.
const HIGHLIGHT: &str = "[...CSS.highlights.get('match-now')].map(String).join()";

async fn built() -> (World, String) {
    let world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", SCRIPT).await;
    let build = world.built(&repository, &moved).await;
    let id = build["id"].as_str().unwrap().to_owned();
    (world, id)
}

#[tokio::test]
async fn a_search_counts_marks_and_leads_from_match_to_match() {
    let (world, id) = built().await;
    let page = Page::open(&build_page(&world, &id)).await;
    page.sees("#log-size", "30,000 lines").await;
    page.press("/").await;
    page.types("milestone").await;
    // It goes on from what is on the screen: the last one.
    page.sees("#search-state", "30 of 30").await;
    page.until(&format!("{NOW} === '30000'")).await;
    assert_eq!(page.value(HIGHLIGHT).await, "Milestone");
    page.press(key::ENTER).await;
    page.sees("#search-state", "1 of 30").await;
    page.until(&format!("{NOW} === '1000'")).await;
    page.press(key::ENTER).await;
    page.sees("#search-state", "2 of 30").await;
    page.until(&format!("{NOW} === '2000'")).await;
    page.press(key::SHIFT_ENTER).await;
    page.press(key::SHIFT_ENTER).await;
    page.sees("#search-state", "30 of 30").await;

    page.click("#search-case").await;
    page.sees("#search-state", "no match").await;
    page.click("#search-regex").await;
    page.value("document.querySelector('#search').value = ''").await;
    page.click("#search").await;
    page.types("^step 2[0-4]000 is").await;
    page.sees("#search-state", "of 5").await;
    page.types(" (").await;
    page.sees("#search-state", "regular expression").await;
    assert_eq!(page.value("document.querySelector('#search').getAttribute('aria-invalid')").await, "true");
    page.press(key::ESCAPE).await;
    page.until("document.querySelector('#search-state').textContent === ''").await;
    assert_eq!(page.value("document.querySelectorAll('.match').length").await, 0);
    // The browser notes the refused expression.
    page.end_in_trouble().await;
    world.end().await;
}

#[tokio::test]
async fn more_matches_than_are_counted_are_still_found() {
    let (world, id) = built().await;
    let page = Page::open(&build_page(&world, &id)).await;
    page.sees("#log-size", "30,000 lines").await;
    page.press("/").await;
    page.types("step").await;
    page.sees("#search-state", "1 of 10,000+").await;
    page.press(key::SHIFT_ENTER).await;
    page.sees("#search-state", "line 30,000 of 10,000+").await;
    page.until(&format!("{NOW} === '30000'")).await;
    page.press(key::SHIFT_ENTER).await;
    page.until(&format!("{NOW} === '29999'")).await;
    page.press(key::ENTER).await;
    page.press(key::ENTER).await;
    page.sees("#search-state", "1 of 10,000+").await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn the_first_error_is_one_click_away() {
    let (world, id) = built().await;
    let page = Page::open(&build_page(&world, &id)).await;
    page.sees("#log-size", "30,000 lines").await;
    page.click("#first-error").await;
    page.sees("#search-state", "1 of 1 error line").await;
    page.sees(".row.match-now .line-text", "main.c:7:1: error: nothing fits").await;
    assert_eq!(page.value(NOW).await, "21213");
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_text_is_found_across_its_colours() {
    let world = World::new().await;
    let script = "#!/bin/sh\nseq 500\nprintf '\\033[1;31mfa\\033[0m\\033[31mtal\\033[0m: \\033[4mno such file\\033[0m\\n'\n\
        seq 500\nprintf 'at 50%%\\rat 100%%\\n'\nexit 1\n";
    let (repository, moved) = world.tracked("acme/tool", script).await;
    let build = world.built(&repository, &moved).await;
    let page = Page::open(&build_page(&world, build["id"].as_str().unwrap())).await;
    page.sees("#log-size", "1,002 lines").await;
    page.press("/").await;
    page.types("fatal: no such").await;
    page.sees("#search-state", "1 of 1").await;
    page.until(&format!("{NOW} === '501'")).await;
    assert_eq!(page.value(HIGHLIGHT).await, "fatal: no such");
    page.click("#first-error").await;
    page.sees("#search-state", "1 of 1 error line").await;
    // A line that matched before a carriage return is marked, though its text is gone from the screen.
    page.press("/").await;
    page.types("at 50%").await;
    page.until(&format!("{NOW} === '1002'")).await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_link_to_lines_leads_there_in_a_new_tab() {
    let (world, id) = built().await;
    let page = Page::open(&format!("{}#L12000", build_page(&world, &id))).await;
    page.sees(".row.chosen .line-text", "step 12000 is a Milestone").await;
    page.click("a.line-number[data-line='12003']").await;
    assert_eq!(page.value("location.hash").await, "#L12003");
    page.value(
        "document.querySelector(\"a.line-number[data-line='12007']\")\
         .dispatchEvent(new MouseEvent('click', { shiftKey: true, bubbles: true, cancelable: true }))",
    )
    .await;
    assert_eq!(page.value("location.hash").await, "#L12003-L12007");
    let address = page.value("location.href").await;

    page.goto_in_new_tab(address.as_str().unwrap()).await;
    page.sees(".row.chosen .line-text", "step 12003").await;
    let chosen = "[...document.querySelectorAll('.row.chosen .line-text')].map((line) => line.textContent)";
    let wanted: Vec<_> = (12003..=12007).map(|line| format!("step {line}")).collect();
    assert_eq!(page.value(chosen).await, json!(wanted));
    let on_screen = "(({top, bottom}) => top >= 0 && bottom <= innerHeight)\
        (document.querySelector('.row.chosen').getBoundingClientRect())";
    assert_eq!(page.value(on_screen).await, true);

    page.press("g").await;
    page.types("29-31").await;
    page.press(key::ENTER).await;
    page.sees(".row.chosen .line-text", "step 29").await;
    assert_eq!(page.value("location.hash").await, "#L29-L31");
    page.press(key::ESCAPE).await;
    assert_eq!(page.value("location.hash").await, "");
    page.end().await;
    world.end().await;
}
