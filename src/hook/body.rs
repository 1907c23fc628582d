//! The JSON text within a body: the body itself, or the `payload` field of a form.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::{event::Unreadable, headers::Headers};
use crate::model::clean;

const FIELD: &[u8] = b"payload=";

/// Finds the JSON text by the content type.
pub(super) fn json<'a>(headers: &Headers<'_>, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Unreadable> {
    match headers.media_type() {
        Some(media) if media.eq_ignore_ascii_case("application/json") => Ok(Cow::Borrowed(body)),
        Some(media) if is_form(media) => form_payload(body).map(Cow::Owned).ok_or(Unreadable::NoPayload),
        other => Err(Unreadable::ContentType(clean(other.unwrap_or_default(), 100))),
    }
}

/// Whether the body is a form.
pub(super) fn is_form(media: &str) -> bool {
    media.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The decoded `payload` field.
///
/// It must be the first one, as all forges send it. The content type is not covered by the
/// signature: were any position good, a genuine JSON body with `&payload=…` in a commit message
/// could be sent again as a form that says what its author likes.
pub(super) fn form_payload(body: &[u8]) -> Option<Vec<u8>> {
    let rest = body.strip_prefix(FIELD)?;
    let value = rest.split(|&byte| byte == b'&').next()?;
    let spaced: Vec<u8> = value.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    Some(percent_decode(&spaced).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_gives_its_payload_decoded() {
        let json = form_payload(b"payload=%7B%22a+b%22%3A%22%2B%C3%A9%22%7D&other=1").unwrap();
        assert_eq!(std::str::from_utf8(&json).unwrap(), r#"{"a b":"+é"}"#);
    }

    #[test]
    fn a_payload_in_the_middle_of_a_json_text_is_none() {
        assert!(form_payload(br#"{"message":"&payload={}&"}"#).is_none());
    }
}
