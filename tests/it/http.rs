//! HTTP/1.1 as clients on the wire see it: whole conversations with the real process, by clients that are not ours and
//! by sockets that send exactly the bytes of a test.

mod bodies;
mod counterparts;
mod stopping;
mod wrong;

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::http::{Answer, Client, PAGES, configured, get, post};
use crate::support::server::Server;
use crate::support::{Folder, streams};

/// A server of one shard with one listener of pages.
#[track_caller]
fn pages() -> Server {
    configured("", &[PAGES])
}

// --- Connections -------------------------------------------------------------------------------------------------

/// Many requests, one connection.
#[test]
fn a_connection_is_kept_for_the_next_request() {
    let server = pages();
    let mut client = Client::to(server.http_address());
    for path in ["/healthz", "/readyz", "/", "/bytes/13", "/nothing", "/healthz"] {
        assert!(!client.get(path).closes(), "{path}");
    }
    assert_eq!(server.counters().total("accepted"), 1);
    assert_eq!(server.counters().total("http_requests"), 6);
    drop(client);
    server.stop_clean();
}

/// Fifty requests in one segment are answered in their order, and all their answers leave in one send. The process is
/// held meanwhile, so that it finds them together.
#[test]
fn requests_in_one_segment_are_answered_in_order_and_in_one_send() {
    let server = pages();
    let mut client = Client::to(server.http_address());
    assert_eq!(client.get("/healthz").status, 200);
    server.await_count("sends", 1);
    server.hold();
    let requests: Vec<u8> =
        (0..50).flat_map(|number| post("/echo", format!("{number}").as_bytes())).collect();
    client.send(&requests);
    server.signal(rustix::process::Signal::CONT);
    for number in 0..50 {
        assert_eq!(client.answer().text(), number.to_string());
    }
    server.await_count("sends", 2);
    drop(client);
    server.stop_clean();
}

