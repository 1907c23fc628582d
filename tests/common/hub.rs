//! A Zero-OS hub at the wire: answers as the real one was measured to, its lies included.
//!
//! HTTP/1.0, one request a connection. What it should do other than usual is put on its script; a test
//! waits for what it has seen, never for time.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use super::{client::PATIENCE, hub_archive};

pub const TOKEN: &str = "c2lnbmVkLWJ5LXRoZS1odWI";
pub const USER: &str = "alice.3bot";

/// Which call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Me,
    Upload,
    Link,
    Rename,
    Delete,
    Refresh,
    Unknown,
}

/// What it does other than usual, once.
#[derive(Debug, Clone)]
pub enum Act {
    /// Reads all, then answers this.
    Answer(u16, String),
    /// The same, with a header.
    With(u16, &'static str, String),
    /// Answers before it has read anything of the body.
    Early(u16, String),
    /// Ends the connection by a reset when so much of the body is read.
    Reset(usize),
    /// Answers as usual, in drops.
    Drops,
    /// Does what it should and answers, after [`FakeHub::go`].
    Hold,
    /// Stores an empty flist and calls it a success; what it says of the files.
    StoresNothing(Value),
    /// Does not know `X-Original-Name`, as hubs before it.
    Old,
}

/// One call as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub call: Call,
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

/// A flist: of which archive, with what in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Flist {
    pub archive: Vec<u8>,
    pub counted: Value,
}

#[derive(Debug, Default)]
pub struct State {
    pub flists: BTreeMap<String, Flist>,
    pub links: BTreeMap<String, String>,
    pub seen: Vec<Seen>,
    /// What links pointed to, in the order they moved.
    pub moves: Vec<(String, String)>,
    pub at_once: usize,
    pub most_at_once: usize,
    script: VecDeque<(Call, Act)>,
    tokens: BTreeMap<String, String>,
    held: usize,
    let_go: usize,
}

pub struct FakeHub {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    serving: Option<JoinHandle<()>>,
}

impl State {
    pub fn count(&self, call: Call) -> usize {
        self.seen.iter().filter(|seen| seen.call == call).count()
    }
}

impl FakeHub {
    pub async fn new() -> Self {
        let tokens = BTreeMap::from([(TOKEN.to_owned(), USER.to_owned())]);
        let state = Arc::new(watch::Sender::new(State { tokens, ..State::default() }));
        let mut hub = Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), state, serving: None };
        hub.start().await;
        hub
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The lines of `config.toml` for it.
    pub fn configuration(&self, root: &str) -> String {
        format!(
            "[hub]\nkind = 'zero-hub'\ndirectory = '{root}'\nurl = '{}'\nuser = '{USER}'\ntoken = '{TOKEN}'\n",
            self.url()
        )
    }

    /// Listens; where it did before, if it did.
    pub async fn start(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let state = Arc::clone(&self.state);
        self.serving = Some(tokio::spawn(async move {
            // Ends every conversation with it.
            let mut talks = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                talks.spawn(talk(stream, Arc::clone(&state)));
            }
        }));
    }

    /// Nobody listens any more.
    pub async fn stop(&mut self) {
        let serving = self.serving.take().unwrap();
        serving.abort();
        let _ = serving.await;
    }

    /// Puts something on the script: the next such call gets it.
    pub fn next(&self, call: Call, act: Act) {
        self.state.send_modify(|state| state.script.push_back((call, act)));
    }

    /// Lets calls on hold go on.
    pub fn go(&self) {
        self.state.send_modify(|state| state.let_go += 1);
    }

    pub fn accept(&self, token: &str, user: &str) {
        self.state.send_modify(|state| drop(state.tokens.insert(token.to_owned(), user.to_owned())));
    }

    pub fn reject(&self, token: &str) {
        self.state.send_modify(|state| drop(state.tokens.remove(token)));
    }

    pub fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(change);
    }

    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.borrow())
    }

    /// Waits until it has seen what is wanted.
    pub async fn until(&self, wanted: impl Fn(&State) -> bool) {
        let mut state = self.state.subscribe();
        let waiting = state.wait_for(|state| wanted(state));
        let seen = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(seen.is_ok(), "the hub did not see it: {:?}", self.state.borrow());
    }
}

