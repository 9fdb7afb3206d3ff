//! A browser, which speaks HTTP, TLS and WebSocket of its own, opens the page at `/` and does what its script says.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::launch::{can_run, run};
use crate::support::server::Server;
use crate::support::{Folder, eventually, skip, text};

/// The names under which Chromium may be installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The browser of this host, if it has one that runs; says so if not.
pub(crate) fn browser() -> Option<&'static str> {
    let found = NAMES.into_iter().find(|name| can_run(name, &["--version"]));
    if found.is_none() {
        skip("no Chromium is in the path");
    }
    found
}

/// The page as it is after its script has run. Time in the page runs ahead whenever the browser waits for nothing; a
/// WebSocket's answer is nothing to it, so that the page may not have heard it when that time is over.
#[track_caller]
fn open(browser: &str, url: &str, profile: &Path) -> String {
    let mut command = Command::new(browser);
    command.args([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
    ]);
    command.args(["--disable-background-networking", "--disable-component-update", "--no-proxy-server"]);
    command.args(["--ignore-certificate-errors", "--virtual-time-budget=30000"]);
    command.arg(format!("--user-data-dir={}", text(profile))).args(["--dump-dom", url]);
    command.stdin(Stdio::null());
    let ended = run(command);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout
}

/// Checks that the page at `/` shows what its WebSocket got back, over this scheme.
#[track_caller]
fn check(listener: &str, flags: &[&str], scheme: &str) {
    let Some(browser) = browser() else { return };
    let server = Server::listen(&[listener], &[&["--shards", "1"], flags].concat());
    let address = if scheme == "https" { server.https_address() } else { server.http_address() };
    let url = format!("{scheme}://{address}/");
    eventually("the page shows what came back", || {
        let profile = Folder::new();
        let page = open(browser, &url, &profile.path("profile"));
        assert!(page.contains("<title>Tidemill</title>"), "{page}");
        page.contains("→ hello") && page.contains("← hello")
    });
    let counters = server.counters();
    let (received, sent) = ("websocket_messages_received", "websocket_messages_sent");
    assert_eq!(counters.total(received), counters.total(sent), "{counters:#?}");
    assert_eq!(
        (counters.total("websocket_failures"), counters.total("refused_origin")),
        (0, 0),
        "{counters:#?}"
    );
    server.stop_clean();
}

/// The page opens its WebSocket, says hello, and hears it.
#[test]
fn the_page_hears_its_own_hello() {
    check("http://127.0.0.1:0", &[], "http");
}

/// The same behind TLS, with a certificate that nobody has signed.
#[test]
fn the_page_hears_its_own_hello_behind_tls() {
    check("https://127.0.0.1:0", &["--tls-self-signed"], "https");
}
