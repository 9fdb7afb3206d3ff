//! Lists of networks: who is let in, and who never is.
//!
//! It must not know where an address came from. Lists come from the configuration as text; they are kept as sorted ranges
//! that do not touch, so that a look-up takes a dozen steps however long the list was.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use crate::limits;

/// A text that is no list of networks, and what it should have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Neither an address nor a network.
    #[error("a network is an address and its bits, such as 10.0.0.0/8 or 2001:db8::/32, or one address")]
    Form,
    /// Bits are set behind the prefix: either the address or the prefix is a mistake.
    #[error("the network is {network}, and the address alone is {address}")]
    HostBits {
        /// The network around it.
        network: IpNet,
        /// The address alone.
        address: IpAddr,
    },
    /// The list is too long.
    #[error("a list takes at most {} networks", limits::NETWORKS_MAX)]
    TooMany,
}

/// A set of addresses, written as networks. An IPv4-mapped IPv6 address is the IPv4 address that it holds; so `::/0` is
/// every IPv6 address and no IPv4 one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl Networks {
    /// Reads networks and addresses with commas between them; nothing at all is the empty list.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        Self::from_items(text.split(','))
    }

    /// Reads one network or address from each text.
    pub fn from_items<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Self, NetworkError> {
        Self::collect(items.into_iter().map(|item| parse_network(item.trim())))
    }

    /// All of these networks.
    ///
    /// # Errors
    /// When they are too many.
    pub fn from_nets(nets: &[IpNet]) -> Result<Self, NetworkError> {
        Self::collect(nets.iter().map(|net| Ok(canonical(*net))))
    }

    fn collect(nets: impl Iterator<Item = Result<IpNet, NetworkError>>) -> Result<Self, NetworkError> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for net in nets {
            if v4.len() + v6.len() == limits::NETWORKS_MAX {
                return Err(NetworkError::TooMany);
            }
            match net? {
                IpNet::V4(net) => v4.push((net.network().to_bits(), net.broadcast().to_bits())),
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.broadcast().to_bits())),
            }
        }
        Ok(Self { v4: Ranges::new(v4), v6: Ranges::new(v6) })
    }

    /// True when the address is in one of the networks.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.v4.contains(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.contains(v6.to_bits()),
        }
    }

    /// True when no address is in it.
    pub fn is_empty(&self) -> bool {
        self.v4.0.is_empty() && self.v6.0.is_empty()
    }
}

impl FromStr for Networks {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        Self::parse(text)
    }
}

/// Who may come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessList {
    /// Who may; when it is empty, everyone.
    pub allow: Networks,
    /// Who may not, even when allowed.
    pub deny: Networks,
}

impl AccessList {
    /// True when this address may come in.
    pub fn admits(&self, address: IpAddr) -> bool {
        !self.deny.contains(address) && (self.allow.is_empty() || self.allow.contains(address))
    }
}

/// Closed ranges in rising order, none of which overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ranges<T>(Vec<(T, T)>);

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + Ord> Ranges<T> {
    fn new(mut ranges: Vec<(T, T)>) -> Self {
        ranges.sort_unstable_by_key(|(first, last)| (*first, Reverse(*last)));
        // Networks never overlap in part: what begins within the range before also ends there, now that of those which
        // begin together the widest stands first.
        ranges.dedup_by(|next, before| next.0 <= before.1);
        Self(ranges)
    }

    fn contains(&self, value: T) -> bool {
        let behind = self.0.partition_point(|(first, _)| *first <= value);
        behind.checked_sub(1).is_some_and(|at| value <= self.0[at].1)
    }
}

/// Bits of `::ffff:0:0/96`, behind which an IPv4 address stands (RFC 4291, section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// Reads a network, or an address, which is the network of itself.
///
/// # Errors
/// When it is neither, or bits are set behind the prefix.
pub fn parse_network(text: &str) -> Result<IpNet, NetworkError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let network: IpNet = text.parse().map_err(|_| NetworkError::Form)?;
    if network.addr() != network.network() {
        return Err(NetworkError::HostBits { network: network.trunc(), address: network.addr() });
    }
    Ok(canonical(network))
}

