//! Frames made by hand: each sequence of bytes has its answer (RFC 6455, 5 to 7), whole and cut at every byte.

use std::io::Write;
use std::net::SocketAddr;

use crate::support::web::{
    self, BINARY, CLOSE, CONTINUATION, FIN, Frame, PING, PONG, Pacer, RSV1, TEXT, close, frame, masked,
    read_frames, serve_http,
};

/// What a peer says, and what it is answered until the end. A close is compared by its code: the words are ours.
struct Case {
    name: &'static str,
    input: Vec<u8>,
    answers: Vec<Frame>,
    code: Option<u16>,
}

fn case(name: &'static str, input: &[&[u8]], answers: &[Frame], code: u16) -> Case {
    Case { name, input: input.concat(), answers: answers.to_vec(), code: Some(code) }
}

/// The frame is refused with 1002 and nothing else is said.
fn broken(name: &'static str, input: &[u8]) -> Case {
    case(name, &[input], &[], 1002)
}

/// The text is refused with 1007 and nothing else is said.
fn no_text(name: &'static str, input: &[&[u8]]) -> Case {
    case(name, input, &[], 1007)
}

#[track_caller]
fn check(case: &Case, address: SocketAddr, send: impl FnOnce(&mut std::net::TcpStream)) {
    let mut socket = web::open(address);
    send(&mut socket);
    let mut frames = read_frames(&mut socket);
    let last = frames.pop().unwrap_or_else(|| panic!("{}: no answer", case.name));
    assert_eq!(frames, case.answers, "{}", case.name);
    assert_eq!(last.code(), case.code, "{}", case.name);
}

/// Checks a case as it is.
#[track_caller]
fn check_whole(case: &Case, address: SocketAddr) {
    // The server may have ended the connection before the last byte, and then it need not be taken.
    check(case, address, |socket| drop(socket.write_all(&case.input)));
}

/// Checks a case cut into two at every byte, and byte by byte.
#[track_caller]
fn check_cut(case: &Case, address: SocketAddr) {
    let mut pacer = Pacer::new(address);
    for cut in 1..case.input.len() {
        check(case, address, |socket| {
            let (head, tail) = case.input.split_at(cut);
            socket.write_all(head).expect("the server reads");
            pacer.pace();
            drop(socket.write_all(tail));
        });
    }
    check(case, address, |socket| {
        for byte in &case.input {
            if socket.write_all(&[*byte]).is_err() {
                break;
            }
            pacer.pace();
        }
    });
}

fn text(words: &str) -> Frame {
    Frame::new(TEXT, words.as_bytes())
}

fn goodbye() -> Vec<u8> {
    close(1000, "")
}

/// What is allowed, with its answers.
fn right() -> Vec<Case> {
    let pong = |payload: &[u8]| Frame::new(PONG, payload);
    let hello =
        [frame(TEXT, b"Hello"), frame(BINARY, b"\0\xff"), frame(PING, b"?"), frame(TEXT, b"")].concat();
    let told = [text("Hello"), Frame::new(BINARY, b"\0\xff"), pong(b"?"), text("")];
    let fragments = [
        masked(TEXT, b"Hel"),
        frame(PING, b"a"),
        masked(CONTINUATION, b""),
        frame(PING, b"b"),
        frame(CONTINUATION, b"lo"),
    ];
    vec![
        case("frames in a row", &[&hello, &goodbye()], &told, 1000),
        case(
            "fragments with pings between them",
            &[&fragments.concat(), &goodbye()],
            &[pong(b"a"), pong(b"b"), text("Hello")],
            1000,
        ),
        case(
            "a character cut by a frame",
            &[&masked(TEXT, b"\xe2\x82"), &frame(CONTINUATION, b"\xac"), &goodbye()],
            &[text("€")],
            1000,
        ),
        case("a pong that nobody asked for", &[&frame(PONG, b"x"), &goodbye()], &[], 1000),
        case("data behind a close", &[&goodbye(), &frame(TEXT, b"more")], &[], 1000),
        case("nonsense behind a close", &[&goodbye(), b"\xff\xff\xff\xff"], &[], 1000),
        case("a close within a message", &[&masked(TEXT, b"Hel"), &goodbye()], &[], 1000),
    ]
}

