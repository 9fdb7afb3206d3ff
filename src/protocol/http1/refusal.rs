//! Why a peer's bytes are refused: one closed list, with the status and the words of the answer.
//!
//! It must not know how the reason was found, or what becomes of the connection.

use std::fmt;

macro_rules! refusals {
    ($($name:ident = $status:literal, $reason:literal;)*) => {
        /// Why a message is refused. It cannot be read on from here: answer if that is possible, and close.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(usize)] // As wide as a length: a length or a refusal then travels in two registers, and is not packed.
        pub enum Refusal {
            $(#[doc = $reason] $name,)*
        }

        impl Refusal {
            /// Every reason, in the order of its number (`refusal as usize`): for tables of counters.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The status of the answer.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// One sentence for the peer and for people who read counters. It repeats nothing that the peer sent.
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$name => $reason,)* }
            }

            /// The variant's name, for counters.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

refusals! {
    Tls = 400, "This port speaks plain HTTP, and a TLS handshake came.";
    BadMethod = 400, "The method is not a token.";
    MethodTooLong = 501, "The method is longer than any that is known here.";
    BadTarget = 400, "The request target is not one that this method may have.";
    TargetTooLong = 414, "The request target is too long.";
    BadVersion = 400, "The first line does not end in an HTTP version.";
    OtherVersion = 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.";
    BadStatusLine = 502, "The first line is not a status line.";
    BadHeaderName = 400, "The name of a header field is not a token.";
    SpaceBeforeColon = 400, "There is space between the name of a header field and its colon.";
    FoldedLine = 400, "A header line starts with space.";
    BareCr = 400, "A carriage return stands without its line feed.";
    BareLf = 400, "A line feed stands without its carriage return.";
    ControlByte = 400, "There is a control byte in the value of a header field.";
    HeadTooLong = 431, "The head of the message is too long.";
    TooManyHeaders = 431, "There are too many header lines.";
    MissingHost = 400, "The Host field is missing.";
    RepeatedHost = 400, "There is more than one Host field.";
    BadHost = 400, "The Host field is not a host with an optional port.";
    BadContentLength = 400, "The Content-Length field is not a decimal number below 2^64.";
    RepeatedContentLength = 400, "There is more than one Content-Length field.";
    LengthAndCoding = 400, "There is both a Content-Length and a Transfer-Encoding field.";
    BadTransferEncoding = 400, "The last transfer coding, and no other, must be chunked.";
    RepeatedTransferEncoding = 400, "There is more than one Transfer-Encoding field.";
    UnknownCoding = 501, "The only transfer coding that is known here is chunked.";
    CodingInOldVersion = 400, "HTTP/1.0 has no transfer codings.";
    BadConnection = 400, "The Connection field is not a list of tokens.";
    UnknownExpectation = 417, "The only expectation that is known here is 100-continue.";
    BodyTooLong = 413, "The content is too long.";
    BadChunkSize = 400, "A chunk size is not a short hexadecimal number.";
    BadChunkExtension = 400, "A chunk extension is malformed.";
    ChunkExtensionTooLong = 400, "The chunk extensions are too long.";
    BadChunkEnd = 400, "A chunk does not end where its size says.";
    BadTrailer = 400, "A trailer field is malformed.";
    TrailersTooLong = 431, "The trailer section is too long.";
    Truncated = 400, "The connection ended within a message.";
    BadEscape = 400, "A percent escape is malformed.";
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.reason())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_an_error_status_and_a_sentence() {
        for (number, refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(*refusal as usize, number);
            assert!((400..600).contains(&refusal.status()), "{refusal:?}");
            assert!(refusal.reason().ends_with('.') && refusal.reason().is_ascii(), "{refusal:?}");
            assert_eq!(refusal.name(), format!("{refusal:?}"));
        }
    }
}
