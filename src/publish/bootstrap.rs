//! A 0-bootstrap on another machine, which takes kernels over HTTP.
//!
//! Its replies (0-bootstrap `bootstrap.py`): an upload is `POST /api/kernel` with the file in the form field
//! `kernel`, a link `GET /api/symlink/<link>/<target>`, both with the secret in the cookie `token`. Errors
//! come as HTTP 200 with `{"status": "error", "message": …}`, and a link to nothing is made without a word.
//! So only `"status": "success"` counts, and the kernel is read back before its link moves.

use std::{sync::OnceLock, time::Duration};

use reqwest::{
    Body, Client, RequestBuilder, Response,
    multipart::{Form, Part},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio_util::io::ReaderStream;
use tracing::warn;

use super::Collected;
use crate::model::ArtifactName;

/// A connection is there quickly or not at all; a kernel takes as long as the line is slow.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(60);

/// How long to wait before another try.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// Where kernels are delivered to, beside the directory.
#[derive(Debug)]
pub struct Bootstrap {
    url: String,
    token: SecretString,
    client: OnceLock<Client>,
    /// One delivery at a time: of two links for one name the later one must be the newer one.
    delivering: Mutex<()>,
}

/// Why a kernel was not delivered.
#[derive(Debug, Error)]
pub enum BootstrapError {
    /// It cannot be reached, or broke off.
    #[error("0-bootstrap at {url} cannot be reached: {reason}")]
    Unreachable {
        /// Its address.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// It says no.
    #[error(
        "0-bootstrap at {url} refused to {doing}: {message}; check `kernel.bootstrap_url` and `kernel.bootstrap_token`"
    )]
    Refused {
        /// Its address.
        url: String,
        /// What it was asked to do.
        doing: &'static str,
        /// Its own words.
        message: String,
    },
    /// What it gives back is not what it was given.
    #[error("0-bootstrap at {url} gives another `{name}` than it was sent")]
    Differs {
        /// Its address.
        url: String,
        /// The kernel.
        name: String,
    },
    /// The kernel could not be read.
    #[error("the kernel could not be read to be delivered: {0}")]
    Unreadable(#[from] std::io::Error),
}

#[derive(Deserialize)]
struct Reply {
    status: String,
    #[serde(default)]
    message: String,
}

impl Bootstrap {
    /// A target at that address, with its secret.
    pub fn new(url: &str, token: SecretString) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { url, token, client: OnceLock::new(), delivering: Mutex::default() }
    }

    /// Uploads the kernel, reads it back, and moves the link if `wanted` still says so. Tries again what
    /// the network may have spoilt.
    pub async fn deliver(
        &self,
        kernel: &Collected,
        name: &ArtifactName,
        wanted: impl Fn() -> bool,
    ) -> Result<(), BootstrapError> {
        let _one_at_a_time = self.delivering.lock().await;
        let mut pauses = PAUSES.iter();
        loop {
            match (self.try_deliver(kernel, name, &wanted).await, pauses.next()) {
                (Err(error @ (BootstrapError::Unreachable { .. } | BootstrapError::Differs { .. })), Some(pause)) => {
                    warn!("Trying again in {pause:?}: {error}");
                    tokio::time::sleep(*pause).await;
                }
                (result, _) => return result,
            }
        }
    }

    async fn try_deliver(
        &self,
        kernel: &Collected,
        name: &ArtifactName,
        wanted: impl Fn() -> bool,
    ) -> Result<(), BootstrapError> {
        self.upload(kernel, &name.versioned).await?;
        self.verify(kernel, &name.versioned).await?;
        if !wanted() {
            return Ok(());
        }
        let path = format!("api/symlink/{}/{}", escaped(&name.link), escaped(&name.versioned));
        self.ask("move the link", self.client().get(self.address(&path))).await
    }

    async fn upload(&self, kernel: &Collected, name: &str) -> Result<(), BootstrapError> {
        let mut file = tokio::fs::File::from_std(kernel.file.try_clone()?);
        tokio::io::AsyncSeekExt::rewind(&mut file).await?;
        let body = Body::wrap_stream(ReaderStream::with_capacity(file, 128 * 1024));
        let part = Part::stream_with_length(body, kernel.size).file_name(name.to_owned());
        let request = self.client().post(self.address("api/kernel")).multipart(Form::new().part("kernel", part));
        self.ask("take a kernel", request).await
    }

    /// Reads the kernel back.
    async fn verify(&self, kernel: &Collected, name: &str) -> Result<(), BootstrapError> {
        let address = self.address(&format!("kernel/{}", escaped(name)));
        let mut response = self.send(self.client().get(address)).await?;
        let mut hash = Sha256::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            hash.update(&chunk);
        }
        if response.status().is_success() && format!("{:x}", hash.finalize()) == kernel.sha256 {
            return Ok(());
        }
        Err(BootstrapError::Differs { url: self.url.clone(), name: name.to_owned() })
    }

    async fn ask(&self, doing: &'static str, request: RequestBuilder) -> Result<(), BootstrapError> {
        let response = self.send(request).await?;
        let status = response.status();
        if status.is_server_error() {
            let reason = format!("it answered {status}");
            return Err(BootstrapError::Unreachable { url: self.url.clone(), reason });
        }
        let text = response.text().await.map_err(|error| self.unreachable(&error))?;
        let refused = |message: String| BootstrapError::Refused { url: self.url.clone(), doing, message };
        match serde_json::from_str::<Reply>(&text) {
            Ok(reply) if reply.status == "success" => Ok(()),
            Ok(reply) => Err(refused(reply.message)),
            Err(_) => Err(refused(format!("it answered {status}, and not as a 0-bootstrap does"))),
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, BootstrapError> {
        let cookie = format!("token={}", self.token.expose_secret());
        request.header("cookie", cookie).send().await.map_err(|error| self.unreachable(&error))
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            crate::tls::install();
            // Without these limits a client is as good; none that can be made fails for them.
            let limited = Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE).build();
            limited.unwrap_or_default()
        })
    }

    fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }

    fn unreachable(&self, error: &reqwest::Error) -> BootstrapError {
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(deeper) = source {
            reason = format!("{reason}: {deeper}");
            source = deeper.source();
        }
        BootstrapError::Unreachable { url: self.url.clone(), reason }
    }
}

/// A name as one part of a path.
fn escaped(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}