/// What is not allowed by the framing.
fn wrong() -> Vec<Case> {
    let with_length = |length: &[u8]| [&[FIN | BINARY], length, &[0; 4], &[0; 126]].concat();
    vec![
        broken("an unmasked frame", b"\x81\x05Hello"),
        broken("an unmasked close", b"\x88\x00"),
        broken("the first reserved bit", &masked(FIN | RSV1 | TEXT, b"x")),
        broken("the second reserved bit", &masked(FIN | 0x20 | TEXT, b"x")),
        broken("the third reserved bit", &masked(FIN | 0x10 | TEXT, b"x")),
        broken("a length of 125 in two bytes", &with_length(&[0xfe, 0, 125])),
        broken("a length of 126 in eight bytes", &with_length(&[0xff, 0, 0, 0, 0, 0, 0, 0, 126])),
        broken("a length with the highest bit", &with_length(&[0xff, 0x80, 0, 0, 0, 0, 0, 0, 0])),
        broken("a continuation of nothing", &frame(CONTINUATION, b"x")),
        broken("a second message within one", &[masked(TEXT, b"a"), frame(TEXT, b"b")].concat()),
        broken("a ping in fragments", &masked(PING, b"x")),
        broken("a ping of 126 bytes", &frame(PING, &[0; 126])),
        broken("a close of one byte", &frame(CLOSE, b"\x03")),
        no_text("a byte that is in no text", &[&frame(TEXT, b"a\xff")]),
        no_text("a surrogate", &[&frame(TEXT, b"\xed\xa0\x80")]),
        no_text("half a character", &[&frame(TEXT, b"\xe2\x82")]),
        no_text("a bad byte in a later frame", &[&masked(TEXT, b"abc"), &masked(CONTINUATION, b"\xc0\x80")]),
        no_text("a reason that is no text", &[&frame(CLOSE, b"\x03\xe8\xff")]),
    ]
}

#[test]
fn right_frames_get_their_answers() {
    let server = serve_http("", "");
    right().iter().for_each(|case| check_whole(case, server.http_address()));
    assert_eq!(server.counters().total("websocket_failures"), 0, "nobody failed");
    right().iter().for_each(|case| check_cut(case, server.http_address()));
    assert_eq!(server.counters().total("websocket_failures"), 0, "nobody failed");
    server.stop_clean();
}

#[test]
fn wrong_frames_are_refused() {
    let server = serve_http("", "");
    let wrong = wrong();
    wrong.iter().for_each(|case| check_whole(case, server.http_address()));
    assert_eq!(server.counters().total("refused_malformed"), wrong.len() as u64);
    assert_eq!(server.counters().total("websocket_failures"), wrong.len() as u64);
    let short = wrong.iter().filter(|case| case.input.len() < 50);
    short.for_each(|case| check_cut(case, server.http_address()));
    server.stop_clean();
}

/// Opcodes that RFC 6455, 5.2, keeps for later are refused.
#[test]
fn reserved_opcodes_are_refused() {
    let server = serve_http("", "");
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        check_whole(&broken("a reserved opcode", &frame(opcode, b"x")), server.http_address());
    }
    server.stop_clean();
}

/// A close frame is answered with the code it carries when it may carry it (RFC 6455, 7.4, and the registry of IANA),
/// else with 1002; one without a code is answered without.
#[test]
fn close_codes_are_answered_or_refused() {
    let server = serve_http("", "");
    let address = server.http_address();
    for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
        check_whole(&case("an allowed code", &[&close(code, "words")], &[], code), address);
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        check_whole(&broken("a code that may not be sent", &close(code, "")), address);
    }
    let silent = Case { name: "no code", input: frame(CLOSE, b""), answers: Vec::new(), code: None };
    check_whole(&silent, address);
    let longest = "x".repeat(123);
    check_whole(&case("the longest reason", &[&close(1000, &longest)], &[], 1000), address);
    check_whole(&broken("a reason that is too long", &close(1000, &(longest + "x"))), address);
    server.stop_clean();
}

/// Text that cannot be is refused when its first bad byte has come, before its frame or message is whole.
#[test]
fn bad_text_is_refused_at_once() {
    let server = serve_http("", "");
    let mut begun = masked(TEXT, &[b"Hello \xf8".as_slice(), &[b'x'; 1000]].concat());
    begun.truncate(6 + 2 + 7);
    check_whole(&no_text("the rest never comes", &[&begun]), server.http_address());
    let fragment = masked(TEXT, b"Hello \xf8");
    check_whole(&no_text("the last fragment never comes", &[&fragment]), server.http_address());
    server.stop_clean();
}

/// A frame that says that it is longer than a message may be is refused by its header; nothing is allocated for it.
#[test]
fn a_frame_that_is_too_long_is_refused_by_its_header() {
    let server = serve_http("", "");
    let header = [&[FIN | BINARY, 0xff][..], &(1_u64 << 62).to_be_bytes(), &[0; 4]].concat();
    check_whole(&case("a header alone", &[&header], &[], 1009), server.http_address());
    server.stop_clean();
}

/// Small frames that arrive in one segment are answered in one.
#[test]
fn a_burst_of_small_frames_is_answered_in_one_send() {
    let server = serve_http("", "");
    let mut socket = web::open(server.http_address());
    let before = server.counters();
    let words: Vec<String> = (0..50).map(|number| format!("message {number}")).collect();
    let burst: Vec<u8> = words.iter().flat_map(|words| frame(TEXT, words.as_bytes())).collect();
    socket.write_all(&burst).expect("the server reads");
    for words in &words {
        assert_eq!(web::next_frame(&mut socket), text(words));
    }
    server.await_count("websocket_messages_received", 50);
    // One segment each way, as the kernel's loopback does not divide what was written at once.
    server.await_count("receives", before.total("receives") + 1);
    server.await_count("sends", before.total("sends") + 1);
    drop(socket);
    server.stop_clean();
}
