//! Chance against the receiver: no bytes make it panic, hang, hold more than its bounds, or say another thing when they
//! are cut elsewhere. `Listener` checks the bounds at every step.

use super::support::{CLIENT, Chance, SERVER, Said, Setup, TAKEOVER, frame};
use crate::protocol::websocket::{DeflateParameters, Role};

/// Frames that are mostly right.
fn frames(chance: &mut Chance, setup: &Setup) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..1 + chance.below(12) {
        let key = (setup.role == Role::Server).then(|| chance.key());
        let key = if chance.one_in(60) { None } else { key };
        let first = match chance.below(10) {
            0..3 => [0x01, 0x02, 0x41, 0x42][chance.below(4)],
            3..6 => [0x81, 0x82, 0xc1, 0xc2][chance.below(4)],
            6..8 => [0x00, 0x80][chance.below(2)],
            8 => [0x89, 0x8a, 0x88][chance.below(3)],
            _ => chance.byte(),
        };
        let length = chance.length().min(6000);
        let payload = match chance.below(4) {
            0 => chance.bytes(length),
            1 => vec![0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            2 => chance.words(length.min(40)).into_bytes(),
            _ => vec![chance.byte(); length],
        };
        bytes.extend(frame(first, key, &payload));
    }
    for _ in 0..chance.below(3) {
        let at = chance.below(bytes.len());
        bytes[at] = chance.byte();
    }
    if chance.one_in(4) {
        bytes.truncate(chance.below(bytes.len()));
    }
    bytes
}

fn setup(chance: &mut Chance) -> Setup {
    let base = if chance.one_in(2) { SERVER } else { CLIENT };
    let base = base.taking([10, 1000, 5000, 1 << 20][chance.below(4)]);
    let forgets = chance.one_in(2);
    let parameters = DeflateParameters {
        server_no_context_takeover: forgets,
        client_no_context_takeover: forgets,
        ..TAKEOVER
    };
    if chance.one_in(3) { base } else { base.deflating(parameters) }
}

/// Without what depends on the cut: which of several faults of one compressed message is found first.
fn comparable(mut said: Vec<Said>, setup: &Setup) -> Vec<Said> {
    if let (Some(_), Some(Said::Failed(code))) = (setup.deflate, said.last_mut()) {
        *code = if matches!(code, 1007 | 1009) { 0 } else { *code };
    }
    said
}

#[test]
fn frames_by_chance_say_the_same_however_they_are_cut() {
    let mut messages = 0;
    for seed in 0..4000 {
        let mut chance = Chance::new(seed);
        let setup = setup(&mut chance);
        let bytes = frames(&mut chance, &setup);
        let whole = setup.hear([&bytes[..]]);
        let pieces = setup.hear(chance.pieces(&bytes));
        messages += whole.len();
        assert!(comparable(whole, &setup) == comparable(pieces, &setup), "seed {seed}, {setup:?}");
    }
    assert!(messages > 4000, "{messages}: the frames are mostly wrong");
}

#[test]
fn bytes_by_chance_are_survived() {
    for seed in 0..20_000 {
        let mut chance = Chance::new(seed);
        let setup = setup(&mut chance);
        let length = chance.below(300);
        let bytes = chance.bytes(length);
        let said = setup.hear(chance.pieces(&bytes));
        let failures = said.iter().filter(|said| matches!(said, Said::Failed(_))).count();
        assert!(failures <= 1, "seed {seed}");
    }
}
