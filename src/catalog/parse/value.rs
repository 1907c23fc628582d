//! Single values: what a key holds, as the type it should be, or a problem at its place.

use std::{fmt::Display, str::FromStr, sync::LazyLock};

use regex::Regex;

use super::{
    report::{Mark, Report},
    tree::{Entry, Node, Value},
};

/// An image as registries name it: `[host[:port]/]path[:tag][@sha256:digest]`.
pub(in crate::catalog) const IMAGE: &str = concat!(
    r"^(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?/)?",
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*",
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$"
);

/// An extra part of an artifact's name.
pub(in crate::catalog) const TAG: &str = r"^[A-Za-z0-9._+-]{1,64}$";

/// A Linux capability, with or without its prefix.
pub(in crate::catalog) const CAPABILITY: &str = r"^(?:CAP_)?[A-Z][A-Z_]{1,30}$";

/// The name of an environment variable.
pub(in crate::catalog) const VARIABLE: &str = r"^[A-Za-z_][A-Za-z0-9_]{0,99}$";

/// Whether a text has one of the forms above.
pub(super) fn has_form(form: &str, text: &str) -> bool {
    static FORMS: LazyLock<Vec<(&str, Option<Regex>)>> =
        LazyLock::new(|| [IMAGE, TAG, CAPABILITY, VARIABLE].map(|form| (form, Regex::new(form).ok())).to_vec());
    FORMS.iter().any(|(known, regex)| *known == form && regex.as_ref().is_some_and(|regex| regex.is_match(text)))
}

/// The text of a scalar that holds something.
pub(super) fn text_of(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar { text, plain } if !(*plain && is_null(text)) => Some(text),
        _ => None,
    }
}

/// What YAML takes for nothing.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The text a key holds.
pub(super) fn text<'n>(entry: &'n Entry, help: &str, report: &mut Report<'_>) -> Option<&'n str> {
    let text = text_of(&entry.value);
    if text.is_none() {
        report.error(entry.mark, format!("`{}` {}", entry.key, complaint(&entry.value)), help);
    }
    text
}

/// What a value is, for a key that wants a single text.
fn complaint(node: &Node) -> &'static str {
    match &node.value {
        Value::Scalar { .. } => "has no value",
        Value::List(_) => "is a list, and one text was expected",
        Value::Map(_) => "is a mapping, and one text was expected",
    }
}

/// The text a key holds, as one of the model's types.
pub(super) fn parsed<T: FromStr<Err: Display>>(entry: &Entry, help: &str, report: &mut Report<'_>) -> Option<T> {
    let text = text(entry, help, report)?;
    text.parse().map_err(|error| report.error(entry.value.mark, format!("`{}`: {error}", entry.key), help)).ok()
}

/// The text a key holds, in one of the forms above.
pub(super) fn formed(entry: &Entry, form: &str, what: &str, help: &str, report: &mut Report<'_>) -> Option<String> {
    let text = text(entry, help, report)?;
    if has_form(form, text) && text.len() <= 255 {
        return Some(text.to_owned());
    }
    report.error(entry.value.mark, format!("`{}`: `{text}` is not {what}", entry.key), help);
    None
}

/// `true` or `false`, and no other spelling: `no` is a word like any other.
pub(super) fn boolean(entry: &Entry, report: &mut Report<'_>) -> Option<bool> {
    match &entry.value.value {
        Value::Scalar { text, plain: true } if text == "true" => Some(true),
        Value::Scalar { text, plain: true } if text == "false" => Some(false),
        _ => {
            let message = format!("`{}` is neither `true` nor `false`", entry.key);
            report.error(entry.value.mark, message, "write `true` or `false`, without quotes");
            None
        }
    }
}

/// The texts of a list, each with its place. A null or another type in it is a problem.
pub(super) fn texts<'n>(entry: &'n Entry, help: &str, report: &mut Report<'_>) -> Vec<(Mark, &'n str)> {
    let Value::List(nodes) = &entry.value.value else {
        report.error(entry.mark, format!("`{}` must be a list", entry.key), help);
        return Vec::new();
    };
    let mut texts: Vec<(Mark, &str)> = Vec::with_capacity(nodes.len());
    for node in nodes {
        match text_of(node) {
            Some(text) if texts.iter().any(|(_, other)| *other == text) => {
                report.error(node.mark, format!("`{text}` stands twice in `{}`", entry.key), "remove one of the two");
            }
            Some(text) => texts.push((node.mark, text)),
            None => report.error(node.mark, format!("`{}` lists something that is not a text", entry.key), help),
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_as_registries_name_them() {
        let digest = format!("ubuntu@sha256:{}", "a".repeat(64));
        for image in ["ubuntu:16.04", "localhost:5000/a/b:x", "ghcr.io/acme/tool", "busybox", "a__b/c-d.e", &digest] {
            assert!(has_form(IMAGE, image), "{image}");
        }
        for image in ["", "-v", "Ubuntu", "ubuntu:", "ubuntu latest", "../x", "http://x/y", "a:b:c", "a@sha256:00"] {
            assert!(!has_form(IMAGE, image), "{image}");
        }
    }

    #[test]
    fn every_form_is_a_regular_expression() {
        assert!(has_form(TAG, "a+b") && !has_form(TAG, "a/b"));
        assert!(has_form(CAPABILITY, "SYS_ADMIN") && !has_form(CAPABILITY, "sys admin"));
        assert!(has_form(VARIABLE, "TOKEN") && !has_form(VARIABLE, "A=B"));
    }
}
