//! One conversation with a hub: who we are there, and the calls that move names.
//!
//! A client is made for each conversation and let go behind it: the hub closes every connection
//! itself, so a pool would keep nothing but memory. There is no cookie jar, because the hub's session
//! cookie outlives the token; the one cookie we send chooses the user.

use std::{
    error::Error,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::{
    Method, RequestBuilder, Response,
    header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use secrecy::{ExposeSecret, SecretString};
use tracing::{info, warn};

use super::{Config, error::HubError, reply::Reply, token};
use crate::{model::Timestamp, tls};

const CONNECT: Duration = Duration::from_secs(15);

/// The longest that a call without an archive may take.
const CALL: Duration = Duration::from_secs(60);

/// No answer of a hub is as long as this.
const LONGEST_ANSWER: usize = 1 << 20;

/// What stays the same from one conversation to the next.
pub(super) struct Client {
    pub(super) url: String,
    user: String,
    refresh_url: String,
    token: Mutex<SecretString>,
    known_as: Mutex<Option<String>>,
}

/// A conversation with the hub, in which it knows us by the right name.
pub(super) struct Session<'a> {
    client: &'a Client,
    http: reqwest::Client,
    renewed: bool,
    /// Under which name the hub knows us.
    pub(super) username: String,
}

impl Client {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            url: config.url.trim_end_matches('/').to_owned(),
            user: config.user.clone(),
            refresh_url: config.refresh_url.clone(),
            token: Mutex::new(config.token.clone()),
            known_as: Mutex::default(),
        }
    }

    /// Begins a conversation, with a fresh token if the old one has ended and can be renewed.
    pub(super) async fn connect(&self) -> Result<Session<'_>, HubError> {
        tls::install();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(Policy::none())
            .pool_max_idle_per_host(0)
            .http1_only()
            .build()
            .map_err(|error| HubError::Client(causes(&error)))?;
        let mut session = Session { client: self, http, renewed: false, username: String::new() };
        if token::has_ended(&self.token(), Timestamp::now()) {
            session.renew().await?;
        }
        session.username = match session.who().await {
            Err(HubError::Token { .. }) if session.renew().await? => session.who().await?,
            other => other?,
        };
        if !self.user.is_empty() && session.username != self.user {
            return Err(HubError::Identity { is: session.username, wanted: self.user.clone() });
        }
        *lock(&self.known_as) = Some(session.username.clone());
        Ok(session)
    }

    /// Where people fetch a flist, if it is known under whose name it is there.
    pub(super) fn address_of(&self, name: &str) -> Option<String> {
        let known = lock(&self.known_as).clone();
        let user = if self.user.is_empty() { known? } else { self.user.clone() };
        Some(format!("{}/{}/{}", self.url, escaped(&user), escaped(name)))
    }

    /// Uses another token from the next conversation on.
    pub(super) fn take_token(&self, token: SecretString) {
        *lock(&self.token) = token;
    }

    fn token(&self) -> SecretString {
        lock(&self.token).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session<'_> {
    /// Renews the token, once in a conversation. False if that is not possible: then the old one stays.
    pub(super) async fn renew(&mut self) -> Result<bool, HubError> {
        let (url, old) = (&self.client.refresh_url, self.client.token());
        if url.is_empty() || self.renewed || !token::is_renewable(&old) {
            return Ok(false);
        }
        self.renewed = true;
        let request = self.http.get(url).timeout(CALL).header(AUTHORIZATION, bearer(&old)?);
        let reply = read(request.send().await.map_err(|error| lost(url, error))?).await;
        let reply = reply.map_err(|error| lost(url, error))?;
        match token::renewed(&reply.body, Timestamp::now()) {
            Some(new) if reply.status == 200 => {
                *lock(&self.client.token) = new;
                info!("The hub's token was renewed");
                Ok(true)
            }
            _ if reply.status >= 500 || reply.status == 429 => {
                let said = format!(" at `hub.refresh_url`, where `{url}` should renew the token");
                Err(HubError::Failing { status: reply.status, said, after: None })
            }
            _ => {
                warn!(
                    "The hub's token was not renewed: {url} answered {} and no token; the old one stays",
                    reply.status
                );
                Ok(false)
            }
        }
    }

    async fn who(&self) -> Result<String, HubError> {
        self.call(Method::GET, "flist/me").await?.username(&self.client.url)
    }

    /// Points a link at a stored flist.
    pub(super) async fn link(&self, source: &str, link: &str) -> Result<(), HubError> {
        let reply = self.call(Method::GET, &format!("flist/me/{}/link/{}", escaped(source), escaped(link))).await?;
        reply.done(&self.client.url, &format!("the link `{link}`"), source, link)
    }

    /// Gives a stored flist another name.
    pub(super) async fn rename(&self, from: &str, to: &str) -> Result<(), HubError> {
        let reply = self.call(Method::GET, &format!("flist/me/{}/rename/{}", escaped(from), escaped(to))).await?;
        reply.done(&self.client.url, &format!("the name `{to}`"), from, to)
    }

    /// Removes a stored flist.
    pub(super) async fn delete(&self, name: &str) -> Result<(), HubError> {
        let reply = self.call(Method::DELETE, &format!("flist/me/{}", escaped(name))).await?;
        reply.done(&self.client.url, &format!("to remove `{name}`"), name, name)
    }

    async fn call(&self, method: Method, path: &str) -> Result<Reply, HubError> {
        let sent = self.request(method, path)?.timeout(CALL).send().await;
        let read = read(sent.map_err(|error| lost(&self.client.url, error))?).await;
        read.map_err(|error| lost(&self.client.url, error))
    }

    /// A call of the hub's API, in our name.
    pub(super) fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, HubError> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, bearer(&self.client.token())?);
        let user = &self.client.user;
        if !user.is_empty() {
            let cookie = HeaderValue::from_str(&format!("active-user={user}"));
            headers.insert(COOKIE, cookie.map_err(|error| HubError::Client(error.to_string()))?);
        }
        Ok(self.http.request(method, format!("{}/api/{path}", self.client.url)).headers(headers))
    }

    /// What a request came to, when the network failed it.
    pub(super) fn broken(&self, error: reqwest::Error) -> HubError {
        lost(&self.client.url, error)
    }

    /// The hub's address.
    pub(super) fn url(&self) -> &str {
        &self.client.url
    }
}

/// Reads an answer to its end.
pub(super) async fn read(mut response: Response) -> Result<Reply, reqwest::Error> {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk[..chunk.len().min(LONGEST_ANSWER - body.len())]);
    }
    Ok(Reply { status, body, retry_after })
}

/// Not shown, whoever prints the request.
fn bearer(token: &SecretString) -> Result<HeaderValue, HubError> {
    let value = HeaderValue::from_str(&format!("bearer {}", token.expose_secret()));
    let mut value = value.map_err(|_| HubError::Client("`hub.token` has characters that no token has".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn lost(url: &str, error: reqwest::Error) -> HubError {
    let why = if error.is_timeout() { "no answer in time".to_owned() } else { causes(&error.without_url()) };
    HubError::Unreachable { url: url.to_owned(), why }
}

/// An error with its causes; the deepest says most.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}

/// One segment of a path.
pub(super) fn escaped(name: &str) -> String {
    const ESCAPED: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(name, &ESCAPED).to_string()
}
