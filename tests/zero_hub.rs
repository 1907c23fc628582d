//! The Zero-OS hub: what is green is there, what is not there is never linked, and waiting loses nothing.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod common;
#[path = "zero_hub/contract.rs"]
mod contract;
#[path = "zero_hub/service.rs"]
mod service;
#[path = "zero_hub/token.rs"]
mod token;

use autobuilder::publish::{LinkMoved, PublishError, zero_hub::Again};
use common::{
    bench::{Bench, archive, name, order},
    hub::{Act, Call, TOKEN, USER},
};
use serde_json::json;

const MAIN: &str = "refs/heads/main";
const LINK: &str = "acme-tool-main.flist";

#[tokio::test]
async fn an_artifact_is_uploaded_compared_and_linked() {
    let bench = Bench::new().await;
    let (archive, order) = (archive("one", 300_000), order(MAIN, 1));
    let published = bench.publish(&archive, &order, 1).await.unwrap();
    assert_eq!((published.link, published.artifact.size), (LinkMoved::Yes, archive.len() as u64));
    let file = "acme-tool-main-0000000001.flist";
    bench.hub.look(|hub| {
        assert!(hub.flists[file].archive == archive, "the hub has other bytes");
        assert_eq!(hub.links[LINK], file);
        let calls: Vec<_> = hub.seen.iter().map(|seen| seen.call).collect();
        assert_eq!(calls, [Call::Me, Call::Upload, Call::Link]);
        for seen in &hub.seen {
            assert_eq!(seen.headers["authorization"], format!("bearer {TOKEN}"));
            assert_eq!(seen.headers["cookie"], format!("active-user={USER}"));
        }
        let upload = &hub.seen[1].headers;
        assert_eq!(upload["x-original-name"], "acme-tool-main-0000000001.tar.gz");
        assert!(upload["content-length"].parse::<usize>().unwrap() > archive.len());
        assert!(!upload.contains_key("transfer-encoding"));
    });
    let lines = bench.lines.lock().unwrap().join("\n");
    assert!(lines.contains(file) && lines.contains("2 files, 1 symbolic links") && lines.contains(LINK), "{lines}");
    assert!(!lines.contains(TOKEN));
}

#[tokio::test]
async fn a_success_that_stored_nothing_is_none_and_moves_no_link() {
    let bench = Bench::new().await;
    let order = order(MAIN, 1);
    bench.keep(&archive("one", 10), &order, 1).unwrap();
    let response = |regular, fullsize| json!({"regular": regular, "symlink": 1, "directory": 4, "special": 0, "failure": 0, "fullsize": fullsize});
    for files in [
        json!({"success": false, "error": {"function": "putdir", "message": "could not load local directory"}, "response": {}, "status": 1}),
        json!({"success": true, "error": null, "response": {}, "status": 1}),
        json!({"success": true, "error": null, "response": {}, "status": 0}),
        json!({"success": true, "error": null, "response": response(1, 13), "status": 0}),
        json!({"success": true, "error": null, "response": response(2, 3), "status": 0}),
    ] {
        bench.hub.next(Call::Upload, Act::StoresNothing(files));
        let (error, again) = bench.fails(&order).await;
        assert_eq!(again, Again::FewTimes, "{error}");
        bench.hub.look(|hub| assert!(hub.flists.is_empty() && hub.count(Call::Link) == 0, "{hub:?}"));
    }
    bench.deliver(&order).await.unwrap();
    bench.hub.look(|hub| assert_eq!(hub.links.len(), 1));
}

