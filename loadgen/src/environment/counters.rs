//! What the host's network dropped or sent again: counters of all processes together, before and after.

use std::fs;
use std::ops::Sub;

/// Counters of `/proc/net`, since the host started or between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCounters {
    /// Connections that a full accept queue turned away (`ListenOverflows`).
    pub listen_overflows: u64,
    /// Connections that a listener did not take, for that reason or another (`ListenDrops`).
    pub listen_drops: u64,
    /// TCP segments that were sent again (`RetransSegs`).
    pub retransmits: u64,
    /// Datagrams that did not fit into their socket's receive buffer (`RcvbufErrors`, IPv4 and IPv6).
    pub receive_buffer_errors: u64,
    /// Datagrams that were not delivered for any reason, the one before included (`InErrors`).
    pub receive_errors: u64,
    /// Datagrams that did not fit into their socket's send buffer (`SndbufErrors`).
    pub send_buffer_errors: u64,
}

impl HostCounters {
    /// Reads them; what the host does not tell counts as 0.
    pub fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read("/proc/net/netstat"), &read("/proc/net/snmp"), &read("/proc/net/snmp6"))
    }

    /// Whether nothing was counted.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    fn parse(netstat: &str, snmp: &str, snmp6: &str) -> Self {
        let both = |name: &str| paired(snmp, "Udp:", name) + single(snmp6, &format!("Udp6{name}"));
        Self {
            listen_overflows: paired(netstat, "TcpExt:", "ListenOverflows"),
            listen_drops: paired(netstat, "TcpExt:", "ListenDrops"),
            retransmits: paired(snmp, "Tcp:", "RetransSegs"),
            receive_buffer_errors: both("RcvbufErrors"),
            receive_errors: both("InErrors"),
            send_buffer_errors: both("SndbufErrors"),
        }
    }
}

impl Sub for HostCounters {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            listen_overflows: self.listen_overflows.saturating_sub(earlier.listen_overflows),
            listen_drops: self.listen_drops.saturating_sub(earlier.listen_drops),
            retransmits: self.retransmits.saturating_sub(earlier.retransmits),
            receive_buffer_errors: self.receive_buffer_errors.saturating_sub(earlier.receive_buffer_errors),
            receive_errors: self.receive_errors.saturating_sub(earlier.receive_errors),
            send_buffer_errors: self.send_buffer_errors.saturating_sub(earlier.send_buffer_errors),
        }
    }
}

/// A number of the files that have a line of names, and under it a line of numbers.
fn paired(text: &str, group: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group));
    let (names, numbers) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut pairs = names.split_whitespace().zip(numbers.split_whitespace());
    pairs.find(|(found, _)| *found == name).and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

/// A number of the file that has one on each line.
fn single(text: &str, name: &str) -> u64 {
    let mut pairs = text.lines().filter_map(|line| line.split_once(char::is_whitespace));
    pairs.find(|(found, _)| *found == name).and_then(|(_, number)| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shortened from what a kernel 6.18 printed, with numbers that can be told apart.
    const NETSTAT: &str = "\
        TcpExt: SyncookiesSent DelayedACKLost ListenOverflows ListenDrops TCPHPHits\n\
        TcpExt: 1 2 3 4 5\n\
        IpExt: InNoRoutes ListenDrops\n\
        IpExt: 7 8\n";
    const SNMP: &str = "\
        Ip: Forwarding DefaultTTL\n\
        Ip: 2 64\n\
        Tcp: RtoAlgorithm MaxConn OutSegs RetransSegs InErrs\n\
        Tcp: 1 -1 116673 20 0\n\
        Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\n\
        Udp: 4180 64 30 4245 40 50\n\
        UdpLite: InDatagrams InErrors RcvbufErrors\n\
        UdpLite: 0 99 99\n";
    const SNMP6: &str = "\
        Ip6InReceives                   \t1\n\
        Udp6InErrors                    \t300\n\
        Udp6RcvbufErrors                \t400\n\
        Udp6SndbufErrors                \t500\n";

    const READ: HostCounters = HostCounters {
        listen_overflows: 3,
        listen_drops: 4,
        retransmits: 20,
        receive_buffer_errors: 440,
        receive_errors: 330,
        send_buffer_errors: 550,
    };

    #[test]
    fn each_number_stands_under_its_name() {
        assert_eq!(HostCounters::parse(NETSTAT, SNMP, SNMP6), READ);
    }

    #[test]
    fn what_the_host_does_not_tell_is_nothing() {
        assert!(HostCounters::parse("", "Tcp: RetransSegs\n", "Udp6InErrors").is_zero());
        assert!(HostCounters::parse("TcpExt: ListenDrops\nTcpExt: x\n", "", "").is_zero());
    }

    #[test]
    fn only_what_came_in_between_counts() {
        let later = HostCounters { retransmits: 25, ..READ };
        assert_eq!(later - READ, HostCounters { retransmits: 5, ..HostCounters::default() });
        assert!((READ - later).is_zero());
    }

    #[test]
    fn this_host_never_counts_down() {
        let before = HostCounters::read();
        let after = HostCounters::read();
        assert!(before.retransmits <= after.retransmits && before.receive_errors <= after.receive_errors);
    }
}
