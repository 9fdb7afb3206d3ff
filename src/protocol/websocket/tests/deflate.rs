//! Compression: the examples of RFC 7692, 7.2.3, as they are printed; round trips; and messages that would grow without
//! bound.

use super::support::{
    CLIENT, Chance, Listener, SERVER, Said, Setup, TAKEOVER, check, masked, ping, plain, text,
};
use crate::protocol::websocket::{DeflateParameters, DeflateSettings, Deflater, Kind, Role, sender};
use Said::Failed;
use flate2::{Compress, Compression, FlushCompress};
use std::io::Read;

const FORGETTING: DeflateParameters =
    DeflateParameters { server_no_context_takeover: true, client_no_context_takeover: true, ..TAKEOVER };
const SETTINGS: DeflateSettings = DeflateSettings {
    server_context_takeover: true,
    client_context_takeover: true,
    window_bits_max: 15,
    level: 6,
    bytes_min: 0,
};
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

fn deflater(parameters: DeflateParameters) -> Deflater {
    parameters.deflater(Role::Server, &SETTINGS).unwrap()
}

/// Both ways of keeping context.
fn client(parameters: DeflateParameters) -> Setup {
    CLIENT.deflating(parameters)
}

#[test]
fn one_block_is_inflated_whole_and_in_fragments() {
    // RFC 7692, 7.2.3.1.
    let hello = [text("Hello")];
    for parameters in [TAKEOVER, FORGETTING] {
        check(&client(parameters), &[&[0xc1, 0x07][..], &HELLO].concat(), &hello);
        let fragments = [0x41, 0x03, 0xf2, 0x48, 0xcd, 0x80, 0x04, 0xc9, 0xc9, 0x07, 0x00];
        check(&client(parameters), &fragments, &hello);
        let between = [&[0x41, 0x03, 0xf2, 0x48, 0xcd, 0x89, 0x00, 0x80, 0x04][..], &HELLO[3..]].concat();
        check(&client(parameters), &between, &[ping(""), text("Hello")]);
    }
    check(&SERVER.deflating(TAKEOVER), &masked(0xc1, &HELLO), &hello);
}

#[test]
fn the_window_is_shared_between_messages_where_that_was_agreed() {
    // RFC 7692, 7.2.3.2.
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let shared = [plain(0xc1, &HELLO), plain(0xc1, &second)].concat();
    check(&client(TAKEOVER), &shared, &[text("Hello"), text("Hello")]);
    check(&client(FORGETTING), &shared, &[text("Hello"), Failed(1007)]);
    let separate = [plain(0xc1, &HELLO), plain(0x81, b"plain"), plain(0xc1, &HELLO)].concat();
    let expected = [text("Hello"), text("plain"), text("Hello")];
    check(&client(TAKEOVER), &separate, &expected);
    check(&client(FORGETTING), &separate, &expected);
}

#[test]
fn blocks_without_compression_and_final_blocks_and_several_blocks_are_inflated() {
    for parameters in [TAKEOVER, FORGETTING] {
        let check = |bytes: &[u8], expected: &str| check(&client(parameters), bytes, &[text(expected)]);
        // RFC 7692, 7.2.3.3.
        check(&[0xc1, 0x0b, 0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00], "Hello");
        // RFC 7692, 7.2.3.4.
        check(&[0xc1, 0x08, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], "Hello");
        // The same without the octet that the tail completes; others take it.
        check(&[0xc1, 0x07, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], "Hello");
        // RFC 7692, 7.2.3.5.
        let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
        check(&plain(0xc1, &two), "Hello");
        // A block after a final one.
        let after = [&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..], &HELLO].concat();
        check(&plain(0xc1, &after), "HelloHello");
        // RFC 7692, 7.2.3.6, and a message that is empty altogether, which inflates to nothing too.
        check(&[0xc1, 0x01, 0x00], "");
    }
    let final_then_more =
        [plain(0xc1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]), plain(0xc1, &HELLO)];
    check(&client(TAKEOVER), &final_then_more.concat(), &[text("Hello"), text("Hello")]);
}

#[test]
fn the_examples_are_written() {
    let mut deflater = deflater(TAKEOVER);
    let mut out = Vec::new();
    assert!(deflater.deflate(b"Hello", &mut out));
    assert_eq!(out, HELLO); // RFC 7692, 7.2.3.1.
    out.clear();
    assert!(deflater.deflate(b"Hello", &mut out));
    assert_eq!(out, [0xf2, 0x00, 0x11, 0x00, 0x00]); // RFC 7692, 7.2.3.2.
    for _ in 0..3 {
        out.clear();
        assert!(deflater.deflate(b"", &mut out));
        assert_eq!(out, [0x00]); // RFC 7692, 7.2.3.6.
    }
}

