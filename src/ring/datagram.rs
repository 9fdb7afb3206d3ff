//! A datagram as multishot `recvmsg` leaves it in its buffer: a header, the sender's address, the payload.
//!
//! The layout is `struct io_uring_recvmsg_out` (io_uring_prep_recvmsg_multishot(3)): four 32-bit numbers (name
//! length, control length, payload length, flags), then as many bytes for the name and for control messages as the
//! submission reserved, then the payload.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Deref;

use super::buffers::RecvBuf;

/// Bytes reserved for the sender's address: `sizeof(struct sockaddr_in6)`.
pub(super) const NAME_BYTES: usize = 28;
/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = 16 + NAME_BYTES;

/// One datagram, in the buffer it arrived in. It reads as its payload.
#[derive(Debug)]
pub struct Datagram {
    /// Header, address and payload, checked by `parse`.
    buffer: RecvBuf,
}

impl Datagram {
    /// Checks the header; `None` when the kernel wrote something else than an address of IPv4 or IPv6.
    pub(super) fn parse(mut buffer: RecvBuf) -> Option<Self> {
        let header = buffer.get(..HEADER_BYTES)?;
        parse_name(&header[16..])?;
        let payload_bytes = u32_at(header, 8) as usize;
        buffer.truncate(HEADER_BYTES + payload_bytes);
        Some(Self { buffer })
    }

    /// Who sent it. An IPv4 address of a dual-stack socket is IPv4-mapped here, as the answer needs it.
    pub fn peer(&self) -> SocketAddr {
        parse_name(&self.buffer[16..HEADER_BYTES]).expect("`parse` has checked the address")
    }

    /// Whether its end was cut off because it did not fit the buffer.
    pub fn truncated(&self) -> bool {
        u32_at(&self.buffer, 12) & libc::MSG_TRUNC as u32 != 0
    }

    /// The payload, to keep or to send on.
    pub fn into_payload(mut self) -> RecvBuf {
        self.buffer.advance(HEADER_BYTES);
        self.buffer
    }
}

impl Deref for Datagram {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[HEADER_BYTES..]
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Reads a `struct sockaddr_in` or `sockaddr_in6` (ip(7), ipv6(7)).
pub(super) fn parse_name(name: &[u8]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes(name[..2].try_into().ok()?));
    let port = u16::from_be_bytes(name[2..4].try_into().ok()?);
    match family {
        libc::AF_INET => {
            let ip: [u8; 4] = name[4..8].try_into().ok()?;
            Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(ip)), port))
        }
        libc::AF_INET6 => {
            let ip: [u8; 16] = name[8..24].try_into().ok()?;
            let flow = u32_at(name, 4);
            let scope = u32_at(name, 24);
            Some(std::net::SocketAddrV6::new(Ipv6Addr::from(ip), port, flow, scope).into())
        }
        _ => None,
    }
}

/// Writes header and address as the kernel does: for a simulated kernel, and for tests.
pub(super) fn encode_header(peer: SocketAddr, payload_bytes: u32, truncated: bool) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let (name_bytes, family) = match peer {
        SocketAddr::V4(_) => (16u32, libc::AF_INET),
        SocketAddr::V6(_) => (28, libc::AF_INET6),
    };
    let flags = if truncated { libc::MSG_TRUNC as u32 } else { 0 };
    header[..4].copy_from_slice(&name_bytes.to_ne_bytes());
    header[8..12].copy_from_slice(&payload_bytes.to_ne_bytes());
    header[12..16].copy_from_slice(&flags.to_ne_bytes());
    let family = u16::try_from(family).expect("families are small numbers");
    header[16..18].copy_from_slice(&family.to_ne_bytes());
    header[18..20].copy_from_slice(&peer.port().to_be_bytes());
    match peer {
        SocketAddr::V4(peer) => header[20..24].copy_from_slice(&peer.ip().octets()),
        SocketAddr::V6(peer) => {
            header[20..24].copy_from_slice(&peer.flowinfo().to_ne_bytes());
            header[24..40].copy_from_slice(&peer.ip().octets());
            header[40..44].copy_from_slice(&peer.scope_id().to_ne_bytes());
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::super::buffers::Pool;
    use super::*;

    fn parse(bytes: &[u8]) -> Option<Datagram> {
        let pool = Pool::new(1, 256).unwrap();
        let (id, _) = pool.take_returned().unwrap();
        pool.write(id, bytes);
        Datagram::parse(pool.receive(id, u32::try_from(bytes.len()).unwrap(), false))
    }

    /// Bytes as a little-endian Linux writes them for a datagram from 127.0.0.1:7000.
    #[test]
    #[cfg(target_endian = "little")]
    fn an_ipv4_sender_is_read() {
        let mut bytes = vec![16, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([2, 0, 0x1b, 0x58, 127, 0, 0, 1]);
        bytes.resize(HEADER_BYTES, 0);
        bytes.extend(b"abc");
        let datagram = parse(&bytes).unwrap();
        assert_eq!(datagram.peer(), "127.0.0.1:7000".parse().unwrap());
        assert_eq!(&datagram[..], b"abc");
        assert!(!datagram.truncated());
    }

    #[test]
    fn every_kind_of_header_comes_back() {
        for peer in ["[::1]:9", "[fe80::1%3]:65535", "[::ffff:10.0.0.1]:1", "1.2.3.4:5"] {
            let peer: SocketAddr = peer.parse().unwrap();
            let datagram = parse(&encode_header(peer, 0, true)).unwrap();
            assert_eq!(datagram.peer(), peer);
            assert!(datagram.is_empty());
            assert!(datagram.truncated());
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        assert!(parse(&[0; HEADER_BYTES]).is_none(), "family 0");
        assert!(parse(&[0; HEADER_BYTES - 1]).is_none(), "too short");
    }
}
