//! A 0-bootstrap at the wire: takes kernels and links, and says no with HTTP 200.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use warp::Filter;

const RIGHT: &str = "right";

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    links: BTreeMap<String, String>,
}

pub(crate) struct Bootstrap {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Bootstrap {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(warp::serve(routes(Arc::clone(&state))).incoming(listener).run());
        Self { address, state }
    }

    /// The keys of `[kernel]` that lead here.
    pub(crate) fn keys(&self, token: &str) -> String {
        format!("bootstrap_url = '{}/'\nbootstrap_token = '{token}'\n", self.address)
    }

    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        self.state.lock().unwrap().files[name].clone()
    }

    pub(crate) fn link(&self, name: &str) -> Option<String> {
        self.state.lock().unwrap().links.get(name).cloned()
    }
}

fn routes(state: Arc<Mutex<State>>) -> warp::filters::BoxedFilter<(String,)> {
    let (uploads, links, files) = (Arc::clone(&state), Arc::clone(&state), state);
    let allowed = || warp::header::<String>("cookie").map(|cookie: String| cookie == format!("token={RIGHT}"));
    let upload = warp::path!("api" / "kernel").and(warp::post()).and(allowed()).and(warp::body::bytes()).map(
        move |allowed: bool, body: warp::hyper::body::Bytes| {
            if !allowed {
                return error("invalid token");
            }
            let Some((name, content)) = part(&body) else { return error("no file found") };
            uploads.lock().unwrap().files.insert(name, content);
            success()
        },
    );
    let link = warp::path!("api" / "symlink" / String / String).and(allowed()).map(
        move |name: String, target: String, allowed: bool| {
            if !allowed {
                return error("invalid token");
            }
            links.lock().unwrap().links.insert(decoded(&name), decoded(&target));
            success()
        },
    );
    let kernel = warp::path!("kernel" / String).map(move |name: String| {
        let state = files.lock().unwrap();
        String::from_utf8(state.files.get(&decoded(&name)).cloned().unwrap_or_default()).unwrap()
    });
    upload.or(link).unify().or(kernel).unify().boxed()
}

fn decoded(name: &str) -> String {
    percent_encoding::percent_decode_str(name).decode_utf8().unwrap().into_owned()
}

/// The name and content of the form's one part, `kernel`.
fn part(body: &[u8]) -> Option<(String, Vec<u8>)> {
    let text = std::str::from_utf8(body).ok()?;
    let boundary = text.lines().next()?;
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let name = head.split_once("name=\"kernel\"; filename=\"")?.1.split_once('"')?.0;
    Some((name.to_owned(), rest.split_once(&format!("\r\n{boundary}"))?.0.as_bytes().to_vec()))
}

fn success() -> String {
    r#"{"status": "success"}"#.to_owned()
}

fn error(message: &str) -> String {
    format!(r#"{{"status": "error", "message": "{message}"}}"#)
}
