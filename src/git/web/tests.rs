//! A gateway, asked directly as libgit2 would.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    super::{address::Template, blocking::Abandoned},
    *,
};

/// A gateway to a forge of one answer.
fn gateway(answer: impl FnOnce(TcpStream) + Send + 'static) -> (Gateway, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let clone_url = format!("http://{}/{{repository}}.git", listener.local_addr().unwrap());
    let address = Template::parse(&clone_url).unwrap().address(&"acme/tool".parse().unwrap());
    let upstream = Upstream::new(Duration::from_mins(1));
    let gateway = Gateway::open(&upstream, &address, &Abandoned::default()).unwrap();
    let forge = thread::spawn(move || answer(listener.accept().unwrap().0));
    (gateway, forge)
}

/// Asks the gateway for a path, and reads the answer's head.
fn ask(gateway: &Gateway, path: &str) -> (String, TcpStream) {
    let host = gateway.url().split('/').nth(2).unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: a=b\r\nConnection: close\r\n\r\n").unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    (String::from_utf8(head).unwrap(), stream)
}

fn head(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_knows_the_secret_reaches_the_forge() {
    let (saw, seen) = mpsc::channel();
    let (gateway, forge) = gateway(move |mut stream| {
        saw.send(head(&mut stream)).unwrap();
        write!(stream, "HTTP/1.1 204 No Content\r\nSet-Cookie: c=d\r\nKeep-Alive: timeout=9\r\n\r\n").unwrap();
    });
    let secret = gateway.url().split('/').nth(3).unwrap().to_owned();
    let wrong = format!("/{}", secret.replace(|digit: char| digit.is_ascii_digit(), "a"));
    for path in ["/", "/acme/tool.git", &format!("{wrong}/acme/tool.git"), &format!("/{secret}acme"), "http://other/x"]
    {
        assert!(ask(&gateway, path).0.starts_with("HTTP/1.1 404 "), "{path}");
    }
    assert!(seen.try_recv().is_err(), "the forge was asked");
    let (answer, _) = ask(&gateway, &format!("/{secret}/acme/tool.git/info/refs?service=x"));
    assert!(answer.starts_with("HTTP/1.1 204 ") && !answer.to_lowercase().contains("keep-alive:"), "{answer}");
    assert!(!answer.contains("c=d"), "{answer}");
    let asked = seen.recv().unwrap();
    assert!(asked.starts_with("GET /acme/tool.git/info/refs?service=x HTTP/1.1\r\n"), "{asked}");
    assert!(!asked.contains("a=b") && !asked.contains("close"), "{asked}");
    forge.join().unwrap();
}

/// The most memory this process ever had, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_any_size_streams_through() {
    const SIZE: u64 = 512 << 20;
    let (gateway, forge) = gateway(|mut stream| {
        head(&mut stream);
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").unwrap();
        io::copy(&mut io::repeat(7).take(SIZE), &mut stream).unwrap();
    });
    let before = peak();
    let path = format!("/{}", gateway.url().splitn(4, '/').last().unwrap());
    let (head, mut body) = ask(&gateway, &path);
    assert!(head.contains("content-length: 536870912"), "{head}");
    assert_eq!(io::copy(&mut body, &mut io::sink()).unwrap(), SIZE);
    assert!(peak() - before < SIZE / 2, "{} bytes were held", peak() - before);
    forge.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_remembered() {
    let (gateway, forge) = gateway(|mut stream| {
        head(&mut stream);
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    });
    let path = format!("/{}", gateway.url().splitn(4, '/').last().unwrap());
    let (_, mut body) = ask(&gateway, &path);
    let mut got = Vec::new();
    assert!(body.read_to_end(&mut got).is_err() || got == b"half");
    assert!(gateway.trouble().is_some_and(|trouble| !trouble.is_empty()));
    assert!(gateway.trouble().is_none(), "it is told once");
    forge.join().unwrap();
}
