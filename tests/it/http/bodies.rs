//! Content in both directions: of a known length and in chunks, of every size up to the bound and one beyond it.

use super::pages;
use crate::support::Random;
use crate::support::http::{Client, PAGES, configured, get, post};

/// The chunks of this content, each of at most so many bytes.
fn chunked(body: &[u8], most: usize) -> Vec<u8> {
    let chunk = |bytes: &[u8]| [format!("{:X}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    [body.chunks(most).flat_map(chunk).collect(), b"0\r\n\r\n".to_vec()].concat()
}

const CHUNKED: &str = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Whatever is posted comes back, with its media type, whether its length is told or it comes in chunks of any size.
#[test]
fn content_comes_back_as_it_was_sent() {
    let server = pages();
    let mut client = Client::to(server.http_address());
    let bytes = Random::new().bytes(1 << 20);
    for size in [0, 1, 2, 1000, 16 * 1024, 64 * 1024, 64 * 1024 + 1, 1 << 20] {
        client.send(post("/echo", &bytes[..size]));
        assert!(client.answer().body == bytes[..size], "{size} bytes of a known length");
        for most in [7, 4096, 100_000, 1 << 20].into_iter().filter(|most| size / most < 20_000) {
            client.send([CHUNKED.as_bytes(), &chunked(&bytes[..size], most)].concat());
            assert!(client.answer().body == bytes[..size], "{size} bytes in chunks of {most}");
        }
    }
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: x/y; z=\"1\"\r\nContent-Length: 1\r\n\r\nx");
    assert_eq!(client.answer().field("content-type"), Some("x/y; z=\"1\""));
    drop(client);
    server.stop_clean();
}

/// With room for 1 KiB, 1024 bytes are taken; one more is answered 413 and ends the connection, told or in chunks, and the
/// client gets that answer though it sends on.
#[test]
fn one_byte_too_many_is_refused() {
    let server = configured("body_bytes = \"1KiB\"", &[PAGES]);
    let bytes = Random::new().bytes(4 << 20);
    let mut client = Client::to(server.http_address());
    client.send(post("/echo", &bytes[..1024]));
    assert!(client.answer().body == bytes[..1024]);
    client.send([CHUNKED.as_bytes(), &chunked(&bytes[..1024], 300)].concat());
    assert!(client.answer().body == bytes[..1024]);
    for size in [1025, 4 << 20] {
        let in_chunks = [CHUNKED.as_bytes(), &chunked(&bytes[..size], 300)].concat();
        let on_page = post("/", &bytes[..size]);
        for request in [post("/echo", &bytes[..size]), in_chunks, on_page] {
            let mut client = Client::to(server.http_address());
            // It may have been answered and ended before all is sent.
            let _ = client.try_send(&request);
            let answer = client.answer();
            assert_eq!((answer.status, answer.closes()), (413, true));
            client.check_end();
        }
    }
    server.await_count("refused_too_large", 6);
    drop(client);
    server.stop_clean();
}

/// Content that nobody asked for is read over, and the next request is understood.
#[test]
fn content_of_no_use_is_passed_over() {
    let server = pages();
    let mut client = Client::to(server.http_address());
    let bytes = [b'x'; 100_000];
    for path in ["/", "/nothing", "/bytes/3", "/delay/1"] {
        client.send([post(path, &bytes), get("/healthz").into()].concat());
        client.answer();
        assert_eq!(client.answer().text(), "ok\n", "behind {path}");
    }
    let framing = "Transfer-Encoding: chunked\r\n\r\n";
    client.send(
        [
            format!("GET / HTTP/1.1\r\nHost: a\r\n{framing}").into(),
            chunked(&bytes, 999),
            get("/healthz").into(),
        ]
        .concat(),
    );
    client.answer();
    assert_eq!(client.answer().text(), "ok\n");
    drop(client);
    server.stop_clean();
}

/// Trailers and chunk extensions are read and have no meaning; the next request begins behind them.
#[test]
fn trailers_and_extensions_are_passed_over() {
    let server = pages();
    let mut client = Client::to(server.http_address());
    for body in [
        "3;a=b\r\nabc\r\n0;c\r\nX-Trailer: 1\r\nContent-Length: 5\r\n\r\n",
        "1\r\na\r\n02;x=\"; \\\" y\";z\r\nbc\r\n000\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        client.send(format!("{CHUNKED}{body}{}", get("/healthz")));
        let answer = client.answer();
        assert_eq!((answer.text(), answer.field("x-trailer")), ("abc", None));
        assert_eq!(client.answer().text(), "ok\n");
    }
    drop(client);
    server.stop_clean();
}

/// A client that waits for 100 gets it before it sends anything; where the content would be too long, or needs no
/// asking, it gets the answer instead.
#[test]
fn content_is_sent_for_when_the_client_waits() {
    let server = configured("body_bytes = \"1KiB\"", &[PAGES]);
    let head = |length: &str| {
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n")
    };
    let mut client = Client::to(server.http_address());
    client.send(head("1024"));
    assert_eq!(client.head().status, 100);
    client.send([b'x'; 1024]);
    assert_eq!(client.answer().body, [b'x'; 1024]);
    // A client need not wait.
    client.send(format!("{}abc", head("3")));
    assert_eq!(client.head().status, 100);
    assert_eq!(client.answer().text(), "abc");
    client.send(head("0"));
    assert_eq!(client.answer().status, 200);
    client.send(CHUNKED.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"));
    assert_eq!(client.head().status, 100);
    client.send(chunked(b"abc", 1));
    assert_eq!(client.answer().text(), "abc");
    client.send(head("1025"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.closes()), (413, true));
    client.check_end();
    drop(client);
    // HTTP/1.0 does not know what 100 is (RFC 9110, section 10.1.1).
    let mut client = Client::to(server.http_address());
    client.send(head("3").replace("HTTP/1.1", "HTTP/1.0") + "abc");
    assert_eq!(client.answer().text(), "abc");
    drop(client);
    server.stop_clean();
}

/// Zeros of any number, and never more memory than a reader's mark: 100 MiB cost no more than 1 MiB.
#[test]
fn long_answers_cost_no_memory() {
    let server = pages();
    let mut client = Client::to(server.http_address());
    for count in [0, 1, 13, 2048, 2049, 65_536, 65_537, 1 << 20] {
        let answer = client.get(&format!("/bytes/{count}"));
        assert_eq!(answer.field("content-type"), Some("application/octet-stream"));
        assert!(answer.body == vec![0; count], "{count}");
    }
    let before = server.resident_bytes();
    client.send(get("/bytes/104857600"));
    assert_eq!(client.head().field("content-length"), Some("104857600"));
    assert!(client.read_exactly(104_857_600).iter().all(|byte| *byte == 0));
    let growth = server.resident_bytes().saturating_sub(before);
    assert!(growth < 8 << 20, "{growth} bytes");
    assert_eq!(client.get("/healthz").text(), "ok\n");
    drop(client);
    server.stop_clean();
}
