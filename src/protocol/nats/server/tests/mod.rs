//! What the codec promises, against what was recorded from a real server.

mod cuts;
mod recorded;
mod writing;

use super::{Connect, Fault, Op, Publish, Reader, Rules, encode};

/// The rules of the server that was recorded.
const RULES: Rules =
    Rules { control_line_bytes_max: 64, payload_bytes_max: 100, headers: false, introduced: true };

/// A client's connection, reduced to what the protocol alone decides.
struct Talk {
    reader: Reader,
    rules: Rules,
    verbose: bool,
    answer: Vec<u8>,
    ended: bool,
}

impl Talk {
    fn new(rules: Rules) -> Self {
        Self { reader: Reader::default(), rules, verbose: true, answer: Vec::new(), ended: false }
    }

    fn hear(&mut self, mut bytes: &[u8]) {
        while !self.ended {
            match self.reader.next(&mut bytes, &self.rules) {
                Ok(None) => break,
                Ok(Some(op)) => {
                    let (answer, ended) = answer(op, &mut self.rules, &mut self.verbose);
                    self.answer.extend(answer);
                    self.ended = ended;
                }
                Err(violation) => {
                    if let Some(fault) = violation.fault() {
                        fault.write(&mut self.answer);
                    }
                    self.ended = true;
                }
            }
        }
    }
}

fn answer(op: Op<'_>, rules: &mut Rules, verbose: &mut bool) -> (Vec<u8>, bool) {
    let fault = match op {
        Op::Ping => return (encode::PONG.to_vec(), false),
        Op::Pong | Op::Ok | Op::Info(_) => return (Vec::new(), false),
        Op::Publish(_) | Op::Subscribe { .. } | Op::Unsubscribe { .. } => None,
        Op::Connect(json) => {
            let Ok(connect) = Connect::read(json) else { return (Vec::new(), true) };
            rules.headers = connect.headers;
            *verbose = connect.verbose;
            match connect {
                Connect { protocol: 0 | 1, no_responders: true, headers: false, .. } => {
                    Some(Fault::NoRespondersNeedHeaders)
                }
                Connect { protocol: 0 | 1, .. } => None,
                _ => Some(Fault::ClientProtocol),
            }
        }
    };
    let mut text = Vec::new();
    match fault {
        Some(fault) => fault.write(&mut text),
        None if *verbose => text.extend_from_slice(encode::OK),
        None => {}
    }
    (text, fault.is_some_and(|fault| fault.closes()))
}

fn check(input: &[u8], expected: &[u8], ends: bool, rules: Rules) {
    let said = |pieces: &mut dyn Iterator<Item = &[u8]>, how: &str| {
        let mut talk = Talk::new(rules);
        pieces.for_each(|piece| talk.hear(piece));
        let words = String::from_utf8_lossy(input);
        assert_eq!(
            talk.answer.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{words:?} {how}"
        );
        assert_eq!(talk.ended, ends, "{words:?} {how}");
    };
    said(&mut [input].into_iter(), "whole");
    said(&mut input.chunks(1), "byte by byte");
    for cut in 1..input.len() {
        said(&mut [&input[..cut], &input[cut..]].into_iter(), &format!("cut at {cut}"));
    }
}

#[test]
fn answers_are_those_of_nats_server_wherever_the_bytes_are_cut() {
    for (input, expected, ends) in recorded::RECORDED {
        check(input, expected, *ends, RULES);
    }
}

#[test]
fn before_connect_nothing_else_is_heard() {
    for (input, expected, ends) in recorded::RECORDED_BEFORE_CONNECT {
        check(input, expected, *ends, Rules { introduced: false, ..RULES });
    }
}

/// The arguments, as the protocol's documents name them.
#[test]
fn an_operation_says_what_its_line_says() {
    let op = |input: &'static [u8]| {
        let mut rest = input;
        let rules = Rules { headers: true, ..RULES };
        let mut reader = Reader::default();
        let op = reader.next(&mut rest, &rules).expect("it is right").expect("it is whole");
        assert!(rest.is_empty());
        format!("{op:?}")
    };
    let publish = |reply, message, header_bytes| {
        format!("{:?}", Op::Publish(Publish { subject: b"a.b", reply, message, header_bytes }))
    };
    let subscribe = |queue| format!("{:?}", Op::Subscribe { subject: b"a.>", queue, sid: b"7" });
    let unsubscribe = |max| format!("{:?}", Op::Unsubscribe { sid: b"7", max });
    assert_eq!(op(b"PUB a.b 2\r\nhi\r\n"), publish(None, b"hi", 0));
    assert_eq!(op(b"PUB a.b r 2\r\nhi\r\n"), publish(Some(b"r"), b"hi", 0));
    assert_eq!(op(b"PUB a.b 12 2\r\nhi\r\n"), publish(Some(b"12"), b"hi", 0));
    assert_eq!(op(b"PuB\ta.b \t0\r\n\r\n"), publish(None, b"", 0));
    assert_eq!(op(b"HPUB a.b 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"), publish(None, b"NATS/1.0\r\n\r\nhi", 12));
    assert_eq!(
        op(b"HPUB a.b r.s 12 12\r\nNATS/1.0\r\n\r\n\r\n"),
        publish(Some(b"r.s"), b"NATS/1.0\r\n\r\n", 12)
    );
    assert_eq!(op(b"SUB a.> 7\r\n"), subscribe(None));
    assert_eq!(op(b"SUB a.>  workers 7\r\n"), subscribe(Some(b"workers")));
    assert_eq!(op(b"UNSUB 7\r\n"), unsubscribe(None));
    assert_eq!(op(b"UNSUB 7 12\r\n"), unsubscribe(Some(12)));
    assert_eq!(op(b"UNSUB 7 0\r\n"), unsubscribe(None));
    assert_eq!(op(b"CONNECT {\"a\": 1} \r\n"), format!("{:?}", Op::Connect(b"{\"a\": 1} ")));
}

#[test]
fn what_connect_does_not_say_is_as_nats_server_has_it() {
    let connect = Connect::read(b"{}").expect("an object");
    assert!(connect.verbose && connect.pedantic && connect.echo);
    assert!(!connect.headers && !connect.no_responders && connect.protocol == 0);
    let said = br#"{"verbose":false,"pedantic":false,"echo":false,"headers":true,"no_responders":true,"protocol":1,
        "name":"n","lang":"l","version":"v","user":"u","pass":"secret","auth_token":"secret","nkey":"k","sig":"s"}"#;
    let connect = Connect::read(said).expect("an object");
    assert!(!connect.verbose && !connect.pedantic && !connect.echo);
    assert!(connect.headers && connect.no_responders && connect.protocol == 1);
    assert_eq!(connect.auth_token.as_deref(), Some("secret"));
    assert!(!format!("{connect:?}").contains("secret"), "secrets are never logged");
}
