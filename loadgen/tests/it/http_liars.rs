//! HTTP servers that misbehave in one way each, or are odd and right.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serde_json::Value;

use super::{number, result, run};

/// A server whose connections are served by this; returns what stands behind `http://`.
fn serve(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, serve) = (stream.unwrap(), Arc::clone(&serve));
            thread::spawn(move || serve(stream));
        }
    });
    host
}

/// The next request's content; `None` at the end of the connection.
fn read_request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut content = vec![0; length];
    reader.read_exact(&mut content).ok()?;
    Some(content)
}

/// What a server does with a request.
pub(crate) enum Reply {
    Send(Vec<u8>),
    /// The same, and nothing more on this connection.
    Last(Vec<u8>),
}

/// A server that replies to the n-th request of each connection, and its content.
pub(crate) fn http(reply: impl Fn(u64, &[u8]) -> Reply + Send + Sync + 'static) -> String {
    serve(move |stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        for number in 0.. {
            let Some(content) = read_request(&mut reader) else { return };
            // Whatever ends the connection ends the thread: the test looks at the other side.
            let (bytes, is_last) = match reply(number, &content) {
                Reply::Send(bytes) => (bytes, false),
                Reply::Last(bytes) => (bytes, true),
            };
            if stream.write_all(&bytes).is_err() || is_last {
                // What is in the pipeline is read, so that the end is an end and no reset.
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = reader.read_to_end(&mut Vec::new());
                return;
            }
        }
    })
}

fn ok(content: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len());
    [head.as_bytes(), content].concat()
}

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// Exactly one error of this class, with these words, and exit code 1.
fn check_error(host: &str, path: &str, line: &str, (class, words): (&str, &str)) -> Value {
    let run = run(&format!("http://{host}{path}"), &format!("{line} --json -"));
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, number(&json["counts"]["errors"], class)), (1, 1), "{json} {}", run.stderr);
    let total: u64 = json["counts"]["errors"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(total, 1, "{json}");
    assert!(run.stderr.contains(words), "{words} is missing in {}", run.stderr);
    json
}

#[test]
fn a_wrong_status_is_counted_and_named() {
    let host = http(|number, _| {
        Reply::Send(if number == 3 {
            text("HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno")
        } else {
            ok(b"yes")
        })
    });
    let json =
        check_error(&host, "/", "-c 1 -d 4 --count 10", ("status", "the answer was 503 Service Unavailable"));
    assert_eq!((number(&json, "counts.received"), number(&json, "throughput.answers")), (10, 9), "{json}");
    assert_eq!(
        (number(&json["counts"]["statuses"], "503"), number(&json, "latency.response.count")),
        (1, 9),
        "{json}"
    );
    let run = run(&format!("http://{host}/"), "-c 1 --count 10");
    assert!(run.stderr.contains("1 answer had a status that is not 2xx: 503 (1)"), "{}", run.stderr);
    assert!(run.stdout.contains("errors        1 status (503)"), "{}", run.stdout);
}

#[test]
fn content_of_another_length_is_an_error() {
    let host = http(|number, _| Reply::Send(ok(if number == 5 { b"12" } else { b"123" })));
    let words = "an answer has 2 bytes of content, and the first one had 3";
    let json = check_error(&host, "/", "-c 1 -d 4 --count 10", ("length", words));
    assert_eq!((number(&json, "counts.received"), number(&json, "throughput.body_bytes")), (10, 3));
}

#[test]
fn an_echo_of_another_length_is_an_error() {
    let host = http(|_, content| Reply::Send(ok(&content[1..])));
    check_error(&host, "/echo", "-c 1 --count 1 -s 10", ("length", "10 bytes were sent, and 9 came back"));
}

#[test]
fn a_corrupted_echo_is_found() {
    let host = http(|number, content| {
        let mut content = content.to_vec();
        content[7] ^= if number == 12 { 0xff } else { 0 };
        Reply::Send(ok(&content))
    });
    let (code, json) = result(&format!("http://{host}/echo"), "-c 1 -d 4 --count 100 -s 20");
    assert_eq!(
        (code, number(&json, "counts.verification_errors"), number(&json, "counts.received")),
        (1, 1, 100),
        "{json}"
    );
    let first = &json["counts"]["first_mismatch"];
    assert_eq!((number(first, "connection"), number(first, "position")), (0, 12 * 20 + 7), "{json}");
}

#[test]
fn answers_in_another_order_are_found() {
    let host = serve(|mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let (Some(first), Some(second)) = (read_request(&mut reader), read_request(&mut reader)) {
            if stream.write_all(&[ok(&second), ok(&first)].concat()).is_err() {
                return;
            }
        }
    });
    let (code, json) = result(&format!("http://{host}/echo"), "-c 1 -d 2 --count 20");
    assert_eq!(
        (code, number(&json, "counts.verification_errors"), number(&json, "counts.received")),
        (1, 20, 20),
        "{json}"
    );
}

