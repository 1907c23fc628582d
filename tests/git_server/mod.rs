//! A forge on the loopback: HTTP or HTTPS by hand, so that it can misbehave, and git by git's own server.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, missing_docs, reason = "a module of several test binaries, not a library")]

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// The path and the `Authorization` of every request.
pub type Seen = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// What a client is connected by.
pub type Connection = BufReader<Box<dyn Wire>>;

pub trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

pub struct Server {
    pub address: SocketAddr,
    pub seen: Seen,
    pub connections: Arc<AtomicUsize>,
}

#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: HashMap<String, String>,
}

/// An authority of one's own, and a certificate for `127.0.0.1` by it.
pub struct Authority {
    /// The authority's certificate, for `SSL_CERT_FILE`.
    pub pem: String,
    pub server: Arc<ServerConfig>,
}

impl Authority {
    pub fn new() -> Self {
        let (key, leaf_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&leaf_key, &Issuer::new(params, key)).unwrap();
        let leaf_key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], leaf_key)
            .unwrap();
        Self { pem, server: Arc::new(server) }
    }
}

/// Serves each connection's requests on a thread; the process's end ends them.
pub fn listen(
    tls: Option<Arc<ServerConfig>>,
    answer: impl Fn(&Request, &mut Connection, &[u8]) + Send + Sync + 'static,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, seen, connections) = (listener.local_addr().unwrap(), Seen::default(), Arc::<AtomicUsize>::default());
    let (log, count, answer) = (Arc::clone(&seen), Arc::clone(&connections), Arc::new(answer));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // As servers have it: an answer in two pieces must not wait for an acknowledgement.
            stream.set_nodelay(true).unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let wire: Box<dyn Wire> = match &tls {
                Some(tls) => Box::new(StreamOwned::new(ServerConnection::new(Arc::clone(tls)).unwrap(), stream)),
                None => Box::new(stream),
            };
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            thread::spawn(move || {
                let mut connection = BufReader::new(wire);
                while let Some((request, body)) = read(&mut connection) {
                    log.lock().unwrap().push((request.path.clone(), request.headers.get("authorization").cloned()));
                    answer(&request, &mut connection, &body);
                }
            });
        }
    });
    Server { address, seen, connections }
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

pub fn respond(connection: &mut Connection, status: &str, headers: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    let stream = connection.get_mut();
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).and_then(|()| stream.flush());
}

/// Waits, without a word, until the client hangs up.
pub fn outlast(connection: &mut Connection) {
    while matches!(connection.read(&mut [0; 64]), Ok(read) if read > 0) {}
}

/// Git's own server, through CGI.
pub fn backend(root: &Path, request: &Request, connection: &mut Connection, body: &[u8]) {
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
    respond(connection, "200 OK", &format!("{}\r\n", String::from_utf8_lossy(&output[..end])), &output[end + 4..]);
}
