//! What is written, byte by byte, and that nobody's value can write more than a value.

use super::super::{Body, HeadLimits, Progress, Table, Target, Version, parse_request, parse_response};
use super::*;

/// The example of RFC 9110, section 5.6.7.
const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";
const PLAIN: &[(&[u8], &[u8])] = &[(b"Content-Type", b"text/plain")];

const OK: ResponseHead<'_> = ResponseHead {
    status: 200,
    date: DATE,
    persistence: Persistence::Implied,
    body: BodyLength::Length(5),
    headers: PLAIN,
};

const GET: RequestHead<'_> = RequestHead {
    method: Method::Get,
    target: b"/",
    host: b"a",
    persistence: Persistence::Implied,
    body: BodyLength::None,
    headers: &[],
};

#[track_caller]
fn response(head: &ResponseHead<'_>, expected: &str) {
    let mut out = b"before".to_vec();
    encode_response(&mut out, head).expect("sendable");
    assert_eq!(out.escape_ascii().to_string(), format!("before{expected}").escape_default().to_string());
}

#[track_caller]
fn request(head: &RequestHead<'_>, expected: &str) {
    let mut out = b"before".to_vec();
    encode_request(&mut out, head).expect("sendable");
    assert_eq!(String::from_utf8_lossy(&out), format!("before{expected}"));
}

#[test]
fn response_heads_are_written() {
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    response(&OK, &format!("HTTP/1.1 200 OK\r\n{date}Content-Length: 5\r\nContent-Type: text/plain\r\n\r\n"));
    let bare = ResponseHead { headers: &[], ..OK };
    for (status, name) in [(404, "Not Found"), (413, "Content Too Large"), (599, "")] {
        let expected = format!("HTTP/1.1 {status} {name}\r\n{date}Content-Length: 5\r\n\r\n");
        response(&ResponseHead { status, ..bare }, &expected);
    }
    for (body, line) in [
        (BodyLength::None, "Content-Length: 0\r\n"),
        (BodyLength::Length(u64::MAX), "Content-Length: 18446744073709551615\r\n"),
        (BodyLength::Chunked, "Transfer-Encoding: chunked\r\n"),
        (BodyLength::UntilClose, "Connection: close\r\n"),
    ] {
        response(&ResponseHead { body, ..bare }, &format!("HTTP/1.1 200 OK\r\n{date}{line}\r\n"));
    }
    for (persistence, line) in [(Persistence::KeepAlive, "keep-alive"), (Persistence::Close, "close")] {
        let expected = format!("HTTP/1.1 200 OK\r\n{date}Connection: {line}\r\nContent-Length: 5\r\n\r\n");
        response(&ResponseHead { persistence, ..bare }, &expected);
    }
}

#[test]
fn statuses_without_content_are_not_framed() {
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    for body in [BodyLength::None, BodyLength::Length(5), BodyLength::Chunked, BodyLength::UntilClose] {
        let bare = ResponseHead { headers: &[], body, ..OK };
        response(&ResponseHead { status: 204, ..bare }, &format!("HTTP/1.1 204 No Content\r\n{date}\r\n"));
        response(&ResponseHead { status: 304, ..bare }, &format!("HTTP/1.1 304 Not Modified\r\n{date}\r\n"));
        response(&ResponseHead { status: 100, ..bare }, str::from_utf8(CONTINUE).expect("text"));
    }
    let reset = ResponseHead { status: 205, headers: &[], ..OK };
    response(&reset, &format!("HTTP/1.1 205 Reset Content\r\n{date}Content-Length: 0\r\n\r\n"));
    let switched = ResponseHead {
        status: 101,
        persistence: Persistence::Upgrade,
        headers: &[(b"Upgrade", b"websocket")],
        ..OK
    };
    let expected = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    response(&switched, expected);
}

