//! Against tungstenite, which shares no code with us: what either sends the other understands, and what we take of
//! mutated bytes it takes too.

use super::support::{CLIENT, Chance, SERVER, Said, Setup, binary, ping, pong, text};
use crate::protocol::websocket::{CloseCode, Kind, Opcode, Role, sender};
use std::io::{self, Cursor, Read, Write};
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Role as TheirRole, WebSocket};
use tungstenite::{Message, Utf8Bytes};

/// A connection in memory.
struct Pipe {
    input: Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn them(role: Role, input: Vec<u8>) -> WebSocket<Pipe> {
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    WebSocket::from_raw_socket(Pipe { input: Cursor::new(input), output: Vec::new() }, role, None)
}

/// What they hear; a failure at the end, other than the end of the bytes, is `Failed`.
fn they_hear(role: Role, wire: &[u8]) -> Vec<Said> {
    let mut socket = them(role, wire.to_vec());
    let mut said = Vec::new();
    loop {
        said.push(match socket.read() {
            Ok(Message::Text(words)) => text(words.as_str()),
            Ok(Message::Binary(bytes)) => binary(bytes),
            Ok(Message::Ping(bytes)) => ping(bytes),
            Ok(Message::Pong(bytes)) => pong(bytes),
            Ok(Message::Close(frame)) => {
                let code = frame.as_ref().map(|frame| frame.code.into());
                said.push(Said::Close(code, frame.map_or(String::new(), |frame| frame.reason.to_string())));
                return said;
            }
            Ok(Message::Frame(frame)) => panic!("{frame}"),
            Err(tungstenite::Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => return said,
            Err(_) => {
                said.push(Said::Failed(0));
                return said;
            }
        });
    }
}

/// Random frames of ours, and what they say.
fn we_speak(chance: &mut Chance, role: Role) -> (Vec<u8>, Vec<Said>) {
    let (mut wire, mut said) = (Vec::new(), Vec::new());
    for _ in 0..1 + chance.below(15) {
        let mask = (role == Role::Client).then(|| chance.key());
        let length = chance.length();
        match chance.below(5) {
            0 => {
                let payload = chance.bytes(length.min(125));
                sender::ping(&mut wire, &payload, mask);
                said.push(ping(payload));
            }
            1 => {
                let payload = chance.bytes(length.min(125));
                sender::pong(&mut wire, &payload, mask);
                said.push(pong(payload));
            }
            2 => {
                let payload = chance.bytes(length);
                sender::message(&mut wire, Kind::Binary, &payload, mask);
                said.push(binary(payload));
            }
            3 => {
                let words = chance.words(length);
                sender::message(&mut wire, Kind::Text, words.as_bytes(), mask);
                said.push(text(words));
            }
            _ => fragmented(chance, mask, &mut wire, &mut said),
        }
    }
    if chance.one_in(2) {
        let mask = (role == Role::Client).then(|| chance.key());
        let words = chance.words(20);
        sender::close(&mut wire, Some(CloseCode::GOING_AWAY), &words, mask);
        said.push(Said::Close(Some(1001), words));
    }
    (wire, said)
}

fn fragmented(chance: &mut Chance, mask: Option<[u8; 4]>, wire: &mut Vec<u8>, said: &mut Vec<Said>) {
    let words = chance.words(100);
    let pieces = chance.pieces(words.as_bytes());
    for (index, piece) in pieces.iter().enumerate() {
        let opcode = if index == 0 { Opcode::Text } else { Opcode::Continuation };
        sender::frame(wire, opcode, index + 1 == pieces.len(), piece, mask);
        if chance.one_in(3) && index + 1 < pieces.len() {
            sender::ping(wire, b"between", mask);
            said.push(ping("between"));
        }
    }
    said.push(text(words));
}

/// Random frames of theirs, and what they say.
fn they_speak(chance: &mut Chance, role: Role) -> (Vec<u8>, Vec<Said>) {
    let mut socket = them(role, Vec::new());
    let mut said = Vec::new();
    for _ in 0..1 + chance.below(15) {
        let length = chance.length();
        let (message, expected) = match chance.below(5) {
            0 => {
                let payload = chance.bytes(length.min(125));
                (Message::Ping(payload.clone().into()), ping(payload))
            }
            1 => {
                let payload = chance.bytes(length);
                (Message::Binary(payload.clone().into()), binary(payload))
            }
            2 => {
                let words = chance.words(length);
                let (head, tail) = words.as_bytes().split_at(words.len() / 2); // Within a character, too.
                let first = Frame::message(head.to_vec(), OpCode::Data(Data::Text), false);
                let between = Frame::ping(b"p".to_vec());
                socket.write(Message::Frame(first)).unwrap();
                socket.write(Message::Frame(between)).unwrap();
                said.push(ping("p"));
                let last = Frame::message(tail.to_vec(), OpCode::Data(Data::Continue), true);
                (Message::Frame(last), text(words))
            }
            _ => {
                let words = chance.words(length);
                (Message::text(words.clone()), text(words))
            }
        };
        socket.write(message).unwrap();
        said.push(expected);
    }
    if chance.one_in(2) {
        let frame = CloseFrame { code: 3210.into(), reason: Utf8Bytes::from("genug") };
        socket.close(Some(frame)).unwrap();
        said.push(Said::Close(Some(3210), String::from("genug")));
    }
    socket.flush().unwrap();
    (std::mem::take(&mut socket.get_mut().output), said)
}

const PAIRS: [(Role, Role, Setup); 2] =
    [(Role::Client, Role::Server, SERVER), (Role::Server, Role::Client, CLIENT)];

#[test]
fn they_understand_what_we_send() {
    for seed in 0..150 {
        for (from, to, _) in PAIRS {
            let (wire, said) = we_speak(&mut Chance::new(seed), from);
            assert!(they_hear(to, &wire) == said, "seed {seed}, from {from:?}");
        }
    }
}

#[test]
fn we_understand_what_they_send() {
    for seed in 0..150 {
        for (from, _, setup) in PAIRS {
            let mut chance = Chance::new(seed);
            let (wire, said) = they_speak(&mut chance, from);
            assert!(setup.hear([&wire[..]]) == said, "seed {seed}, from {from:?}, whole");
            assert!(setup.hear(chance.pieces(&wire)) == said, "seed {seed}, from {from:?}, in pieces");
        }
    }
}

#[test]
fn what_we_take_of_mutated_bytes_they_take_too() {
    let mut taken = 0;
    for seed in 0..1500 {
        let mut chance = Chance::new(seed);
        for (from, to, setup) in PAIRS {
            let (mut wire, _) = we_speak(&mut chance, from);
            wire.truncate(3000);
            for _ in 0..1 + chance.below(3) {
                let at = chance.below(wire.len().min(400));
                wire[at] ^= 1 << chance.below(8);
            }
            let ours = setup.hear([&wire[..]]);
            let theirs = they_hear(to, &wire);
            let ours: Vec<_> = ours.into_iter().filter(|said| !matches!(said, Said::Failed(_))).collect();
            // We may be stricter; what we did tell before is the same.
            assert!(theirs.starts_with(&ours), "seed {seed}, from {from:?}:\n{ours:?}\n{theirs:?}");
            taken += ours.len();
        }
    }
    assert!(taken > 1000, "{taken}");
}
