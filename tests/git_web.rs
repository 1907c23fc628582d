//! Fetching over HTTP: what the token is sent to, and what each answer of a forge means.

#![allow(clippy::unwrap_used)]

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use autobuilder::{
    git::{Author, Checkout, Config, GitError, Mirrors},
    model::{CommitId, GitRef, Repository},
};
use tempfile::TempDir;

const TOKEN: &str = "canary-5f0c2a";
/// `x-access-token:canary-5f0c2a`
const BASIC: &str = "Basic eC1hY2Nlc3MtdG9rZW46Y2FuYXJ5LTVmMGMyYQ==";

/// A forge whose organisations each answer in their own way: `acme` serves to who has the token.
struct Forge {
    root: TempDir,
    address: SocketAddr,
    seen: Seen,
    trapped: Seen,
}

/// The path and the `Authorization` of every request.
type Seen = Arc<Mutex<Vec<(String, Option<String>)>>>;

impl Forge {
    fn start() -> Self {
        let root = TempDir::new().unwrap();
        let (trap, trapped) = listen(|_, stream, _| respond(stream, "200 OK", "", b""));
        let path = root.path().join("forge");
        let (address, seen) = listen(move |request, stream, body| match request.path.split('/').nth(1) {
            Some("gone") => respond(stream, "404 Not Found", "", b""),
            Some("busy") => respond(stream, "503 Service Unavailable", "", b""),
            Some("hung") => {
                #[expect(clippy::disallowed_methods, reason = "a forge that hangs is what this is about")]
                thread::sleep(Duration::from_secs(3));
                let _ = stream.shutdown(Shutdown::Both);
            }
            Some("away") => {
                let to = format!("Location: http://localhost:{}/trap{}\r\n", trap.port(), request.path);
                respond(stream, "302 Found", &to, b"");
            }
            Some("renamed") => {
                let to = format!("Location: {}\r\n", request.path.replacen("renamed", "acme", 1));
                respond(stream, "301 Moved Permanently", &to, b"");
            }
            _ if request.headers.get("authorization").is_none_or(|sent| sent != BASIC) => {
                respond(stream, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"forge\"\r\n", b"");
            }
            _ => backend(&path, request, stream, body),
        });
        Self { root, address, seen, trapped }
    }

    fn mirrors(&self, token: Option<&str>) -> Mirrors {
        let mut config = Config::new(self.root.path().join("mirrors"));
        config.clone_url = format!("http://{}/{{repository}}.git", self.address);
        config.token = token.map(Into::into);
        config.timeout = Duration::from_secs(1);
        Mirrors::new(config).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("forge").join(name)
    }
}

struct Request {
    method: String,
    path: String,
    headers: HashMap<String, String>,
}

/// Serves each connection's requests on a thread; the process's end ends them.
fn listen(answer: impl Fn(&Request, &mut TcpStream, &[u8]) + Send + Sync + 'static) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Seen::default());
    let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while let Some((request, body)) = read(&mut reader) {
                    log.lock().unwrap().push((request.path.clone(), request.headers.get("authorization").cloned()));
                    answer(&request, &mut stream, &body);
                }
            });
        }
    });
    (address, seen)
}

fn read(reader: &mut impl BufRead) -> Option<(Request, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((Request { method, path, headers }, body))
}

fn respond(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

/// Git's own server, through CGI.
fn backend(root: &Path, request: &Request, stream: &mut TcpStream, body: &[u8]) {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let header = |name: &str| request.headers.get(name).map_or("", String::as_str);
    let mut child = Command::new("git")
        .arg("http-backend")
        .envs([("GIT_PROJECT_ROOT", root.to_str().unwrap()), ("GIT_HTTP_EXPORT_ALL", "1"), ("PATH_INFO", path)])
        .envs([("QUERY_STRING", query), ("REQUEST_METHOD", &request.method), ("CONTENT_TYPE", header("content-type"))])
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(body).unwrap();
    let output = child.wait_with_output().unwrap().stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    respond(stream, "200 OK", &format!("{}\r\n", String::from_utf8_lossy(&output[..end])), &output[end + 4..]);
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
    let heads = mirrors.list_heads(&"renamed/tool".parse().unwrap()).await.unwrap();
    assert_eq!(heads.len(), 2, "a redirect on the same host is followed");
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
    assert!(forge.seen.lock().unwrap().iter().all(|(path, sent)| path.starts_with("/away") && sent.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_hangs_is_left_after_the_timeout_and_may_be_asked_again() {
    let forge = Forge::start();
    let mirrors = forge.mirrors(Some(TOKEN));
    for _ in 0..2 {
        let error = fails(&mirrors, "hung/tool").await;
        assert!(matches!(error, GitError::TimedOut { .. }) && error.is_ours(), "{error}");
    }
}
