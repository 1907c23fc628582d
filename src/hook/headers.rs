//! The headers by which forges say what a delivery is and prove that it is theirs.
//!
//! Gitea sends GitHub's headers beside its own, so the more special name decides which forge it is.

use crate::model::DeliveryId;

/// Which family of forges a delivery comes from; it decides how the body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Forge {
    /// github.com or GitHub Enterprise.
    GitHub,
    /// Gitea, Forgejo or Gogs.
    Gitea,
    /// GitLab.
    GitLab,
}

/// The headers of one delivery, as received; none is believed before the signature is checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    /// `Content-Type`
    pub content_type: Option<&'a str>,
    /// `X-GitHub-Event`
    pub github_event: Option<&'a str>,
    /// `X-GitHub-Delivery`
    pub github_delivery: Option<&'a str>,
    /// `X-Hub-Signature-256`
    pub signature_256: Option<&'a str>,
    /// `X-Hub-Signature`
    pub signature_1: Option<&'a str>,
    /// `X-Gitea-Event`, or Forgejo's or Gogs's
    pub gitea_event: Option<&'a str>,
    /// `X-Gitea-Delivery`, or Forgejo's or Gogs's
    pub gitea_delivery: Option<&'a str>,
    /// `X-Gitea-Signature`, or Forgejo's or Gogs's: bare hexadecimal digits
    pub gitea_signature: Option<&'a str>,
    /// `X-Gitlab-Event`
    pub gitlab_event: Option<&'a str>,
    /// `X-Gitlab-Token`: the secret itself
    pub gitlab_token: Option<&'a str>,
    /// `X-Gitlab-Event-UUID`: new for each request
    pub gitlab_event_uuid: Option<&'a str>,
    /// `Idempotency-Key`: GitLab's, the same when it tries again
    pub idempotency_key: Option<&'a str>,
}

impl<'a> Headers<'a> {
    /// Takes the headers by name, in lower case. A signature header that comes more than once is for
    /// the caller to refuse, who alone can see that.
    pub fn from_lookup(header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let gitea =
            |field: &str| ["gitea", "forgejo", "gogs"].iter().find_map(|forge| header(&format!("x-{forge}-{field}")));
        Self {
            content_type: header("content-type"),
            github_event: header("x-github-event"),
            github_delivery: header("x-github-delivery"),
            signature_256: header("x-hub-signature-256"),
            signature_1: header("x-hub-signature"),
            gitea_event: gitea("event"),
            gitea_delivery: gitea("delivery"),
            gitea_signature: gitea("signature"),
            gitlab_event: header("x-gitlab-event"),
            gitlab_token: header("x-gitlab-token"),
            gitlab_event_uuid: header("x-gitlab-event-uuid"),
            idempotency_key: header("idempotency-key"),
        }
    }

    /// Which forge it is, and what it calls the event.
    pub(super) fn event(&self) -> Option<(Forge, &'a str)> {
        let named = |forge, event: Option<&'a str>| event.map(|event| (forge, event));
        named(Forge::GitLab, self.gitlab_event)
            .or(named(Forge::Gitea, self.gitea_event))
            .or(named(Forge::GitHub, self.github_event))
    }

    /// The forge's id for the delivery. One we could not store as given is as good as none.
    pub(super) fn delivery(&self, forge: Forge) -> Option<DeliveryId> {
        let id = match forge {
            Forge::GitHub => self.github_delivery,
            Forge::Gitea => self.gitea_delivery.or(self.github_delivery),
            Forge::GitLab => self.idempotency_key.or(self.gitlab_event_uuid),
        };
        id?.parse().ok()
    }

    /// The media type without its parameters.
    pub(super) fn media_type(&self) -> Option<&'a str> {
        Some(self.content_type?.split(';').next()?.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitea_is_not_taken_for_github_though_it_sends_both_headers() {
        let headers = Headers::from_lookup(|name| match name {
            "x-github-event" | "x-forgejo-event" => Some("push"),
            "x-github-delivery" => Some("6f6f1f3e"),
            _ => None,
        });
        assert_eq!(headers.event(), Some((Forge::Gitea, "push")));
        assert_eq!(headers.delivery(Forge::Gitea).unwrap().as_str(), "6f6f1f3e");
    }

    #[test]
    fn a_gitlab_retry_has_the_id_of_the_first_try() {
        let headers = Headers { idempotency_key: Some("key"), gitlab_event_uuid: Some("uuid"), ..Headers::default() };
        assert_eq!(headers.delivery(Forge::GitLab).unwrap().as_str(), "key");
        let headers = Headers { gitlab_event_uuid: Some("uuid"), ..Headers::default() };
        assert_eq!(headers.delivery(Forge::GitLab).unwrap().as_str(), "uuid");
    }
}
