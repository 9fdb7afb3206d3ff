//! The first bytes of a connection, looked at before TLS takes them: are they TLS at all, and which name do they ask
//! for.
//!
//! Nothing is decided here but the answer to plain HTTP. The name is a fact for logs; certificates are chosen by the
//! library, which reads the same message with its own eyes.

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// Not HTTP: TLS may have them.
    Tls,
    /// The beginning of an HTTP request.
    Http,
    /// Letters of a method so far.
    Undecided,
}

/// Looks at what has come so far. A record of TLS begins with a byte that is no letter (RFC 8446, B.1), a request with
/// its method and a space (RFC 9112, 3).
pub(super) fn first_bytes(bytes: &[u8]) -> First {
    let letters = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    match bytes.get(letters) {
        _ if METHOD_LETTERS_MAX < letters => First::Tls,
        None => First::Undecided,
        Some(b' ') if METHOD_LETTERS_MIN <= letters => First::Http,
        Some(_) => First::Tls,
    }
}

/// GET is the shortest method, and VERSION-CONTROL aside none is longer than this.
const METHOD_LETTERS_MIN: usize = 3;
const METHOD_LETTERS_MAX: usize = 16;

/// The name that a whole first record asks for. `None` when it asks for none, or when the message goes on in a second
/// record, as that of no known client does.
pub(super) fn server_name(record: &[u8]) -> Option<Box<str>> {
    // Record: type, version, length. Handshake: type, length. ClientHello: version, random.
    let mut record = Reader(record);
    let [HANDSHAKE, ..] = record.take(3)? else { return None };
    let mut message = record.vector(2)?;
    let [CLIENT_HELLO] = message.take(1)? else { return None };
    let mut hello = message.vector(3)?;
    hello.take(2 + 32)?;
    hello.vector(1)?; // Session.
    hello.vector(2)?; // Cipher suites.
    hello.vector(1)?; // Compression.
    let mut extensions = hello.vector(2)?;
    loop {
        let kind = extensions.take(2)?;
        let mut body = extensions.vector(2)?;
        if kind == SERVER_NAME {
            return host_name(body.vector(2)?);
        }
    }
}

/// The one host name of a list of names (RFC 6066, 3).
fn host_name(mut list: Reader<'_>) -> Option<Box<str>> {
    let [HOST_NAME] = list.take(1)? else { return None };
    let name = list.vector(2)?.0;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    let is_name = !name.is_empty() && name.len() <= DNS_NAME_BYTES_MAX && name.iter().all(is_plain);
    let name = std::str::from_utf8(name).ok().filter(|_| is_name)?;
    Some(name.to_ascii_lowercase().into_boxed_str())
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: &[u8] = &[0, 0];
const HOST_NAME: u8 = 0;
const DNS_NAME_BYTES_MAX: usize = 253;

/// Bytes not yet read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// What a length of so many bytes stands before.
    fn vector(&mut self, length_bytes: usize) -> Option<Self> {
        let length = self.take(length_bytes)?.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        self.take(length).map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, expected: First) {
        assert_eq!(first_bytes(bytes.as_bytes()), expected, "{bytes:?}");
    }

    #[test]
    fn a_method_and_a_space_are_http() {
        check("GET / HTTP/1.1\r\n", First::Http);
        check("OPTIONS * HTTP/1.1\r\n", First::Http);
        check("PRI * HTTP/2.0\r\n", First::Http);
        check("POST ", First::Http);
        for cut in 0..4 {
            check(&"GET "[..cut], First::Undecided);
        }
    }

    #[test]
    fn other_bytes_are_left_to_tls() {
        check("\u{16}\u{3}\u{1}", First::Tls);
        check("SSH-2.0-OpenSSH_9.6\r\n", First::Tls);
        check("get / ", First::Tls);
        check("AB ", First::Tls);
        check("ABCDEFGHIJKLMNOPQ", First::Tls);
        check(" GET", First::Tls);
    }

    /// The ClientHello of RFC 8448, 3, which asks for "server".
    const HELLO: &str = "16 03 01 00 c4 01 00 00 c0 03 03 cb 34 ec b1 e7 81 63 ba 1c 38 c6 da cb 19 6a 6d ff a2 1a \
        8d 99 12 ec 18 a2 ef 62 83 02 4d ec e7 00 00 06 13 01 13 03 13 02 01 00 00 91 00 00 00 0b 00 09 00 00 06 73 \
        65 72 76 65 72 ff 01 00 01 00 00 0a 00 14 00 12 00 1d 00 17 00 18 00 19 01 00 01 01 01 02 01 03 01 04 00 23 \
        00 00 00 33 00 26 00 24 00 1d 00 20 99 38 1d e5 60 e4 bd 43 d2 3d 8e 43 5a 7d ba fe b3 c0 6e 51 c1 3c ae 4d \
        54 13 69 1e 52 9a af 2c 00 2b 00 03 02 03 04 00 0d 00 20 00 1e 04 03 05 03 06 03 02 03 08 04 08 05 08 06 04 \
        01 05 01 06 01 02 01 04 02 05 02 06 02 02 02 00 2d 00 02 01 01 00 1c 00 02 40 01";

    fn hello() -> Vec<u8> {
        HELLO.split_whitespace().map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
    }

    #[test]
    fn the_name_of_a_published_hello_is_read() {
        assert_eq!(server_name(&hello()).as_deref(), Some("server"));
    }

    #[test]
    fn a_hello_cut_anywhere_has_no_name() {
        let hello = hello();
        for cut in 0..hello.len() {
            assert_eq!(server_name(&hello[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_name_with_strange_letters_is_not_taken() {
        let mut hello = hello();
        let at = hello.windows(6).position(|window| window == b"server").unwrap();
        hello[at] = b'\n';
        assert_eq!(server_name(&hello), None);
    }
}
