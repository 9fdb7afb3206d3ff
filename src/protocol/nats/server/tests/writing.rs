//! The lines of a server, against those of nats-server.

use super::super::{Fault, Info};
use super::encode;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    out.escape_ascii().to_string()
}

#[test]
fn messages_are_written_as_nats_server_writes_them() {
    let line = |reply| written(|out| encode::message_line(b"a", b"1", reply, 2, out));
    assert_eq!(line(None), r"MSG a 1 2\r\n");
    assert_eq!(line(Some(b"r")), r"MSG a 1 r 2\r\n");
    let line = |reply| written(|out| encode::message_line_with_headers(b"a", b"1", reply, 12, 14, out));
    assert_eq!(line(None), r"HMSG a 1 12 14\r\n");
    assert_eq!(line(Some(b"r")), r"HMSG a 1 r 12 14\r\n");
    // Recorded from nats-server 2.15.1.
    assert_eq!(
        written(|out| encode::no_responders(b"r.1", b"7", b"nobody", out)),
        r"HMSG r.1 7 38 38\r\nNATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n\r\n",
    );
}

#[test]
fn numbers_are_written_as_everybody_writes_them() {
    for number in [0, 1, 9, 10, 99, 100, 1_048_576, usize::MAX] {
        assert_eq!(written(|out| encode::decimal(number, out)), number.to_string());
    }
}

/// The odd one was recorded from nats-server 2.15.1.
#[test]
fn a_refused_subject_is_quoted_as_go_quotes_it() {
    let subject = b"x\"y\\\x01\xc3\xa9\xff".as_slice();
    let line = |fault: Fault<'_>| {
        let mut out = Vec::new();
        fault.write(&mut out);
        out
    };
    assert_eq!(
        line(Fault::Publish { subject }),
        b"-ERR 'Permissions Violation for Publish to \"x\\\"y\\\\\\x01\xc3\xa9\\xff\"'\r\n",
    );
    assert_eq!(
        line(Fault::Subscribe { subject: b"q.a", queue: Some(b"other") }),
        b"-ERR 'Permissions Violation for Subscription to \"q.a\" using queue \"other\"'\r\n",
    );
    assert_eq!(line(Fault::Stale), b"-ERR 'Stale Connection'\r\n");
}

#[test]
fn info_says_what_holds_and_leaves_out_what_does_not() {
    let info = Info {
        server_id: "X",
        server_name: "y",
        version: "2.10.0",
        proto: 1,
        host: "::",
        port: 4222,
        ..Info::default()
    };
    assert_eq!(
        written(|out| info.write(out)).replace("\\\"", "\""),
        r#"INFO {"server_id":"X","server_name":"y","version":"2.10.0","proto":1,"host":"::","port":4222,"headers":false,"max_payload":0,"client_id":0} \r\n"#,
    );
    let info = Info { auth_required: true, nonce: Some("n"), ldm: true, client_ip: "::1", ..info };
    let text = written(|out| info.write(out));
    assert!(
        text.contains(r#"auth_required\":true"#) && text.contains(r#"nonce\":\"n\",\"ldm\":true"#),
        "{text}"
    );
}
