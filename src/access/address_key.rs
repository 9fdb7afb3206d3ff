//! The bits of an address that count: whoever has one IPv6 address of a /64 has them all.

use std::net::IpAddr;

use crate::limits;

/// An IPv4 address or an IPv6 network, with IPv4 in its IPv4-mapped form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey(u128);

impl AddressKey {
    /// Of those who have no address, as on a Unix socket: all bits of a multicast address, from which nobody comes.
    pub const NONE: Self = Self(u128::MAX);

    /// The key of an address, of which as many leading bits count as usual.
    pub fn of(address: IpAddr) -> Self {
        Self::within(address, limits::ADDRESS_IPV4_BITS, limits::ADDRESS_IPV6_BITS)
    }

    /// The key of an address, of which so many leading bits count: 32 of IPv4 at most, 128 of IPv6.
    pub fn within(address: IpAddr, ipv4_prefix: u8, ipv6_prefix: u8) -> Self {
        let (bits, prefix) = match address.to_canonical() {
            IpAddr::V4(v4) => (v4.to_ipv6_mapped().to_bits(), 96 + ipv4_prefix.min(32)),
            IpAddr::V6(v6) => (v6.to_bits(), ipv6_prefix.min(128)),
        };
        let behind = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
        Self(bits & !behind)
    }

    /// Any one, for tests of maps.
    #[cfg(test)]
    pub(super) const fn numbered(number: u128) -> Self {
        Self(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(one: &str, other: &str, expected: bool) {
        let key = |text: &str| AddressKey::of(text.parse().unwrap());
        assert_eq!(key(one) == key(other), expected, "{one} and {other}");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_each_of_ipv4_is() {
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("192.0.2.1", "::ffff:192.0.2.1", true);
        check("2001:db8::1", "2001:db8::ffff:1", true);
        check("2001:db8::1", "2001:db8:0:1::1", false);
        for somebody in ["127.0.0.1", "::1", "::", "255.255.255.255"] {
            assert_ne!(AddressKey::of(somebody.parse().unwrap()), AddressKey::NONE);
        }
    }
}
