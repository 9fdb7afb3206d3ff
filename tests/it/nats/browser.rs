//! @nats-io/nats-core in a real browser, as it is, over the browser's own WebSocket.
//!
//! The package is made of CommonJS modules. The test writes a page that has them all in it, each a function, and a
//! `require` of a few lines; the page runs what Node does, too, and posts what is as it should be to the
//! test, one after the other.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use super::peer::{Hub, Settings, User};
use super::program::{Language, behaviours, source};
use super::shared::alice;
use super::tools;
use crate::browser::browser;
use crate::support::{DEADLINE, Folder, quiet_port, skip, text};

/// The packages that nats-core is made of.
const PACKAGES: [&str; 4] = ["@nats-io/nats-core", "@nats-io/nkeys", "@nats-io/nuid", "tweetnacl"];

/// What a page tells of what it runs, or nothing where this host has no browser or no packages, which is said.
struct Told {
    reports: Receiver<String>,
    _window: Window,
    _profile: Folder,
}

impl Told {
    /// Opens a page that runs this against a server: an expression of `core`, `connect` and `ok`, and of what behaviours.mjs has.
    #[track_caller]
    fn by(address: &str, script: &str) -> Option<Self> {
        let browser = browser()?;
        let modules = tools::node_modules().inspect_err(|why| skip(why)).ok()?;
        let page = page(&Path::new(modules).join("node_modules"), address, script);
        let (url, reports) = serve(page);
        let profile = Folder::new();
        let window = Window::open(browser, &url, &profile.path("profile"));
        Some(Self { reports, _window: window, _profile: profile })
    }

    /// Waits for the next thing that is as it should be.
    #[track_caller]
    fn await_ok(&self, name: &str) {
        let report = self.reports.recv_timeout(DEADLINE);
        let report = report.unwrap_or_else(|_| panic!("nothing comes in the place of {name}"));
        assert_eq!(report, format!("ok {name}"));
    }

    /// Waits for all these things, in this order, and for a good end.
    #[track_caller]
    fn await_all(&self, names: &[&str]) {
        names.iter().for_each(|name| self.await_ok(name));
        assert_eq!(self.reports.recv_timeout(DEADLINE).as_deref(), Ok("the end"));
    }
}

/// Everything that a user of nats-core does, in a browser.
#[test]
fn nats_core_in_a_browser_does_what_its_users_do() {
    let Some(hub) = Hub::start(&Settings::default()) else { return };
    let Some(told) = Told::by(&hub.websocket(), "behaviours(core, connect, ok)") else { return };
    told.await_all(&behaviours(Language::JavaScript));
}

/// What one may not do is told to the page by the client, and the connection stays.
#[test]
fn nats_core_in_a_browser_hears_what_it_may_not_do() {
    let Some(hub) = Hub::start(&Settings { users: vec![alice()], ..Settings::default() }) else { return };
    let Some(told) = Told::by(&hub.websocket(), "permissions(connect, ok)") else { return };
    told.await_all(&["may not subscribe", "may not publish", "may do the rest"]);
}

/// The right password and the right token let in, and others do not.
#[test]
fn nats_core_in_a_browser_says_who_it_is() {
    let by_name = Settings {
        users: vec![User { name: "alice", password: "wonderland", ..User::default() }],
        ..Settings::default()
    };
    let by_token = Settings { token: Some("s3cret-s3cret-s3cret"), ..Settings::default() };
    let user = |password: &str| format!("{{ user: 'alice', pass: '{password}' }}");
    let token = |token: &str| format!("{{ token: '{token}' }}");
    for (settings, right, wrong) in [
        (by_name, user("wonderland"), user("underland")),
        (by_token, token("s3cret-s3cret-s3cret"), token("secret-secret-secret")),
    ] {
        let Some(hub) = Hub::start(&settings) else { return };
        let script = [right, wrong, "{}".to_owned()]
            .map(|options| format!("await credentials(connect, {options}, ok);"));
        let script = format!("(async () => {{ {} }})()", script.concat());
        let Some(told) = Told::by(&hub.websocket(), &script) else { return };
        told.await_all(&["let in", "refused", "refused"]);
    }
}

/// When the server comes back on its port, the client in the page does, and its subscriptions are as before.
#[test]
fn nats_core_in_a_browser_comes_back() {
    let settings = Settings { web_port: quiet_port(), ..Settings::default() };
    let Some(hub) = Hub::start(&settings) else { return };
    let Some(told) = Told::by(&hub.websocket(), "comesBack(connect, ok)") else { return };
    told.await_ok("ready");
    drop(hub);
    let _hub = Hub::start(&settings).expect("it started before");
    told.await_all(&["came back"]);
}

