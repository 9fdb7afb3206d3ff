//! What the Autobahn suite examines in its sections 1 to 5, 7 and 9, and each MUST of RFC 6455 about frames.

use super::support::{CLIENT, SERVER, Said, binary, check, frame, masked, ping, plain, pong, text};
use crate::protocol::websocket::Receiver;
use Said::Failed;

/// A client's frames, one after the other.
fn said(frames: &[(u8, &[u8])]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| masked(*first, payload)).collect()
}

#[test]
fn messages_of_all_border_lengths_arrive() {
    for length in [0, 1, 2, 7, 8, 124, 125, 126, 127, 128, 255, 256, 65_535, 65_536, 65_537] {
        let words = vec![b'*'; length];
        check(&SERVER, &masked(0x81, &words), &[text(&words)]);
        check(&SERVER, &masked(0x82, &words), &[binary(&words)]);
        check(&CLIENT, &plain(0x81, &words), &[text(&words)]);
        check(&CLIENT, &plain(0x82, &words), &[binary(&words)]);
    }
}

#[test]
fn pings_and_pongs_are_told_with_their_payload() {
    check(&SERVER, &masked(0x89, b""), &[ping("")]);
    check(&SERVER, &masked(0x89, b"Hello"), &[ping("Hello")]);
    check(&SERVER, &masked(0x89, &[0x00, 0xff, 0xfe]), &[ping([0x00, 0xff, 0xfe])]);
    check(&SERVER, &masked(0x89, &[b'*'; 125]), &[ping([b'*'; 125])]);
    check(&SERVER, &masked(0x89, &[b'*'; 126]), &[Failed(1002)]);
    check(&SERVER, &masked(0x8a, b"unasked"), &[pong("unasked")]);
    let many: Vec<u8> = (0..10).flat_map(|index| masked(0x89, &[index])).collect();
    let told: Vec<_> = (0..10).map(|index| ping([index])).collect();
    check(&SERVER, &many, &told);
}

#[test]
fn reserved_bits_fail_the_connection() {
    for bits in [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70] {
        for opcode in [0x0, 0x1, 0x2, 0x8, 0x9, 0xa] {
            check(&SERVER, &masked(0x80 | bits | opcode, b""), &[Failed(1002)]);
            let after = [masked(0x81, b"before"), masked(0x80 | bits | opcode, b"x")].concat();
            check(&SERVER, &after, &[text("before"), Failed(1002)]);
        }
    }
}

#[test]
fn reserved_opcodes_fail_the_connection() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        check(&SERVER, &masked(0x80 | opcode, b""), &[Failed(1002)]);
        let after = [masked(0x81, b"before"), masked(0x80 | opcode, b"x"), masked(0x89, b"")].concat();
        check(&SERVER, &after, &[text("before"), Failed(1002)]);
    }
}

#[test]
fn control_frames_are_short_and_whole() {
    for opcode in [0x8, 0x9, 0xa] {
        check(&SERVER, &masked(opcode, b""), &[Failed(1002)]); // Fragmented.
        check(&SERVER, &masked(0x80 | opcode, &[0; 126]), &[Failed(1002)]);
        check(&SERVER, &masked(0x80 | opcode, &[0; 65_536]), &[Failed(1002)]);
    }
}

#[test]
fn a_client_masks_and_a_server_does_not() {
    for first in [0x81, 0x82, 0x89, 0x8a, 0x88, 0x01] {
        check(&SERVER, &plain(first, b""), &[Failed(1002)]);
        check(&CLIENT, &masked(first, b""), &[Failed(1002)]);
    }
    check(&SERVER, &frame(0x82, Some([0; 4]), b"zeros are a mask too"), &[binary("zeros are a mask too")]);
}

#[test]
fn lengths_are_in_their_shortest_form() {
    let after = |header: &[u8]| [header, &[0; 200]].concat();
    check(&CLIENT, &after(&[0x82, 126, 0, 0]), &[Failed(1002)]);
    check(&CLIENT, &after(&[0x82, 126, 0, 125]), &[Failed(1002)]);
    check(&CLIENT, &after(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0]), &[Failed(1002)]);
    check(&CLIENT, &after(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), &[Failed(1002)]);
    check(&CLIENT, &after(&[0x82, 127, 0x80, 0, 0, 0, 0, 1, 0, 0]), &[Failed(1002)]);
    check(&CLIENT, &after(&[0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), &[Failed(1002)]);
}

#[test]
fn fragments_are_put_together() {
    check(&SERVER, &said(&[(0x01, b"frag"), (0x80, b"ment")]), &[text("fragment")]);
    check(&SERVER, &said(&[(0x02, b"a"), (0x00, b"b"), (0x00, b""), (0x80, b"c")]), &[binary("abc")]);
    check(&SERVER, &said(&[(0x01, b""), (0x00, b""), (0x80, b"")]), &[text("")]);
    check(&SERVER, &said(&[(0x01, b""), (0x00, b"middle"), (0x80, b"")]), &[text("middle")]);
    check(
        &SERVER,
        &said(&[(0x01, b"a"), (0x80, b"b"), (0x02, b"c"), (0x80, b"d"), (0x81, b"e")]),
        &[text("ab"), binary("cd"), text("e")],
    );
}

#[test]
fn control_frames_may_stand_between_fragments() {
    check(
        &SERVER,
        &said(&[(0x01, b"a"), (0x89, b"p"), (0x00, b"b"), (0x8a, b"q"), (0x89, b""), (0x80, b"c")]),
        &[ping("p"), pong("q"), ping(""), text("abc")],
    );
    check(&SERVER, &said(&[(0x01, b"a"), (0x88, b""), (0x80, b"b")]), &[Said::Close(None, String::new())]);
}

