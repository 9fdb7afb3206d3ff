//! Messages that are handed out in pieces: nothing is kept of them, nothing is lost, and their bounds hold.

use super::support::{Listener, SERVER, Said, TAKEOVER, binary, masked, ping, text};
use crate::protocol::websocket::{DeflateSettings, Limits, Role, sender};

/// Bytes per message of the tests.
const MOST: usize = 300;

fn in_pieces(setup: &super::support::Setup) -> Listener {
    let mut listener = Listener::new(setup);
    listener.receiver.take_in_pieces(Limits { message_bytes_max: MOST, frame_bytes_max: MOST });
    listener
}

/// What was said, with pieces joined to the message that they belong to.
fn joined(said: &[Said]) -> Vec<Said> {
    let (mut all, mut open) = (Vec::new(), Vec::new());
    for one in said {
        match one {
            Said::Piece(bytes) => open.extend_from_slice(bytes),
            Said::Binary(bytes) => {
                open.extend_from_slice(bytes);
                all.push(binary(std::mem::take(&mut open)));
            }
            other => all.push(other.clone()),
        }
    }
    assert!(open.is_empty(), "the last piece is a message");
    all
}

/// A message in one frame, one in several with a ping between them, an empty one, and text, cut at every byte: they say what
/// they said before, and of bytes nothing is kept.
#[test]
fn pieces_are_the_message_however_it_is_cut() {
    let (one, other): (Vec<u8>, Vec<u8>) = ((0..200).collect(), (0..=255).rev().collect());
    let frames = [
        masked(0x82, &one),
        masked(0x02, &other[..100]),
        masked(0x89, b"!"),
        masked(0x00, b""),
        masked(0x00, &other[100..200]),
        masked(0x80, &other[200..]),
        masked(0x82, b""),
        masked(0x01, "a\u{20ac}".as_bytes()),
        masked(0x80, b"b"),
        masked(0x82, b"z"),
    ];
    let bytes = frames.concat();
    let expected = [binary(&one), ping("!"), binary(&other), binary(""), text("a\u{20ac}b"), binary("z")];
    let text_begins: usize = frames[..7].iter().map(Vec::len).sum();
    for cut in 0..=bytes.len() {
        let mut listener = in_pieces(&SERVER);
        listener.hear(&bytes[..cut]);
        if cut <= text_begins {
            assert_eq!(listener.receiver.memory_bytes(), 0, "cut at {cut}");
        }
        listener.hear(&bytes[cut..]);
        // A ping that comes within a message is told where it stands.
        let mut said =
            joined(&listener.said.iter().filter(|said| **said != ping("!")).cloned().collect::<Vec<_>>());
        assert_eq!(listener.said.iter().filter(|said| **said == ping("!")).count(), 1, "cut at {cut}");
        said.insert(1, ping("!"));
        assert_eq!(said, expected, "cut at {cut}");
    }
    let mut listener = in_pieces(&SERVER);
    bytes.chunks(1).for_each(|byte| listener.hear(byte));
    assert!(listener.said.iter().any(|said| matches!(said, Said::Piece(_))), "byte by byte there are pieces");
}

/// What was handed out counts: a message of several frames is bounded as one of one is.
#[test]
fn a_message_in_pieces_has_its_bound() {
    const TOO_BIG: u16 = 1009;
    let fits = [masked(0x02, &[1; MOST - 1]), masked(0x80, b"2"), masked(0x82, &[3; MOST])].concat();
    let too_long = [masked(0x82, &[1; MOST + 1]), [masked(0x02, &[1; MOST]), masked(0x80, b"2")].concat()];
    for size in [1, 7, usize::MAX] {
        let mut listener = in_pieces(&SERVER);
        fits.chunks(size).for_each(|piece| listener.hear(piece));
        let lengths: Vec<usize> = joined(&listener.said)
            .iter()
            .map(|said| if let Said::Binary(bytes) = said { bytes.len() } else { 0 })
            .collect();
        assert_eq!(lengths, [MOST, MOST]);
        for bytes in &too_long {
            let mut listener = in_pieces(&SERVER);
            bytes.chunks(size).for_each(|piece| listener.hear(piece));
            assert_eq!(listener.said.last(), Some(&Said::Failed(TOO_BIG)), "by {size}");
        }
    }
}

/// What is compressed is assembled, within the bound.
#[test]
fn a_compressed_message_is_whole() {
    let settings = DeflateSettings::default();
    let mut deflater = TAKEOVER.deflater(Role::Client, &settings).expect("it can be made");
    let mut bytes = Vec::new();
    let payload = [b'x'; MOST];
    sender::message_deflated(
        &mut bytes,
        crate::protocol::websocket::Kind::Binary,
        &payload,
        &mut deflater,
        Some([1, 2, 3, 4]),
    );
    let mut listener = in_pieces(&SERVER.deflating(TAKEOVER));
    bytes.chunks(1).for_each(|byte| listener.hear(byte));
    assert_eq!(listener.said, [binary(payload)]);
}
