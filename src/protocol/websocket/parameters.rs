//! What is configured and what was agreed about permessage-deflate (RFC 7692, 7.1). How it is asked for in a header
//! field, `extension` knows.

use super::extension::Extension;
use super::{Deflater, Role};
use crate::limits;
use std::borrow::Cow;

/// How we wish to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateSettings {
    /// Whether the server's messages may refer to those before them. It compresses better and costs the server a
    /// compressor per connection, some 370 KiB at the largest window.
    pub server_context_takeover: bool,
    /// Whether the client's messages may refer to those before them. It costs the server some 48 KiB per connection.
    pub client_context_takeover: bool,
    /// The largest window of both directions, as a power of two: 9 to 15.
    pub window_bits_max: u8,
    /// How hard to try, 0 to 9.
    pub level: u8,
    /// Shorter messages are sent as they are, in bytes.
    pub bytes_min: usize,
}

impl Default for DeflateSettings {
    fn default() -> Self {
        Self {
            server_context_takeover: false,
            client_context_takeover: false,
            window_bits_max: limits::WEBSOCKET_WINDOW_BITS,
            level: limits::WEBSOCKET_DEFLATE_LEVEL,
            bytes_min: limits::WEBSOCKET_DEFLATE_BYTES_MIN,
        }
    }
}

impl DeflateSettings {
    /// The window we may use, whatever was configured.
    pub(super) fn window_bits(&self) -> u8 {
        self.window_bits_max.clamp(limits::WEBSOCKET_WINDOW_BITS_MIN, WINDOW_BITS_MAX)
    }
}

/// What both ends agreed upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateParameters {
    /// The server's messages do not refer to those before them.
    pub server_no_context_takeover: bool,
    /// The client's messages do not refer to those before them.
    pub client_no_context_takeover: bool,
    /// The server's window, as a power of two, where one was agreed; else it is 15.
    pub server_max_window_bits: Option<u8>,
    /// The client's window, as a power of two, where one was agreed; else it is 15.
    pub client_max_window_bits: Option<u8>,
}

impl DeflateParameters {
    /// What a server answers to one offer; `None` declines it (RFC 7692, 7.1).
    ///
    /// An offer of a server window of 8 is declined, since we cannot keep to it. So is one that does not let us limit
    /// the client's window when ours is configured to be smaller.
    pub(super) fn answer(settings: &DeflateSettings, offer: &Parameters) -> Option<Self> {
        let ours = settings.window_bits();
        let server = match offer.server_max_window_bits {
            Given::Absent if ours == WINDOW_BITS_MAX => None,
            Given::Absent => Some(ours),
            Given::Value(8) => return None,
            Given::Value(bits) => Some(bits.min(ours)),
            Given::Bare => return None,
        };
        let client = match offer.client_max_window_bits {
            Given::Absent if ours < WINDOW_BITS_MAX => return None,
            Given::Absent => None,
            Given::Bare if ours == WINDOW_BITS_MAX => None,
            Given::Bare => Some(ours),
            Given::Value(bits) => Some(bits.min(ours)),
        };
        offer.is_valid.then_some(Self {
            server_no_context_takeover: offer.server_no_context_takeover || !settings.server_context_takeover,
            client_no_context_takeover: offer.client_no_context_takeover || !settings.client_context_takeover,
            server_max_window_bits: server,
            client_max_window_bits: client,
        })
    }