#[test]
fn fragments_out_of_order_fail_the_connection() {
    check(&SERVER, &said(&[(0x80, b"x")]), &[Failed(1002)]);
    check(&SERVER, &said(&[(0x00, b"x"), (0x80, b"y")]), &[Failed(1002)]);
    check(&SERVER, &said(&[(0x81, b"a"), (0x80, b"b")]), &[text("a"), Failed(1002)]);
    check(&SERVER, &said(&[(0x01, b"a"), (0x81, b"b")]), &[Failed(1002)]);
    check(&SERVER, &said(&[(0x01, b"a"), (0x02, b"b")]), &[Failed(1002)]);
    check(&SERVER, &said(&[(0x02, b"a"), (0x89, b"p"), (0x01, b"")]), &[ping("p"), Failed(1002)]);
    check(&SERVER, &said(&[(0x01, b"a"), (0x80, b"b"), (0x00, b"c")]), &[text("ab"), Failed(1002)]);
}

#[test]
fn close_frames_are_told() {
    let close = |payload: &[u8], code: Option<u16>, reason: &str| {
        let expected = [Said::Close(code, reason.to_owned())];
        check(&SERVER, &masked(0x88, payload), &expected);
        check(&CLIENT, &plain(0x88, payload), &expected);
        // Nothing that follows is read, whatever it is.
        let then = [masked(0x88, payload), masked(0x89, b"late"), masked(0x81, b"late"), vec![0xff; 50]];
        check(&SERVER, &then.concat(), &expected);
    };
    close(b"", None, "");
    close(&1000_u16.to_be_bytes(), Some(1000), "");
    close(b"\x03\xe8Hello World!", Some(1000), "Hello World!");
    close(&[&[0x03, 0xe8][..], &[b'*'; 123]].concat(), Some(1000), &"*".repeat(123));
    close(b"\x0b\xb8\xce\xba\xcf\x8c", Some(3000), "κό");
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        check(&SERVER, &masked(0x88, &u16::to_be_bytes(code)), &[Failed(1002)]);
        check(&SERVER, &masked(0x88, &[&u16::to_be_bytes(code)[..], b"why"].concat()), &[Failed(1002)]);
    }
    check(&SERVER, &masked(0x88, &[0x03]), &[Failed(1002)]);
    check(&SERVER, &masked(0x88, &[&[0x03, 0xe8][..], &[b'*'; 124]].concat()), &[Failed(1002)]);
    check(
        &SERVER,
        &masked(0x88, &[0x03, 0xe8, 0xce, 0xba, 0xe1, 0xbd, 0xb9, 0xed, 0xa0, 0x80]),
        &[Failed(1007)],
    );
    check(&SERVER, &masked(0x88, &[0x03, 0xe8, 0xce]), &[Failed(1007)]);
}

#[test]
fn messages_that_are_too_long_fail_at_their_header() {
    let small = SERVER.taking(10);
    check(&small, &masked(0x82, &[1; 10]), &[binary([1; 10])]);
    check(&small, &masked(0x82, &[1; 11]), &[Failed(1009)]);
    check(&small, &said(&[(0x02, &[1; 6]), (0x80, &[1; 4])]), &[binary([1; 10])]);
    check(&small, &said(&[(0x02, &[1; 6]), (0x80, &[1; 5])]), &[Failed(1009)]);
    check(&small, &said(&[(0x02, &[1; 10]), (0x00, b""), (0x80, b"")]), &[binary([1; 10])]);
    check(&SERVER.taking(0), &masked(0x82, b""), &[binary("")]);
    check(&SERVER.taking(0), &masked(0x82, b"x"), &[Failed(1009)]);
    // The header alone, of a message that would be as long as can be said.
    let endless = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4];
    check(&SERVER, &endless, &[Failed(1009)]);
    let mut setup = SERVER;
    setup.limits.frame_bytes_max = 5;
    check(&setup, &said(&[(0x02, &[1; 5]), (0x80, &[1; 5])]), &[binary([1; 10])]);
    check(&setup, &masked(0x82, &[1; 6]), &[Failed(1009)]);
}

#[test]
fn memory_grows_with_what_arrives_and_not_with_what_is_announced() {
    let mut receiver = SERVER.receiver();
    let mut bytes = [&[0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2, 3, 4][..], &[0; 100]].concat();
    assert_eq!(receiver.receive(&mut bytes).unwrap().consumed, bytes.len());
    assert!(receiver.memory_bytes() <= 1024, "{}", receiver.memory_bytes());
    receiver.receive(&mut [0; 10_000]).unwrap();
    assert!(receiver.memory_bytes() <= 20_480, "{}", receiver.memory_bytes());
}

#[test]
fn a_whole_message_is_handed_out_where_it_lies() {
    let mut receiver = SERVER.receiver();
    let mut bytes = masked(0x82, b"in place");
    let range = bytes.as_ptr_range();
    let step = receiver.receive(&mut bytes).unwrap();
    let Some(crate::protocol::websocket::Event::Message { payload, .. }) = step.event else {
        panic!("{step:?}");
    };
    assert!(range.contains(&payload.as_ptr()));
    assert_eq!(receiver.memory_bytes(), 0);
}

#[test]
fn a_receiver_is_small() {
    assert!(size_of::<Receiver>() <= 128, "{}", size_of::<Receiver>());
}

#[test]
fn a_failure_is_told_once() {
    let mut receiver = SERVER.receiver();
    assert!(receiver.receive(&mut [0xff]).is_err());
    let mut more = [0xff; 10];
    let step = receiver.receive(&mut more).unwrap();
    assert_eq!((step.consumed, step.event), (10, None));
}
