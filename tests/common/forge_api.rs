//! A forge's API at the wire: it keeps what it is told, and fails as told.
//!
//! It answers as GitHub does (or as Gitea, whose status has other fields), and can be made to refuse,
//! to limit, to break the connection, to answer with somebody's web page, or not at all.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use super::client::PATIENCE;

pub const API_TOKEN: &str = "a-token-that-no-log-may-show";

/// How one request is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// As the forge does when all is well.
    Well,
    /// With this code, these headers, and this message.
    Code(u16, Vec<(&'static str, String)>, &'static str),
    /// With somebody's web page.
    Html(u16),
    /// The connection breaks before there is an answer.
    Reset,
    /// All is well, and the connection breaks within the body.
    CutBody,
    /// A byte now and then, for ever.
    Drip,
    /// No answer.
    Silence,
}

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// With its query.
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Value,
    /// Whether the forge did what it was asked.
    pub done: bool,
}

/// Decides on a request; `None` leaves it to the script.
type Rule = Box<dyn Fn(&Request) -> Option<Reply> + Send + Sync>;

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    script: VecDeque<Reply>,
    rule: Option<Rule>,
    gitea: bool,
    /// Webhooks by repository.
    hooks: HashMap<String, Vec<Value>>,
}

#[derive(Clone)]
pub struct ForgeApi {
    pub url: String,
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
}

impl ForgeApi {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let api = Self { url, state: Arc::default(), news: Arc::default() };
        let server = api.clone();
        // Ends with the test's runtime.
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = server.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        api
    }

    /// The same as Gitea or Forgejo.
    pub async fn gitea() -> Self {
        let mut api = Self::new().await;
        api.url.push_str("/api/v1");
        api.state.lock().unwrap().gitea = true;
        api
    }

    /// The environment of a service that uses this forge.
    pub fn environment(&self) -> Vec<(String, String)> {
        vec![
            ("AUTOBUILDER_GITHUB_API_URL".into(), self.url.clone()),
            ("AUTOBUILDER_GITHUB_TOKEN".into(), API_TOKEN.into()),
        ]
    }

    /// The next requests are answered so.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().unwrap().script.extend(replies);
    }

    /// Requests are answered so, until another rule comes.
    pub fn rule(&self, rule: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) {
        self.state.lock().unwrap().rule = Some(Box::new(rule));
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    /// The webhooks of a repository.
    pub fn hooks(&self, repository: &str) -> Vec<Value> {
        self.state.lock().unwrap().hooks.get(repository).cloned().unwrap_or_default()
    }

    /// Somebody adds a webhook by hand.
    pub fn add_hook(&self, repository: &str, hook: Value) {
        self.state.lock().unwrap().add(repository, hook);
    }

    /// The statuses a commit was given, in their order.
    pub fn statuses(&self, commit: &str) -> Vec<Value> {
        let end = format!("/statuses/{commit}");
        self.requests().into_iter().filter(|it| it.done && it.path.ends_with(&end)).map(|it| it.body).collect()
    }

    /// What the forge shows beside a commit in a context: `state`, and `description`.
    pub fn shown(&self, commit: &str, context: &str) -> Option<(String, String)> {
        let of_context = self.statuses(commit).into_iter().rfind(|status| status["context"] == context)?;
        let text = |key: &str| of_context[key].as_str().unwrap().to_owned();
        Some((text("state"), text("description")))
    }

    /// Waits until something is so.
    pub async fn until<T>(&self, what: &str, mut found: impl FnMut(&Self) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let news = self.news.notified();
                if let Some(found) = found(self) {
                    return found;
                }
                news.await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("the forge was not told: {what}; it was asked {:#?}", self.requests()),
        }
    }

    /// Waits until a commit has a verdict in a context.
    pub async fn verdict(&self, commit: &str, context: &str) -> (String, String) {
        let what = format!("a verdict on {commit} in {context}");
        self.until(&what, |api| api.shown(commit, context).filter(|(state, _)| state != "pending")).await
    }

    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(mut request) = read(&mut stream).await {
            let reply = self.reply(&request);
            request.done = matches!(reply, Reply::Well | Reply::CutBody) && authorized(&request);
            let made = {
                let mut state = self.state.lock().unwrap();
                state.requests.push(request.clone());
                if request.done { state.carry_out(&request) } else { Made::default() }
            };
            let stays = answer(&mut stream, &request, &reply, made).await;
            self.news.notify_waiters();
            self.news.notify_one();
            if !stays {
                return;
            }
        }
    }

    fn reply(&self, request: &Request) -> Reply {
        let mut state = self.state.lock().unwrap();
        let ruled = state.rule.as_ref().and_then(|rule| rule(request));
        ruled.or_else(|| state.script.pop_front()).unwrap_or(Reply::Well)
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        match line.trim().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
            None => break,
        };
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Some(Request { method, path, headers, body, done: false })
}

fn authorized(request: &Request) -> bool {
    request.headers.get("authorization").is_some_and(|header| header.ends_with(API_TOKEN))
}

