//! A headless Chromium, driven over the WebDriver protocol (JSON over HTTP/1.1): the few commands that the tests need.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::harness::eventually;

/// Browsers at one time: each is a dozen processes, and more of them only wait for each other.
static BROWSERS: Semaphore = Semaphore::const_new(2);

/// How long a browser may take to start on a machine that is busy with other things.
const START_WAIT: Duration = Duration::from_secs(60);

/// Longer than any script of a test runs.
const ANSWER_WAIT: Duration = Duration::from_secs(120);

/// The key under which WebDriver gives elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Where the browser and its driver are, when they are not where the driver and the shell look by themselves.
const CHROMIUM: &str = "CHROMIUM";
const CHROMEDRIVER: &str = "CHROMEDRIVER";

const ARGUMENTS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// One browser with its driver; both end with it.
pub(super) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: TempDir,
    _turn: SemaphorePermit<'static>,
}

impl Browser {
    /// Starts a Chromium with an empty profile.
    pub(super) async fn start() -> Self {
        let turn = BROWSERS.acquire().await.expect("nobody closes it");
        let profile = tempfile::Builder::new()
            .prefix("linker-chromium-")
            .tempdir()
            .expect("a temporary folder");
        let said = profile.path().join("driver.log");
        let program = std::env::var_os(CHROMEDRIVER).unwrap_or_else(|| "chromedriver".into());
        let driver = Command::new(&program)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(File::create(&said).expect("the profile is writable"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", program.display()));
        let mut browser = Self {
            driver,
            port: 0,
            session: String::new(),
            profile,
            _turn: turn,
        };
        browser.port = eventually("the driver's port", START_WAIT, async || driver_port(&said)).await;
        browser.session = browser.new_session();
        browser
    }

    fn new_session(&self) -> String {
        let profile = format!(
            "--user-data-dir={}",
            self.profile.path().join("chromium").display()
        );
        let mut arguments = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(profile);
        let mut options = json!({"args": arguments});
        if let Ok(chromium) = std::env::var(CHROMIUM) {
            options["binary"] = chromium.into();
        }
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
            // Those of tests are signed by themselves.
            "acceptInsecureCerts": true,
            "timeouts": {"script": 100_000},
        }}});
        let answer = exchange(self.port, "POST", "/session", &wanted).expect("a browser starts");
        answer["sessionId"]
            .as_str()
            .expect("a session has an id")
            .to_owned()
    }

    /// A new tab; its handle is for [`Browser::switch_to`].
    pub(super) fn new_tab(&self) -> String {
        let answer = self.post("/window/new", &json!({"type": "tab"}));
        answer["handle"].as_str().expect("a tab has a handle").to_owned()
    }

    /// Makes a tab the one that the next commands are for.
    pub(super) fn switch_to(&self, handle: &str) {
        self.post("/window", &json!({"handle": handle}));
    }

    pub(super) fn go_to(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// Runs the body of a function in the page; `arguments` are what it is called with.
    pub(super) fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// Clicks the one element that a CSS selector names.
    pub(super) fn click(&self, selector: &str) {
        self.post(&format!("/element/{}/click", self.find(selector)), &json!({}));
    }

    /// Types into an element as a keyboard does.
    pub(super) fn type_into(&self, selector: &str, text: &str) {
        self.post(
            &format!("/element/{}/value", self.find(selector)),
            &json!({"text": text}),
        );
    }

    pub(super) fn clear(&self, selector: &str) {
        self.post(&format!("/element/{}/clear", self.find(selector)), &json!({}));
    }

    /// A command of Chromium's own debugging protocol.
    pub(super) fn debug(&self, command: &str, parameters: Value) {
        self.post(
            "/goog/cdp/execute",
            &json!({"cmd": command, "params": parameters}),
        );
    }

    /// What the pages' consoles had to complain of since this was asked last.
    pub(super) fn faults(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        let entries = log.as_array().cloned().unwrap_or_default();
        let is_fault = |entry: &&Value| ["WARNING", "SEVERE"].iter().any(|level| entry["level"] == *level);
        let faults = entries.iter().filter(is_fault);
        faults.map(|entry| entry["message"].to_string()).collect()
    }

    fn find(&self, selector: &str) -> String {
        let answer = self.post("/element", &json!({"using": "css selector", "value": selector}));
        answer[ELEMENT].as_str().expect("an element has an id").to_owned()
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        let path = format!("/session/{}{command}", self.session);
        exchange(self.port, "POST", &path, body).unwrap_or_else(|error| panic!("{command} {body}: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ending the session ends Chromium, which would outlive its driver. A test that failed has said why already.
        let _ = exchange(
            self.port,
            "DELETE",
            &format!("/session/{}", self.session),
            &json!({}),
        );
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn driver_port(said: &Path) -> Option<u16> {
    let text = std::fs::read_to_string(said).ok()?;
    let (_, rest) = text.split_once("started successfully on port ")?;
    let (port, _) = rest.split_once('.')?;
    port.parse().ok()
}

/// One command and the `value` of its answer.
fn exchange(port: u16, method: &str, path: &str, body: &Value) -> io::Result<Value> {
    let body = body.to_string();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let content = read_content(&mut BufReader::new(stream))?;
    let value = serde_json::from_slice::<Value>(&content)?["value"].take();
    match value["error"].as_str() {
        Some(error) => Err(io::Error::other(format!("{error}: {}", value["message"]))),
        None => Ok(value),
    }
}

/// The body of an answer. The driver keeps connections open whatever it is asked, so the length counts and not the end.
fn read_content(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut length = 0;
    let mut lines = stream.by_ref().lines();
    while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content)?;
    Ok(content)
}