#[test]
fn compressed_bits_stand_on_the_first_frame_only() {
    let continuation = [plain(0x41, &HELLO[..3]), plain(0xc0, &HELLO[3..])].concat();
    check(&client(TAKEOVER), &continuation, &[Failed(1002)]);
    for control in [0xc8, 0xc9, 0xca] {
        check(&client(TAKEOVER), &plain(control, b""), &[Failed(1002)]);
    }
    check(&client(TAKEOVER), &plain(0xa1, b""), &[Failed(1002)]);
}

#[test]
fn what_cannot_be_inflated_fails_the_connection() {
    check(&client(TAKEOVER), &plain(0xc2, &[0x06]), &[Failed(1007)]); // A block of the reserved type.
    check(&client(TAKEOVER), &plain(0xc2, &[0x00, 0x05, 0x00, 0x05, 0x00]), &[Failed(1007)]);
    let not_utf8 = [0x00, 0x01, 0x00, 0xfe, 0xff, 0xff, 0x00]; // RFC 1951, 3.2.4: one byte, 0xff, as it is.
    check(&client(TAKEOVER), &plain(0xc1, &not_utf8), &[Failed(1007)]);
    check(&client(TAKEOVER), &plain(0xc2, &not_utf8), &[super::support::binary([0xff])]);
}

/// What another program would send: one message of `bytes` zeros, deflated.
fn bomb(bytes: usize) -> Vec<u8> {
    let mut encoder =
        flate2::read::DeflateEncoder::new(std::io::repeat(0).take(bytes as u64), Compression::best());
    let mut deflated = Vec::new();
    encoder.read_to_end(&mut deflated).unwrap();
    deflated.push(0x00);
    deflated
}

#[test]
fn a_message_inflates_to_its_bound_and_no_further() {
    // `Listener` looks at the memory after every step.
    let setup = client(TAKEOVER).taking(100_000);
    let whole = |bytes: usize| setup.hear([&plain(0xc2, &bomb(bytes))[..]]);
    assert_eq!(whole(99_999), [super::support::binary(vec![0; 99_999])]);
    assert_eq!(whole(100_000), [super::support::binary(vec![0; 100_000])]);
    assert_eq!(whole(100_001), [Failed(1009)]);
    assert_eq!(whole(50_000_000), [Failed(1009)]);
    check(&setup, &plain(0xc2, &bomb(100_000)), &[super::support::binary(vec![0; 100_000])]);
    check(&setup, &plain(0xc2, &bomb(100_001)), &[Failed(1009)]);
    check(&setup, &plain(0xc2, &bomb(10_000_000)), &[Failed(1009)]);
    let first = bomb(60_000);
    let mut fragments = plain(0x42, &first[..first.len() - 1]);
    fragments.extend(plain(0x80, &bomb(60_000)));
    check(&setup, &fragments, &[Failed(1009)]);
    check(&client(TAKEOVER).taking(0), &plain(0xc1, &[0x00]), &[text("")]);
    check(&client(TAKEOVER).taking(0), &plain(0xc1, &HELLO), &[Failed(1009)]);
}

#[test]
fn invalid_text_is_refused_as_soon_as_it_is_inflated() {
    let mut listener = Listener::new(&client(TAKEOVER));
    let mut out = Vec::new();
    deflater(TAKEOVER).deflate(b"well then \xed\xa0\x80", &mut out);
    let unfinished = plain(0x41, &out); // Without FIN: the message goes on.
    listener.hear(&unfinished);
    listener.hear(&plain(0x00, &[0x00, 0x00, 0xff, 0xff]));
    assert_eq!(listener.said, [Failed(1007)], "at the flush, before the message ends");
}

/// What stands on the wire, for `role`, of random messages, and what they say.
fn spoken(chance: &mut Chance, role: Role, deflater: &mut Deflater) -> (Vec<u8>, Vec<Said>) {
    let (mut wire, mut said) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let mask = (role == Role::Client).then(|| chance.key());
        let characters = chance.length();
        if chance.one_in(3) {
            let payload = chance.bytes(characters);
            sender::message_deflated(&mut wire, Kind::Binary, &payload, deflater, mask);
            said.push(super::support::binary(payload));
        } else {
            let words = chance.words(characters);
            sender::message_deflated(&mut wire, Kind::Text, words.as_bytes(), deflater, mask);
            said.push(text(words));
        }
        if chance.one_in(5) {
            deflater.rest();
        }
    }
    (wire, said)
}

