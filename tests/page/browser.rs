//! A browser of a test's own: Chromium without a window, and the chromedriver that steers it.
//!
//! Both end with the test, also with one that fails: the browser lives in chromedriver's process group,
//! and the group is killed when a [`Page`] is dropped.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{ChromeCapabilities, ChromiumLikeCapabilities, LoggingPrefsLogLevel, WebDriver};

/// How long anything in the page may take.
const PATIENCE: Duration = Duration::from_secs(30);

const FLAGS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,900",
];

/// WebDriver's code points for keys without a letter.
pub(crate) mod key {
    pub(crate) const ENTER: &str = "\u{e007}";
    pub(crate) const SHIFT_ENTER: &str = "\u{e008}\u{e007}";
    pub(crate) const ESCAPE: &str = "\u{e00c}";
    pub(crate) const TAB: &str = "\u{e004}";
    pub(crate) const LEFT: &str = "\u{e012}";
    pub(crate) const HOME: &str = "\u{e011}";
    pub(crate) const END: &str = "\u{e010}";
}

/// The page as its reader has it before them.
pub(crate) struct Page {
    driver: Option<WebDriver>,
    chromedriver: Chromedriver,
    _profile: TempDir,
}

impl Page {
    /// Opens an address.
    pub(crate) async fn open(address: &str) -> Self {
        let page = Self::new().await;
        page.goto(address).await;
        page
    }

    /// A browser that shows nothing yet.
    pub(crate) async fn new() -> Self {
        let profile = tempfile::Builder::new().prefix("autobuilder-test-").tempdir().unwrap();
        let chromedriver = Chromedriver::start();
        let mut wanted = ChromeCapabilities::new();
        for flag in FLAGS {
            wanted.add_arg(flag).unwrap();
        }
        wanted.add_arg(&format!("--user-data-dir={}", profile.path().display())).unwrap();
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
        let driver = WebDriver::new(&chromedriver.address, wanted).await.unwrap();
        Self { driver: Some(driver), chromedriver, _profile: profile }
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().unwrap()
    }

    pub(crate) async fn goto(&self, address: &str) {
        self.driver().goto(address).await.unwrap();
    }

    /// Goes to an address in a tab of its own, and stays there.
    pub(crate) async fn goto_in_new_tab(&self, address: &str) {
        let tab = self.driver().new_tab().await.unwrap();
        self.driver().switch_to_window(tab).await.unwrap();
        self.goto(address).await;
    }

    /// Types where the focus is.
    pub(crate) async fn types(&self, text: &str) {
        self.devtools("Input.insertText", json!({ "text": text })).await;
    }

    /// Turns the wheel over the middle of an element.
    pub(crate) async fn wheel(&self, selector: &str, down: i32) {
        let middle = self
            .value(&format!(
                "(({{left, top, width, height}}) => [left + width / 2, top + height / 2])\
                 (document.querySelector({}).getBoundingClientRect())",
                json!(selector)
            ))
            .await;
        let event = json!({ "type": "mouseWheel", "x": middle[0], "y": middle[1], "deltaX": 0, "deltaY": down });
        self.devtools("Input.dispatchMouseEvent", event).await;
    }

    /// The value of an expression in the page; of a promise, what it becomes.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        let answer = self.driver().execute(format!("return ({expression});"), Vec::new()).await;
        answer.unwrap_or_else(|error| panic!("{expression}: {error}")).json().clone()
    }

    /// Waits until an expression is true, and gives its value.
    pub(crate) async fn until(&self, expression: &str) -> Value {
        let wait = async {
            loop {
                let value = self.value(expression).await;
                if !matches!(value, Value::Null | Value::Bool(false)) && value != "" && value != 0 {
                    return value;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(value) => value,
            Err(_) => panic!(
                "never came true: {expression}\nthe page says:\n{:.1500}\nthe browser says: {:#?}",
                self.text("body").await,
                self.said().await
            ),
        }
    }

    /// What a reader sees of the first element that fits; empty while there is none.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let text = self.value(&format!("document.querySelector({})?.innerText ?? ''", json!(selector))).await;
        text.as_str().unwrap().to_owned()
    }

    /// Waits until a reader sees these words in the first element that fits.
    pub(crate) async fn sees(&self, selector: &str, words: &str) {
        let (selector, words) = (json!(selector), json!(words));
        let seen = "((found) => found?.checkVisibility() && found.innerText.includes";
        self.until(&format!("{seen}({words}))(document.querySelector({selector}))")).await;
    }

    /// Clicks as a mouse does: what is hidden or covered cannot be clicked.
    pub(crate) async fn click(&self, selector: &str) {
        self.driver().find(thirtyfour::By::Css(selector)).await.unwrap().click().await.unwrap();
    }

    /// Types into a field, after what stands there.
    pub(crate) async fn keys(&self, selector: &str, text: &str) {
        self.driver().find(thirtyfour::By::Css(selector)).await.unwrap().send_keys(text).await.unwrap();
    }

    /// Presses a key where the focus is: a letter, or one of [`key`].
    pub(crate) async fn press(&self, key: &str) {
        self.driver().active_element().await.unwrap().send_keys(key).await.unwrap();
    }

    /// Speaks to the browser itself.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) {
        self.driver().cdp().send_raw(command, parameters).await.unwrap();
    }

    /// A screen of this size.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// The process group in which the browser runs.
    #[allow(dead_code, reason = "asked for by the benchmark")]
    pub(crate) fn group(&self) -> u32 {
        self.chromedriver.child.id()
    }

    /// Everything the browser complained about since it was asked last.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        // It notes every 416, which to a page means that there is nothing more yet, and every 410, which means that
        // a log was removed; and it drops what it loads whenever a container comes or goes on this machine, after
        // which the page asks again.
        let fine = ["status of 416", "status of 410", "ERR_NETWORK_CHANGED"];
        self.said().await.into_iter().filter(|message| !fine.iter().any(|fine| message.contains(fine))).collect()
    }

    /// All that the browser said since it was asked last.
    async fn said(&self) -> Vec<String> {
        let log = self.driver().browser_log().await.unwrap();
        log.into_iter().filter(|entry| entry.level != "INFO").map(|entry| entry.message).collect()
    }

    /// Ends the browser, which must have nothing to complain about.
    pub(crate) async fn end(self) {
        assert_eq!(self.complaints().await, Vec::<String>::new());
        self.end_in_trouble().await;
    }

    /// Ends the browser after a test that cut its connections.
    pub(crate) async fn end_in_trouble(mut self) {
        self.driver.take().unwrap().quit().await.unwrap();
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // A failed test ends its browser by force; a polite goodbye could wait for minutes.
        if let Some(driver) = self.driver.take() {
            let _ = driver.leak();
        }
    }
}

/// Chromedriver on a port that it chose, in a process group of its own.
struct Chromedriver {
    child: Child,
    address: String,
}

impl Chromedriver {
    fn start() -> Self {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("chromedriver is there: run `scripts/setup test` once, as `make test` does");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .by_ref()
            .map(|line| line.unwrap())
            .find_map(|line| line.split_once("successfully on port ").map(|(_, port)| port.replace('.', "")))
            .expect("chromedriver says where it listens");
        // What it prints later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}
