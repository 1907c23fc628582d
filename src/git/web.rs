//! Fetching over HTTP(S), by libgit2's own transport.
//!
//! The token leaves only through the credentials callback, once per connection (a refused token is not offered again),
//! and the mirror's configuration forbids redirects to another host before libgit2 would follow one.

use git2::{
    AutotagOption, Cred, CredentialType, Direction, ErrorCode, FetchOptions, ProxyOptions, RemoteCallbacks,
    RemoteRedirect, Repository,
};
use secrecy::ExposeSecret;

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
}

impl<'mirror> Web<'mirror> {
    pub(super) fn new(mirror: &'mirror Mirror, abandoned: Abandoned) -> Self {
        Self { mirror, abandoned }
    }

    pub(super) fn list(&self, into: &Repository) -> Result<Listing, GitError> {
        let mut remote = into.remote_anonymous(&self.mirror.address.url()).map_err(|error| self.explain(&error))?;
        let connection = remote
            .connect_auth(Direction::Fetch, Some(self.callbacks(None)), Some(proxy()))
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
        options
            .remote_callbacks(self.callbacks(on))
            .proxy_options(proxy())
            .download_tags(AutotagOption::None)
            .follow_redirects(RemoteRedirect::None);
        let mut remote = into.remote_anonymous(&self.mirror.address.url()).map_err(|error| self.explain(&error))?;
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
        } else if error.code() == ErrorCode::Auth || status("401") || status("403") {
            GitError::Denied { what, url }
        } else if error.code() == ErrorCode::NotFound || status("404") || status("410") {
            GitError::NoRepository { what, url }
        } else {
            unreachable(self.mirror, error)
        }
    }
}

fn proxy() -> ProxyOptions<'static> {
    let mut options = ProxyOptions::new();
    options.auto();
    options
}
