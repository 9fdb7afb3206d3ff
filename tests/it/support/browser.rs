//! Chromium without a window, led by its DevTools protocol: pages are opened, and scripts run in them.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::launch::can_run;
use super::{Folder, eventually, skip, streams, text};

/// The names under which Chromium may be installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// A browser, which ends with the test.
pub(crate) struct Browser {
    process: Child,
    socket: WebSocket<TcpStream>,
    /// The number of the last command.
    last: u64,
    _profile: Folder,
}

/// One of its pages.
pub(crate) struct Page(String);

/// The browser of this host, if it has one that runs; says so if not.
pub(crate) fn program() -> Option<&'static str> {
    let found = NAMES.into_iter().find(|name| can_run(name, &["--version"]));
    if found.is_none() {
        skip("no Chromium is in the path");
    }
    found
}

impl Browser {
    /// Starts the browser of this host, if it has one that runs; says so if not.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        let program = program()?;
        let folder = Folder::new();
        let profile = folder.path("profile");
        let mut command = Command::new(program);
        command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--no-first-run"]);
        command.args(["--no-proxy-server", "--ignore-certificate-errors", "--remote-debugging-port=0"]);
        command.arg(format!("--user-data-dir={}", text(&profile))).arg("about:blank");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("it could be run before");
        // The browser writes its port and the path of its socket there, a line each.
        let mut place = None;
        eventually("the browser says where it listens", || {
            let said = fs::read_to_string(profile.join("DevToolsActivePort")).unwrap_or_default();
            place =
                said.split_once('\n').and_then(|(port, path)| Some((port.parse().ok()?, path.to_owned())));
            place.is_some()
        });
        let (port, path): (u16, String) = place.expect("it was said");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let url = format!("ws://{address}{}", path.trim());
        let (socket, _) = tungstenite::client(url, streams::tcp(address)).expect("the browser agrees");
        Some(Self { process, socket, last: 0, _profile: folder })
    }

    /// Opens a page.
    #[track_caller]
    pub(crate) fn open(&mut self, url: &str) -> Page {
        let target = self.command("Target.createTarget", json!({ "url": url }), None);
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.command("Target.attachToTarget", target, None);
        Page(attached["sessionId"].as_str().expect("it has a name").to_owned())
    }

    /// Runs a script in a page, waits for its promise, and returns what it comes to.
    #[track_caller]
    pub(crate) fn run(&mut self, page: &Page, script: &str) -> Value {
        let script = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let answer = self.command("Runtime.evaluate", script, Some(page));
        assert!(answer.get("exceptionDetails").is_none(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until a script comes to true. It may fail until its page is there.
    #[track_caller]
    pub(crate) fn await_true(&mut self, page: &Page, script: &str) {
        eventually(script, || {
            let asked = json!({ "expression": script, "returnByValue": true });
            self.command("Runtime.evaluate", asked, Some(page))["result"]["value"] == json!(true)
        });
    }

    /// Gives a page a window of this width, in pixels.
    #[track_caller]
    pub(crate) fn resize(&mut self, page: &Page, width: u64) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", size, Some(page));
    }

    #[track_caller]
    fn command(&mut self, method: &str, parameters: Value, page: Option<&Page>) -> Value {
        self.last += 1;
        let mut command = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(page) = page {
            command["sessionId"] = json!(page.0);
        }
        self.socket.send(Message::text(command.to_string())).expect("the browser reads");
        loop {
            let Message::Text(answer) = self.socket.read().expect("the browser answers") else { continue };
            let mut answer: Value = serde_json::from_str(&answer).expect("it speaks JSON");
            if answer["id"] == json!(self.last) {
                return answer["result"].take();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