/// The head is the one of GET, to the byte but for the date, and nothing follows it.
#[test]
fn head_is_answered_as_get_is_but_for_the_content() {
    let server = pages();
    let mut client = Client::to(server.http_address());
    let undated = |mut answer: Answer| {
        answer.fields.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
        (answer.status, answer.fields)
    };
    for path in
        ["/", "/healthz", "/bytes/0", "/bytes/13", "/bytes/1000000", "/delay/1", "/nothing", "/bytes/x"]
    {
        let whole = client.get(path);
        client.send(get(path).replace("GET", "HEAD"));
        assert_eq!(undated(client.head()), undated(whole), "{path}");
    }
    // A client that asks for a head and then cannot go on is told so by a head alone, too.
    for fields in ["Content-Length: 1048577\r\n", "Transfer-Encoding: chunked\r\n\r\nx"] {
        let mut client = Client::to(server.http_address());
        client.send(format!("HEAD / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        assert!(client.head().closes());
        client.check_end();
    }
    drop(client);
    server.stop_clean();
}

/// HTTP/1.0 has one request per connection, unless the client asks for more, and is told so.
#[test]
fn old_clients_keep_a_connection_only_if_they_ask() {
    let server = pages();
    let mut client = Client::to(server.http_address());
    client.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("connection")), (200, Some("keep-alive")));
    client.send("GET /healthz HTTP/1.0\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.closes()), (200, true));
    client.check_end();
    drop(client);
    let mut client = Client::to(server.http_address());
    client.send("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(client.answer().closes());
    client.check_end();
    drop(client);
    server.stop_clean();
}

/// Who ends its side behind its requests gets all answers, those that take their time, too.
#[test]
fn who_has_ended_its_side_gets_its_answers() {
    let server = pages();
    let mut client = Client::to(server.http_address());
    client.send([get("/bytes/3000000"), get("/delay/50"), get("/bytes/600000"), get("/healthz")].concat());
    client.finish();
    assert_eq!(client.answer().body.len(), 3_000_000);
    assert_eq!(client.answer().text(), "ok\n");
    assert_eq!(client.answer().body.len(), 600_000);
    assert_eq!(client.answer().text(), "ok\n");
    client.check_end();
    drop(client);
    server.stop_clean();
}

/// What is asked for behind an answer that takes its time is answered behind it, and another connection is not kept
/// waiting by it.
#[test]
fn a_late_answer_keeps_its_place() {
    let server = pages();
    let mut client = Client::to(server.http_address());
    client.send([get("/delay/60000"), get("/healthz")].concat());
    server.await_count("http_requests", 1);
    assert_eq!(Client::to(server.http_address()).get("/healthz").status, 200);
    let mut client = Client::to(server.http_address());
    client.send(
        [get("/delay/50").into(), post("/echo", b"behind"), get("/delay/0").into(), post("/echo", b"last")]
            .concat(),
    );
    for expected in ["ok\n", "behind", "ok\n", "last"] {
        assert_eq!(client.answer().text(), expected);
    }
}

/// A reader that stops in the midst of a long answer stops the server's sending, costs it no memory, and keeps nobody
/// waiting; when it reads again it gets the rest.
#[test]
fn a_reader_that_pauses_in_a_long_answer_gets_the_rest() {
    let server = configured("stall_timeout = \"5m\"\nheader_timeout = \"100ms\"", &[PAGES]);
    let mut client: Client = streams::tcp_with_buffers(server.http_address(), 32 * 1024).into();
    let before = server.resident_bytes();
    client.send([get("/bytes/100000000"), get("/healthz")].concat());
    client.head();
    server.await_paused_sending();
    for _ in 0..50 {
        assert_eq!(Client::to(server.http_address()).get("/bytes/100000").body.len(), 100_000);
    }
    assert!(server.counters().total("bytes_sent") < 50_000_000, "it sends on");
    let growth = server.resident_bytes().saturating_sub(before);
    assert!(growth < 16 << 20, "{growth} bytes");
    let body = client.read_exactly(100_000_000);
    assert!(body.iter().all(|byte| *byte == 0));
    assert_eq!(client.answer().text(), "ok\n");
    drop(client);
    server.stop_clean();
}

/// Who asks for much and reads slowly is not taken for one who asks slowly: requests that wait here for their turn have
/// come in time. (They were once answered 408 when the time for the first head was over.)
#[test]
fn requests_that_wait_for_room_are_not_slow() {
    let server = configured("header_timeout = \"100ms\"\nstall_timeout = \"5m\"", &[PAGES]);
    let mut client: Client = streams::tcp_with_buffers(server.http_address(), 32 * 1024).into();
    let page = Client::to(server.http_address()).get("/").body;
    client.send(get("/").repeat(2_000));
    server.await_paused_sending();
    // Longer than the time for a head: a late answer on another connection tells when.
    assert_eq!(Client::to(server.http_address()).get("/delay/250").status, 200);
    for number in 0..2_000 {
        let answer = client.answer();
        assert!(answer.status == 200 && answer.body == page, "answer {number}: {}", answer.status);
    }
    drop(client);
    server.stop_clean();
}

// --- Answers -----------------------------------------------------------------------------------------------------

/// The date is that of now, in the one form of RFC 9110, section 5.6.7; `httpdate` is not ours. A file's time tells now.
#[test]
fn the_date_is_right() {
    let server = pages();
    let folder = Folder::new();
    let now = |name: &str| -> SystemTime {
        let file = folder.write(name, "");
        fs::metadata(file).and_then(|facts| facts.modified()).expect("files have a time")
    };
    let before = now("before");
    let mut client = Client::to(server.http_address());
    for path in ["/healthz", "/nothing", "/bytes/100000", "/bytes/x"] {
        let answer = client.get(path);
        let text = answer.field("date").expect("there is a date");
        let date = httpdate::parse_http_date(text).expect("it is a date");
        assert_eq!(httpdate::fmt_http_date(date), text, "the preferred form");
        let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let (first, last) = (since(before) - 1, since(now("after") + Duration::from_secs(1)));
        assert!((first..=last).contains(&since(date)), "{text}");
    }
    drop(client);
    server.stop_clean();
}

/// What is there, what is not, and what may be done with it.
#[test]
fn each_path_and_method_has_its_status() {
    let server = pages();
    let mut client = Client::to(server.http_address());
    let mut check = |line: &str, status: u16, allow: Option<&str>| {
        client.send(format!("{line} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        let answer = if line.starts_with("HEAD") { client.head() } else { client.answer() };
        assert_eq!((answer.status, answer.field("allow")), (status, allow), "{line}");
        assert!(!answer.closes(), "{line}");
    };
    check("GET /", 200, None);
    check("GET /?a=b", 200, None);
    check("GET /healthz?", 200, None);
    check("POST /echo", 200, None);
    check("PUT /echo", 200, None);
    check("OPTIONS *", 204, None);
    check("OPTIONS http://b", 204, None);
    check("GET http://b/healthz", 200, None);
    check("HEAD http://b:80/healthz?x", 200, None);
    check("GET /nothing", 404, None);
    check("DELETE /nothing", 404, None);
    check("GET /healthz/", 404, None);
    check("GET /Healthz", 404, None);
    check("GET //healthz", 404, None);
    check("GET /%68ealthz", 404, None);
    check("GET /../healthz", 404, None);
    check("CONNECT b:443", 404, None);
    check("POST /healthz", 405, Some("GET, HEAD"));
    check("DELETE /", 405, Some("GET, HEAD"));
    check("TRACE /", 405, Some("GET, HEAD"));
    check("get /", 405, Some("GET, HEAD"));
    check("OPTIONS /bytes/5", 405, Some("GET, HEAD"));
    check("GET /echo", 405, Some("POST, PUT"));
    check("HEAD /echo", 405, Some("POST, PUT"));
    check("POST /ws", 405, Some("GET"));
    check("GET /bytes/1073741825", 400, None);
    check("GET /bytes/-1", 400, None);
    check("GET /bytes/", 400, None);
    check("GET /delay/60001", 400, None);
    drop(client);
    server.stop_clean();
}