#[tokio::test]
async fn every_refusal_leads_to_the_right_next_step() {
    let bench = Bench::new().await;
    let order = order(MAIN, 1);
    bench.keep(&archive("one", 10), &order, 1).unwrap();
    let html = "<!doctype html>\n<title>500 Internal Server Error</title>";
    let message = |message: &str| json!({"message": message, "status": "error"}).to_string();
    let later = Again::Later(None);
    for (call, act, expected) in [
        (Call::Me, Act::Answer(401, message("no authorization provided")), Again::Never),
        (Call::Me, Act::Answer(400, message("readonly mode")), later),
        (Call::Me, Act::Answer(200, html.into()), later),
        (Call::Me, Act::Answer(502, "Bad Gateway".into()), later),
        (Call::Upload, Act::Answer(500, html.into()), later),
        (Call::Upload, Act::Answer(500, message("this file is not allowed")), Again::Never),
        (Call::Upload, Act::Answer(403, message("invalid token")), Again::Never),
        (Call::Upload, Act::Answer(404, html.into()), Again::Never),
        (Call::Upload, Act::Answer(200, html.into()), later),
        (Call::Upload, Act::Reset(100), later),
        (Call::Upload, Act::Answer(200, message("something")), Again::FewTimes),
        (
            Call::Upload,
            Act::With(429, "Retry-After: 7\r\n", String::new()),
            Again::Later(Some(std::time::Duration::from_secs(7))),
        ),
        (Call::Link, Act::Answer(401, message("invalid signature")), Again::Never),
        (Call::Link, Act::Answer(503, html.into()), later),
    ] {
        bench.hub.next(call, act.clone());
        let (error, again) = bench.fails(&order).await;
        assert_eq!(again, expected, "{call:?} {act:?}: {error}");
        bench.hub.look(|hub| assert!(hub.links.is_empty()));
    }
    bench.deliver(&order).await.unwrap();
    bench.hub.look(|hub| assert_eq!(hub.links.len(), 1));
}

#[tokio::test]
async fn a_line_that_breaks_in_the_middle_loses_nothing() {
    let mut bench = Bench::new().await;
    let (archive, order) = (archive("one", 3 << 20), order(MAIN, 1));
    bench.keep(&archive, &order, 1).unwrap();
    for bytes in [0, 1, 100_000, 2 << 20] {
        bench.hub.next(Call::Upload, Act::Reset(bytes));
        assert_eq!(bench.fails(&order).await.1, Again::Later(None));
    }
    bench.hub.stop().await;
    let (error, again) = bench.fails(&order).await;
    assert!(again == Again::Later(None) && error.contains("could not be reached"), "{error}");
    bench.hub.start().await;
    bench.hub.next(Call::Upload, Act::Drops);
    bench.hub.next(Call::Link, Act::Drops);
    bench.deliver(&order).await.unwrap();
    bench.hub.look(|hub| assert!(hub.flists["acme-tool-main-0000000001.flist"].archive == archive));
}

#[tokio::test]
async fn a_refusal_before_the_upload_is_read_is_heard_or_tried_again() {
    let bench = Bench::new().await;
    let order = order(MAIN, 1);
    bench.keep(&archive("one", 8 << 20), &order, 1).unwrap();
    let refusal = json!({"message": "invalid signature", "status": "error"}).to_string();
    bench.hub.next(Call::Upload, Act::Early(401, refusal));
    let (error, again) = bench.fails(&order).await;
    assert!(matches!(again, Again::Never | Again::Later(None)), "{error}");
    bench.hub.look(|hub| assert!(hub.flists.is_empty() && hub.links.is_empty()));
}

#[tokio::test]
async fn what_was_uploaded_is_linked_by_the_next_process_without_another_upload() {
    let mut bench = Bench::new().await;
    let order = order(MAIN, 1);
    bench.hub.next(Call::Link, Act::Answer(502, String::new()));
    bench.publish(&archive("one", 10), &order, 1).await.unwrap_err();
    bench.restart();
    assert!(bench.ours.has(order.build));
    assert_eq!(bench.deliver(&order).await.unwrap().link, LinkMoved::Yes);
    bench.hub.look(|hub| assert_eq!((hub.count(Call::Upload), hub.links.len()), (1, 1)));
    // The end of the build may not have been noted: nothing is asked of the hub again.
    bench.restart();
    bench.hub.stop().await;
    bench.deliver(&order).await.unwrap();
    bench.ours.release(order.build).unwrap();
    assert_eq!(bench.waiting(), 0);
}