impl Drop for FakeHub {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

/// One conversation.
async fn talk(mut stream: TcpStream, state: Arc<watch::Sender<State>>) {
    let Some((seen, mut body)) = head(&mut stream).await else { return };
    let mut act = None;
    let busy = (seen.call == Call::Upload).then(|| Busy::new(&state));
    state.send_modify(|state| {
        let next = state.script.iter().position(|(call, _)| *call == seen.call);
        act = next.and_then(|index| state.script.remove(index)).map(|(_, act)| act);
        state.seen.push(seen.clone());
    });
    let length = seen.headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let limit = match &act {
        Some(Act::Reset(limit)) => (*limit).min(length),
        Some(Act::Early(..)) => 0,
        _ => length,
    };
    let whole = rest(&mut stream, &mut body, limit).await;
    if !whole {
        return;
    }
    let (status, header, answer) = match act {
        Some(Act::Reset(_)) => {
            let _ = socket_reset(stream);
            return;
        }
        Some(Act::Answer(status, answer) | Act::Early(status, answer)) => (status, "", answer),
        Some(Act::With(status, header, answer)) => (status, header, answer),
        Some(Act::Hold) => {
            let mut place = 0;
            state.send_modify(|state| {
                state.held += 1;
                place = state.held;
            });
            if state.subscribe().wait_for(|state| state.let_go >= place).await.is_err() {
                return;
            }
            usual(&state, &seen, &body, None)
        }
        act => {
            let drops = matches!(act, Some(Act::Drops));
            let (status, header, answer) = usual(&state, &seen, &body, act);
            if drops {
                let text = format!("HTTP/1.0 {status} X\r\nContent-Type: application/json\r\n\r\n{answer}");
                for byte in text.as_bytes().chunks(7) {
                    let _ = stream.write_all(byte).await;
                    let _ = stream.flush().await;
                    tokio::task::yield_now().await;
                }
                return;
            }
            (status, header, answer)
        }
    };
    let kind = if answer.starts_with('{') { "application/json" } else { "text/html" };
    let text = format!(
        "HTTP/1.0 {status} X\r\nContent-Type: {kind}\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n{answer}",
        answer.len()
    );
    drop(busy);
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// An upload from its first byte to its answer.
struct Busy(Arc<watch::Sender<State>>);

impl Busy {
    fn new(state: &Arc<watch::Sender<State>>) -> Self {
        state.send_modify(|state| {
            state.at_once += 1;
            state.most_at_once = state.most_at_once.max(state.at_once);
        });
        Self(Arc::clone(state))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.at_once -= 1);
    }
}

/// The other side gets a reset, not an end.
fn socket_reset(stream: TcpStream) -> std::io::Result<()> {
    stream.set_zero_linger()
}

async fn head(stream: &mut TcpStream) -> Option<(Seen, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let parts: Vec<_> = path.split('/').collect();
    let call = match parts.as_slice() {
        ["", "api", "flist", "me"] => Call::Me,
        ["", "api", "flist", "me", "upload"] => Call::Upload,
        ["", "api", "flist", "me", _, "link", _] => Call::Link,
        ["", "api", "flist", "me", _, "rename", _] => Call::Rename,
        ["", "api", "flist", "me", _] if method == "DELETE" => Call::Delete,
        ["", "refresh"] => Call::Refresh,
        _ => Call::Unknown,
    };
    Some((Seen { call, method, path, headers }, bytes[end + 4..].to_vec()))
}

/// Reads the body up to `limit`; false if the other side left before.
async fn rest(stream: &mut TcpStream, body: &mut Vec<u8>, limit: usize) -> bool {
    while body.len() < limit {
        match stream.read_buf(body).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
    true
}

/// What the real one does.
fn usual(state: &watch::Sender<State>, seen: &Seen, body: &[u8], act: Option<Act>) -> (u16, &'static str, String) {
    let mut answer = (404, "", "<!doctype html>\n<title>404 Not Found</title>".to_owned());
    state.send_modify(|state| {
        answer = match user(state, seen) {
            _ if matches!(seen.call, Call::Refresh | Call::Unknown) => answer.clone(),
            Err((status, message)) => (status, "", error(message)),
            Ok(user) => {
                let (status, text) = obey(state, seen, body, &user, act);
                (status, "", text)
            }
        };
    });
    answer
}

/// Whose token it is, and whom it may act for.
fn user(state: &State, seen: &Seen) -> Result<String, (u16, &'static str)> {
    let header = seen.headers.get("authorization").ok_or((401, "no authorization provided"))?;
    let token = header.strip_prefix("bearer ").ok_or((400, "invalid authorization header"))?;
    let refused = if token.contains('.') { (403, "invalid token") } else { (401, "invalid signature") };
    let own = state.tokens.get(token).ok_or(refused)?;
    let asked = seen.headers.get("cookie").and_then(|cookie| cookie.strip_prefix("active-user="));
    // Who may not act for somebody acts as himself, without a word.
    Ok(asked.filter(|asked| *asked == "acme" && own == USER).unwrap_or(own).to_owned())
}

fn error(message: &str) -> String {
    format!("{}\n", json!({"message": message, "status": "error"}))
}

fn success(payload: Value) -> String {
    format!("{}\n", json!({"status": "success", "payload": payload}))
}

fn obey(state: &mut State, seen: &Seen, body: &[u8], user: &str, act: Option<Act>) -> (u16, String) {
    let names: Vec<String> = seen.path.split('/').skip(4).map(decoded).collect();
    let done = (200, format!("{}\n", json!({"status": "success"})));
    match (seen.call, names.as_slice()) {
        (Call::Me, _) => (200, success(json!({"username": user}))),
        (Call::Upload, _) => store(state, seen, body, act),
        (Call::Link, [source, _, link]) => match (state.flists.get(source), state.flists.get(link)) {
            (None, _) => (404, error("source not found")),
            (Some(_), Some(_)) => (401, error("link destination is already a file")),
            (Some(_), None) => {
                state.links.insert(link.clone(), source.clone());
                state.moves.push((link.clone(), source.clone()));
                done
            }
        },
        (Call::Rename, [source, _, name]) => match state.flists.remove(source) {
            None => (404, error("source not found")),
            Some(flist) => {
                state.flists.insert(name.clone(), flist);
                done
            }
        },
        (Call::Delete, [name]) => match state.flists.remove(name) {
            None => (404, error("source not found")),
            Some(_) => done,
        },
        _ => (405, "<!doctype html>\n<title>405 Method Not Allowed</title>".to_owned()),
    }
}

fn store(state: &mut State, seen: &Seen, body: &[u8], act: Option<Act>) -> (u16, String) {
    let Some((filename, archive)) = hub_archive::field(&seen.headers["content-type"], body) else {
        return (500, error("no file found"));
    };
    if !filename.ends_with(".tar.gz") {
        return (500, error("this file is not allowed"));
    }
    let original = seen.headers.get("x-original-name").filter(|_| !matches!(act, Some(Act::Old)));
    let name = format!("{}.flist", original.unwrap_or(&filename).trim_end_matches(".tar.gz"));
    let (files, counted) = match act {
        Some(Act::StoresNothing(files)) => (files, Value::Null),
        _ => {
            let counted = hub_archive::count(archive);
            (json!({"success": true, "error": null, "response": counted, "status": 0}), counted)
        }
    };
    state.flists.insert(name.clone(), Flist { archive: archive.to_vec(), counted });
    (200, success(json!({"name": name, "files": files})))
}

fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8().unwrap().into_owned()
}
