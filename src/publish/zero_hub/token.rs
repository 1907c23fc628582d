//! Tokens: which kind one is, whether it has expired, and what may take its place.
//!
//! A JSON Web Token (RFC 7519) is three base64url parts joined by dots, and says when it ends. The
//! hub's own kind has no dot and never ends. When an old token is renewed, the answer becomes our
//! token only if it is one: a page that says "Unauthorized" once took the place of a good token, for
//! good.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::model::Timestamp;

/// A token this close to its end is renewed before it is used.
const MARGIN: std::time::Duration = std::time::Duration::from_secs(60);

/// The claims of a token, if it is a JSON Web Token.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let object = |part: &str| serde_json::from_slice::<Value>(&decode(part)?).ok().filter(Value::is_object);
    let shaped = parts.next().is_none() && object(header).is_some() && !decode(signature)?.is_empty();
    if shaped { object(claims) } else { None }
}

/// Until when it is good; `None` if it does not say.
fn end(claims: &Value) -> Option<Timestamp> {
    let end = &claims["exp"];
    let seconds = end.as_i64().or_else(|| end.as_f64().map(|seconds| seconds as i64))?;
    Some(Timestamp::from_millis(seconds.saturating_mul(1000)))
}

/// Whether a token can be renewed at all: only one that is a JSON Web Token.
pub(super) fn is_renewable(token: &SecretString) -> bool {
    claims(token.expose_secret()).is_some()
}

/// Whether a token has ended, or is about to.
pub(super) fn has_ended(token: &SecretString, now: Timestamp) -> bool {
    claims(token.expose_secret()).as_ref().and_then(end).is_some_and(|end| end <= now.after(MARGIN))
}

/// The token in an answer, if there is a good one: it is shaped like one and has not ended.
pub(super) fn renewed(answer: &[u8], now: Timestamp) -> Option<SecretString> {
    let text = str::from_utf8(answer).ok()?.trim();
    let good = claims(text).as_ref().and_then(end).is_some_and(|end| end > now.after(MARGIN));
    good.then(|| text.into())
}

/// Base64 for URLs (RFC 4648, section 5), without padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::with_capacity(text.len()));
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        (bits, held) = ((bits << 6) | u32::from(value), held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn encode(text: &str) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut encoded = String::new();
        for chunk in text.as_bytes().chunks(3) {
            let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
            for index in 0..=chunk.len() {
                encoded.push(LETTERS[(bits >> (18 - 6 * index)) as usize & 63].into());
            }
        }
        encoded
    }

    fn jwt(claims: &str) -> SecretString {
        format!("{}.{}.{}", encode(r#"{"alg":"ES384"}"#), encode(claims), encode("signature")).into()
    }

    fn ending(seconds: i64) -> SecretString {
        jwt(&format!(r#"{{"username":"alice","exp":{}}}"#, NOW.as_secs() + seconds))
    }

    #[test]
    fn only_a_token_that_lasts_takes_the_place_of_another() {
        let good = format!("{}\n", ending(3600).expose_secret());
        assert_eq!(renewed(good.as_bytes(), NOW).unwrap().expose_secret(), good.trim());
        for bad in [
            "Unauthorized\n",
            "",
            "a.b.c",
            "<html>v1.2.3</html>",
            "{\"error\":\"x.y.z\"}",
            ending(-1).expose_secret(),
            ending(30).expose_secret(),
            jwt(r#"{"username":"alice"}"#).expose_secret(),
            &format!("{}.more", ending(3600).expose_secret()),
        ] {
            assert!(renewed(bad.as_bytes(), NOW).is_none(), "{bad}");
        }
        assert!(renewed(b"\xff.\xff.\xff", NOW).is_none());
    }

    #[test]
    fn a_token_of_the_hub_itself_never_ends_and_is_never_renewed() {
        let own: SecretString = "c2lnbmVk-bmFtZQ_".into();
        assert!(!is_renewable(&own) && !has_ended(&own, NOW));
        assert!(is_renewable(&ending(-100)));
        assert!(has_ended(&ending(-100), NOW) && has_ended(&ending(10), NOW) && !has_ended(&ending(3600), NOW));
        assert!(!has_ended(&jwt("{}"), NOW));
    }
}