#[test]
fn answers_carry_content_where_it_may_be() {
    let answer = |method: &Method<'_>, status| {
        let mut out = Vec::new();
        let head = ResponseHead { status, headers: &[], ..OK };
        encode_answer(&mut out, method, &head, b"hello").expect("sendable");
        let text = String::from_utf8(out).expect("text");
        let (head, content) = text.split_once("\r\n\r\n").expect("a whole head");
        (head.contains("Content-Length: 5"), content.to_owned())
    };
    assert_eq!(answer(&Method::Get, 200), (true, "hello".to_owned()));
    assert_eq!(answer(&Method::Get, 404), (true, "hello".to_owned()));
    assert_eq!(answer(&Method::Head, 200), (true, String::new()));
    assert_eq!(answer(&Method::Get, 204), (false, String::new()));
    assert_eq!(answer(&Method::Get, 205), (false, String::new()));
    assert_eq!(answer(&Method::Get, 304), (false, String::new()));
}

#[test]
fn requests_are_written() {
    request(&GET, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    request(&RequestHead { host: b"", ..GET }, "GET / HTTP/1.1\r\nHost: \r\n\r\n");
    let post = RequestHead {
        method: Method::Other(b"LOCK"),
        target: b"/a?b",
        host: b"[::1]:80",
        persistence: Persistence::Close,
        body: BodyLength::Length(10),
        headers: &[(b"Expect", b"100-continue"), (b"x", b"")],
    };
    let expected = "LOCK /a?b HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\nContent-Length: 10\r\n\
                    Expect: 100-continue\r\nx: \r\n\r\n";
    request(&post, expected);
    let chunked = RequestHead { body: BodyLength::Chunked, ..GET };
    request(&chunked, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
}

#[test]
fn chunks_are_written() {
    let chunk = |content: &[u8]| {
        let mut out = Vec::new();
        encode_chunk(&mut out, content);
        out
    };
    assert_eq!(chunk(b""), b"");
    assert_eq!(chunk(b"hello"), b"5\r\nhello\r\n");
    assert!(chunk(&[b'x'; 255]).starts_with(b"ff\r\nx"));
    assert!(chunk(&[b'x'; 256]).starts_with(b"100\r\nx"));
    assert!(chunk(&[b'x'; 0xa_bcde]).starts_with(b"abcde\r\nx"));
    let mut last = Vec::new();
    encode_last_chunk(&mut last);
    assert_eq!(last, b"0\r\n\r\n");
}

#[test]
fn nothing_can_be_injected() {
    let field = |name: &str, value: &[u8], expected: Unsendable| {
        let headers: &[(&[u8], &[u8])] = &[(b"ok", b"ok"), (name.as_bytes(), value)];
        let mut out = b"before".to_vec();
        assert_eq!(encode_response(&mut out, &ResponseHead { headers, ..OK }), Err(expected), "{name:?}");
        assert_eq!(
            encode_answer(&mut out, &Method::Get, &ResponseHead { headers, ..OK }, b"x"),
            Err(expected)
        );
        assert_eq!(encode_request(&mut out, &RequestHead { headers, ..GET }), Err(expected), "{name:?}");
        assert_eq!(out, b"before", "nothing is appended");
    };
    for name in ["", "a b", "a:", "a\r\nb", "a\n", "\u{e4}", " a", "a\0"] {
        field(name, b"x", Unsendable::HeaderName);
    }
    for value in ["a\r\nb: c", "a\nb", "a\rb", "\r\n\r\n", "\0", "a\x7f", "\x0b", "12345678\n"] {
        field("x", value.as_bytes(), Unsendable::HeaderValue);
    }
    for name in ["Content-Length", "transfer-encoding", "CONNECTION", "Date", "host"] {
        field(name, b"0", Unsendable::Reserved);
    }
    let first_line = |head: &RequestHead<'_>, expected: Unsendable| {
        let mut out = Vec::new();
        assert_eq!(encode_request(&mut out, head), Err(expected));
        assert!(out.is_empty());
    };
    for target in ["", "/ HTTP/1.1\r\nx: y", "/\n", "/ ", "/#a", "/\u{e4}", "/\0"] {
        first_line(&RequestHead { target: target.as_bytes(), ..GET }, Unsendable::Target);
    }
    for host in ["a\r\nb: c", "a b", ":1", "a/b"] {
        first_line(&RequestHead { host: host.as_bytes(), ..GET }, Unsendable::Host);
    }
    for method in ["", "G T", "GET\r\n"] {
        first_line(&RequestHead { method: Method::Other(method.as_bytes()), ..GET }, Unsendable::Method);
    }
    first_line(&RequestHead { body: BodyLength::UntilClose, ..GET }, Unsendable::Endless);
    for status in [0, 99, 1000, u16::MAX] {
        let found = encode_response(&mut Vec::new(), &ResponseHead { status, ..OK });
        assert_eq!(found, Err(Unsendable::Status));
    }
}

#[test]
fn what_a_client_writes_a_server_reads() {
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "PATCH", "LOCK"] {
        for body in [BodyLength::None, BodyLength::Length(0), BodyLength::Length(7), BodyLength::Chunked] {
            for persistence in [Persistence::Implied, Persistence::KeepAlive, Persistence::Close] {
                let method = Method::from_bytes(method.as_bytes());
                let headers: &[(&[u8], &[u8])] = &[(b"a", b"b\tc"), (b"D-e", b""), (b"a", b"\xff")];
                let head =
                    RequestHead { method, target: b"/x/y?z=1", host: b"h:1", persistence, body, headers };
                let mut bytes = Vec::new();
                encode_request(&mut bytes, &head).expect("sendable");
                let (mut progress, mut table) = (Progress::new(), Table::new());
                let read = parse_request(&bytes, &mut progress, &HeadLimits::default(), &mut table);
                let read = read.expect("good").expect("whole");
                assert_eq!((read.method, read.body, read.head_bytes), (method, body, bytes.len()));
                assert_eq!(read.version, Version::Http11);
                assert!(matches!(read.target, Target { path: b"/x/y", query: Some(b"z=1"), .. }));
                assert_eq!(
                    (read.host, read.headers.get("A")),
                    (Some(b"h:1".as_slice()), Some(b"b\tc".as_slice()))
                );
                assert_eq!(read.headers.get_all("a").last(), Some(b"\xff".as_slice()));
                assert_eq!(read.keep_alive, persistence != Persistence::Close);
            }
        }
    }
}