/// A network within the mapped addresses is the IPv4 network that they hold.
fn canonical(network: IpNet) -> IpNet {
    let mapped = |address: Ipv6Addr, prefix: u8| -> Option<Ipv4Net> {
        let address: Ipv4Addr = address.to_ipv4_mapped()?;
        Ipv4Net::new(address, prefix.checked_sub(MAPPED_BITS)?).ok()
    };
    match network {
        IpNet::V6(v6) => mapped(v6.addr(), v6.prefix_len()).map_or(network, IpNet::V4),
        IpNet::V4(_) => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[track_caller]
    fn check(list: &str, address: &str, expected: bool) {
        let networks = Networks::parse(list).unwrap();
        assert_eq!(networks.contains(address.parse().unwrap()), expected, "{address} in {list:?}");
    }

    #[test]
    fn a_network_holds_its_first_and_last_address_and_none_beside() {
        check("10.0.0.0/8", "10.0.0.0", true);
        check("10.0.0.0/8", "10.255.255.255", true);
        check("10.0.0.0/8", "9.255.255.255", false);
        check("10.0.0.0/8", "11.0.0.0", false);
        check("192.0.2.128/25", "192.0.2.127", false);
        check("192.0.2.128/25", "192.0.2.128", true);
        check("2001:db8::/32", "2001:db8::", true);
        check("2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true);
        check("2001:db8::/32", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", false);
        check("2001:db8::/32", "2001:db9::", false);
    }

    #[test]
    fn the_widest_and_the_narrowest_networks() {
        check("0.0.0.0/0", "0.0.0.0", true);
        check("0.0.0.0/0", "255.255.255.255", true);
        check("0.0.0.0/0", "::1", false);
        check("::/0", "::", true);
        check("::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true);
        check("::/0", "192.0.2.7", false);
        check("192.0.2.7/32", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.8", false);
        check("255.255.255.255/32", "255.255.255.255", true);
        check("::1/128", "::1", true);
        check("::1", "::1", true);
        check("::1", "::2", false);
        check("", "::1", false);
        check(" 10.0.0.0/8 , ::1 ", "::1", true);
    }

    #[test]
    fn a_mapped_address_is_an_ipv4_address() {
        check("10.0.0.0/8", "::ffff:10.1.2.3", true);
        check("::ffff:10.0.0.0/104", "10.1.2.3", true);
        check("::ffff:10.0.0.0/104", "::ffff:11.0.0.0", false);
        check("::ffff:192.0.2.7", "192.0.2.7", true);
        check("::ffff:0:0/96", "203.0.113.9", true);
        check("::/0", "::ffff:10.1.2.3", false);
        // The older, compatible form is an address like any other.
        check("10.0.0.0/8", "::10.1.2.3", false);
    }

    #[test]
    fn networks_may_lie_within_each_other_and_side_by_side() {
        let list = "10.0.0.0/8, 10.1.0.0/16, 10.255.255.255, 11.0.0.0/8, 9.0.0.0/8, 9.0.0.0/8";
        check(list, "10.1.2.3", true);
        check(list, "10.200.0.1", true);
        check(list, "11.255.255.255", true);
        check(list, "12.0.0.0", false);
        check(list, "9.0.0.0", true);
        check(list, "8.255.255.255", false);
    }

    #[test]
    fn mistakes_are_told_in_a_sentence() {
        let check = |text: &str, words: &str| {
            let error = Networks::parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        };
        check("10.0.0.1/8", "the network is 10.0.0.0/8, and the address alone is 10.0.0.1");
        check("2001:db8::1/32", "the network is 2001:db8::/32, and the address alone is 2001:db8::1");
        let wrong =
            ["localhost", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "/8", ",", "::1,", "*"];
        for text in wrong.into_iter().chain(["10.0.0.0/33", "::/129", "10.0.0.0/999"]) {
            check(text, "a network is an address and its bits");
        }
        let long: String = (0..=limits::NETWORKS_MAX).fold(String::new(), |mut text, at| {
            let _ = write!(text, "10.{}.{}.{},", at >> 16, at >> 8 & 255, at & 255);
            text
        });
        check(long.trim_end_matches(','), "at most 4096 networks");
    }

    #[test]
    fn denial_wins_and_no_list_of_the_allowed_admits_all() {
        let check = |allow: &str, deny: &str, address: &str, expected: bool| {
            let list =
                AccessList { allow: Networks::parse(allow).unwrap(), deny: Networks::parse(deny).unwrap() };
            assert_eq!(list.admits(address.parse().unwrap()), expected, "{address}: {allow:?}, {deny:?}");
        };
        check("", "", "192.0.2.7", true);
        check("", "192.0.2.0/24", "192.0.2.7", false);
        check("", "192.0.2.0/24", "192.0.3.7", true);
        check("192.0.2.0/24", "", "192.0.2.7", true);
        check("192.0.2.0/24", "", "192.0.3.7", false);
        check("192.0.2.0/24", "", "::1", false);
        check("192.0.2.0/24", "192.0.2.7", "192.0.2.7", false);
        check("192.0.2.7", "192.0.2.0/24", "192.0.2.7", false);
        check("192.0.2.7", "192.0.2.0/24", "::ffff:192.0.2.7", false);
    }

    #[test]
    fn ranges_answer_as_a_walk_over_the_list_does() {
        let mut seed = 0x7469_6465_u32;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            seed
        };
        for round in 0..200 {
            let nets: Vec<Ipv4Net> = (0..random() % 40)
                .map(|_| {
                    let prefix = 20 + u8::try_from(random() % 13).unwrap();
                    Ipv4Net::new((random() & 0xffff | 0x0a00_0000).into(), prefix).unwrap().trunc()
                })
                .collect();
            let texts: Vec<String> = nets.iter().map(ToString::to_string).collect();
            let networks = Networks::from_items(texts.iter().map(String::as_str)).unwrap();
            for _ in 0..300 {
                let address = Ipv4Addr::from(random() & 0xffff | 0x0a00_0000);
                let expected = nets.iter().any(|net| net.contains(&address));
                assert_eq!(networks.contains(address.into()), expected, "round {round}: {address} {texts:?}");
            }
        }
    }
}
