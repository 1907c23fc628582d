//! Is a delivery from somebody who knows the secret?
//!
//! The signature is over the raw body, so this comes before any parsing. Comparisons take the same
//! time wherever they differ, and each configured secret is tried: that is how one is rotated.

use hmac::{Hmac, Mac, digest::KeyInit};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::{
    body::{form_payload, is_form},
    headers::Headers,
};

/// Who may send pushes.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The secrets shared with the forges; any of them will do. Empty ones count for nothing.
    pub secrets: Vec<SecretString>,
    /// Accept a delivery that carries no proof at all.
    pub allow_unsigned: bool,
    /// Accept `X-Hub-Signature` (SHA-1) where nothing stronger was sent.
    pub allow_sha1: bool,
}

/// Why a delivery is not believed.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum Refused {
    /// It carries no proof.
    #[error("the delivery is not signed: set the same secret in the forge's webhook as in `webhook.secret`")]
    Unsigned,
    /// It carries only a SHA-1 signature.
    #[error("the delivery is signed with SHA-1 only: send `X-Hub-Signature-256`, or set `webhook.allow_sha1`")]
    OnlySha1,
    /// Its proof is wrong.
    #[error(
        "the signature does not fit the body: the forge's secret is not (or no longer) the one in `webhook.secret`"
    )]
    BadSignature,
}

/// What a delivery shows as proof.
enum Proof<'a> {
    Sha256(&'a str),
    Sha1(&'a str),
    Token(&'a str),
}

impl Config {
    /// Checks the proof that came with `body`.
    pub fn verify(&self, headers: &Headers<'_>, body: &[u8]) -> Result<(), Refused> {
        let proof = match strongest(headers) {
            // Gitea without a secret sends an empty `sha256=`: where there is nothing to check it
            // against, a signature is no more than none.
            Some(_) if self.allow_unsigned && self.keys().next().is_none() => return Ok(()),
            None if self.allow_unsigned => return Ok(()),
            None => return Err(Refused::Unsigned),
            Some(Proof::Sha1(_)) if !self.allow_sha1 => return Err(Refused::OnlySha1),
            Some(proof) => proof,
        };
        let shown = |text: &[u8]| self.keys().any(|key| proof.holds(key, text));
        // GitHub signs a form's bytes, Gitea the JSON text within.
        let shown_within =
            || headers.media_type().is_some_and(is_form) && form_payload(body).is_some_and(|json| shown(&json));
        if shown(body) || shown_within() { Ok(()) } else { Err(Refused::BadSignature) }
    }

    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.secrets.iter().map(|secret| secret.expose_secret().as_bytes()).filter(|key| !key.is_empty())
    }
}

/// The strongest proof alone decides: a bad one is not made good by a weaker one beside it.
fn strongest<'a>(headers: &Headers<'a>) -> Option<Proof<'a>> {
    let digits = |header: &'a str, prefix| header.strip_prefix(prefix).unwrap_or("");
    headers
        .signature_256
        .map(|header| Proof::Sha256(digits(header, "sha256=")))
        .or(headers.gitea_signature.map(Proof::Sha256))
        .or(headers.gitlab_token.map(Proof::Token))
        .or(headers.signature_1.map(|header| Proof::Sha1(digits(header, "sha1="))))
}

impl Proof<'_> {
    fn holds(&self, key: &[u8], text: &[u8]) -> bool {
        match self {
            Self::Sha256(digits) => hex::<32>(digits).is_some_and(|tag| signs::<Hmac<Sha256>>(key, text, &tag)),
            Self::Sha1(digits) => hex::<20>(digits).is_some_and(|tag| signs::<Hmac<Sha1>>(key, text, &tag)),
            Self::Token(token) => token.as_bytes().ct_eq(key).into(),
        }
    }
}

fn signs<M: Mac + KeyInit>(key: &[u8], text: &[u8], tag: &[u8]) -> bool {
    <M as Mac>::new_from_slice(key).is_ok_and(|mac| mac.chain_update(text).verify_slice(tag).is_ok())
}

/// Exactly `N` bytes from twice as many hexadecimal digits.
fn hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let digit = |character: u8| char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"Hello, World!";
    /// GitHub's own test vector.
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn config(secrets: &[&str]) -> Config {
        Config { secrets: secrets.iter().map(|&secret| secret.into()).collect(), ..Config::default() }
    }

    fn with_256(signature: &str) -> Headers<'_> {
        Headers { signature_256: Some(signature), ..Headers::default() }
    }

    #[test]
    fn any_configured_secret_will_do() {
        let config = config(&["new", "It's a Secret to Everybody"]);
        assert_eq!(config.verify(&with_256(SIGNATURE), BODY), Ok(()));
        assert_eq!(config.verify(&with_256(SIGNATURE), b"Hello, World?"), Err(Refused::BadSignature));
        assert_eq!(config.verify(&Headers::default(), BODY), Err(Refused::Unsigned));
    }

    #[test]
    fn what_is_no_signature_is_a_bad_one() {
        let config = config(&["It's a Secret to Everybody"]);
        let digits = &SIGNATURE[7..];
        for signature in ["", "sha256=", digits, &SIGNATURE[..70], &SIGNATURE.replace('7', "é"), "sha256=zz"] {
            assert_eq!(config.verify(&with_256(signature), BODY), Err(Refused::BadSignature), "{signature}");
        }
        assert_eq!(config.verify(&Headers { gitea_signature: Some(digits), ..Headers::default() }, BODY), Ok(()));
    }

    #[test]
    fn an_empty_secret_opens_nothing() {
        let empty_key = "sha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
        assert_eq!(config(&[""]).verify(&with_256(empty_key), b""), Err(Refused::BadSignature));
        let token = Headers { gitlab_token: Some(""), ..Headers::default() };
        assert_eq!(config(&[""]).verify(&token, b""), Err(Refused::BadSignature));
    }

    #[test]
    fn unsigned_is_let_in_only_where_allowed_and_a_bad_signature_never() {
        let open = Config { allow_unsigned: true, ..config(&["secret"]) };
        assert_eq!(open.verify(&Headers::default(), BODY), Ok(()));
        assert_eq!(open.verify(&with_256("sha256="), BODY), Err(Refused::BadSignature));
        let no_secret = Config { allow_unsigned: true, ..Config::default() };
        assert_eq!(no_secret.verify(&with_256("sha256="), BODY), Ok(()));
        assert_eq!(Config::default().verify(&with_256("sha256="), BODY), Err(Refused::BadSignature));
    }

    #[test]
    fn gitlab_shows_the_secret_itself() {
        let config = config(&["one", "two"]);
        let token = |token| Headers { gitlab_token: Some(token), ..Headers::default() };
        assert_eq!(config.verify(&token("two"), BODY), Ok(()));
        assert_eq!(config.verify(&token("tw"), BODY), Err(Refused::BadSignature));
    }

    #[test]
    fn sha1_counts_only_where_allowed_and_never_beside_a_bad_sha256() {
        let sha1 = "sha1=2fb8e1e1b4d7a6e8ad8b30ec4cbdf5b27b5ac53c";
        let headers = Headers { signature_1: Some(sha1), ..Headers::default() };
        assert_eq!(config(&["s"]).verify(&headers, BODY), Err(Refused::OnlySha1));
        let allowed = Config { allow_sha1: true, ..config(&["s"]) };
        let both = Headers { signature_256: Some("sha256="), ..headers };
        assert_eq!(allowed.verify(&both, BODY), Err(Refused::BadSignature));
    }
}