#[tokio::test]
async fn what_vanished_from_the_hub_is_uploaded_again() {
    let bench = Bench::new().await;
    let order = order(MAIN, 1);
    bench.hub.next(Call::Link, Act::Answer(502, String::new()));
    bench.publish(&archive("one", 10), &order, 1).await.unwrap_err();
    bench.hub.change(|hub| hub.flists.clear());
    let (error, again) = bench.fails(&order).await;
    assert!(again == Again::FewTimes && error.contains("gone"), "{error}");
    bench.deliver(&order).await.unwrap();
    bench.hub.look(|hub| assert_eq!((hub.count(Call::Upload), hub.links.len()), (2, 1)));
}

#[tokio::test]
async fn an_archive_that_is_not_whole_is_never_sent() {
    let bench = Bench::new().await;
    let whole = archive("one", 100_000);
    for broken in [&whole[..0], &whole[..50_000], &whole[..whole.len() - 1], b"no archive"] {
        let error = bench.keep(broken, &order(MAIN, 1), 1).unwrap_err();
        assert!(error.is_recipes_fault() && error.to_string().contains("no whole archive"), "{error}");
    }
    assert_eq!(bench.waiting(), 0);
    bench.hub.look(|hub| assert!(hub.seen.is_empty()));
}

#[tokio::test]
async fn a_name_the_header_or_the_hub_does_not_carry_is_put_right_after_the_upload() {
    let bench = Bench::new().await;
    let accent = order("refs/heads/é", 1);
    bench.publish(&archive("one", 10), &accent, 1).await.unwrap();
    bench.hub.next(Call::Upload, Act::Old);
    let plain = order(MAIN, 1);
    bench.publish(&archive("one", 10), &plain, 1).await.unwrap();
    bench.hub.look(|hub| {
        let stored: Vec<_> = hub.flists.keys().collect();
        assert_eq!(stored, [&name(&plain, 1).versioned, &name(&accent, 1).versioned]);
        assert_eq!(hub.links["acme-tool-é.flist"], name(&accent, 1).versioned);
    });
}

#[tokio::test]
async fn a_file_where_the_link_belongs_is_the_recipes_to_mend() {
    let bench = Bench::new().await;
    let other = order("refs/heads/other", 1);
    bench.publish(&archive("one", 10), &other, 1).await.unwrap();
    bench.hub.change(|hub| {
        let flist = hub.flists.values().next().unwrap().clone();
        hub.flists.insert(LINK.into(), flist);
    });
    let error = bench.publish(&archive("two", 10), &order(MAIN, 1), 2).await.unwrap_err();
    assert!(error.is_recipes_fault() && error.to_string().contains("`tag`"), "{error}");
}

#[tokio::test]
async fn what_was_set_aside_is_the_next_builds_and_the_rest_is_swept() {
    let mut bench = Bench::new().await;
    let (ended, again, lost) = (order(MAIN, 1), order(MAIN, 1), order(MAIN, 1));
    bench.keep(&archive("one", 10), &ended, 1).unwrap();
    bench.keep(&archive("one", 10), &lost, 1).unwrap();
    assert!(!bench.ours.hand_over(lost.build, again.build).unwrap(), "only what was set aside");
    bench.ours.set_aside(ended.build).unwrap();
    bench.restart();
    bench.ours.sweep(&Default::default()).unwrap();
    assert!(bench.ours.has(ended.build) && !bench.ours.has(lost.build));
    assert!(bench.ours.hand_over(ended.build, again.build).unwrap());
    assert!(!bench.ours.has(ended.build));
    bench.deliver(&again).await.unwrap();
    assert!(!bench.ours.hand_over(ended.build, again.build).unwrap());
}

#[tokio::test]
async fn a_copy_that_changed_on_our_disk_is_not_sent() {
    let bench = Bench::new().await;
    let order = order(MAIN, 1);
    bench.keep(&archive("one", 10), &order, 1).unwrap();
    let kept = bench.config.directory.join(order.build.to_string()).join("artifact");
    let mut bytes = std::fs::read(&kept).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(kept, bytes).unwrap();
    assert!(matches!(bench.deliver(&order).await.unwrap_err(), PublishError::Damaged { .. }));
    bench.hub.look(|hub| assert_eq!(hub.count(Call::Upload), 0));
}
