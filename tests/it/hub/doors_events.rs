//! Server-Sent Events: what is published arrives, in each of the forms; heads, bounds, and pages of other sites.

use std::io::Write;
use std::net::UdpSocket;
use std::time::Duration;

use tidemill::sys::clock;

use super::doors_kit::{self, Event, Events, Socket, ask, publish};
use crate::support::web::{serve, serve_http};
use crate::support::{Folder, eventually, streams};

/// An event carries what was published over WebSocket and by a request, with every kind of line end (HTML, section 9.2.6).
#[test]
fn events_carry_what_is_published() {
    let server = doors_kit::serve();
    let address = server.http_address();
    let mut events = Events::open(address, "subject=news.*");
    assert_eq!(events.head.status, 200);
    assert_eq!(events.head.get("Content-Type").as_deref(), Some("text/event-stream"));
    assert_eq!(events.head.get("Cache-Control").as_deref(), Some("no-cache"));
    assert_eq!(events.head.get("Content-Length"), None);
    assert!(events.head.lists("Connection", "close"));
    let mut socket = Socket::open(address, "/ws/news.today");
    socket.send("over WebSocket");
    let event = events.next();
    assert_eq!((event.data.as_slice(), event.name), (&["over WebSocket".to_owned()][..], None));
    publish(address, "news.today", "one\ntwo\r\nthree\rfour\n");
    assert_eq!(events.next().data, ["one", "two", "three", "four", ""]);
    publish(address, "news.today", "");
    assert_eq!(events.next().data, [""]);
    publish(address, "other.today", "not for you");
    publish(address, "news.today", "for you");
    assert_eq!(events.data(), "for you");
    drop((events, socket));
    server.stop_clean();
}

/// Each event's id is greater than the one before.
#[test]
fn ids_grow() {
    let server = doors_kit::serve();
    let address = server.http_address();
    let mut events = Events::open(address, "subject=a");
    let mut last = 0;
    for _ in 0..10 {
        publish(address, "a", "x");
        let id = events.next().id.and_then(|id| id.parse().ok()).expect("it is a number");
        assert!(last < id, "{last} {id}");
        last = id;
    }
    drop(events);
    server.stop_clean();
}

