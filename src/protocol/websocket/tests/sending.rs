//! What is sent: close frames, control frames, headers alone.

use super::support::{CLIENT, Said, frame, masked, plain};
use crate::protocol::websocket::{CloseCode, Kind, Opcode, sender};

fn close(code: Option<CloseCode>, reason: &str) -> Vec<u8> {
    let mut out = Vec::new();
    sender::close(&mut out, code, reason, None);
    out
}

#[test]
fn close_frames_are_written() {
    assert_eq!(close(None, ""), [0x88, 0x00]);
    assert_eq!(close(None, "not without a code"), [0x88, 0x00]);
    assert_eq!(close(Some(CloseCode::NORMAL), ""), [0x88, 0x02, 0x03, 0xe8]);
    assert_eq!(close(Some(CloseCode::TOO_BIG), "why"), [0x88, 0x05, 0x03, 0xf1, b'w', b'h', b'y']);
    let long = close(Some(CloseCode::NORMAL), &"é".repeat(100));
    assert_eq!(long, plain(0x88, &[&[0x03, 0xe8][..], "é".repeat(61).as_bytes()].concat()));
    assert_eq!(CLIENT.hear([&long[..]]), [Said::Close(Some(1000), "é".repeat(61))]);
}

#[test]
fn control_frames_are_never_too_long_and_never_fragmented() {
    let mut out = Vec::new();
    sender::frame(&mut out, Opcode::Ping, false, &[7; 200], None);
    assert_eq!(out, plain(0x89, &[7; 125]));
}

#[test]
fn what_a_client_sends_is_masked_with_the_given_key() {
    let mut out = Vec::new();
    sender::message(&mut out, Kind::Text, b"Hello", Some([0x37, 0xfa, 0x21, 0x3d]));
    sender::close(&mut out, Some(CloseCode::NORMAL), "", Some([1, 2, 3, 4]));
    let expected = [masked(0x81, b"Hello"), frame(0x88, Some([1, 2, 3, 4]), &[0x03, 0xe8])].concat();
    assert_eq!(out, expected);
}

#[test]
fn one_payload_serves_many_headers() {
    for length in [0, 1, 125, 126, 65_535, 65_536] {
        let payload = vec![9; length];
        let header = sender::message_header(Kind::Binary, length, None);
        assert_eq!([&header[..], &payload].concat(), plain(0x82, &payload));
    }
}
