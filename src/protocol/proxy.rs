//! The PROXY protocol, versions 1 and 2: who the peer is, said by a proxy in front of us.
//!
//! The rules are those of HAProxy's `proxy-protocol.txt`; numbers of sections here are its own. A header is the very
//! first thing on a connection, and it is either whole, unfinished or wrong: there is no guessing. What is wrong is
//! known at the first byte that makes it so. Whether a peer may be believed at all is for the caller to know.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::limits;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The bytes of the header; what follows is the connection's own.
    pub consumed: usize,
    /// Who connected to the proxy, and where. `None` when the proxy speaks for itself (a health check), or does not
    /// know, or the client came over something else than TCP: then the connection's own addresses are the true ones.
    pub addresses: Option<Addresses>,
}

/// The two ends of a connection in front of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// The address that it connected to.
    pub destination: SocketAddr,
}

/// The two forms of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One line of text.
    V1,
    /// Binary.
    V2,
}

/// Why bytes are no header, and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Neither form begins like this.
    #[error("the connection does not begin with a PROXY header")]
    NoHeader,
    /// It is longer than its form allows, or than anybody needs.
    #[error("the PROXY header is too long")]
    TooLong,
    /// A field of the line is wrong.
    #[error("the PROXY line has a wrong {0}")]
    Field(&'static str),
    /// The binary form is of an unknown version or command.
    #[error("the PROXY header has an unknown version or command")]
    Command,
    /// The binary form has an unknown family or transport.
    #[error("the PROXY header has an unknown family of addresses")]
    Family,
    /// The binary form has less room than its addresses need.
    #[error("the PROXY header is shorter than its addresses")]
    Short,
}

/// Reads the header at the front of `bytes`, of either version. `None` while it is unfinished: ask again with more of
/// the same connection, from its first byte.
///
/// # Errors
///
/// When no further byte can make it a header.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    match bytes.first() {
        None => Ok(None),
        Some(first) if *first == SIGNATURE[0] => parse_v2(bytes),
        Some(_) => parse_v1(bytes),
    }
}

/// Appends a header that says this; without addresses, that the proxy speaks for itself.
pub fn encode(version: Version, addresses: Option<Addresses>, out: &mut Vec<u8>) {
    match version {
        Version::V1 => encode_v1(addresses, out),
        Version::V2 => encode_v2(addresses, out),
    }
}

// --- Version 1 (2.1) ---------------------------------------------------------------------------------------------

const PREFIX: &[u8] = b"PROXY ";

fn parse_v1(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    if !begins_alike(bytes, PREFIX) {
        return Err(Malformed::NoHeader);
    }
    let Some(rest) = bytes.get(PREFIX.len()..) else { return Ok(None) };
    let rest = &rest[..rest.len().min(limits::PROXY_V1_BYTES_MAX - PREFIX.len())];
    let end = memchr::memchr2(b'\r', b'\n', rest);
    let line = &rest[..end.unwrap_or(rest.len())];
    let addresses = parse_line(line, end.is_some())?;
    match end.map(|end| &rest[end..]) {
        Some([b'\r', b'\n', ..]) => Ok(Some(Header { consumed: PREFIX.len() + line.len() + 2, addresses })),
        Some([b'\r']) | None if bytes.len() < limits::PROXY_V1_BYTES_MAX => Ok(None),
        Some([b'\r', _, ..] | [b'\n', ..]) => Err(Malformed::Field("end")),
        Some(_) | None => Err(Malformed::TooLong),
    }
}