/// Several subjects, names and objects.
#[test]
fn events_have_the_form_that_was_asked_for() {
    let server = doors_kit::serve();
    let address = server.http_address();
    let mut plain = Events::open(address, "subject=a.b&subject=c,d.%3E&subject=d.e");
    let mut named = Events::open(address, "subject=%3E&event=subject");
    let mut object = Events::open(address, "subject=%3E&format=json");
    for subject in ["a.b", "c", "d.e"] {
        publish(address, subject, "\"x\"");
        assert_eq!(plain.data(), "\"x\"");
        let event = named.next();
        assert_eq!((event.name.as_deref(), event.data.join("\n").as_str()), (Some(subject), "\"x\""));
        assert_eq!(object.data(), format!(r#"{{"subject":"{subject}","data":"\"x\""}}"#));
    }
    let bytes = ask(address, "POST", "/publish/a.b", "Content-Type: image/png\r\n", &[0, 255]);
    assert_eq!(bytes.status, 200);
    assert_eq!(object.data(), r#"{"subject":"a.b","base64":"AP8="}"#);
    drop((plain, named, object));
    server.stop_clean();
}

/// When nothing is published a comment comes all the same, so that nobody between takes the stream for dead; and then what is
/// published comes as ever.
#[test]
fn silence_is_broken_by_comments() {
    let server = doors_kit::serve();
    let address = server.http_address();
    let mut events = Events::open(address, "subject=a");
    let begun = clock::now();
    let heartbeat = events.block().expect("it goes on");
    assert_eq!(heartbeat, Event { comments: vec![String::new()], ..Event::default() });
    // The documentation says 15 s; the stream was a little older when its clock was first read here.
    let took = clock::now().saturating_since(begun);
    assert!(Duration::from_secs(14) <= took, "{took:?}");
    publish(address, "a", "x");
    assert_eq!(events.data(), "x");
    drop(events);
    server.stop_clean();
}

/// After a restart not all browsers come back at once: each is told a time of its own, from 2 to 5 s, and the times are spread
/// over all of that.
#[test]
fn the_times_to_come_again_are_spread() {
    const STREAMS: usize = 200;
    let server = doors_kit::serve();
    let address = server.http_address();
    let mut events: Vec<Events> = (0..STREAMS).map(|_| Events::begin(address, "subject=a", "")).collect();
    let times: Vec<u64> = events
        .iter_mut()
        .map(|events| events.block().expect("it begins").retry.expect("it begins with a time"))
        .collect();
    assert!(times.iter().all(|time| (2000..=5000).contains(time)), "{times:?}");
    // Of 200 in thirds of equal chance, fewer than 30 in one of them come once in ten million runs.
    for third in [2000..3000, 3000..4000, 4000..5001] {
        let count = times.iter().filter(|time| third.contains(*time)).count();
        assert!(30 <= count, "{count} in {third:?}: {times:?}");
    }
    drop(events);
    server.stop_clean();
}

/// HEAD has the head alone. What a peer sends behind its request is ignored up to a bound, and its end ends the stream.
#[test]
fn a_stream_ends_with_its_peer() {
    let server = doors_kit::serve();
    let address = server.http_address();
    let mut stream = streams::tcp(address);
    stream.write_all(b"HEAD /sse?subject=a HTTP/1.1\r\nHost: a\r\n\r\n").expect("the server reads");
    let head = crate::support::web::read_head(&mut stream);
    assert_eq!((head.status, head.get("Content-Type").as_deref()), (200, Some("text/event-stream")));
    crate::support::http::Client::from(stream).check_end();
    let events = Events::open(address, "subject=a");
    assert_eq!(server.counters().total("events_open"), 1);
    drop(events);
    server.await_count("closed", 2);
    assert_eq!(server.counters().total("events_open"), 0);
    let mut chatterer = Events::begin(address, "subject=a", "");
    eventually("it is cut", || chatterer.chatter());
    server.await_count("refused_too_large", 1);
    eventually("nobody listens", || server.counters().total("hub_clients") == 0);
    server.stop_clean();
}

/// Pages are let in by the rules of the listener, as for WebSocket; others are refused before anything is done.
#[test]
fn pages_of_other_sites_need_leave() {
    let server = serve_http("", "origins = [\"same-origin\", \"https://shop.example\"]");
    let address = server.http_address();
    let own = format!("Origin: http://{address}\r\n");
    let (shop, evil) = ("Origin: https://shop.example\r\n", "Origin: https://evil.example\r\n");
    for (method, target) in [("POST", "/publish/a"), ("POST", "/request/a"), ("GET", "/request/a")] {
        let answer = ask(address, method, target, &own, b"");
        assert_eq!(answer.field("access-control-allow-origin"), None);
        assert_eq!(answer.field("vary"), Some("Origin"));
        let answer = ask(address, method, target, shop, b"");
        assert_eq!(answer.field("access-control-allow-origin"), Some("https://shop.example"));
        let answer = ask(address, method, target, evil, b"");
        assert_eq!((answer.status, answer.field("access-control-allow-origin")), (403, None));
        let answer = ask(address, method, target, "Sec-Fetch-Site: cross-site\r\n", b"");
        assert_eq!(answer.status, 403, "an image of a strange page");
    }
    assert_eq!(server.counters().total("published_http"), 6, "what is refused is not published");
    let asked = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n";
    let answer = ask(address, "OPTIONS", "/publish/a", &format!("{shop}{asked}"), b"");
    assert_eq!((answer.status, answer.field("allow")), (204, Some("POST, PUT")));
    assert_eq!(answer.field("access-control-allow-methods"), Some("GET, POST, PUT"));
    assert!(answer.field("access-control-allow-headers").is_some_and(|names| names.contains("Content-Type")));
    assert_eq!(ask(address, "OPTIONS", "/publish/a", &format!("{evil}{asked}"), b"").status, 403);
    let events = Events::begin(address, "subject=a", shop);
    assert_eq!(events.head.get("Access-Control-Allow-Origin").as_deref(), Some("https://shop.example"));
    assert_eq!(Events::begin(address, "subject=a", evil).head.status, 403);
    drop(events);
    server.stop_clean();
}

/// Where all pages may, none is named.
#[test]
fn a_star_lets_all_pages_in() {
    let server = serve_http("", "origins = [\"*\"]");
    let answer = ask(server.http_address(), "POST", "/publish/a", "Origin: https://evil.example\r\n", b"x");
    assert_eq!((answer.status, answer.field("access-control-allow-origin")), (200, Some("*")));
    assert_eq!(answer.field("access-control-allow-credentials"), None);
    server.stop_clean();
}

/// A datagram is heard as an event: with its subject in the first line, or with one that its listener has. What names no
/// subject is counted, and heard by nobody.
#[test]
fn datagrams_are_heard() {
    let folder = Folder::new();
    let listener = |service: &str, scheme: &str, more: &str| {
        format!("[[listener]]\naddress = \"{scheme}://127.0.0.1:0\"\nservice = \"{service}\"\n{more}\n")
    };
    let listeners = [
        listener("http", "tcp", ""),
        listener("publish", "udp", ""),
        listener("publish", "udp", "subject = \"sensor.fixed\""),
    ];
    let server = serve(&folder, "", &listeners.concat(), &["--shards", "2"]);
    let [lines, fixed] = server.addresses("publish://")[..] else { panic!("there are two") };
    let mut events = Events::open(server.http_address(), "subject=sensor.%3E&event=subject");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let mut check = |datagram: &[u8], to, subject: &str, data: &str| {
        socket.send_to(datagram, to).expect("the kernel takes it");
        let event = events.next();
        assert_eq!((event.name.as_deref(), event.data.join("\n").as_str()), (Some(subject), data));
    };
    check(b"sensor.one\n21.5", lines, "sensor.one", "21.5");
    check(b"sensor.two\r\n", lines, "sensor.two", "");
    check(b"sensor.one\n21.5", fixed, "sensor.fixed", "sensor.one\n21.5");
    for wrong in [&b"sensor..one\nx"[..], b"", b"\n", b"sensor.*\nx"] {
        socket.send_to(wrong, lines).expect("the kernel takes it");
    }
    check(b"sensor.last\nx", lines, "sensor.last", "x");
    server.await_count("refused_subject", 4);
    assert_eq!(server.counters().total("published_datagram"), 4);
    drop(events);
    server.stop_clean();
}
