use serde_json::{Value, json};

use super::*;
use crate::publish::zero_hub::{archive::Span, error::Again};

const URL: &str = "https://hub.example.org";

fn reply(status: u16, body: impl ToString) -> Reply {
    Reply { status, body: body.to_string().into_bytes(), retry_after: None }
}

fn contents() -> Contents {
    let exactly = |count| Span { least: count, most: count };
    let (regular, symlink, special) = (exactly(2), exactly(1), exactly(0));
    Contents { regular, symlink, special, directory: 4, fullsize: exactly(700_020) }
}

fn good() -> Value {
    json!({"status": "success", "payload": {"name": "acme-tool-main-0123456789.flist", "files": {
        "success": true, "error": null, "status": 0, "response": {
            "regular": 2, "symlink": 1, "directory": 5, "special": 0, "failure": 0, "fullsize": 700_020}}}})
}

fn not_stored(body: Value) -> String {
    match reply(200, body).stored(URL, &contents()) {
        Err((error @ HubError::NotStored(_), _)) => {
            assert_eq!(error.again(), Again::FewTimes);
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_success_is_one_only_if_the_hub_counted_what_was_sent() {
    assert_eq!(reply(200, good()).stored(URL, &contents()).unwrap(), "acme-tool-main-0123456789.flist");
    let nothing = json!({"success": false, "status": 1, "response": {},
        "error": {"function": "putdir", "message": "could not load local directory"}});
    let no_store = json!({"success": true, "error": null, "response": {}, "status": 1});
    for (files, words) in
        [(nothing, "could not load local directory"), (no_store, "status 1"), (Value::Null, "no files")]
    {
        let mut body = good();
        body["payload"]["files"] = files;
        assert!(not_stored(body.clone()).contains(words), "{body}");
    }
    for (field, value, words) in [
        ("regular", json!(1), "1 files of the 2"),
        ("symlink", json!(0), "0 symbolic links of the 1"),
        ("special", json!(3), "devices"),
        ("fullsize", json!(299_540), "299540 bytes of the 700020"),
        ("failure", json!(1), "could not store 1"),
        ("regular", Value::Null, "does not report how many files"),
    ] {
        let mut body = good();
        body["payload"]["files"]["response"][field] = value;
        assert!(not_stored(body.clone()).contains(words), "{body}");
    }
    assert!(not_stored(json!({"status": "success"})).contains("no files"));
    assert!(not_stored(json!({"status": "error", "message": "disk full"})).contains("disk full"));
}

#[test]
fn each_answer_says_whether_to_ask_again() {
    let later = Again::Later(None);
    let html = "<!doctype html>\n<title>500 Internal Server Error</title><h1>Internal</h1>";
    for (status, body, again, words) in [
        (
            401,
            json!({"message": "no authorization provided", "status": "error"}).to_string(),
            Again::Never,
            "hub.token",
        ),
        (
            401,
            json!({"message": "invalid signature", "status": "error"}).to_string(),
            Again::Never,
            "invalid signature",
        ),
        (403, json!({"message": "invalid token"}).to_string(), Again::Never, "invalid token"),
        (400, json!({"message": "invalid authorization header"}).to_string(), Again::Never, "hub.token"),
        (400, json!({"message": "readonly mode", "status": "error"}).to_string(), later, "readonly"),
        (500, json!({"message": "this file is not allowed"}).to_string(), Again::Never, "not allowed"),
        (500, json!({"message": "no file found"}).to_string(), Again::Never, "no file found"),
        (500, html.to_owned(), later, "500 Internal Server Error"),
        (502, String::new(), later, "502"),
        (429, String::new(), later, "429"),
        (200, "<html><title>Sign in</title></html>".to_owned(), later, "Sign in"),
        (404, html.to_owned(), Again::Never, "hub.url"),
        (405, html.to_owned(), Again::Never, "hub.url"),
        (301, String::new(), Again::Never, "hub.url"),
        (413, html.to_owned(), Again::Never, "refuses the upload"),
        (200, json!({"status": "error", "message": "no"}).to_string(), Again::FewTimes, "no"),
    ] {
        let (error, _) = reply(status, &body).stored(URL, &contents()).unwrap_err();
        assert_eq!(error.again(), again, "{status} {body}: {error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_hub_says_itself_when_to_ask_again() {
    let after = |text: &str| {
        let reply = Reply { retry_after: Some(text.into()), ..reply(503, "") };
        reply.success(URL, "it").map(drop).unwrap_err().again()
    };
    assert_eq!(after("120"), Again::Later(Some(Duration::from_secs(120))));
    assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Again::Later(Some(Duration::ZERO)));
    assert_eq!(after("999999"), Again::Later(Some(LONGEST_WAIT)));
    assert_eq!(after("soon"), Again::Later(None));
}

#[test]
fn a_link_is_judged_by_the_words_and_not_by_the_status() {
    let done = |status, message: &str| {
        let body = json!({"status": "error", "message": message});
        reply(status, body).done(URL, "the link", "file.flist", "link.flist").unwrap_err()
    };
    assert!(
        matches!(done(401, "link destination is already a file"), HubError::LinkTaken(name) if name == "link.flist")
    );
    assert!(matches!(done(404, "source not found"), HubError::Gone(name) if name == "file.flist"));
    assert!(matches!(done(401, "invalid signature"), HubError::Token { .. }));
    assert!(reply(200, json!({"status": "success"})).done(URL, "the link", "a", "b").is_ok());
}

#[test]
fn a_hubs_words_are_short_and_on_one_line() {
    let said = reply(500, json!({"message": format!("a\n\u{1b}[31m{}", "x".repeat(5000))})).said();
    assert!(said.chars().count() < 220 && !said.contains(char::is_control), "{said}");
    assert_eq!(reply(502, "").said(), "");
    assert_eq!(
        reply(200, json!({"status": "success", "payload": {"username": "alice.3bot"}})).username(URL).unwrap(),
        "alice.3bot"
    );
}
