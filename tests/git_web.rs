//! Fetching over HTTP: what the token is sent to, and what each answer of a forge means.

#![allow(clippy::unwrap_used)]

mod git_server;

use std::{
    net::TcpListener,
    path::PathBuf,
    process::Command,
    sync::{Mutex, atomic::Ordering, mpsc},
    time::Duration,
};

use autobuilder::{
    git::{Author, Checkout, Config, GitError, Mirrors},
    model::{CommitId, GitRef, Repository},
};
use git_server::{Connection, Seen, Server, backend, listen, outlast, respond};
use tempfile::TempDir;

const TOKEN: &str = "canary-5f0c2a";
/// `x-access-token:canary-5f0c2a`
const BASIC: &str = "Basic eC1hY2Nlc3MtdG9rZW46Y2FuYXJ5LTVmMGMyYQ==";

/// A forge whose organisations each answer in their own way: `acme` serves to who has the token.
struct Forge {
    root: TempDir,
    server: Server,
    trapped: Seen,
    /// What happened to the requests that get no answer.
    hung: mpsc::Receiver<Hung>,
}

#[derive(Debug, PartialEq)]
enum Hung {
    Asked,
    LeftAlone,
}

impl Forge {
    fn start() -> Self {
        let root = TempDir::new().unwrap();
        let trap = listen(None, |_, stream, _| respond(stream, "200 OK", "", b""));
        let (tell, hung) = mpsc::channel();
        let tell = Mutex::new(tell);
        let hang = move |stream: &mut Connection| {
            let _ = tell.lock().unwrap().send(Hung::Asked);
            outlast(stream);
            let _ = tell.lock().unwrap().send(Hung::LeftAlone);
        };
        let path = root.path().join("forge");
        let server = listen(None, move |request, stream, body| match request.path.split('/').nth(1) {
            Some("gone") => respond(stream, "404 Not Found", "", b""),
            Some("busy") => respond(stream, "503 Service Unavailable", "", b""),
            Some("hung") => hang(stream),
            Some("stuck") => {
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 999\r\nContent-Type: \
                            application/x-git-upload-pack-advertisement\r\n\r\n001e# ser";
                stream.get_mut().write_all(head.as_bytes()).unwrap();
                hang(stream);
            }
            Some("away") => {
                let to = format!("Location: http://localhost:{}/trap{}\r\n", trap.address.port(), request.path);
                respond(stream, "302 Found", &to, b"");
            }
            Some("renamed") => {
                let to = format!("Location: {}\r\n", request.path.replacen("renamed", "acme", 1));
                respond(stream, "301 Moved Permanently", &to, b"");
            }
            Some("moved") => {
                let (host, path) = (&request.headers["host"], request.path.replacen("moved", "acme", 1));
                respond(stream, "308 Permanent Redirect", &format!("Location: http://{host}{path}\r\n"), b"");
            }
            _ if request.headers.get("authorization").is_none_or(|sent| sent != BASIC) => {
                respond(stream, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"forge\"\r\n", b"");
            }
            _ => backend(&path, request, stream, body),
        });
        Self { root, server, trapped: trap.seen, hung }
    }

    fn config(&self, token: Option<&str>) -> Config {
        let mut config = Config::new(self.root.path().join("mirrors"));
        config.clone_url = format!("http://{}/{{repository}}.git", self.server.address);
        config.token = token.map(Into::into);
        config
    }

    fn mirrors(&self, token: Option<&str>) -> Mirrors {
        Mirrors::new(self.config(token)).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("forge").join(name)
    }
}

fn main() -> GitRef {
    "refs/heads/main".parse().unwrap()
}

async fn fails(mirrors: &Mirrors, name: &str) -> GitError {
    let repository: Repository = name.parse().unwrap();
    let commit: CommitId = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let error = mirrors.fetch(&repository, &main(), &commit, None).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
    error
}

#[tokio::test]
async fn a_push_is_fetched_over_http_with_the_token() {
    let forge = Forge::start();
    let author = Author::create(&forge.path("acme/tool.git")).unwrap();
    let tool: Repository = "acme/tool".parse().unwrap();
    let mirrors = forge.mirrors(Some(TOKEN));
    let first = author.commit(&main(), "one", &[("file", b"A")]).unwrap();
    mirrors.fetch(&tool, &main(), &first, None).await.unwrap();
    let path = forge.path("acme/tool.git");
    let tag = ["-c", "user.name=a", "-c", "user.email=a@b", "tag", "-am", "x", "v1", "main"];
    assert!(Command::new("git").args(tag).current_dir(&path).status().unwrap().success());
    let second = author.commit(&main(), "two", &[("file", b"B")]).unwrap();
    let fetched = mirrors.fetch(&tool, &main(), &second, None).await.unwrap();
    let work = forge.root.path().join("work");
    let objects = mirrors.in_use(&tool).await.objects().to_str().unwrap().to_owned();
    mirrors.checkout(fetched, Checkout { directory: work.clone(), objects_mount: objects }).await.unwrap();
    assert_eq!(std::fs::read(work.join("file")).unwrap(), b"B");
    let described = Command::new("git").args(["describe"]).current_dir(&work).output().unwrap();
    assert!(String::from_utf8_lossy(&described.stdout).starts_with("v1-1-g"));
    for name in ["renamed/tool", "moved/tool"] {
        let heads = mirrors.list_heads(&name.parse().unwrap()).await.unwrap();
        assert_eq!(heads.len(), 2, "a redirect on the same host is followed: {name}");
    }
    let leak = Command::new("grep").args(["-r", "-e", TOKEN, "-e", BASIC]).arg(forge.root.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&leak.stdout), "");
}