/// Answers; false if the connection ends with it.
async fn answer(stream: &mut BufReader<TcpStream>, request: &Request, reply: &Reply, made: Made) -> bool {
    let stream = stream.get_mut();
    match reply {
        Reply::Well if !authorized(request) => send(stream, 401, &[], &json!({"message": "Bad credentials"})).await,
        Reply::Well => send(stream, made.code, &made.headers, &made.body).await,
        Reply::Code(code, headers, message) => send(stream, *code, headers, &json!({"message": message})).await,
        Reply::Html(code) => {
            let page = "<!DOCTYPE html><title>Unicorn!</title>".repeat(10);
            let head =
                format!("HTTP/1.1 {code} So\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n", page.len());
            stream.write_all([head, page].concat().as_bytes()).await.is_ok()
        }
        Reply::Reset => {
            let _ = stream.set_zero_linger();
            false
        }
        Reply::CutBody => {
            let head = "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"id\":";
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.set_zero_linger();
            false
        }
        Reply::Drip => {
            let head = "HTTP/1.1 502 So\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n";
            let mut alive = stream.write_all(head.as_bytes()).await.is_ok();
            while alive {
                tokio::time::sleep(Duration::from_millis(200)).await;
                alive = stream.write_all(b" ").await.is_ok();
            }
            false
        }
        Reply::Silence => {
            let mut nothing = [0];
            // Until the other side gives up.
            let _ = stream.read(&mut nothing).await;
            false
        }
    }
}

async fn send(stream: &mut TcpStream, code: u16, headers: &[(&'static str, String)], body: &Value) -> bool {
    let body = body.to_string();
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 {code} So\r\ncontent-type: application/json; charset=utf-8\r\n{more}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all([head, body].concat().as_bytes()).await.is_ok()
}

/// What the forge did, and says of it.
#[derive(Default)]
struct Made {
    code: u16,
    headers: Vec<(&'static str, String)>,
    body: Value,
}

/// How many webhooks a page has: fewer than are asked for.
const PAGE: usize = 30;

impl State {
    fn carry_out(&mut self, request: &Request) -> Made {
        let path = request.path.trim_start_matches("/api/v1").trim_start_matches("/repos/");
        let mut parts = path.split(['/', '?']);
        let repository = [parts.next().unwrap(), parts.next().unwrap()].join("/");
        match (&*request.method, parts.next().unwrap(), parts.next()) {
            ("POST", "statuses", _) => self.status(request),
            ("GET", "hooks", Some(query)) => self.page(&repository, query),
            ("POST", "hooks", _) => self.make(&repository, &request.body),
            ("PATCH", "hooks", Some(id)) => self.mend(&repository, id, &request.body),
            _ => Made { code: 404, body: json!({"message": "Not Found"}), ..Made::default() },
        }
    }

    /// The status as the forge gives it back; Gitea calls the state `status`.
    fn status(&self, request: &Request) -> Made {
        let mut body = request.body.clone();
        let fields = body.as_object_mut().unwrap();
        fields.insert("id".into(), json!(1));
        if self.gitea
            && let Some(state) = fields.remove("state")
        {
            fields.insert("status".into(), state);
        }
        Made { code: 201, body, ..Made::default() }
    }

    fn page(&self, repository: &str, query: &str) -> Made {
        let page: usize = query.rsplit("&page=").next().unwrap().parse().unwrap();
        let all = self.hooks.get(repository).cloned().unwrap_or_default();
        let listed: Vec<_> = all.iter().skip((page - 1) * PAGE).take(PAGE).cloned().map(without_secret).collect();
        let headers =
            if all.len() > page * PAGE { vec![("link", "<x?page=2>; rel=\"next\"".to_owned())] } else { vec![] };
        Made { code: 200, headers, body: json!(listed) }
    }

    fn make(&mut self, repository: &str, body: &Value) -> Made {
        let kind = if self.gitea { body["type"] == "gitea" } else { body["name"] == "web" };
        if !kind {
            return Made { code: 422, body: json!({"message": "Validation Failed"}), ..Made::default() };
        }
        let url = &body["config"]["url"];
        if self.hooks.get(repository).is_some_and(|hooks| hooks.iter().any(|hook| hook["config"]["url"] == *url)) {
            let message = json!({"message": "Validation Failed", "errors": [{"message": "Hook already exists on this repository"}]});
            return Made { code: 422, body: message, ..Made::default() };
        }
        Made { code: 201, body: without_secret(self.add(repository, body.clone())), ..Made::default() }
    }

    fn add(&mut self, repository: &str, mut hook: Value) -> Value {
        let hooks = self.hooks.entry(repository.to_owned()).or_default();
        hook["id"] = json!(hooks.len() + 1);
        hooks.push(hook.clone());
        hook
    }

    /// As GitHub does: events replace all, and a configuration without its secret loses it.
    fn mend(&mut self, repository: &str, id: &str, body: &Value) -> Made {
        let hooks = self.hooks.entry(repository.to_owned()).or_default();
        let Some(hook) = hooks.iter_mut().find(|hook| hook["id"] == id.parse::<u64>().unwrap()) else {
            return Made { code: 404, body: json!({"message": "Not Found"}), ..Made::default() };
        };
        for (key, value) in body.as_object().unwrap() {
            hook[key] = value.clone();
        }
        Made { code: 200, body: without_secret(hook.clone()), ..Made::default() }
    }
}

fn without_secret(mut hook: Value) -> Value {
    if let Some(secret) = hook["config"].get_mut("secret") {
        *secret = json!("********");
    }
    hook
}
