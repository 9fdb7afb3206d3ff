//! Web pages that ask in the name of whoever looks at them, where a browser does not say which page it is, or takes it for the
//! server's own.

use std::net::SocketAddr;

use super::doors_kit::{Events, Socket, ask, publish, serve};
use crate::support::http::{ADMIN, Client, PAGES, configured};
use crate::support::streams;
use crate::support::web::{read_answer, serve_http, upgrade};

const BROWSER: &str =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n";

/// The status of the answer to a request with these lines and no content.
#[track_caller]
fn status(address: SocketAddr, line: &str, lines: &str) -> u16 {
    let mut client = Client::to(address);
    client.send(format!("{line} HTTP/1.1\r\nContent-Length: 0\r\n{lines}\r\n"));
    client.answer().status
}

/// The status of the answer to a request for a WebSocket there, as it is asked for with these lines and no Host.
#[track_caller]
fn websocket_status(address: SocketAddr, path: &str, lines: &str) -> u16 {
    let request =
        upgrade(lines).replace("Host: example.org\r\n", "").replace("GET /ws ", &format!("GET {path} "));
    let mut stream = streams::tcp(address);
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("the server reads");
    read_answer(&mut stream).0.status
}

/// `<img src=http://hub/request/admin.reset>` in a page of a stranger, by plain HTTP that is not loopback: a browser says
/// nothing there of whose it is, and it was taken for a program.
#[test]
fn an_image_publishes_nothing() {
    let server = serve();
    let address = server.http_address();
    let host = format!("Host: {address}\r\n");
    let get = |lines: &str| status(address, "GET /request/admin.reset", &format!("{host}{lines}"));
    assert_eq!(get(BROWSER), 403);
    assert_eq!(get(&format!("{BROWSER}Referer: http://evil.example/\r\n")), 403);
    server.await_count("refused_origin", 2);
    assert_eq!(server.counters().total("published_http"), 0, "what is refused is not published");
    // Nobody listens there, which is what those are told who may ask.
    assert_eq!(get(&format!("{BROWSER}Referer: http://{address}/page\r\n")), 503);
    assert_eq!(get(&format!("{BROWSER}Sec-Fetch-Site: same-origin\r\n")), 503);
    assert_eq!(get("User-Agent: curl/8.14.1\r\n"), 503);
    assert_eq!(status(address, "POST /request/admin.reset", &format!("{host}{BROWSER}")), 503);
    // What only reads may be looked at.
    assert_eq!(Events::begin(address, "subject=a", BROWSER).head.status, 200);
    server.stop_clean();

    let server = serve_http("", "origins = [\"*\"]");
    let address = server.http_address();
    assert_eq!(status(address, "GET /request/a", &format!("Host: {address}\r\n{BROWSER}")), 503);
    server.stop_clean();
}

/// The page at http://rebind.test:8080 was loaded from its own server, and now that name leads to 127.0.0.1. All that it asks
/// is of the same origin to its browser.
#[test]
fn a_name_that_was_pointed_here_opens_no_door() {
    let server = serve_http("", "");
    let address = server.http_address();
    let (host, origin) = ("Host: rebind.test:8080\r\n", "Origin: http://rebind.test:8080\r\n");
    let own = "Sec-Fetch-Site: same-origin\r\n";
    let mut refused = 0;
    for lines in [origin, own, BROWSER] {
        let lines = format!("{host}{lines}");
        for line in ["POST /publish/a", "POST /request/a", "GET /request/a", "GET /sse?subject=a"] {
            assert_eq!(status(address, line, &lines), 403, "{line} {lines}");
            refused += 1;
        }
        for path in ["/ws", "/ws/a", "/nats"] {
            assert_eq!(websocket_status(address, path, &lines), 403, "{path} {lines}");
            refused += 1;
        }
    }
    server.await_count("refused_origin", refused);
    assert_eq!(server.counters().total("published_http"), 0, "what is refused is not published");
    // Programs name it as they like, and browsers by what nobody can point elsewhere.
    assert_eq!(status(address, "POST /publish/a", host), 200);
    for name in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "hub.localhost"] {
        let lines = format!("Host: {name}\r\nOrigin: http://{name}\r\n{own}{BROWSER}");
        assert_eq!(status(address, "POST /publish/a", &lines), 200, "{name}");
    }
    server.stop_clean();
}

/// The same with what is for operators; probes of health tell a stranger nothing, and the page at `/` neither.
#[test]
fn a_name_that_was_pointed_here_reads_no_figures() {
    let server = configured("", &[PAGES, ADMIN]);
    let (public, admin) = (server.http_address(), server.admin_address());
    let strange = format!("Host: rebind.test:9180\r\n{BROWSER}");
    for path in ["/", "/metrics", "/varz", "/connz", "/subsz?limit=1"] {
        let line = format!("GET {path}");
        assert_eq!(status(admin, &line, &strange), 403, "{path}");
        assert_eq!(status(admin, &line, "Host: rebind.test:9180\r\n"), 200, "{path} is read by programs");
        for name in ["localhost:9180", "127.0.0.1:9180", "[::1]"] {
            assert_eq!(status(admin, &line, &format!("Host: {name}\r\n{BROWSER}")), 200, "{path} {name}");
        }
    }
    assert_eq!(status(public, "GET /metrics", &strange), 403);
    for (address, path) in [(admin, "/healthz"), (public, "/healthz"), (public, "/")] {
        assert_eq!(status(address, &format!("GET {path}"), &strange), 200, "{path}");
    }
    server.stop_clean();
}

/// A site behind a proxy on the same host names itself among the origins.
#[test]
fn a_site_behind_a_proxy_names_itself() {
    let server = serve_http("", "origins = [\"same-origin\", \"https://hub.example\"]");
    let address = server.http_address();
    let lines = "Host: hub.example\r\nOrigin: https://hub.example\r\nSec-Fetch-Site: same-origin\r\n";
    assert_eq!(status(address, "POST /publish/a", lines), 200);
    assert_eq!(
        websocket_status(address, "/ws/a", "Host: other.example\r\nOrigin: https://other.example\r\n"),
        403
    );
    server.stop_clean();
}

/// What is bound to more than loopback is asked by whatever name it has.
#[test]
fn elsewhere_every_name_is_good() {
    let server = crate::support::server::Server::listen(&["http://0.0.0.0:0"], &[]);
    let address = SocketAddr::from(([127, 0, 0, 1], server.http_address().port()));
    let lines = "Host: hub.example\r\nOrigin: http://hub.example\r\nSec-Fetch-Site: same-origin\r\n";
    assert_eq!(status(address, "POST /publish/a", lines), 200);
    server.stop_clean();
}

/// Only the first of them was judged.
#[test]
fn nobody_comes_from_two_places() {
    let server = serve_http("", "");
    let address = server.http_address();
    let two = format!("Origin: http://{address}\r\nOrigin: http://evil.example\r\n");
    assert_eq!(ask(address, "POST", "/publish/a", &two, b"x").status, 403);
    assert_eq!(websocket_status(address, "/ws/a", &format!("Host: {address}\r\n{two}")), 403);
    server.stop_clean();
}

/// Programs that say nothing of themselves are served as ever.
#[test]
fn programs_are_served_by_any_name() {
    let server = serve();
    let mut socket = Socket::open(server.http_address(), "/ws/a");
    publish(server.http_address(), "a", "said");
    assert_eq!(socket.read().into_text().expect("it is text").as_str(), "said");
    server.stop_clean();
}
