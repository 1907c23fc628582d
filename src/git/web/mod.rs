//! Fetching over HTTP(S): libgit2 speaks git, reqwest speaks to the forge.
//!
//! libgit2 is built without TLS, and its time-outs would need `unsafe`. So each piece of work opens a [`Gateway`], a
//! small HTTP server on the loopback that only it can use, gives libgit2 an address there, and the gateway asks the
//! forge. That makes one TLS stack in the whole program, and a silent forge ends a call instead of holding a thread.
//!
//! The token leaves only through libgit2's credentials callback, when a forge has asked for it and once per
//! connection (a refused token is not offered again); the gateway hands it to the host of the mirror alone.

mod body;
mod client;
mod forward;
mod gateway;
mod redirect;
#[cfg(test)]
mod tests;
mod trouble;

use git2::{AutotagOption, Cred, CredentialType, Direction, ErrorCode, FetchOptions, RemoteCallbacks, Repository};
use secrecy::ExposeSecret;

pub(super) use self::client::Upstream;
use self::gateway::Gateway;
use super::{
    GitError,
    blocking::{Abandoned, OnProgress},
    heads,
    mirror::Mirror,
    source::{Listing, report, unreachable},
};

/// What forges expect beside a token; all take any name that is not empty.
const USER: &str = "x-access-token";

/// A repository behind HTTP.
pub(super) struct Web<'mirror> {
    mirror: &'mirror Mirror,
    abandoned: Abandoned,
    gateway: Gateway,
}

impl<'mirror> Web<'mirror> {
    /// Opens the way there; must be called within a runtime.
    pub(super) fn open(mirror: &'mirror Mirror, abandoned: Abandoned) -> Result<Self, GitError> {
        let gateway = Gateway::open(&mirror.upstream, &mirror.address, &abandoned)
            .map_err(|trouble| unanswered(mirror, trouble.to_string()))?;
        Ok(Self { mirror, abandoned, gateway })
    }

    pub(super) fn list(&self, into: &Repository) -> Result<Listing, GitError> {
        let mut remote = into.remote_anonymous(self.gateway.url()).map_err(|error| self.explain(&error))?;
        let connection = remote
            .connect_auth(Direction::Fetch, Some(self.callbacks(None)), None)
            .map_err(|error| self.explain(&error))?;
        let lines = connection.list().map_err(|error| self.explain(&error))?;
        let heads = heads::fold(lines.iter().map(|line| (line.name().to_owned(), line.oid())));
        let default = connection.default_branch().ok().and_then(|name| name.as_str().ok().map(str::to_owned));
        Ok(Listing { heads, default })
    }

    /// Brings what these names (full ref names, or commit ids) stand for.
    pub(super) fn bring<'name>(
        &self,
        into: &Repository,
        names: impl Iterator<Item = &'name str>,
        on: Option<&OnProgress>,
    ) -> Result<(), GitError> {
        // Full names on both sides: nothing that a name could be mistaken for an option or an id by.
        let specs: Vec<String> =
            names
                .map(|name| {
                    if name.starts_with("refs/") {
                        format!("+{name}:{name}")
                    } else {
                        format!("{name}:refs/pins/{name}")
                    }
                })
                .collect();
        if specs.is_empty() {
            return Ok(());
        }
        let mut options = FetchOptions::new();
        options.remote_callbacks(self.callbacks(on)).download_tags(AutotagOption::None);
        let mut remote = into.remote_anonymous(self.gateway.url()).map_err(|error| self.explain(&error))?;
        remote.download(&specs, Some(&mut options)).map_err(|error| self.explain(&error))
    }

    fn callbacks<'cb>(&'cb self, on: Option<&'cb OnProgress>) -> RemoteCallbacks<'cb> {
        let mut callbacks = RemoteCallbacks::new();
        let mut offered = false;
        callbacks.credentials(move |_url, _user, allowed| match &self.mirror.token {
            Some(token) if !offered && allowed.contains(CredentialType::USER_PASS_PLAINTEXT) => {
                offered = true;
                Cred::userpass_plaintext(USER, token.expose_secret())
            }
            _ => Err(git2::Error::new(ErrorCode::Auth, git2::ErrorClass::Http, "access denied")),
        });
        callbacks.sideband_progress(|_| !self.abandoned.is_set());
        callbacks.transfer_progress(move |now| {
            report(on, &now);
            !self.abandoned.is_set()
        });
        callbacks
    }

    /// Tells what lasts (no such repository) from what may pass (the network, a server in trouble).
    fn explain(&self, error: &git2::Error) -> GitError {
        let (what, url) = (self.mirror.what.clone(), self.mirror.address.url());
        let status = |code: &str| error.message().contains(&format!("status code: {code}"));
        if self.abandoned.is_set() {
            GitError::Abandoned
        } else if let Some(trouble) = self.gateway.trouble() {
            unanswered(self.mirror, trouble)
        } else if error.code() == ErrorCode::Auth || status("401") || status("403") {
            GitError::Denied { what, url }
        } else if error.code() == ErrorCode::NotFound || status("404") || status("410") {
            GitError::NoRepository { what, url }
        } else {
            unreachable(self.mirror, error)
        }
    }
}

fn unanswered(mirror: &Mirror, reason: String) -> GitError {
    GitError::Unreachable { what: mirror.what.clone(), url: mirror.address.url(), reason }
}