/// What stands between the prefix and the line's end, all of it or its beginning.
fn parse_line(line: &[u8], is_whole: bool) -> Result<Option<Addresses>, Malformed> {
    let mut fields = line.split(|byte| *byte == b' ');
    // The first field is always there, be it empty; all but the last one are followed by a space.
    let protocol = fields.next().unwrap_or_default();
    if protocol.len() == line.len() && !is_whole {
        let known = [&b"TCP4"[..], b"TCP6", b"UNKNOWN"];
        let may_become =
            known.iter().any(|name| protocol.len() <= name.len() && begins_alike(protocol, name));
        return if may_become { Ok(None) } else { Err(Malformed::Field("protocol")) };
    }
    let is_v6 = match protocol {
        // The rest of the line must be ignored.
        b"UNKNOWN" => return Ok(None),
        b"TCP4" => false,
        b"TCP6" => true,
        _ => return Err(Malformed::Field("protocol")),
    };
    let mut rest = Fields { text: &line[protocol.len()..], is_whole };
    let Some(source) = rest.address(is_v6)? else { return Ok(None) };
    let Some(destination) = rest.address(is_v6)? else { return Ok(None) };
    let Some(source_port) = rest.port("source port", false)? else { return Ok(None) };
    let Some(destination_port) = rest.port("destination port", true)? else { return Ok(None) };
    Ok(Some(Addresses {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    }))
}

/// Fields that are not read yet, each behind its space.
struct Fields<'a> {
    text: &'a [u8],
    /// Whether the line ends where the text does.
    is_whole: bool,
}

impl<'a> Fields<'a> {
    /// The next field, and whether it is whole. The last one ends with the line, others with a space.
    fn next(&mut self, name: &'static str, is_last: bool) -> Result<(&'a [u8], bool), Malformed> {
        let field = match self.text.split_first() {
            Some((b' ', field)) => field,
            // Only behind the protocol can a space be missing, and there the line has ended.
            Some(_) => return Err(Malformed::Field(name)),
            None if self.is_whole => return Err(Malformed::Field(name)),
            None => return Ok((&[], false)),
        };
        let end = memchr::memchr(b' ', field);
        if is_last == end.is_some() && (is_last || self.is_whole) {
            return Err(Malformed::Field(name));
        }
        let (field, rest) = field.split_at(end.unwrap_or(field.len()));
        self.text = rest;
        Ok((field, end.is_some() || self.is_whole))
    }

    fn address(&mut self, is_v6: bool) -> Result<Option<IpAddr>, Malformed> {
        const NAME: &str = "address";
        let (field, is_whole) = self.next(NAME, false)?;
        if is_whole {
            let address = if is_v6 {
                parse_text::<Ipv6Addr>(field).map(IpAddr::V6)
            } else {
                parse_text::<Ipv4Addr>(field).map(IpAddr::V4)
            };
            return address.ok_or(Malformed::Field(NAME)).map(Some);
        }
        let is_letter = |byte: &u8| match byte {
            b'0'..=b'9' | b'.' => true,
            b'a'..=b'f' | b'A'..=b'F' | b':' => is_v6,
            _ => false,
        };
        // As long as 255.255.255.255, or as ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255.
        let longest = if is_v6 { 45 } else { 15 };
        let may_become = field.len() <= longest && field.iter().all(is_letter);
        if may_become { Ok(None) } else { Err(Malformed::Field(NAME)) }
    }

    fn port(&mut self, name: &'static str, is_last: bool) -> Result<Option<u16>, Malformed> {
        let (field, is_whole) = self.next(name, is_last)?;
        // Digits and no others: the numbers of Rust may have a sign, and zeros before them.
        let is_number = field.iter().all(u8::is_ascii_digit) && !(1 < field.len() && field[0] == b'0');
        let port = parse_text(field).filter(|_| is_number);
        match (port, is_whole) {
            (Some(port), true) => Ok(Some(port)),
            (None, true) => Err(Malformed::Field(name)),
            (Some(_), false) => Ok(None),
            (None, false) if field.is_empty() => Ok(None),
            (None, false) => Err(Malformed::Field(name)),
        }
    }
}

fn parse_text<T: FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn encode_v1(addresses: Option<Addresses>, out: &mut Vec<u8>) {
    let line = match addresses.map(same_family) {
        None => "PROXY UNKNOWN\r\n".to_owned(),
        Some(Addresses { source, destination }) => {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let (from, to) = (source.ip(), destination.ip());
            format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port())
        }
    };
    out.extend_from_slice(line.as_bytes());
}

