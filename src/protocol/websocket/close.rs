//! Close frames: their codes and their payload (RFC 6455, 5.5.1 and 7.4). Who may send one when, `closing` knows.

use super::Failure;
use crate::limits;

/// The code of a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// What the connection was for has been done.
    pub const NORMAL: Self = Self(1000);
    /// The server stops, or the page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// The peer sent a kind of data that is not taken here.
    pub const UNSUPPORTED: Self = Self(1003);
    /// The peer sent what cannot be, as text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// The peer broke a rule of ours.
    pub const POLICY: Self = Self(1008);
    /// The peer sent more than is taken.
    pub const TOO_BIG: Self = Self(1009);
    /// The client misses an extension in the server's handshake.
    pub const MISSING_EXTENSION: Self = Self(1010);
    /// Something broke on our side.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The server restarts (IANA registry).
    pub const RESTART: Self = Self(1012);
    /// The server is overloaded (IANA registry).
    pub const TRY_AGAIN: Self = Self(1013);

    /// The code with this number, when a close frame may carry it: 1004 is reserved, 1005, 1006 and 1015 stand for what
    /// was never sent, and the rest up to 2999 is not assigned.
    pub const fn on_the_wire(number: u16) -> Option<Self> {
        match number {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(number)),
            _ => None,
        }
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// Reads the payload of a close frame.
pub(super) fn parse(payload: &[u8]) -> Result<(Option<CloseCode>, &str), Failure> {
    let [high, low, reason @ ..] = payload else {
        let is_empty = payload.is_empty();
        return if is_empty { Ok((None, "")) } else { Err(Failure::protocol("Half a close code.")) };
    };
    let code = CloseCode::on_the_wire(u16::from_be_bytes([*high, *low]))
        .ok_or(Failure::protocol("A close code that may not be sent."))?;
    let reason = str::from_utf8(reason).map_err(|_| Failure::data("A close reason that is not UTF-8."))?;
    Ok((Some(code), reason))
}

/// As much of `reason` as fits behind a code, cut between characters.
pub(super) fn fitting(reason: &str) -> &str {
    let longest = limits::WEBSOCKET_CONTROL_BYTES_MAX - size_of::<u16>();
    let cut = (0..=longest.min(reason.len())).rev().find(|&at| reason.is_char_boundary(at));
    &reason[..cut.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_codes_that_may_be_sent_are_those_of_the_registry() {
        // RFC 6455, 7.4.1 and 7.4.2; 1012 to 1014 from the IANA registry.
        let sent = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
        for number in 0..=u16::MAX {
            let expected = sent.contains(&number) || (3000..5000).contains(&number);
            assert_eq!(CloseCode::on_the_wire(number).is_some(), expected, "{number}");
        }
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(fitting("short"), "short");
        assert_eq!(fitting(&"x".repeat(124)), "x".repeat(123));
        assert_eq!(fitting(&"é".repeat(62)), "é".repeat(61)); // 122 bytes: 123 would halve one.
        assert_eq!(fitting(&"𝄞".repeat(40)), "𝄞".repeat(30));
    }
}