#[test]
fn a_turn_s_requests_leave_in_one_send_and_are_answered_in_order() {
    // It answers nothing before it has all eight, so they were in flight together.
    let host = serve(|mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let contents: Vec<Vec<u8>> = (0..8).map_while(|_| read_request(&mut reader)).collect();
            let answers: Vec<u8> = contents.iter().flat_map(|content| ok(content)).collect();
            if contents.len() < 8 || stream.write_all(&answers).is_err() {
                return;
            }
        }
    });
    let (code, json) = result(&format!("http://{host}/echo"), "-c 2 -d 8 --count 160");
    assert_eq!((code, number(&json, "counts.verified_bytes")), (0, 160 * 64), "{json}");
}

#[test]
fn garbage_is_no_answer() {
    let count = "-c 1 --count 10";
    let host = http(|_, _| Reply::Send(text("SSH-2.0-OpenSSH_9.9\r\n\r\n")));
    check_error(&host, "/", count, ("protocol", "no HTTP answer: "));
    let host =
        http(|_, _| Reply::Send(text("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")));
    check_error(&host, "/", count, ("protocol", "no HTTP answer: "));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
    let host = http(move |_, _| Reply::Send(text(chunked)));
    check_error(&host, "/", count, ("protocol", "A chunk size is not a short hexadecimal number."));
    let switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
    let host = http(move |_, _| Reply::Send(text(switching)));
    check_error(&host, "/", count, ("protocol", "switched to a protocol that nobody asked for"));
}

#[test]
fn an_answer_that_nobody_asked_for_is_an_error() {
    let host = http(|_, _| Reply::Send([ok(b"1"), ok(b"2")].concat()));
    check_error(
        &host,
        "/",
        "-c 1 --duration 300ms --warmup 0s",
        ("protocol", "answered what nobody had asked"),
    );
}

#[test]
fn a_connection_that_ends_in_the_midst_is_an_error() {
    for part in
        ["", "HTT", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nhello"]
    {
        let host =
            http(
                move |number, _| {
                    if number == 2 { Reply::Last(text(part)) } else { Reply::Send(ok(b"hello, world!")) }
                },
            );
        let json = check_error(
            &host,
            "/",
            "-c 1 --count 10",
            ("closed_early", "connection 0: the server closed it"),
        );
        assert_eq!(
            (number(&json, "counts.received"), number(&json, "requests.failed")),
            (2, 1),
            "{part:?}: {json}"
        );
    }
}

#[test]
fn a_server_that_closes_in_order_is_connected_to_again() {
    let last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 64\r\n\r\n";
    let host = http(move |number, content| {
        if number == 2 { Reply::Last([last.as_bytes(), content].concat()) } else { Reply::Send(ok(content)) }
    });
    for depth in [1, 8] {
        let (code, json) = result(&format!("http://{host}/echo"), &format!("-c 2 -d {depth} --count 120"));
        assert_eq!(
            (code, number(&json, "counts.received"), number(&json, "counts.sent")),
            (0, 120, 120),
            "{json}"
        );
        assert_eq!(
            (number(&json, "counts.verified_bytes"), number(&json, "counts.outstanding")),
            (120 * 64, 0),
            "{json}"
        );
        assert!(38 <= number(&json, "counts.reconnects"), "{json}");
        assert_eq!(0 < number(&json, "counts.repeated"), 1 < depth, "{json}");
    }
}

#[test]
fn odd_answers_may_be_right() {
    let check = |answer: &'static str, is_last: bool| {
        let host =
            http(move |_, _| if is_last { Reply::Last(text(answer)) } else { Reply::Send(text(answer)) });
        let (code, json) = result(&format!("http://{host}/"), "-c 2 -d 2 --count 20");
        assert_eq!(
            (code, number(&json, "counts.received"), number(&json, "throughput.body_bytes")),
            (0, 20, 5),
            "{answer}: {json}"
        );
    };
    check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", false);
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", false);
    check("HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello", false);
    check("HTTP/1.1 200 OK\r\n\r\nhello", true);
    check("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", true);
}

#[test]
fn an_answer_may_come_byte_by_byte() {
    let host = http(|_, content| Reply::Send(ok(content)));
    let slow = serve(move |stream| {
        let mut server = TcpStream::connect(&host).unwrap();
        let (mut requests, mut forward) = (stream.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut requests, &mut forward));
        let mut stream = stream;
        stream.set_nodelay(true).unwrap();
        let mut byte = [0];
        while let Ok(1) = server.read(&mut byte) {
            if stream.write_all(&byte).is_err() {
                return;
            }
        }
    });
    let (code, json) = result(&format!("http://{slow}/echo"), "-c 1 -d 3 --count 30");
    assert_eq!((code, number(&json, "counts.verified_bytes")), (0, 30 * 64), "{json}");
}
