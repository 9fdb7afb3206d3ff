//! What the tests share: a caller that keeps to the contract, frames made by hand, and chance from a seed.

use crate::limits;
use crate::protocol::websocket::{DeflateParameters, Event, Kind, Limits, Receiver, Role};

/// An event that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Piece(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Failed(u16),
}

pub(super) fn text(words: impl AsRef<[u8]>) -> Said {
    Said::Text(words.as_ref().to_vec())
}

pub(super) fn binary(bytes: impl AsRef<[u8]>) -> Said {
    Said::Binary(bytes.as_ref().to_vec())
}

pub(super) fn ping(bytes: impl AsRef<[u8]>) -> Said {
    Said::Ping(bytes.as_ref().to_vec())
}

pub(super) fn pong(bytes: impl AsRef<[u8]>) -> Said {
    Said::Pong(bytes.as_ref().to_vec())
}

impl From<Event<'_>> for Said {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message { kind: Kind::Text, payload } => text(payload),
            Event::Message { kind: Kind::Binary, payload } => binary(payload),
            Event::Piece(payload) => Self::Piece(payload.to_vec()),
            Event::Ping(payload) => ping(payload),
            Event::Pong(payload) => pong(payload),
            Event::Close { code, reason } => Self::Close(code.map(|code| code.number()), reason.to_owned()),
        }
    }
}

/// Who listens, and to what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) role: Role,
    pub(super) limits: Limits,
    pub(super) deflate: Option<DeflateParameters>,
}

/// A server without compression.
pub(super) const SERVER: Setup = Setup { role: Role::Server, limits: DEFAULT_LIMITS, deflate: None };
/// A client without compression.
pub(super) const CLIENT: Setup = Setup { role: Role::Client, limits: DEFAULT_LIMITS, deflate: None };
const DEFAULT_LIMITS: Limits = Limits { message_bytes_max: 1 << 20, frame_bytes_max: 1 << 20 };

/// Compression with context take-over in both directions.
pub(super) const TAKEOVER: DeflateParameters = DeflateParameters {
    server_no_context_takeover: false,
    client_no_context_takeover: false,
    server_max_window_bits: None,
    client_max_window_bits: None,
};

impl Setup {
    pub(super) const fn deflating(self, deflate: DeflateParameters) -> Self {
        Self { deflate: Some(deflate), ..self }
    }

    pub(super) const fn taking(self, message_bytes_max: usize) -> Self {
        let limits = Limits { message_bytes_max, frame_bytes_max: message_bytes_max };
        Self { limits, ..self }
    }

    pub(super) fn receiver(&self) -> Receiver {
        Receiver::new(self.role, self.limits, self.deflate.as_ref())
    }

    /// Listens to bytes that arrive in pieces, as a service does.
    pub(super) fn hear<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Said> {
        let mut listener = Listener::new(self);
        for piece in pieces {
            listener.hear(piece);
        }
        listener.said
    }
}

/// A receiver with the bytes that it wants to see again.
pub(super) struct Listener {
    pub(super) receiver: Receiver,
    pub(super) said: Vec<Said>,
    carried: Vec<u8>,
    memory_bytes_max: usize,
    keeps_context: bool,
}

impl Listener {
    pub(super) fn new(setup: &Setup) -> Self {
        // At most one message, its inflater, and the rounding of allocations.
        let memory_bytes_max =
            setup.limits.message_bytes_max + 48 * 1024 + limits::WEBSOCKET_ASSEMBLY_BYTES_MIN;
        let keeps_context = setup.deflate.is_some_and(|agreed| match setup.role {
            Role::Server => !agreed.client_no_context_takeover,
            Role::Client => !agreed.server_no_context_takeover,
        });
        let receiver = setup.receiver();
        Self { receiver, said: Vec::new(), carried: Vec::new(), memory_bytes_max, keeps_context }
    }

    pub(super) fn hear(&mut self, piece: &[u8]) {
        let mut bytes = std::mem::take(&mut self.carried);
        bytes.extend_from_slice(piece);
        let mut at = 0;
        loop {
            match self.receiver.receive(&mut bytes[at..]) {
                Ok(step) => {
                    at += step.consumed;
                    match step.event {
                        Some(event) => self.said.push(Said::from(event)),
                        None => break,
                    }
                }
                Err(failure) => self.said.push(Said::Failed(failure.code.number())),
            }
            assert!(self.receiver.memory_bytes() <= self.memory_bytes_max);
        }
        self.carried = bytes.split_off(at);
        assert!(self.carried.len() <= limits::WEBSOCKET_CARRY_BYTES_MAX, "carries {}", self.carried.len());
        assert!(self.receiver.memory_bytes() <= self.memory_bytes_max);
        if !self.receiver.is_within_message() && !self.keeps_context {
            assert_eq!(self.receiver.memory_bytes(), 0, "an idle receiver keeps nothing");
        }
    }
}

/// The one check: `bytes` say the same however they are cut.
pub(super) fn check(setup: &Setup, bytes: &[u8], expected: &[Said]) {
    let shown = &bytes[..bytes.len().min(64)];
    assert_eq!(setup.hear([bytes]), expected, "{shown:x?}");
    assert_eq!(setup.hear(bytes.chunks(1)), expected, "{shown:x?} byte by byte");
    for cut in cuts(bytes.len()) {
        let (head, tail) = bytes.split_at(cut);
        assert_eq!(setup.hear([head, tail]), expected, "{shown:x?} cut at {cut}");
    }
}

/// All places to cut; of long inputs all near the ends, and some between.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    (0..=length).filter(move |cut| length <= 2000 || *cut < 40 || length - cut < 40 || cut % 4099 == 0)
}

/// A frame, made by hand: the first byte as it is, the shortest length, the key when there is one.
pub(super) fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let length = payload.len();
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(masked | u8::try_from(length).unwrap()),
        126..65_536 => {
            bytes.push(masked | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(key.unwrap_or_default().iter().take(if key.is_some() { 4 } else { 0 }));
    let key = key.unwrap_or_default();
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// A frame of a client.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, Some([0x37, 0xfa, 0x21, 0x3d]), payload)
}

/// A frame of a server.
pub(super) fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, None, payload)
}

/// Chance from a seed (xorshift64*).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    /// Below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.number() % bound as u64).unwrap()
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(super) fn byte(&mut self) -> u8 {
        u8::try_from(self.number() & 0xff).unwrap()
    }

    pub(super) fn key(&mut self) -> [u8; 4] {
        std::array::from_fn(|_| self.byte())
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }

    /// A length near the borders of the length encodings, or a small one.
    pub(super) fn length(&mut self) -> usize {
        match self.below(12) {
            0 => 0,
            1 => 124 + self.below(4),
            2 => 65_534 + self.below(4),
            3 => self.below(5000),
            _ => self.below(100),
        }
    }

    /// Text of characters of all lengths.
    pub(super) fn words(&mut self, characters: usize) -> String {
        let alphabet = ['a', 'b', ' ', 'é', 'ß', '€', '水', '𝄞', '\u{10ffff}'];
        (0..characters).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }

    /// Cuts bytes into pieces of many sizes.
    pub(super) fn pieces<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let longest = if self.one_in(3) { 5 } else { 4000 };
            let (piece, rest) = bytes.split_at((1 + self.below(longest)).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}
