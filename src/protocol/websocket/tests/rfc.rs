//! The examples of RFC 6455, 5.7, as they are printed. Those of the handshake are in `handshake`, those of RFC 7692 in
//! `deflate`.

use super::support::{CLIENT, SERVER, binary, check, ping, pong, text};
use crate::protocol::websocket::{HeaderBytes, Kind, Opcode, sender};

const MASKED_HELLO: [u8; 11] = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
const MASKED_PONG: [u8; 11] = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

#[test]
fn the_examples_are_read() {
    check(&CLIENT, &[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f], &[text("Hello")]);
    check(&SERVER, &MASKED_HELLO, &[text("Hello")]);
    check(&CLIENT, &[0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f], &[text("Hello")]);
    check(&CLIENT, &[0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f], &[ping("Hello")]);
    check(&SERVER, &MASKED_PONG, &[pong("Hello")]);
    let short = [&[0x82, 0x7e, 0x01, 0x00][..], &[7; 256]].concat();
    check(&CLIENT, &short, &[binary([7; 256])]);
    let long = [&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0][..], &[7; 65_536]].concat();
    check(&CLIENT, &long, &[binary([7; 65_536])]);
}

#[test]
fn the_examples_are_written() {
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = b"before".to_vec();
        write(&mut out);
        out.split_off(6)
    };
    let hello = b"Hello";
    assert_eq!(
        written(&|out| sender::message(out, Kind::Text, hello, None)),
        [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
    );
    assert_eq!(written(&|out| sender::message(out, Kind::Text, hello, Some(KEY))), MASKED_HELLO);
    assert_eq!(
        written(&|out| {
            sender::frame(out, Opcode::Text, false, b"Hel", None);
            sender::frame(out, Opcode::Continuation, true, b"lo", None);
        }),
        [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f]
    );
    assert_eq!(written(&|out| sender::ping(out, hello, None)), [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    assert_eq!(written(&|out| sender::pong(out, hello, Some(KEY))), MASKED_PONG);
    let header = sender::message_header(Kind::Binary, 256, None);
    assert_eq!(header[..], [0x82, 0x7e, 0x01, 0x00]);
    let header = sender::message_header(Kind::Binary, 65_536, None);
    assert_eq!(header[..], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    let header = HeaderBytes::new(Opcode::Text, true, true, 5, Some(KEY));
    assert_eq!(header[..], [0xc1, 0x85, 0x37, 0xfa, 0x21, 0x3d]);
}