#[test]
fn messages_of_all_settings_go_round() {
    for seed in 0..60 {
        let mut chance = Chance::new(seed);
        let bits = 9 + u8::try_from(chance.below(7)).unwrap();
        let forgets = chance.one_in(2);
        let parameters = DeflateParameters {
            server_no_context_takeover: forgets,
            client_no_context_takeover: forgets,
            server_max_window_bits: Some(bits),
            client_max_window_bits: Some(bits),
        };
        let level = u8::try_from(chance.below(10)).unwrap();
        let settings = DeflateSettings { level, bytes_min: chance.below(300), ..SETTINGS };
        for (from, to) in [(Role::Client, SERVER), (Role::Server, CLIENT)] {
            let mut deflater = parameters.deflater(from, &settings).unwrap();
            let (wire, said) = spoken(&mut chance, from, &mut deflater);
            let heard = to.deflating(parameters).hear(chance.pieces(&wire));
            assert!(heard == said, "seed {seed}, {from:?}, window {bits}, level {level}");
        }
    }
}

#[test]
fn what_does_not_shrink_is_sent_as_it_is_where_that_is_possible() {
    let noise = Chance::new(1).bytes(500);
    let mut wire = Vec::new();
    sender::message_deflated(&mut wire, Kind::Binary, &noise, &mut deflater(FORGETTING), None);
    assert_eq!(wire, plain(0x82, &noise));
    // With a context to keep, the peer must see it.
    wire.clear();
    sender::message_deflated(&mut wire, Kind::Binary, &noise, &mut deflater(TAKEOVER), None);
    assert_eq!(wire[0], 0xc2);
    assert_eq!(client(TAKEOVER).hear([&wire[..]]), [super::support::binary(&noise)]);
}

#[test]
fn a_window_of_eight_is_never_deflated_to() {
    let agreed = DeflateParameters { client_max_window_bits: Some(8), ..TAKEOVER };
    assert!(agreed.deflater(Role::Client, &SETTINGS).is_none());
    assert!(agreed.deflater(Role::Server, &SETTINGS).is_some());
    // What such a client sends is inflated by a larger window.
    check(&SERVER.deflating(agreed), &masked(0xc1, &HELLO), &[text("Hello")]);
}

#[test]
fn a_smaller_window_is_kept_to() {
    // A run of noise, repeated from farther away than the window: only a compressor with a larger one finds it.
    let noise = Chance::new(2).bytes(3000);
    let twice = [&noise[..], &noise].concat();
    let deflated = |bits: u8| {
        let agreed = DeflateParameters { server_max_window_bits: Some(bits), ..TAKEOVER };
        let mut out = Vec::new();
        deflater(agreed).deflate(&twice, &mut out);
        out.len()
    };
    assert!(deflated(9) > 5900);
    assert!(deflated(11) > 5900);
    assert!(deflated(13) < 3200);
    assert!(deflated(15) < 3200);
}

#[test]
fn memory_is_held_only_where_a_context_is_kept() {
    let mut keeping = deflater(TAKEOVER);
    assert_eq!(keeping.memory_bytes(), 0, "made when first needed");
    keeping.deflate(b"Hello", &mut Vec::new());
    keeping.rest();
    assert!(keeping.memory_bytes() > 64 * 1024);
    let mut forgetting = deflater(FORGETTING);
    forgetting.deflate(b"Hello", &mut Vec::new());
    assert!(forgetting.memory_bytes() > 64 * 1024);
    forgetting.rest();
    assert_eq!(forgetting.memory_bytes(), 0);

    let mut listener = Listener::new(&client(TAKEOVER));
    assert_eq!(listener.receiver.memory_bytes(), 0, "made when first needed");
    listener.hear(&plain(0x81, b"plain"));
    assert_eq!(listener.receiver.memory_bytes(), 0);
    listener.hear(&plain(0xc1, &HELLO));
    assert_eq!(listener.receiver.memory_bytes(), 48 * 1024);
    let mut listener = Listener::new(&client(FORGETTING));
    listener.hear(&plain(0x41, &HELLO[..3]));
    assert!(listener.receiver.memory_bytes() >= 48 * 1024);
    listener.hear(&plain(0x80, &HELLO[3..]));
    assert_eq!(listener.receiver.memory_bytes(), 0);
}

#[test]
fn many_final_blocks_cost_no_memory() {
    let empty_final = [0x03, 0x00].repeat(100_000);
    let payload = [&empty_final[..], &[0x00]].concat();
    assert_eq!(client(TAKEOVER).hear(plain(0xc1, &payload).chunks(4096)), [text("")]);
}

#[test]
fn what_a_stream_compressor_flushes_in_fragments_is_inflated() {
    let mut stream = Compress::new(Compression::default(), false);
    let mut wire = Vec::new();
    for (index, words) in ["one ", "two ", "one two "].iter().enumerate() {
        let mut out = Vec::with_capacity(100);
        stream.compress_vec(words.as_bytes(), &mut out, FlushCompress::Sync).unwrap();
        wire.extend(plain(if index == 0 { 0x41 } else { 0x00 }, &out));
    }
    wire.extend(plain(0x80, &[0x00]));
    check(&client(TAKEOVER), &wire, &[text("one two one two ")]);
}