#[test]
fn what_a_server_writes_a_client_reads() {
    for method in [Method::Get, Method::Head, Method::Post] {
        for status in [101, 103, 200, 201, 204, 205, 304, 400, 404, 431, 500, 599] {
            let mut bytes = Vec::new();
            encode_answer(&mut bytes, &method, &ResponseHead { status, ..OK }, b"hello").expect("sendable");
            let (mut progress, mut table) = (Progress::new(), Table::new());
            let read = parse_response(&bytes, &method, &mut progress, &HeadLimits::default(), &mut table);
            let read = read.expect("good").expect("whole");
            assert_eq!((read.status, read.reason), (status, reason_phrase(status).as_bytes()));
            assert_eq!(read.headers.get("date").is_some(), status >= 200);
            assert!(read.keep_alive);
            let mut body = Body::new(read.body, 5).expect("bounded");
            let content = &bytes[read.head_bytes..];
            let decoded = body.decode(content).expect("good");
            assert_eq!((decoded.consumed, decoded.done), (content.len(), true), "{method:?} {status}");
        }
    }
}

#[test]
fn chunks_are_read_as_they_were_written() {
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    for length in [1, 15, 16, 255, 256, 4096, 70_000] {
        let content = vec![b'a' + u8::try_from(length % 26).expect("a letter"); length];
        encode_chunk(&mut bytes, &content);
        expected.extend(content);
    }
    encode_last_chunk(&mut bytes);
    let mut body = Body::new(BodyLength::Chunked, 1 << 20).expect("bounded");
    let (mut at, mut found) = (0, Vec::new());
    while !body.is_done() {
        let input = &bytes[at..];
        let decoded = body.decode(input).expect("good");
        found.extend_from_slice(&input[decoded.data]);
        at += decoded.consumed;
    }
    assert!(found == expected && at == bytes.len());
}
