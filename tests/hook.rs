//! What forges send, real examples and hand-made ones, is understood or refused with a reason.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{fs, path::Path};

use autobuilder::{
    hook::{Config, Event, Forge, Headers, Ignored, Received, Refused, Unreadable, read},
    model::{Push, Tip},
};
use proptest::prelude::*;
use serde_json::{Value, json};

const AFTER: &str = "67b56589a45103f891bdee7c0546e5d40bc02001";
const BEFORE: &str = "9836a96a253cce25d17988fcf41b8c4205cf779f";
const TAG_OBJECT: &str = "82b3d5ae55f7080f1e6022629cdb57bfae7cccc7";
const ZERO: &str = "0000000000000000000000000000000000000000";

fn payloads() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/payloads"))
}

fn manifest() -> Value {
    serde_json::from_slice(&fs::read(payloads().join("MANIFEST.json")).unwrap()).unwrap()
}

fn headers<'a>(item: &'a Value) -> Headers<'a> {
    let given = item["headers"].as_object().unwrap();
    let mut headers = Headers::from_lookup(|name| {
        given.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
    });
    headers.content_type = Some("application/json");
    headers
}

fn send(event: (&str, &str), payload: &Value) -> Result<Received, Unreadable> {
    let headers = Headers { content_type: Some("application/json"), ..Headers::default() };
    let headers = match event.0 {
        "github" => Headers { github_event: Some(event.1), ..headers },
        "gitea" => Headers { gitea_event: Some(event.1), github_event: Some(event.1), ..headers },
        _ => Headers { gitlab_event: Some(event.1), ..headers },
    };
    read(&headers, payload.to_string().as_bytes())
}

fn pushed(received: Result<Received, Unreadable>) -> Push {
    match received.unwrap().event {
        Event::Push(push) => *push,
        other => panic!("no push: {other:?}"),
    }
}

fn ignored(received: Result<Received, Unreadable>) -> Ignored {
    match received.unwrap().event {
        Event::Ignored(ignored) => ignored,
        other => panic!("not ignored: {other:?}"),
    }
}

fn commit(id: &str, message: &str) -> Value {
    json!({"id": id, "message": message, "timestamp": "2026-03-09T16:23:39+09:00",
           "url": format!("https://forge.example/commit/{id}"),
           "author": {"name": "Ada", "email": "ada@example.com", "username": "ada"}})
}

fn github() -> Value {
    json!({"ref": "refs/heads/feature/x", "before": BEFORE, "after": AFTER, "created": false, "deleted": false,
           "forced": false, "base_ref": null, "compare": "", "commits": [commit(AFTER, "Change")],
           "head_commit": commit(AFTER, "Change"), "repository": {"full_name": "acme/tool"}})
}

fn gitlab(git_ref: &str) -> Value {
    json!({"object_kind": "push", "ref": git_ref, "before": BEFORE, "after": AFTER, "checkout_sha": AFTER,
           "message": null, "project": {"path_with_namespace": "group/sub/tool"},
           "commits": [commit(BEFORE, "First"), commit(AFTER, "Second")], "total_commits_count": 2,
           "repository": {"name": "tool"}})
}

#[test]
fn every_example_is_genuine_and_gives_the_right_event() {
    let manifest = manifest();
    let config = Config { secrets: vec![manifest["secret"].as_str().unwrap().into()], ..Config::default() };
    let items = manifest["items"].as_array().unwrap();
    assert!(items.len() >= 16);
    for item in items {
        let file = item["file"].as_str().unwrap();
        let body = fs::read(payloads().join(file)).unwrap();
        let signed = Headers { signature_256: item["sig256"].as_str(), ..headers(item) };
        assert_eq!(config.verify(&signed, &body), Ok(()), "{file}");

        let json: Value = serde_json::from_slice(&body).unwrap();
        let received = read(&signed, &body).unwrap_or_else(|error| panic!("{file}: {error}"));
        match (item["event"].as_str().unwrap(), received.event) {
            ("ping", Event::Ping) => {}
            ("push" | "Push Hook" | "Tag Push Hook", Event::Push(push)) => check_push(file, &json, &push),
            ("pull_request", Event::Proposal(proposal)) => {
                assert_eq!(json["action"], "opened", "{file}");
                assert_eq!(json["number"], proposal.number, "{file}");
                assert_eq!(json["pull_request"]["head"]["sha"], proposal.commit.as_str(), "{file}");
                assert_eq!(json["pull_request"]["base"]["ref"], proposal.base.as_str(), "{file}");
            }
            (event, Event::Ignored(ignored)) => {
                assert!(!matches!(event, "push" | "ping" | "Push Hook" | "Tag Push Hook"), "{file}");
                let named = json["repository"]["full_name"].as_str();
                assert_eq!(ignored.repository.as_ref().map(|name| name.as_str()), named, "{file}");
            }
            (_, event) => panic!("{file} was read as {event:?}"),
        }
    }
}

