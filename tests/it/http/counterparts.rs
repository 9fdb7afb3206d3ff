//! Clients that others have written: what they do in earnest, and what they make of our answers.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use ureq::{Agent, SendBody};

use super::pages;
use crate::support::http::{PAGES, configured};
use crate::support::launch::can_run;
use crate::support::{DEADLINE, Folder, Random, skip, text};

/// An agent that says what it got, whatever its status.
fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).timeout_global(Some(DEADLINE)).build().into()
}

/// An HTTP client of another make finds its way through all pages on one connection.
#[test]
fn another_client_is_served_on_one_connection() {
    let server = pages();
    let url = |path: &str| format!("http://{}{path}", server.http_address());
    let agent = agent();
    let get = |path: &str| {
        let mut answer = agent.get(url(path)).call().expect("it is answered");
        let body = answer.body_mut().with_config().limit(200 << 20).read_to_vec().expect("it is whole");
        (answer.status().as_u16(), body)
    };
    assert_eq!(get("/healthz"), (200, b"ok\n".to_vec()));
    assert_eq!(get("/bytes/0"), (200, vec![]));
    assert_eq!(get("/bytes/13"), (200, vec![0; 13]));
    assert_eq!(get("/delay/20"), (200, b"ok\n".to_vec()));
    assert_eq!(get("/nothing").0, 404);
    assert_eq!(get("/echo").0, 405);
    assert!(get("/bytes/10000000") == (200, vec![0; 10_000_000]));
    let head = agent.head(url("/bytes/1000")).call().expect("it is answered");
    assert_eq!(head.headers()["content-length"], "1000");
    let bytes = Random::new().bytes(1 << 20);
    let echo = |mut answer: ureq::http::Response<ureq::Body>| {
        assert_eq!(answer.status(), 200);
        answer.body_mut().read_to_vec().expect("it is whole")
    };
    assert!(echo(agent.post(url("/echo")).send(&bytes[..]).expect("it is answered")) == bytes);
    // A reader has no length, so that it goes in chunks.
    let in_chunks = agent.put(url("/echo")).send(SendBody::from_reader(&mut &bytes[..]));
    assert!(echo(in_chunks.expect("it is answered")) == bytes);
    let waiting = agent.post(url("/echo")).header("expect", "100-continue").send(&bytes[..]);
    assert!(echo(waiting.expect("it is answered")) == bytes);
    assert_eq!(server.counters().total("accepted"), 1);
    drop(agent);
    server.stop_clean();
}

/// What curl says with these arguments, with a body on its standard input.
#[track_caller]
fn curl(arguments: &[&str], body: &[u8]) -> Vec<u8> {
    let mut command = Command::new("curl");
    let command = command.args(["--silent", "--show-error", "--max-time", "60"]).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it was tried");
    let mut stdin = child.stdin.take().expect("it is piped");
    std::thread::scope(|scope| {
        // It may not want to read it.
        scope.spawn(move || stdin.write_all(body));
        let output = child.wait_with_output().expect("it can be waited for");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output.stdout
    })
}

fn has_curl() -> bool {
    let has = can_run("curl", &["--version"]);
    if !has {
        skip("curl is missing");
    }
    has
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("http://{address}{path}")
}

/// curl keeps its connection over several pages, sends in chunks, asks for heads, and reads long answers.
#[test]
fn curl_is_served() {
    if !has_curl() {
        return;
    }
    let server = pages();
    let url = |path: &str| url(server.http_address(), path);
    let pages = [url("/healthz"), url("/readyz"), url("/bytes/0"), url("/healthz")];
    let counted = ["--write-out", "%{num_connects} "];
    let said = curl(&[&counted[..], &pages.each_ref().map(String::as_str)].concat(), b"");
    assert_eq!(String::from_utf8_lossy(&said), "ok\n1 ready\n0 0 ok\n0 ");
    let body = Random::new().bytes(300_000);
    let chunked = ["--header", "Transfer-Encoding: chunked", "--data-binary", "@-"];
    assert!(curl(&[&chunked[..], &[&url("/echo")]].concat(), &body) == body);
    let head = curl(&["--head", &url("/bytes/1000")], b"");
    assert!(String::from_utf8_lossy(&head).contains("Content-Length: 1000\r\n"), "{}", head.escape_ascii());
    assert!(curl(&[&url("/bytes/5000000")], b"") == vec![0; 5_000_000]);
    let status = ["--output", "/dev/null", "--write-out", "%{http_code}"];
    assert_eq!(curl(&[&status[..], &["--request", "DELETE", &url("/")]].concat(), b""), b"405");
    assert_eq!(curl(&[&status[..], &["--http1.0", &url("/")]].concat(), b""), b"200");
    server.stop_clean();
}

/// curl waits for 100 before it sends 2 MiB, and gets them back; where they are too many it sends none of them.
#[test]
fn curl_waits_for_a_word_before_it_sends_much() {
    if !has_curl() {
        return;
    }
    let folder = Folder::new();
    let body = Random::new().bytes(2 << 20);
    let file = folder.path("body");
    std::fs::write(&file, &body).expect("a directory of ours can be written to");
    let upload = format!("@{}", text(&file));
    for (most, status) in [("2MiB", "100 200"), ("1MiB", "413")] {
        let server = configured(&format!("body_bytes = \"{most}\""), &[PAGES]);
        let heads = folder.path("heads");
        let answer = folder.path("answer");
        let url = url(server.http_address(), "/echo");
        let waits =
            ["--expect100-timeout", "60", "--header", "Expect: 100-continue", "--data-binary", &upload];
        let sent =
            ["--dump-header", text(&heads), "--output", text(&answer), "--write-out", "%{size_upload}", &url];
        let sent = curl(&[&waits[..], &sent].concat(), b"");
        let heads = std::fs::read_to_string(&heads).expect("curl has written it");
        let statuses: Vec<&str> =
            heads.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")?.split(' ').next()).collect();
        assert_eq!(statuses.join(" "), status);
        if status == "413" {
            assert_eq!(sent, b"0");
        } else {
            assert!(std::fs::read(&answer).expect("curl has written it") == body);
        }
        server.stop_clean();
    }
}
