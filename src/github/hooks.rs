//! Repository webhooks (GitHub's "Repository webhooks"; Gitea has the same below `/api/v1`).
//!
//! A hook's secret is never given back, and a change without it removes it: so whoever changes the
//! settings sends it again.

use std::{collections::HashSet, time::SystemTime};

use reqwest::{Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Failure, Github,
    answer::{failure, judge, read_at_most},
};
use crate::model::Repository;

/// Far more than any repository has.
const MOST_PAGES: u32 = 50;
const MOST_BYTES: usize = 4 << 20;

/// Pages smaller than this are the last: no forge has a smaller default.
const SMALLEST_PAGE: usize = 30;

/// A webhook as the forge shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its id within the repository.
    pub id: u64,
    /// Where it delivers.
    pub url: String,
    /// Whether it delivers at all.
    pub active: bool,
    /// Of what it tells.
    pub events: Vec<String>,
}

/// How a webhook of ours is to be.
#[derive(Debug, Clone)]
pub struct HookSettings {
    /// Where it delivers.
    pub url: String,
    /// Of what it tells.
    pub events: Vec<String>,
    /// What it signs with.
    pub secret: Option<SecretString>,
}

#[derive(Deserialize)]
struct Listed {
    id: u64,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    config: ListedConfig,
}

#[derive(Default, Deserialize)]
struct ListedConfig {
    #[serde(default)]
    url: String,
}

impl Github {
    /// Every webhook of a repository, all pages of them.
    pub async fn hooks(&self, repository: &Repository) -> Result<Vec<Hook>, Failure> {
        let (mut hooks, mut seen) = (Vec::new(), HashSet::new());
        for page in 1..=MOST_PAGES {
            // GitHub counts `per_page`, Gitea `limit`.
            let answer = self.get(repository, &format!("hooks?per_page=100&limit=50&page={page}")).await?;
            let more =
                answer.headers().get("link").and_then(|link| link.to_str().ok()).map(|link| link.contains("next"));
            let listed = list(answer).await?;
            let count = listed.len();
            let new: Vec<_> = listed.into_iter().filter(|hook| seen.insert(hook.id)).collect();
            let is_last = new.is_empty() || !more.unwrap_or(count >= SMALLEST_PAGE);
            hooks.extend(new);
            if is_last {
                break;
            }
        }
        Ok(hooks)
    }

    /// Makes a webhook. One that is there already is as good.
    pub async fn make_hook(&self, repository: &Repository, settings: &HookSettings) -> Result<(), Failure> {
        let mut body = self.body(settings, settings.events.clone());
        let (key, kind) = if self.is_gitea() { ("type", "gitea") } else { ("name", "web") };
        body[key] = json!(kind);
        match judge(self.post(repository, "hooks", &body).await?).await {
            Err(Failure::Refused { code: 422, reason }) if reason.contains("already exists") => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Brings a webhook's settings up to date; what else it tells of stays.
    pub async fn mend_hook(
        &self,
        repository: &Repository,
        hook: &Hook,
        settings: &HookSettings,
    ) -> Result<(), Failure> {
        let mut events = hook.events.clone();
        events.extend(settings.events.iter().filter(|event| !hook.events.contains(event)).cloned());
        let body = self.body(settings, events);
        judge(self.patch(repository, &format!("hooks/{}", hook.id), &body).await?).await.map(drop)
    }

    fn body(&self, settings: &HookSettings, events: Vec<String>) -> Value {
        let mut config = json!({"url": settings.url, "content_type": "json", "insecure_ssl": "0"});
        if let Some(secret) = &settings.secret {
            config["secret"] = json!(secret.expose_secret());
        }
        json!({"active": true, "events": events, "config": config})
    }
}

async fn list(answer: Response) -> Result<Vec<Hook>, Failure> {
    if answer.status() != StatusCode::OK {
        return Err(failure(answer, SystemTime::now()).await);
    }
    let body = read_at_most(answer, MOST_BYTES).await;
    let listed: Vec<Listed> = serde_json::from_slice(&body)
        .map_err(|_| Failure::away("the forge's list of webhooks is not what it should be; check `github.api_url`"))?;
    let hook = |Listed { id, active, events, config }| Hook { id, url: config.url, active, events };
    Ok(listed.into_iter().map(hook).collect())
}
