//! A log that is read along while its build runs: joined without a gap, followed, left, and found again.

use serde_json::{Value, json};

use crate::{
    LAST_LINE, WAITS,
    browser::{Page, key},
    build_page,
    common::{World, docker::docker},
    each_target, go,
};

/// Every line of the log, read as a person does who scrolls from its beginning to its end.
pub(crate) const WHOLE_LOG: &str = "(async () => {
  const box = document.querySelector('#log');
  const seen = new Map();
  const frame = () => new Promise(requestAnimationFrame);
  const read = async () => {
    for (;;) {
      await frame();
      const rows = [...document.querySelectorAll('#lines > .row')];
      if (rows.length > 0 && rows.every((row) => !row.classList.contains('pending'))) return rows;
    }
  };
  box.scrollTop = 0;
  await frame();
  for (;;) {
    for (const row of await read()) seen.set(Number(row.dataset.line), row.querySelector('.line-text').textContent);
    if (box.scrollTop + box.clientHeight >= box.scrollHeight - 1) break;
    box.scrollTop += box.clientHeight / 2;
    await frame();
  }
  return [...seen].sort((a, b) => a[0] - b[0]).map(([number, text], at) => (number === at + 1 ? text : `a hole before ${number}`));
})()";

const AT_END: &str = "(({scrollTop, scrollHeight, clientHeight}) => scrollTop + clientHeight >= scrollHeight - 1)\
    (document.querySelector('#log'))";

const PRESSED: &str = "document.querySelector('#follow').getAttribute('aria-pressed')";

/// The line at the top of the box, and where it stands to the pixel.
const TOP_LINE: &str = "(() => {
  const { top } = document.querySelector('#log').getBoundingClientRect();
  const row = [...document.querySelectorAll('#lines > .row')].find((row) => row.getBoundingClientRect().bottom > top + 1);
  return [row?.dataset.line, Math.round(row?.getBoundingClientRect().top - top)].join();
})()";

/// The stored log, line by line.
async fn stored_lines(world: &World, id: &str) -> Value {
    json!(world.client.text(&format!("/report/{id}")).await.lines().collect::<Vec<_>>())
}

#[tokio::test]
async fn the_page_of_a_build_joins_log_and_stream_without_gap_or_double() {
    let world = World::new().await;
    let script = "#!/bin/sh\ni=0\nwhile [ $i -lt 4000 ]; do i=$((i+1)); echo \"line $i é\"\n\
        [ $((i % 25)) != 0 ] || sleep 0.01; done\nprintf 'a line '\nsleep 0.3\necho in two parts\n\
        echo x >/target/result.tar.gz\n";
    let (repository, moved) = world.tracked("acme/tool", script).await;
    let page = Page::new().await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    world.client.until(&id, |build| build["monitor"].as_str().is_some_and(|tail| tail.contains("line"))).await;
    page.goto(&build_page(&world, &id)).await;
    assert!(world.client.build(&id).await["outcome"].is_null(), "the page must open while lines come");
    page.sees("#verdict", "Success").await;
    page.sees(LAST_LINE, "a line in two parts").await;
    assert_eq!(page.value(WHOLE_LOG).await, stored_lines(&world, &id).await);
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn who_scrolls_up_while_it_follows_stays_there_and_can_follow_again() {
    let world = World::new().await;
    let script = WAITS
        .replace("echo it", "seq 500; echo it")
        .replace("echo content", "while [ -e /target/go ]; do sleep 0.05; done; echo content");
    let (repository, moved) = world.tracked("acme/tool", &script).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    let page = Page::open(&build_page(&world, &id)).await;
    page.sees(LAST_LINE, "it begins").await;
    assert_eq!(page.value(PRESSED).await, "true");
    page.until(AT_END).await;

    page.wheel("#log", -1000).await;
    page.until(&format!("{PRESSED} === 'false'")).await;
    page.until(&format!("((top) => top === window.before || void (window.before = top))({TOP_LINE})")).await;
    let before = page.value(TOP_LINE).await;
    go(&world);
    page.sees("#to-end", "Follow: 501 new lines").await;
    assert_eq!((page.value(TOP_LINE).await, page.value(PRESSED).await), (before, json!("false")));

    each_target(&world, |target| std::fs::remove_file(target.join("go")).unwrap());
    world.client.ended(&id).await;
    page.sees("#verdict", "Success").await;
    page.until("document.querySelector('#to-end').hidden && document.querySelector('#follow').hidden").await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn following_again_leads_to_the_end_and_on() {
    let world = World::new().await;
    let (repository, moved) = world.tracked("acme/tool", &WAITS.replace("echo it", "seq 500; echo it")).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    let page = Page::open(&build_page(&world, &id)).await;
    page.sees(LAST_LINE, "it begins").await;
    page.until(AT_END).await;
    page.press(key::HOME).await;
    page.sees("#lines > .row .line-text", "1").await;
    assert_eq!(page.value(PRESSED).await, "false");
    page.click("#to-end").await;
    page.sees(LAST_LINE, "it begins").await;
    go(&world);
    page.sees(LAST_LINE, "it goes on").await;
    page.until(AT_END).await;
    world.client.ended(&id).await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn the_page_reconnects_after_a_restart_of_the_service() {
    let mut world = World::new().await;
    world.keep_port();
    let (repository, moved) = world.tracked("acme/tool", WAITS).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    let page = Page::open(&build_page(&world, &id)).await;
    page.sees("#lines", "it begins").await;
    page.sees("#connection", "live").await;

    world.kill();
    page.until("document.querySelector('#connection').dataset.state !== 'live'").await;
    go(&world);
    // What the build says while nobody listens comes after the restart.
    docker(&["wait", &docker(&["ps", "--all", "--quiet", "--filter", &world.label()])[0]]);
    world.start().await;
    page.sees("#connection", "live").await;
    page.sees("#verdict", "Success").await;
    page.sees(LAST_LINE, "it goes on").await;
    assert_eq!(page.value(WHOLE_LOG).await, stored_lines(&world, &id).await);
    page.end_in_trouble().await;
    world.end().await;
}

#[tokio::test]
async fn a_flood_is_followed_to_its_very_end() {
    let world = World::new().await;
    let script = WAITS.replace("echo it goes on", "seq 200000; echo it goes on");
    let (repository, moved) = world.tracked("acme/tool", &script).await;
    let id = world.deliver(&repository, &moved).await.remove(0);
    let page = Page::open(&build_page(&world, &id)).await;
    page.sees(LAST_LINE, "it begins").await;
    go(&world);
    page.sees("#verdict", "Success").await;
    page.sees(LAST_LINE, "it goes on").await;
    page.sees("#log-size", "200,002 lines").await;
    page.until(AT_END).await;
    page.end().await;
    world.end().await;
}