    /// What a client asks for.
    pub(super) fn offer(settings: &DeflateSettings) -> Extension<'static> {
        let bits = settings.window_bits();
        let parameters = Parameters {
            is_valid: true,
            server_no_context_takeover: !settings.server_context_takeover,
            client_no_context_takeover: !settings.client_context_takeover,
            server_max_window_bits: if bits < WINDOW_BITS_MAX { Given::Value(bits) } else { Given::Absent },
            client_max_window_bits: if bits < WINDOW_BITS_MAX { Given::Value(bits) } else { Given::Bare },
        };
        Extension { name: Cow::Borrowed(NAME), parameters }
    }

    /// What a client makes of the server's answer to that offer; `None` when it does not fit the offer.
    pub(super) fn agreed(settings: &DeflateSettings, answer: &Parameters) -> Option<Self> {
        let ours = settings.window_bits();
        let server = match answer.server_max_window_bits {
            Given::Absent if ours < WINDOW_BITS_MAX => return None, // We asked for less.
            Given::Absent => None,
            Given::Value(bits) if bits <= ours => Some(bits),
            Given::Value(_) | Given::Bare => return None,
        };
        let client = match answer.client_max_window_bits {
            Given::Absent if ours < WINDOW_BITS_MAX => Some(ours), // We said that we use no more.
            Given::Absent => None,
            Given::Value(bits) => Some(bits.min(ours)),
            Given::Bare => return None,
        };
        let asked = !settings.server_context_takeover;
        let is_answered = answer.server_no_context_takeover || !asked;
        (answer.is_valid && is_answered).then_some(Self {
            server_no_context_takeover: answer.server_no_context_takeover,
            client_no_context_takeover: answer.client_no_context_takeover
                || !settings.client_context_takeover,
            server_max_window_bits: server,
            client_max_window_bits: client,
        })
    }

    /// As the answer of a server.
    pub(super) fn to_extension(self) -> Extension<'static> {
        let given = |bits: Option<u8>| bits.map_or(Given::Absent, Given::Value);
        let parameters = Parameters {
            is_valid: true,
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: given(self.server_max_window_bits),
            client_max_window_bits: given(self.client_max_window_bits),
        };
        Extension { name: Cow::Borrowed(NAME), parameters }
    }

    /// The compressor of what `role` sends. `None` where a window of 8 was agreed, which ours cannot keep to: then
    /// messages are sent as they are, which is always allowed.
    ///
    /// Without context take-over one compressor may serve many connections that agreed on the same window.
    pub fn deflater(&self, role: Role, settings: &DeflateSettings) -> Option<Deflater> {
        let (bits, keeps_context) = self.direction(role);
        let is_kept = bits >= limits::WEBSOCKET_WINDOW_BITS_MIN;
        is_kept.then(|| Deflater::new(bits.min(settings.window_bits()), keeps_context, settings))
    }

    /// The window of what `role` sends, and whether it is kept from message to message.
    pub(super) fn direction(&self, role: Role) -> (u8, bool) {
        let (bits, is_forgotten) = match role {
            Role::Server => (self.server_max_window_bits, self.server_no_context_takeover),
            Role::Client => (self.client_max_window_bits, self.client_no_context_takeover),
        };
        (bits.unwrap_or(WINDOW_BITS_MAX), !is_forgotten)
    }
}

/// The parameters of one offer or answer, as they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    /// False when one is unknown, comes twice or has a value that cannot be: then the whole offer is declined.
    pub(super) is_valid: bool,
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Given,
    pub(super) client_max_window_bits: Given,
}

/// A parameter that may have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    Absent,
    Bare,
    Value(u8),
}

impl Parameters {
    pub(super) const NONE: Self = Self {
        is_valid: true,
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        server_max_window_bits: Given::Absent,
        client_max_window_bits: Given::Absent,
    };

    /// Notes one parameter.
    pub(super) fn add(&mut self, name: &str, value: Option<&str>) {
        let is_new = match name {
            "server_no_context_takeover" => flag(&mut self.server_no_context_takeover, value),
            "client_no_context_takeover" => flag(&mut self.client_no_context_takeover, value),
            "server_max_window_bits" => {
                value.is_some() && window_bits(&mut self.server_max_window_bits, value)
            }
            "client_max_window_bits" => window_bits(&mut self.client_max_window_bits, value),
            _ => false,
        };
        self.is_valid &= is_new;
    }
}

fn flag(slot: &mut bool, value: Option<&str>) -> bool {
    !std::mem::replace(slot, true) && value.is_none()
}

/// 8 to 15, without leading zeros (RFC 7692, 7.1.2.1).
fn window_bits(slot: &mut Given, value: Option<&str>) -> bool {
    let known = ["8", "9", "10", "11", "12", "13", "14", "15"];
    let given = match value {
        None => Given::Bare,
        Some(text) => match (8..).zip(known).find(|(_, name)| *name == text) {
            Some((bits, _)) => Given::Value(bits),
            None => return false,
        },
    };
    std::mem::replace(slot, given) == Given::Absent
}

/// The extension's name (RFC 7692, 7).
pub(super) const NAME: &str = "permessage-deflate";
const WINDOW_BITS_MAX: u8 = 15;
