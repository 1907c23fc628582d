//! Errors for people who came with a browser: a page with the same sentence that programs get.

use warp::{
    http::{HeaderMap, StatusCode, header},
    reply::Response,
};

use super::{assets, reply};

/// The sentence of an error, kept with its response until it is known who reads it.
#[derive(Debug, Clone)]
pub(super) struct Sentence(pub(super) String);

/// The response as it is, or as a page if it is an error and its reader is a browser that opens a page.
pub(super) fn for_reader(mut response: Response, headers: &HeaderMap) -> Response {
    let sentence = response.extensions_mut().remove::<Sentence>();
    let Some(Sentence(sentence)) = sentence.filter(|_| wants_page(headers)) else { return response };
    let text = page(response.status(), &sentence);
    let mut shown = reply::status(response.status(), reply::with_type(text.into(), "text/html; charset=utf-8"));
    for name in [header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
        if let Some(value) = response.headers_mut().remove(&name) {
            shown.headers_mut().insert(name, value);
        }
    }
    shown
}

fn page(status: StatusCode, sentence: &str) -> String {
    let page = assets::PROBLEM.replace("{title}", title(status));
    // Last, so that nothing within the sentence is taken for a place to fill.
    page.replace("{message}", &escaped(&capitalized(sentence)))
}

/// Browsers name HTML when they open a page, and not when a page's script asks.
fn wants_page(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "Not here",
        StatusCode::SERVICE_UNAVAILABLE => "Not now",
        _ => "That did not work",
    }
}

fn capitalized(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

/// Text inside an element or a quoted attribute (HTML Living Standard, "Escaping a string").
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_from_outside_stays_text() {
        let page = page(StatusCode::NOT_FOUND, "there is no artifact `<img src=x>{title}\"'&`");
        assert!(page.contains("There is no artifact `&lt;img src=x&gt;{title}&quot;&#39;&amp;`."), "{page}");
        assert!(page.contains("<h1>Not here</h1>"));
    }

    #[test]
    fn only_a_browser_that_opens_a_page_gets_one() {
        let wants = |accept: &str| wants_page(&HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]));
        assert!(wants("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(!wants("*/*") && !wants("application/json") && !wants_page(&HeaderMap::new()));
    }
}