/// A browser that runs, and is killed when a test gives it up.
struct Window(Child);

impl Window {
    fn open(browser: &str, url: &str, profile: &Path) -> Self {
        let mut command = Command::new(browser);
        command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        command.args(["--no-first-run", "--disable-background-networking", "--disable-component-update"]);
        command.args(["--no-proxy-server", "--remote-debugging-port=0"]);
        command.arg(format!("--user-data-dir={}", text(profile))).arg(url);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("it was tried before"))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves a page to whoever asks for anything, and returns where, and what is posted there: one text each.
fn serve(page: String) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
    let (sender, reports) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // A browser may connect and then think better of it.
            let Some(body) = answer(stream, &page) else { continue };
            if !body.is_empty() && sender.send(body).is_err() {
                return;
            }
        }
    });
    (url, reports)
}

/// Answers the only request of a connection, and returns its body.
fn answer(mut stream: TcpStream, page: &str) -> Option<String> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let page = if length == 0 { page } else { "" };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close";
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len()).ok()?;
    String::from_utf8(body).ok()
}

/// A page with all modules and the behaviours, which runs this against that address.
fn page(modules: &Path, address: &str, run: &str) -> String {
    let mut script = String::from("const modules = {\n");
    for package in PACKAGES {
        for file in javascript(&modules.join(package)) {
            let name = text(file.strip_prefix(modules).expect("it is below")).to_owned();
            let code = fs::read_to_string(&file).expect("it is installed").replace("</script", "<\\/script");
            writeln!(script, "{name:?}: function (module, exports, require) {{\n{code}\n}},")
                .expect("it grows");
        }
    }
    let behaviours = fs::read_to_string(source("behaviours.mjs")).expect("it is in the tree");
    let behaviours = behaviours.replace("export async", "async");
    format!(
        "<!doctype html><meta charset=\"utf-8\"><body><script>{script}}};\n{REQUIRE}\n{behaviours}\n\
         run({address:?}, (core, connect, ok) => {run});</script></body>"
    )
}

/// Finds modules as Node does, as far as these packages need it, and runs the behaviours.
const REQUIRE: &str = r#"
const loaded = {};
const entries = {
  "@nats-io/nats-core": "@nats-io/nats-core/lib/mod.js",
  "@nats-io/nkeys": "@nats-io/nkeys/lib/mod.js",
  "@nats-io/nkeys/internal": "@nats-io/nkeys/lib/mod.js",
  "@nats-io/nuid": "@nats-io/nuid/lib/mod.js",
  "@nats-io/nuid/internal": "@nats-io/nuid/lib/mod.js",
  "tweetnacl": "tweetnacl/nacl-fast.js",
};
function load(name) {
  if (!(name in modules)) throw new Error(`no module ${name}`);
  if (!(name in loaded)) {
    const module = (loaded[name] = { exports: {} });
    const folder = name.replace(/[^/]*$/, "");
    modules[name].call(globalThis, module, module.exports, (wanted) => {
      if (!wanted.startsWith(".")) return load(entries[wanted] ?? wanted);
      const path = new URL(folder + wanted, "file:///").pathname.slice(1);
      return load(path in modules ? path : `${path}.js`);
    });
  }
  return loaded[name].exports;
}
let said = Promise.resolve();
const say = (line) => (said = said.then(() => fetch("/", { method: "POST", body: line })));
async function run(url, act) {
  try {
    const core = load(entries["@nats-io/nats-core"]);
    const connect = (options) => core.wsconnect({ servers: url, timeout: 60_000, reconnect: false, ...options });
    await act(core, connect, (name) => say(`ok ${name}`));
    say("the end");
  } catch (error) {
    say(`wrong: ${error} ${error.stack}`);
  }
}
"#;

/// The modules of a package: all files in its `lib`, or in itself if it has none, that are JavaScript.
fn javascript(package: &Path) -> Vec<PathBuf> {
    let lib = package.join("lib");
    let folder = if lib.exists() { lib } else { package.to_owned() };
    let files =
        fs::read_dir(&folder).expect("it is installed").map(|file| file.expect("it can be listed").path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|end| end == "js")).collect();
    files.sort();
    files
}
