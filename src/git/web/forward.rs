//! One request of libgit2, asked of the forge in its stead.
//!
//! Only headers that git needs pass, in either direction. So nothing of one connection (`Connection`, `Upgrade`, …)
//! can be mistaken for the other's, and no cookie is ever kept.

use std::sync::{Mutex, PoisonError};

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
};
use reqwest::{Client, Url};

use super::{
    body::Watched,
    client::Upstream,
    redirect,
    trouble::{Remembered, Trouble},
};

/// What libgit2 says to the forge.
const ASKED: [HeaderName; 5] =
    [header::ACCEPT, header::AUTHORIZATION, header::CONTENT_LENGTH, header::CONTENT_TYPE, header::USER_AGENT];

/// What libgit2 reads of an answer, without `Location`, which is written anew.
const ANSWERED: [HeaderName; 3] = [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::WWW_AUTHENTICATE];

/// The way from one gateway to one forge.
pub(super) struct Forward {
    client: Client,
    upstream: Upstream,
    /// What every path begins with, and only libgit2 knows.
    secret: String,
    /// Scheme, host and port of the forge; a redirect may make it `https`.
    origin: Mutex<String>,
    trouble: Remembered,
}

impl Forward {
    pub(super) fn new(upstream: &Upstream, secret: &str, origin: &str, trouble: Remembered) -> Result<Self, Trouble> {
        let (client, upstream) = (upstream.client()?, upstream.clone());
        Ok(Self { client, upstream, secret: secret.to_owned(), origin: Mutex::new(origin.to_owned()), trouble })
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Watched> {
        let Some(path) = self.path(&request) else {
            return self.reply(StatusCode::NOT_FOUND, reqwest::Body::default());
        };
        match self.ask(path, request).await {
            Ok(answer) => answer,
            Err(trouble) => {
                self.trouble.remember(&trouble);
                self.reply(StatusCode::BAD_GATEWAY, reqwest::Body::default())
            }
        }
    }

    /// The path on the forge; none for whoever does not know the secret.
    fn path(&self, request: &Request<Incoming>) -> Option<String> {
        let asked = request.uri().path_and_query()?.as_str();
        asked.strip_prefix(&self.secret).filter(|path| path.starts_with('/')).map(str::to_owned)
    }

    async fn ask(&self, path: String, request: Request<Incoming>) -> Result<Response<Watched>, Trouble> {
        let address = format!("{}{path}", self.origin.lock().unwrap_or_else(PoisonError::into_inner));
        let asked: Url = address.parse().map_err(|_| Trouble::Failed("its address cannot be read".to_owned()))?;
        let (parts, body) = request.into_parts();
        let mut builder =
            self.client.request(parts.method.clone(), asked.clone()).headers(only(&ASKED, &parts.headers));
        if parts.method == Method::POST {
            builder = builder.body(reqwest::Body::wrap(body));
        }
        let after = self.upstream.silence;
        let answer = tokio::time::timeout(after, builder.send())
            .await
            .map_err(|_| Trouble::Silent { after })?
            .map_err(|error| Trouble::request(&error))?;
        if answer.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Err(Trouble::Proxy);
        }
        let (status, mut headers) = (answer.status(), only(&ANSWERED, answer.headers()));
        if let Some(location) = answer.headers().get(header::LOCATION).filter(|_| status.is_redirection()) {
            headers.insert(header::LOCATION, self.location(&asked, location)?);
        }
        let mut reply = self.reply(status, answer.into());
        *reply.headers_mut() = headers;
        Ok(reply)
    }

    /// Where libgit2 finds at this gateway what the forge has moved.
    fn location(&self, asked: &Url, location: &HeaderValue) -> Result<HeaderValue, Trouble> {
        let location = String::from_utf8_lossy(location.as_bytes());
        let target = redirect::target(asked, &location).map_err(|to| Trouble::Redirect { to })?;
        let origin = target.origin().ascii_serialization();
        let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
        let here = HeaderValue::try_from(format!("{}{}{query}", self.secret, target.path()));
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = origin;
        here.map_err(|_| Trouble::Failed("it redirects to an address that cannot be read".to_owned()))
    }

    fn reply(&self, status: StatusCode, body: reqwest::Body) -> Response<Watched> {
        let mut reply = Response::new(Watched::new(body, self.upstream.silence, self.trouble.clone()));
        *reply.status_mut() = status;
        reply
    }
}

fn only(names: &[HeaderName], headers: &HeaderMap) -> HeaderMap {
    let pairs = names.iter().flat_map(|name| headers.get_all(name).iter().map(|value| (name.clone(), value.clone())));
    let mut kept = HeaderMap::new();
    pairs.for_each(|(name, value)| {
        kept.append(name, value);
    });
    kept
}
