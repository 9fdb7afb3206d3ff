//! Lines as a real nats-server (2.15.1) sent them, cut at every byte; and lines that no server may send.

use super::write::{self, Connect, Unsendable};
use super::{Event, Limits, Message, ReadError, Reader};

/// What was said, in words that own themselves.
fn said(event: Event<'_>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match event {
        Event::Info(json) => format!("info {}", text(json)),
        Event::Error(words) => format!("error {}", text(words)),
        Event::Message(Message { subject, sid, reply, headers, payload }) => {
            let [subject, sid, headers, payload] = [subject, sid, headers, payload].map(text);
            format!("{subject} for {sid}, reply {:?}, {headers:?} {payload:?}", reply.map(text))
        }
        Event::Ping => "ping".to_owned(),
        Event::Pong => "pong".to_owned(),
        Event::Ok => "ok".to_owned(),
    }
}

/// Everything that these pieces say, up to the first error.
fn read(pieces: &[&[u8]], limits: Limits) -> (Vec<String>, Option<ReadError>) {
    let mut reader = Reader::new(limits);
    let mut events = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            match reader.read(rest) {
                Ok(step) => {
                    assert!(step.event.is_some() || step.consumed == rest.len(), "what is not taken is lost");
                    rest = &rest[step.consumed..];
                    events.extend(step.event.map(said));
                }
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

/// The same events come, whole, cut into two at every place, and byte by byte.
fn check(input: &[u8], expected: &[&str]) {
    let limits = Limits::default();
    let check = |pieces: &[&[u8]]| {
        let (events, error) = read(pieces, limits);
        assert_eq!((events, error), (expected.iter().map(|&text| text.to_owned()).collect(), None));
    };
    check(&[input]);
    (1..input.len()).for_each(|at| check(&[&input[..at], &input[at..]]));
    check(&input.chunks(1).collect::<Vec<_>>());
}

/// The same error comes, however the bytes are cut.
fn check_refused(input: &[u8], expected: ReadError) {
    let limits = Limits { line_bytes_max: 64, payload_bytes_max: 100 };
    for at in 0..input.len() {
        assert_eq!(read(&[&input[..at], &input[at..]], limits).1, Some(expected), "cut at {at}");
    }
}

#[test]
fn every_verb_of_a_server_is_read() {
    check(
        b"INFO {\"server_id\":\"NA\",\"headers\":true} \r\n",
        &["info {\"server_id\":\"NA\",\"headers\":true}"],
    );
    check(b"PING\r\nPONG\r\n+OK\r\n", &["ping", "pong", "ok"]);
    check(b"-ERR 'Unknown Protocol Operation'\r\n", &["error Unknown Protocol Operation"]);
    check(b"MSG a.b 1 5\r\nhello\r\n", &["a.b for 1, reply None, \"\" \"hello\""]);
    check(b"MSG a.b x9 _INBOX.q 0\r\n\r\n", &["a.b for x9, reply Some(\"_INBOX.q\"), \"\" \"\""]);
    check(
        b"HMSG a 7 12 17\r\nNATS/1.0\r\n\r\nhello\r\nPING\r\n",
        &["a for 7, reply None, \"NATS/1.0\\r\\n\\r\\n\" \"hello\"", "ping"],
    );
    check(
        b"HMSG r.1 2 back 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
        &["r.1 for 2, reply Some(\"back\"), \"NATS/1.0 503\\r\\n\\r\\n\" \"\""],
    );
}

/// A payload may hold what looks like a line; and the protocol does not care for capitals or for more blanks.
#[test]
fn a_payload_is_taken_by_its_length_alone() {
    check(
        b"MSG a 1 8\r\nPING\r\n\r\n\r\nPONG\r\n",
        &["a for 1, reply None, \"\" \"PING\\r\\n\\r\\n\"", "pong"],
    );
    check(b"msg \t a  1\t3 \r\nabc\r\nping\r\n", &["a for 1, reply None, \"\" \"abc\"", "ping"]);
}

#[test]
fn what_no_server_says_is_refused() {
    check_refused(b"PUB a 1\r\n", ReadError::Unknown);
    check_refused(b"INFO\r\n", ReadError::Unknown);
    check_refused(b"PING now\r\n", ReadError::Unknown);
    check_refused(b"\r\n", ReadError::Unknown);
    check_refused(b"PING\n", ReadError::NoReturn);
    check_refused(b"MSG a 1\r\n", ReadError::Arguments);
    check_refused(b"MSG a 1 b c 1\r\n", ReadError::Arguments);
    check_refused(b"MSG a 1 b c d 1\r\n", ReadError::Arguments);
    check_refused(b"MSG a 1 -1\r\n", ReadError::Arguments);
    check_refused(b"MSG a 1 99999999999999999999\r\n", ReadError::Arguments);
    check_refused(b"HMSG a 1 6 5\r\n", ReadError::Arguments);
    check_refused(b"MSG a 1 101\r\n", ReadError::PayloadTooLong { bytes: 101, most: 100 });
    check_refused(b"MSG a 1 2\r\nabc\r\n", ReadError::NoEnd);
    check_refused(&[b'x'; 67], ReadError::LineTooLong(64));
}

/// A line may be as long as its limit says, and not a byte longer.
#[test]
fn the_limit_of_a_line_is_exact() {
    let limits = Limits { line_bytes_max: 64, payload_bytes_max: 100 };
    for (words, is_taken) in [(59, true), (60, false)] {
        let line = [b"INFO ".as_slice(), &vec![b'x'; words], b"\r\n"].concat();
        for at in 1..line.len() {
            let (events, error) = read(&[&line[..at], &line[at..]], limits);
            assert_eq!((events.len(), error.is_none()), (usize::from(is_taken), is_taken), "{words}, {at}");
        }
    }
}

#[test]
fn a_reader_knows_whether_it_is_within_something() {
    let mut reader = Reader::default();
    assert!(reader.is_between());
    assert!(reader.read(b"PI").unwrap().event.is_none());
    assert!(!reader.is_between());
    assert_eq!(reader.read(b"NG\r\nPO").unwrap().consumed, 4);
    assert!(reader.is_between(), "what was handed out is not held any more");
}

/// The lines of the protocol's own documentation (docs.nats.io, reference of the client protocol).
#[test]
fn a_client_writes_what_the_documentation_shows() {
    let mut out = Vec::new();
    write::publish(&mut out, b"FOO", None, b"Hello NATS!").unwrap();
    write::publish(&mut out, b"FRONT.DOOR", Some(b"JOKE.22"), b"Knock Knock").unwrap();
    write::publish(&mut out, b"NOTIFY", None, b"").unwrap();
    write::publish_with_headers(&mut out, b"FOO", None, (b"NATS/1.0\r\nBar: Baz\r\n\r\n", b"Hello NATS!"))
        .unwrap();
    write::subscribe(&mut out, b"FOO", None, b"1").unwrap();
    write::subscribe(&mut out, b"BAR", Some(b"G1"), b"44").unwrap();
    write::unsubscribe(&mut out, b"1", None).unwrap();
    write::unsubscribe(&mut out, b"1", Some(5)).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "PUB FOO 11\r\nHello NATS!\r\nPUB FRONT.DOOR JOKE.22 11\r\nKnock Knock\r\nPUB NOTIFY 0\r\n\r\n\
         HPUB FOO 22 33\r\nNATS/1.0\r\nBar: Baz\r\n\r\nHello NATS!\r\nSUB FOO 1\r\nSUB BAR G1 44\r\n\
         UNSUB 1\r\nUNSUB 1 5\r\n"
    );
}

#[test]
fn a_word_with_a_blank_is_not_sent() {
    for word in [&b""[..], b"a b", b"a\r\nPUB x 0", b"a\tb", b"\0"] {
        let mut out = Vec::new();
        assert_eq!(write::publish(&mut out, word, None, b""), Err(Unsendable));
        assert_eq!(write::publish(&mut out, b"a", Some(word), b""), Err(Unsendable));
        assert_eq!(write::subscribe(&mut out, b"a", Some(word), b"1"), Err(Unsendable));
        assert_eq!(write::unsubscribe(&mut out, word, None), Err(Unsendable));
        assert!(out.is_empty(), "half a line would spoil the next one");
    }
}

#[test]
fn an_introduction_is_one_line_of_json() {
    let mut out = Vec::new();
    let user = Connect { headers: true, protocol: 1, lang: "rust", user: Some("a\"b"), ..Connect::default() };
    write::connect(&mut out, &user);
    let line = out.strip_prefix(b"CONNECT ").and_then(|line| line.strip_suffix(b"\r\n")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(line).unwrap();
    assert_eq!(
        (&json["user"], &json["protocol"], &json["verbose"]),
        (&"a\"b".into(), &1.into(), &false.into())
    );
    assert!(json.get("pass").is_none() && !line.contains(&b'\n'));
}