fn check_push(file: &str, json: &Value, push: &Push) {
    assert_eq!(push.git_ref.to_string(), json["ref"], "{file}");
    assert_eq!((push.before.as_str(), push.after.as_str()), (text(&json["before"]), text(&json["after"])), "{file}");
    let name = [&json["project"]["path_with_namespace"], &json["repository"]["full_name"]];
    assert_eq!(push.repository.as_str(), name.iter().find_map(|name| name.as_str()).unwrap(), "{file}");
    match &push.commit {
        None => assert_eq!(push.after, Tip::None, "{file}"),
        Some(commit) => {
            let head = [&json["head_commit"]["id"], &json["checkout_sha"], &json["after"]];
            assert_eq!(commit.as_str(), head.iter().find_map(|id| id.as_str()).unwrap(), "{file}");
            assert!(push.author.is_some() && !push.message.is_empty(), "{file}");
        }
    }
    assert_eq!(push.commits.len(), json["commits"].as_array().unwrap().len(), "{file}");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn a_form_says_the_same_as_its_json_and_may_be_signed_githubs_way_or_giteas() {
    let manifest = manifest();
    let config = Config { secrets: vec![manifest["secret"].as_str().unwrap().into()], ..Config::default() };
    let mut forms = 0;
    for item in manifest["items"].as_array().unwrap() {
        let Some(file) = item["form"]["file"].as_str() else { continue };
        forms += 1;
        let form = fs::read(payloads().join(file)).unwrap();
        let json = fs::read(payloads().join(text(&item["file"]))).unwrap();
        let as_form =
            Headers { content_type: Some("application/x-www-form-urlencoded; charset=utf-8"), ..headers(item) };
        assert_eq!(read(&as_form, &form), read(&headers(item), &json), "{file}");
        for signature in [&item["form"]["sig256"], &item["sig256"]] {
            let signed = Headers { signature_256: signature.as_str(), ..as_form };
            assert_eq!(config.verify(&signed, &form), Ok(()), "{file}");
        }
        let as_json = Headers { signature_256: item["sig256"].as_str(), ..headers(item) };
        assert_eq!(config.verify(&as_json, &form), Err(Refused::BadSignature), "{file}");
    }
    assert!(forms >= 4);
}

#[test]
fn sha1_is_believed_only_where_it_is_allowed() {
    let manifest = manifest();
    let item = &manifest["items"][0];
    let body = fs::read(payloads().join(text(&item["file"]))).unwrap();
    let headers = Headers { signature_1: item["sig1"].as_str(), ..headers(item) };
    let config = Config { secrets: vec![manifest["secret"].as_str().unwrap().into()], ..Config::default() };
    assert_eq!(config.verify(&headers, &body), Err(Refused::OnlySha1));
    let allowed = Config { allow_sha1: true, ..config };
    assert_eq!(allowed.verify(&headers, &body), Ok(()));
    assert_eq!(allowed.verify(&headers, &body[1..]), Err(Refused::BadSignature));
}

#[test]
fn an_annotated_tag_builds_its_commit_and_not_its_object() {
    let mut tag = github();
    tag["ref"] = json!("refs/tags/v1.0");
    tag["after"] = json!(TAG_OBJECT);
    tag["commits"] = json!([]);
    let push = pushed(send(("github", "push"), &tag));
    assert_eq!(push.commit.unwrap().as_str(), AFTER);
    assert_eq!(push.after.as_str(), TAG_OBJECT);

    let mut tag = gitlab("refs/tags/v1.0");
    tag["after"] = json!(TAG_OBJECT);
    let push = pushed(send(("gitlab", "Tag Push Hook"), &tag));
    assert_eq!(push.commit.unwrap().as_str(), AFTER);
    assert_eq!(push.message, "Second");
}

#[test]
fn an_old_gitea_without_a_head_commit_builds_the_listed_one() {
    let mut payload = github();
    for key in ["created", "deleted", "forced", "head_commit"] {
        payload.as_object_mut().unwrap().remove(key);
    }
    payload["commits"] = json!([commit(BEFORE, "First"), commit(AFTER, "Second")]);
    let received = send(("gitea", "push"), &payload);
    assert_eq!(received.as_ref().unwrap().forge, Forge::Gitea);
    let push = pushed(received);
    assert_eq!((push.commit.unwrap().as_str(), push.message.as_str()), (AFTER, "Second"));

    payload["commits"] = json!([]);
    assert_eq!(pushed(send(("gitea", "push"), &payload)).commit.unwrap().as_str(), AFTER);

    // The tip of a tag may be a tag object: nothing is guessed.
    payload["ref"] = json!("refs/tags/v1.0");
    assert!(ignored(send(("gitea", "push"), &payload)).reason.contains("refs/tags/v1.0"));

    payload["after"] = json!(ZERO);
    let push = pushed(send(("gitea", "push"), &payload));
    assert_eq!((push.commit, push.after), (None, Tip::None));
}

#[test]
fn gitlab_sub_groups_and_deletions_are_understood() {
    let push = pushed(send(("gitlab", "Push Hook"), &gitlab("refs/heads/main")));
    assert_eq!((push.repository.org(), push.repository.name()), ("group/sub", "tool"));
    assert_eq!(push.commit.unwrap().as_str(), AFTER);

    let mut deletion = gitlab("refs/heads/main");
    deletion["after"] = json!(ZERO);
    deletion["checkout_sha"] = json!(null);
    deletion["commits"] = json!([]);
    assert_eq!(pushed(send(("gitlab", "Push Hook"), &deletion)).commit, None);
    assert_eq!(
        ignored(send(("gitlab", "Merge Request Hook"), &deletion)).repository.unwrap().as_str(),
        "group/sub/tool"
    );
}

#[test]
fn what_is_neither_branch_nor_tag_is_ignored_with_a_reason() {
    let mut notes = github();
    notes["ref"] = json!("refs/notes/commits");
    let ignored = ignored(send(("github", "push"), &notes));
    assert!(ignored.reason.contains("refs/notes/commits"), "{}", ignored.reason);
    assert_eq!(ignored.repository.unwrap().as_str(), "acme/tool");
}

#[test]
fn a_bad_field_is_refused_by_its_name() {
    let bad = |pointer: &str, value: Value| {
        let mut payload = github();
        *payload.pointer_mut(pointer).unwrap() = value;
        match send(("github", "push"), &payload) {
            Err(Unreadable::Field { field, reason }) => {
                assert!(reason.len() <= 400 && !reason.contains(char::is_control), "{reason}");
                field
            }
            other => panic!("{pointer}: {other:?}"),
        }
    };
    assert_eq!(bad("/ref", json!("refs/heads/a..b")), "ref");
    assert_eq!(bad("/ref", json!("main")), "ref");
    assert_eq!(bad("/ref", json!(format!("refs/heads/{}", "\u{1b}".repeat(100_000)))), "ref");
    assert_eq!(bad("/before", json!("")), "before");
    assert_eq!(bad("/after", json!("../../forks")), "after");
    assert_eq!(bad("/head_commit/id", json!("%2e%2e")), "head_commit.id");
    assert_eq!(bad("/head_commit/id", json!(ZERO)), "head_commit.id");
    assert_eq!(bad("/commits/0/id", json!("?")), "commits[].id");
    assert_eq!(bad("/repository/full_name", json!("../x")), "repository.full_name");
    assert_eq!(bad("/repository", json!(null)), "repository.full_name");
}

#[test]
fn what_no_forge_sends_is_unreadable() {
    let json = Headers { content_type: Some("application/json"), github_event: Some("push"), ..Headers::default() };
    assert_eq!(read(&Headers { github_event: None, ..json }, b"{}"), Err(Unreadable::NoEvent));
    let form = Headers { content_type: Some("application/x-www-form-urlencoded"), ..json };
    assert_eq!(read(&form, b"x=1&payload={}"), Err(Unreadable::NoPayload));
    for content_type in [None, Some("text/plain"), Some(""), Some(";")] {
        let headers = Headers { content_type, ..json };
        assert!(matches!(read(&headers, b"{}"), Err(Unreadable::ContentType(_))), "{content_type:?}");
    }
    for event in ["push", "ping", "status"] {
        for body in ["", "{", "[1", "\u{0}", "{\"ref\":\"\\ud800\"", "nope"] {
            let headers = Headers { github_event: Some(event), ..json };
            assert!(matches!(read(&headers, body.as_bytes()), Err(Unreadable::Json(_))), "{event} {body}");
        }
    }
}

#[test]
fn nesting_however_deep_ends_in_an_answer() {
    let json = Headers { content_type: Some("application/json"), ..Headers::default() };
    for event in ["push", "ping", "status"] {
        let headers = Headers { github_event: Some(event), ..json };
        for key in ["ref", "commits", "repository", "other"] {
            let deep = format!("{{\"{key}\":{}", "[".repeat(1_000_000));
            assert!(read(&headers, deep.as_bytes()).is_err(), "{event} {key}");
        }
    }
}

#[test]
fn long_texts_are_cut_and_control_characters_removed() {
    let mut payload = github();
    payload["head_commit"]["message"] = json!(format!("a\0b\r\n\t\u{7f}{}", "é".repeat(10_000)));
    payload["commits"] = (0..500).map(|_| commit(AFTER, &"é".repeat(10_000))).collect();
    payload["commits"][0]["url"] = json!("javascript:alert(1)");
    let push = pushed(send(("github", "push"), &payload));
    assert!(push.message.starts_with("ab\n\té") && push.message.len() <= 8192 && push.message.len() > 8180);
    assert_eq!(push.commits.len(), 50);
    assert!(push.commits.iter().all(|commit| commit.message.len() == 1024));
    assert_eq!(push.commits[0].url, "");
    assert!(push.commits[1].url.starts_with("https://"));
}

/// Any JSON value, of any type and some depth.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "refs/(heads|tags|x)/.{0,300}".prop_map(Value::from),
        "[0-9a-fA-F]{40}|0{40}|[0-9a-f]{64}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("id|author|message|full_name|.{0,5}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

const FIELDS: [&str; 15] = [
    "/ref",
    "/before",
    "/after",
    "/deleted",
    "/commits",
    "/commits/0",
    "/commits/0/id",
    "/commits/0/author",
    "/head_commit",
    "/head_commit/id",
    "/head_commit/message",
    "/head_commit/author/name",
    "/repository",
    "/repository/full_name",
    "",
];

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        body in prop::collection::vec(any::<u8>(), 0..2000),
        event in "push|ping|Push Hook|.{0,20}",
        signature in "(sha256=)?[0-9a-f]{0,64}|.{0,80}",
        form in any::<bool>(),
    ) {
        let media = if form { "application/x-www-form-urlencoded" } else { "application/json" };
        let body = if form { [b"payload=".as_slice(), &body].concat() } else { body };
        let config = Config { secrets: vec!["secret".into()], allow_sha1: true, ..Config::default() };
        let base = Headers { content_type: Some(media), signature_256: Some(&signature), ..Headers::default() };
        for headers in [
            Headers { github_event: Some(&event), ..base },
            Headers { gitea_event: Some(&event), gitea_delivery: Some(&signature), ..base },
            Headers { gitlab_event: Some(&event), gitlab_token: Some(&event), ..base },
        ] {
            prop_assert_eq!(config.verify(&headers, &body), Err(Refused::BadSignature));
            let _ = read(&headers, &body);
        }
    }

    #[test]
    fn no_value_in_any_field_makes_it_panic(value in any_json(), field in prop::sample::select(FIELDS.to_vec())) {
        for (event, mut payload) in [
            (("github", "push"), github()),
            (("gitea", "push"), github()),
            (("gitlab", "Push Hook"), gitlab("refs/heads/main")),
            (("github", "ping"), github()),
            (("github", "status"), github()),
        ] {
            if let Some(place) = payload.pointer_mut(field) {
                *place = value.clone();
            }
            if let Ok(Received { event: Event::Push(push), .. }) = send(event, &payload) {
                prop_assert_eq!(push.commit.is_none(), push.after == Tip::None);
            }
        }
    }
}