// --- Version 2 (2.2) ---------------------------------------------------------------------------------------------

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
const FIXED_BYTES: usize = 16;

fn parse_v2(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    if !begins_alike(bytes, SIGNATURE) {
        return Err(Malformed::NoHeader);
    }
    let is_local = match bytes.get(12) {
        None => return Ok(None),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(Malformed::Command),
    };
    let Some(&family) = bytes.get(13) else { return Ok(None) };
    // The family of a proxy that speaks for itself must be ignored.
    let address_bytes = match family {
        _ if is_local => 0,
        UNSPECIFIED => 0,
        TCP4 | UDP4 => 12,
        TCP6 | UDP6 => 36,
        UNIX_STREAM | UNIX_DATAGRAM => 216,
        _ => return Err(Malformed::Family),
    };
    let Some((length, rest)) = bytes.get(14..).and_then(<[u8]>::split_first_chunk::<2>) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length < address_bytes {
        return Err(Malformed::Short);
    }
    if limits::PROXY_V2_BYTES_MAX < FIXED_BYTES + length {
        return Err(Malformed::TooLong);
    }
    // Behind the addresses stand extensions, which may be skipped (2.2, last paragraphs).
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let addresses = match family {
        TCP4 if !is_local => addresses_of::<4>(body),
        TCP6 if !is_local => addresses_of::<16>(body),
        _ => None,
    };
    Ok(Some(Header { consumed: FIXED_BYTES + length, addresses }))
}

const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const UDP4: u8 = 0x12;
const TCP6: u8 = 0x21;
const UDP6: u8 = 0x22;
const UNIX_STREAM: u8 = 0x31;
const UNIX_DATAGRAM: u8 = 0x32;

/// Source, destination, their ports.
fn addresses_of<const BYTES: usize>(body: &[u8]) -> Option<Addresses>
where
    IpAddr: From<[u8; BYTES]>,
{
    let (source, body) = body.split_first_chunk::<BYTES>()?;
    let (destination, body) = body.split_first_chunk::<BYTES>()?;
    let &[s1, s2, d1, d2] = body.first_chunk()?;
    Some(Addresses {
        source: SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes([s1, s2])),
        destination: SocketAddr::new(IpAddr::from(*destination), u16::from_be_bytes([d1, d2])),
    })
}

fn encode_v2(addresses: Option<Addresses>, out: &mut Vec<u8>) {
    out.extend_from_slice(SIGNATURE);
    let Some(Addresses { source, destination }) = addresses.map(same_family) else {
        out.extend_from_slice(&[0x20, UNSPECIFIED, 0, 0]);
        return;
    };
    let fixed = if source.is_ipv4() { [0x21, TCP4, 0, 12] } else { [0x21, TCP6, 0, 36] };
    out.extend_from_slice(&fixed);
    for end in [source, destination] {
        match end.ip() {
            IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
            IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
        }
    }
    out.extend_from_slice(&source.port().to_be_bytes());
    out.extend_from_slice(&destination.port().to_be_bytes());
}

// --- Both --------------------------------------------------------------------------------------------------------

/// Whether the shorter one is the beginning of the longer one.
fn begins_alike(bytes: &[u8], expected: &[u8]) -> bool {
    bytes.iter().zip(expected).all(|(found, expected)| found == expected)
}