#[tokio::test]
async fn each_answer_of_a_forge_has_its_own_error() {
    let forge = Forge::start();
    let mirrors = forge.mirrors(Some(TOKEN));
    assert!(matches!(fails(&mirrors, "gone/tool").await, GitError::NoRepository { .. }));
    assert!(matches!(
        fails(&mirrors, "acme/missing").await,
        GitError::NoRepository { .. } | GitError::Unreachable { .. }
    ));
    let busy = fails(&mirrors, "busy/tool").await;
    assert!(matches!(busy, GitError::Unreachable { .. }) && busy.is_ours() && busy.to_string().contains("503"));
    assert!(matches!(fails(&forge.mirrors(None), "acme/tool").await, GitError::Denied { .. }));
    assert!(matches!(fails(&forge.mirrors(Some("wrong")), "acme/tool").await, GitError::Denied { .. }));
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed_and_gets_no_token() {
    let forge = Forge::start();
    let refused = fails(&forge.mirrors(Some(TOKEN)), "away/tool").await;
    assert!(matches!(refused, GitError::Unreachable { .. }), "{refused}");
    assert!(refused.to_string().contains("cannot redirect"), "{refused}");
    assert!(forge.trapped.lock().unwrap().is_empty());
    assert!(forge.server.seen.lock().unwrap().iter().all(|(path, sent)| path.starts_with("/away") && sent.is_none()));
}

#[tokio::test]
async fn all_requests_of_a_fetch_share_one_connection() {
    let forge = Forge::start();
    let author = Author::create(&forge.path("acme/tool.git")).unwrap();
    let commit = author.commit(&main(), "one", &[("file", b"A")]).unwrap();
    forge.mirrors(Some(TOKEN)).fetch(&"acme/tool".parse().unwrap(), &main(), &commit, None).await.unwrap();
    assert!(forge.server.seen.lock().unwrap().len() > 2);
    assert_eq!(forge.server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn where_no_forge_listens_is_said_so() {
    let forge = Forge::start();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = forge.config(Some(TOKEN));
    config.clone_url = format!("http://{nobody}/{{repository}}.git");
    let refused = fails(&Mirrors::new(config).unwrap(), "acme/tool").await;
    assert!(matches!(refused, GitError::Unreachable { .. }) && refused.is_ours());
    assert!(
        refused.to_string().contains(&format!("from http://{nobody}/acme/tool.git: Connection refused")),
        "{refused}"
    );
}

// In the tests below, a call of libgit2 that went on waiting would hold up the end of the test's runtime for ever.

#[tokio::test]
async fn a_forge_that_falls_silent_is_left_and_may_be_asked_again() {
    let forge = Forge::start();
    let mut config = forge.config(Some(TOKEN));
    config.silence = Duration::from_millis(100);
    let mirrors = Mirrors::new(config).unwrap();
    for name in ["hung/tool", "stuck/tool", "hung/tool"] {
        let error = fails(&mirrors, name).await;
        assert!(matches!(error, GitError::Unreachable { .. }) && error.is_ours(), "{error}");
        assert!(error.to_string().contains("sent nothing for 0.1s"), "{error}");
    }
}

#[tokio::test]
async fn a_fetch_that_takes_too_long_in_all_is_ended() {
    let forge = Forge::start();
    let mut config = forge.config(Some(TOKEN));
    config.timeout = Duration::from_millis(100);
    let error = fails(&Mirrors::new(config).unwrap(), "hung/tool").await;
    assert!(matches!(error, GitError::TimedOut { .. }) && error.is_ours(), "{error}");
}

#[tokio::test]
async fn a_fetch_that_nobody_waits_for_any_more_ends_its_request() {
    let forge = Forge::start();
    let mirrors = forge.mirrors(Some(TOKEN));
    let fetch = tokio::spawn(async move { fails(&mirrors, "hung/tool").await });
    let (asked, forge) = tokio::task::spawn_blocking(move || (forge.hung.recv().unwrap(), forge)).await.unwrap();
    assert_eq!(asked, Hung::Asked);
    fetch.abort();
    let told = tokio::task::spawn_blocking(move || forge.hung.recv().unwrap());
    assert_eq!(told.await.unwrap(), Hung::LeftAlone);
}
