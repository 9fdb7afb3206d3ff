//! Bytes that are no requests, that two readers could read in two ways, or that come in the oddest pieces.

use super::pages;
use crate::support::Random;
use crate::support::http::{Client, get, post};
use crate::support::server::Server;

/// A POST with these fields, and a request behind it that must never be seen.
fn with(fields: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\n{}", get("/healthz"))
}

/// Checks that the one answer is this status, that the connection ends with it, and that nothing behind was served.
#[track_caller]
fn check(server: &Server, bytes: impl AsRef<[u8]>, status: u16) {
    let bytes = bytes.as_ref();
    let mut client = Client::to(server.http_address());
    client.send(bytes);
    let answer = client.answer();
    assert_eq!((answer.status, answer.closes()), (status, true), "{}", bytes.escape_ascii());
    client.check_end();
}

/// What has been used to make two readers see two different ends of a request (RFC 9112, sections 11.1 and 11.2) is
/// answered 400, or 501 for a coding that may exist, and the connection ends: what follows is not read as a request.
#[test]
fn smuggling_is_refused_and_ends_the_connection() {
    let server = pages();
    let refused = |fields: &str| check(&server, with(fields), 400);
    for length in
        ["", "+5", "-5", "5 5", "5,5", "5, 5", "0x5", "5.0", "5e1", "5;", "five", "18446744073709551616"]
    {
        refused(&format!("Content-Length: {length}"));
    }
    for fields in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\ncontent-length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding:",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        " Transfer-Encoding: chunked",
        "x: y\r\n Transfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: chunked\0",
        "x: y\nTransfer-Encoding: chunked",
        "x: y\rTransfer-Encoding: chunked",
        "Content-Length : 5",
        "Content-Length: 5\r\nHost: b",
        "Host: a",
        "Connection: close; x",
    ] {
        refused(fields);
    }
    check(&server, with("Transfer-Encoding: gzip, chunked"), 501);
    check(&server, with("Expect: a miracle"), 417);
    check(&server, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
    check(&server, "GET / HTTP/1.1\r\n\r\n", 400);
    check(&server, "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505);
    assert_eq!(server.counters().total("http_answers_2xx"), 0);
    server.stop_clean();
}

/// Chunks that do not say where they end.
#[test]
fn broken_chunks_are_refused_and_end_the_connection() {
    let server = pages();
    for body in [
        "x\r\n",
        "\r\n",
        "-1\r\n",
        "+1\r\na\r\n",
        "0x1\r\na\r\n",
        " 1\r\na\r\n",
        "1 1\r\na\r\n",
        "1\na\n0\n\n",
        "1\r\na\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "2\r\na\r\n0\r\n\r\n",
        "1;\ra\r\na\r\n",
        "00000000000000001\r\na\r\n",
        "10000000000000000\r\na\r\n",
        "0\r\nx\r\n\r\n",
        "0\r\n x: y\r\n\r\n",
        "0\r\nx : y\r\n\r\n",
    ] {
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(&server, format!("{head}{body}"), 400);
    }
    check(
        &server,
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        413,
    );
    assert_eq!(server.counters().total("http_answers_2xx"), 0);
    server.stop_clean();
}

/// A peer that speaks something else to this port is told, as far as it can understand, and is gone.
#[test]
fn other_protocols_are_refused() {
    let server = pages();
    // The beginning of a ClientHello (RFC 8446, section 4.1.2).
    check(&server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400);
    check(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    check(&server, "SSH-2.0-OpenSSH_9.6\r\n", 400);
    check(&server, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 400);
    check(&server, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", 400);
    check(&server, "{\"a\":1}\n", 400);
    check(&server, "\0", 400);
    server.await_count("refused_malformed", 7);
    server.stop_clean();
}

/// Random bytes, and random bytes within a request, end in one answer that refuses them, or in an end, and the server
/// goes on.
#[test]
fn garbage_ends_in_a_refusal_or_an_end() {
    let server = pages();
    let mut random = Random::new();
    for number in 0..300 {
        let count = 1 + random.size(600);
        let mut bytes = random.bytes(count);
        if number % 2 == 0 {
            let good = post("/echo", &[b'x'; 20]);
            let at = random.size(good.len());
            bytes = [&good[..at], &bytes[..bytes.len().min(4)], &good[at..]].concat();
        }
        let mut client = Client::to(server.http_address());
        client.try_send(&bytes);
        client.finish();
        if let Some(answer) = client.last_answer() {
            let known = [200, 400, 404, 405, 408, 413, 414, 417, 431, 501, 505].contains(&answer.status);
            assert!(known, "{answer:?} to {}", bytes.escape_ascii());
        }
    }
    assert_eq!(Client::to(server.http_address()).get("/healthz").status, 200);
    server.stop_clean();
}

/// Every request of a small collection is understood however it is cut: in two pieces at every byte, and byte by byte.
/// The two pieces are two: between them, another connection that came later is answered.
#[test]
fn requests_are_understood_however_they_are_cut() {
    let server = pages();
    let chunks = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nx: y\r\n\r\n";
    let corpus: [(Vec<u8>, u16, &str); 6] = [
        (get("/healthz").into(), 200, "ok\n"),
        (post("/echo", b"abcde"), 200, "abcde"),
        (chunks.into(), 200, "abcde"),
        (b"\r\nGET http://b/bytes/0?x HTTP/1.1\r\nhost:a\r\n\r\n".to_vec(), 200, ""),
        (
            b"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx".to_vec(),
            405,
            "This takes GET and HEAD only.\n",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec(),
            400,
            "There is more than one Host field.\n",
        ),
    ];
    for (request, status, text) in corpus {
        let check = |client: &mut Client| {
            let answer = client.answer();
            assert_eq!((answer.status, answer.text()), (status, text), "{}", request.escape_ascii());
        };
        let begin = |cut| {
            let mut client = Client::to(server.http_address());
            client.send(&request[..cut]);
            client
        };
        let mut clients: Vec<Client> = (0..request.len()).map(begin).collect();
        assert_eq!(Client::to(server.http_address()).get("/healthz").status, 200);
        for (cut, client) in clients.iter_mut().enumerate() {
            client.try_send(&request[cut..]);
            check(client);
        }
        let mut client = Client::to(server.http_address());
        assert!(request.iter().all(|byte| client.try_send([*byte])) || status == 400);
        check(&mut client);
    }
    server.stop_clean();
}