/// Both ends in one family, as a header has room for one: an IPv4 address beside an IPv6 one is written as IPv6
/// (RFC 4291, 2.5.5.2).
fn same_family(addresses: Addresses) -> Addresses {
    let Addresses { source, destination } = addresses;
    if source.is_ipv4() == destination.is_ipv4() {
        return addresses;
    }
    let widen = |end: SocketAddr| match end.ip() {
        IpAddr::V4(address) => SocketAddr::new(IpAddr::V6(address.to_ipv6_mapped()), end.port()),
        IpAddr::V6(_) => end,
    };
    Addresses { source: widen(source), destination: widen(destination) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(source: &str, destination: &str) -> Option<Addresses> {
        Some(Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
    }

    /// A whole header: cut anywhere it is unfinished, and what follows is left alone.
    fn check(bytes: &[u8], expected: Option<Addresses>) {
        let header = Ok(Some(Header { consumed: bytes.len(), addresses: expected }));
        assert_eq!(parse(bytes), header, "{}", bytes.escape_ascii());
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut]), Ok(None), "{} cut at {cut}", bytes.escape_ascii());
        }
        for tail in [&b"GET / HTTP/1.1\r\n"[..], b"\r\n", b" ", b"PROXY TCP4 ", &[0; 5000]] {
            assert_eq!(parse(&[bytes, tail].concat()), header, "{} and more", bytes.escape_ascii());
        }
    }

    /// A wrong header: refused at its last byte and not before, whatever follows.
    fn check_wrong(bytes: &[u8], expected: Malformed) {
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut]), Ok(None), "{} cut at {cut}", bytes.escape_ascii());
        }
        for tail in [&b""[..], b"x", b" ", b"\r\n"] {
            let bytes = [bytes, tail].concat();
            assert_eq!(parse(&bytes), Err(expected), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn lines_of_version_1_are_read() {
        // The example of section 2.1, and its longest lines.
        let first = addresses("192.168.0.1:56324", "192.168.0.11:443");
        check(b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", first);
        let longest = "255.255.255.255:65535";
        check(b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", addresses(longest, longest));
        let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        check(
            b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            addresses(longest, longest),
        );
        check(b"PROXY TCP6 ::1 2001:DB8::a 1 0\r\n", addresses("[::1]:1", "[2001:db8::a]:0"));
        check(b"PROXY TCP6 ::ffff:1.2.3.4 :: 1 2\r\n", addresses("[::ffff:1.2.3.4]:1", "[::]:2"));
    }

    #[test]
    fn unknown_peers_have_no_address() {
        check(b"PROXY UNKNOWN\r\n", None);
        check(b"PROXY UNKNOWN \r\n", None);
        check(b"PROXY UNKNOWN whatever, it is ignored  to the end\r\n", None);
        // The longest line of all: 107 bytes.
        check(
            b"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            None,
        );
    }

    #[test]
    fn wrong_lines_are_refused_at_once() {
        check_wrong(b"G", Malformed::NoHeader);
        check_wrong(b"\x16", Malformed::NoHeader);
        check_wrong(b"PROXY\t", Malformed::NoHeader);
        check_wrong(b"PROXY\r", Malformed::NoHeader);
        check_wrong(b"proxy"[..1].as_ref(), Malformed::NoHeader);
        check_wrong(b"PROXY  ", Malformed::Field("protocol"));
        check_wrong(b"PROXY \r", Malformed::Field("protocol"));
        check_wrong(b"PROXY TCP5", Malformed::Field("protocol"));
        check_wrong(b"PROXY TCP44", Malformed::Field("protocol"));
        check_wrong(b"PROXY UD", Malformed::Field("protocol"));
        check_wrong(b"PROXY UNKNOWNS", Malformed::Field("protocol"));
        check_wrong(b"PROXY TCP4\r", Malformed::Field("address"));
        check_wrong(b"PROXY TCP4  ", Malformed::Field("address"));
        check_wrong(b"PROXY TCP4 x", Malformed::Field("address"));
        check_wrong(b"PROXY TCP4 :", Malformed::Field("address"));
        check_wrong(b"PROXY TCP4 1.2.3.4\r", Malformed::Field("address"));
        check_wrong(b"PROXY TCP4 1.2.3 ", Malformed::Field("address"));
        check_wrong(b"PROXY TCP4 1.2.3.256 ", Malformed::Field("address"));
        check_wrong(b"PROXY TCP4 01.2.3.4 ", Malformed::Field("address"));
        check_wrong(b"PROXY TCP4 1.2.3.4.5.6.7.8.", Malformed::Field("address"));
        check_wrong(b"PROXY TCP4 1.2.3.4 \t", Malformed::Field("address"));
        check_wrong(b"PROXY TCP6 1.2.3.4 ", Malformed::Field("address"));
        check_wrong(b"PROXY TCP6 ::1%", Malformed::Field("address"));
        check_wrong(b"PROXY TCP4 1.2.3.4 5.6.7.8 -", Malformed::Field("source port"));
        check_wrong(b"PROXY TCP4 1.2.3.4 5.6.7.8 +", Malformed::Field("source port"));
        check_wrong(b"PROXY TCP4 1.2.3.4 5.6.7.8 01", Malformed::Field("source port"));
        check_wrong(b"PROXY TCP4 1.2.3.4 5.6.7.8 65536", Malformed::Field("source port"));
        check_wrong(b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r", Malformed::Field("source port"));
        check_wrong(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 \r", Malformed::Field("destination port"));
        check_wrong(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 ", Malformed::Field("destination port"));
        check_wrong(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", Malformed::Field("end"));
        check_wrong(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rx", Malformed::Field("end"));
        check_wrong(b"PROXY UNKNOWN\n", Malformed::Field("end"));
    }

    #[test]
    fn a_line_without_end_is_refused_at_its_bound() {
        let mut line = b"PROXY UNKNOWN ".to_vec();
        line.resize(107, b'x');
        check_wrong(&line, Malformed::TooLong);
        // The end must be within the bound, too.
        line.truncate(106);
        line.push(b'\r');
        check_wrong(&line, Malformed::TooLong);
    }

    /// The signature of section 2.2.
    const START: [u8; 12] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

    fn v2(rest: &[&[u8]]) -> Vec<u8> {
        [&START[..], &rest.concat()].concat()
    }

    #[test]
    fn headers_of_version_2_are_read() {
        let four = [192, 168, 0, 1, 192, 168, 0, 11, 0xdc, 0x04, 0x01, 0xbb];
        let ends = addresses("192.168.0.1:56324", "192.168.0.11:443");
        check(&v2(&[&[0x21, 0x11, 0, 12], &four]), ends);
        // With an extension behind: PP2_TYPE_NOOP of two bytes.
        check(&v2(&[&[0x21, 0x11, 0, 17], &four, &[0x04, 0, 2, 0, 0]]), ends);
        let six = [
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 1, 0xff, 0xff, 0, 80,
        ];
        check(&v2(&[&[0x21, 0x21, 0, 36], &six]), addresses("[2001:db8::1]:65535", "[::1]:80"));
    }

    #[test]
    fn headers_of_version_2_without_addresses_of_tcp_have_none() {
        check(&v2(&[&[0x20, 0x00, 0, 0]]), None);
        check(&v2(&[&[0x20, 0x11, 0, 12], &[1; 12]]), None); // LOCAL: the family is ignored,
        check(&v2(&[&[0x20, 0xff, 0, 3], &[1; 3]]), None); // whatever it is.
        check(&v2(&[&[0x21, 0x00, 0, 0]]), None);
        check(&v2(&[&[0x21, 0x00, 0, 9], &[1; 9]]), None);
        check(&v2(&[&[0x21, 0x12, 0, 12], &[1; 12]]), None);
        check(&v2(&[&[0x21, 0x22, 0, 36], &[1; 36]]), None);
        check(&v2(&[&[0x21, 0x31, 0, 216], &[b'/'; 216]]), None);
        check(&v2(&[&[0x21, 0x32, 0, 216], &[b'/'; 216]]), None);
        // As long as they may be: 4096 bytes.
        check(&v2(&[&[0x20, 0x00, 0x0f, 0xf0], &[0; 4080]]), None);
    }

    #[test]
    fn wrong_headers_of_version_2_are_refused_at_once() {
        check_wrong(b"\r\n\r\n\0\r\nQUIX", Malformed::NoHeader);
        check_wrong(b"\r\r", Malformed::NoHeader);
        check_wrong(&v2(&[&[0x22]]), Malformed::Command);
        check_wrong(&v2(&[&[0x11]]), Malformed::Command);
        check_wrong(&v2(&[&[0x31]]), Malformed::Command);
        check_wrong(&v2(&[&[0x21, 0x10]]), Malformed::Family);
        check_wrong(&v2(&[&[0x21, 0x13]]), Malformed::Family);
        check_wrong(&v2(&[&[0x21, 0x41]]), Malformed::Family);
        check_wrong(&v2(&[&[0x21, 0x11, 0, 11]]), Malformed::Short);
        check_wrong(&v2(&[&[0x21, 0x21, 0, 35]]), Malformed::Short);
        check_wrong(&v2(&[&[0x21, 0x31, 0, 215]]), Malformed::Short);
        check_wrong(&v2(&[&[0x20, 0x00, 0x0f, 0xf1]]), Malformed::TooLong);
        check_wrong(&v2(&[&[0x21, 0x11, 0xff, 0xff]]), Malformed::TooLong);
    }

    #[test]
    fn headers_are_written_as_the_examples_have_them() {
        let check = |ends: Option<Addresses>, line: &str, binary: &[u8]| {
            for (version, expected) in [(Version::V1, line.as_bytes()), (Version::V2, binary)] {
                let mut out = b"before ".to_vec();
                encode(version, ends, &mut out);
                assert_eq!(out[7..].escape_ascii().to_string(), expected.escape_ascii().to_string());
            }
        };
        check(None, "PROXY UNKNOWN\r\n", &v2(&[&[0x20, 0, 0, 0]]));
        let four = [192, 168, 0, 1, 192, 168, 0, 11, 0xdc, 0x04, 0x01, 0xbb];
        check(
            addresses("192.168.0.1:56324", "192.168.0.11:443"),
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
            &v2(&[&[0x21, 0x11, 0, 12], &four]),
        );
        let six = [
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 1, 0, 5, 0, 6,
        ];
        check(
            addresses("1.2.3.4:5", "[::1]:6"),
            "PROXY TCP6 ::ffff:1.2.3.4 ::1 5 6\r\n",
            &v2(&[&[0x21, 0x21, 0, 36], &six]),
        );
    }

    /// Changes headers at random: whatever comes out, more bytes never change an answer, and nothing is consumed that
    /// is not there.
    #[test]
    fn an_answer_once_given_stays() {
        let models = [
            b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n".to_vec(),
            b"PROXY TCP6 ::1 2001:db8::a 1 0\r\n".to_vec(),
            b"PROXY UNKNOWN\r\n".to_vec(),
            v2(&[&[0x21, 0x11, 0, 14], &[7; 14]]),
            v2(&[&[0x20, 0, 0, 0]]),
        ];
        for seed in 0..20_000_u64 {
            // A linear congruential generator (Knuth's constants); its high bits are good enough.
            let mut state = seed;
            let mut below = |bound: usize| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                usize::try_from(state >> 33).unwrap() % bound
            };
            let mut bytes = models[below(models.len())].clone();
            for _ in 0..=below(2) {
                let at = below(bytes.len());
                match below(3) {
                    0 => bytes[at] = b" \r\n0:f\x20\x21\xff"[below(9)],
                    1 => bytes.insert(at, b" \r\n09.:\0\xff"[below(9)]),
                    _ => drop(bytes.remove(at)),
                }
            }
            let mut answer = Ok(None);
            for end in 0..=bytes.len() {
                let now = parse(&bytes[..end]);
                assert!(answer == Ok(None) || answer == now, "seed {seed}: {}", bytes.escape_ascii());
                assert!(!matches!(now, Ok(Some(header)) if end < header.consumed), "seed {seed}");
                answer = now;
            }
        }
    }
}
