//! What the kernel has counted since boot, or since this network namespace was made: who was turned away, what was dropped.

use super::super::Sight;
use super::super::finding::{Finding, Topic};
use super::super::host::{Host, Unknown, garbled};

const TCP_MORE: &str = "/proc/net/netstat";
const PROTOCOLS: &str = "/proc/net/snmp";
const PACKETS: &str = "/proc/net/softnet_stat";

/// Of so many connections one may be lost before it is more than a note; likewise of packets and datagrams below.
const CONNECTIONS_PER_LOSS: u64 = 10_000;
const PACKETS_PER_LOSS: u64 = 1_000_000;
const DATAGRAMS_PER_LOSS: u64 = 10_000;

pub(super) fn listen_overflows(sight: &Sight<'_>) -> Finding {
    let why = "Connections came while a listener's queue was full, and their peers tried again after a second. The counts are \
               of all listeners here; the command shows whether they grow.";
    Topic::new("ListenOverflows", "no connection was turned away", why).judge(|topic| {
        let of = |name| counter(sight.host, TCP_MORE, "TcpExt", name);
        let (overflows, drops) = (of("ListenOverflows")?, of("ListenDrops")?);
        let half_open = of("TCPReqQFullDrop")?;
        let accepted = counter(sight.host, PROTOCOLS, "Tcp", "PassiveOpens")?;
        let lost = overflows.max(drops).saturating_add(half_open);
        if lost == 0 {
            return Ok(topic.ok("none since boot"));
        }
        let found = format!(
            "since boot: {overflows} overflows, {drops} drops, {half_open} half-open; {accepted} accepted"
        );
        let command = "nstat -az TcpExtListenOverflows TcpExtListenDrops TcpExtTCPReqQFullDrop";
        let is_much = accepted / CONNECTIONS_PER_LOSS < lost;
        Ok(if is_much { topic.warn(found) } else { topic.note(found) }.with(command))
    })
}

pub(super) fn packet_backlog(sight: &Sight<'_>) -> Finding {
    let name = "net.core.netdev_max_backlog";
    let why = "Packets came faster than a core handled them, and were dropped; a longer queue holds more, and adds latency.";
    Topic::new(name, "no packet was dropped", why).judge(|topic| {
        let (mut packets, mut drops, mut cut_short) = (0_u64, 0_u64, 0_u64);
        let text = sight.host.text(PACKETS)?;
        for line in text.lines() {
            let mut words = line.split_whitespace().map(|word| u64::from_str_radix(word, 16).ok());
            let mut next = || words.next().flatten().ok_or_else(|| garbled(PACKETS, line));
            packets = packets.saturating_add(next()?);
            drops = drops.saturating_add(next()?);
            cut_short = cut_short.saturating_add(next()?);
        }
        if packets == 0 {
            return Err(garbled(PACKETS, &text));
        }
        let found = format!("since boot: {drops} dropped of {packets}, {cut_short} rounds cut short");
        if drops == 0 {
            return Ok(topic.ok(found));
        }
        // Other network namespaces than the host's do not show it.
        if sight.host.sysctl_number(name).is_ok_and(|limit| BACKLOG_OF_A_CORE <= limit) {
            return Ok(topic.note(already_raised(&found)).with(format!("cat {PACKETS}")));
        }
        let is_much = packets / PACKETS_PER_LOSS < drops;
        let finding = if is_much { topic.warn(found) } else { topic.note(found) };
        Ok(finding.with(format!("tuning/tune apply --role throughput --global --knob {name}")))
    })
}

/// What `net.core.netdev_max_backlog` is raised to for throughput.
pub(in crate::doctor) const BACKLOG_OF_A_CORE: u64 = 10_000;

/// Where the remedy is in force already, what was lost may be long ago: it is for people to see whether more is.
fn already_raised(found: &str) -> String {
    format!("{found}, and the limit is raised already")
}

pub(super) fn datagrams(sight: &Sight<'_>) -> Finding {
    let why = "Datagrams came while a socket's buffer was full. The count is of all sockets here; sockets that are opened \
               after the command have the larger buffer.";
    Topic::new("UdpRcvbufErrors", "no datagram was dropped", why).judge(|topic| {
        if sight.config.listeners.iter().all(|listener| listener.listen.is_stream()) {
            return Ok(topic.ok("no listener takes datagrams"));
        }
        let drops = counter(sight.host, PROTOCOLS, "Udp", "RcvbufErrors")?;
        let taken = counter(sight.host, PROTOCOLS, "Udp", "InDatagrams")?;
        let found = format!("since boot: {drops} dropped, {taken} taken");
        if drops == 0 {
            return Ok(topic.ok(found));
        }
        let buffer = sight.host.sysctl_number("net.core.rmem_default");
        if buffer.is_ok_and(|buffer| DATAGRAM_BUFFER_BYTES <= buffer) {
            return Ok(topic.note(already_raised(&found)).with("nstat -az UdpRcvbufErrors UdpInDatagrams"));
        }
        let is_much = taken / DATAGRAMS_PER_LOSS < drops;
        let finding = if is_much { topic.warn(found) } else { topic.note(found) };
        Ok(finding.with(format!("sysctl -w net.core.rmem_default={DATAGRAM_BUFFER_BYTES}")))
    })
}

/// What a socket of datagrams may keep, where bursts are lost: what `net.core.rmem_max` is raised to for throughput.
pub(in crate::doctor) const DATAGRAM_BUFFER_BYTES: u64 = 8_388_608;

/// A counter of files in which a line of names stands above its line of numbers. One that this kernel does not know has
/// counted nothing.
fn counter(host: &Host, path: &str, group: &str, name: &str) -> Result<u64, Unknown> {
    let text = host.text(path)?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group)?.strip_prefix(':'));
    let (Some(names), Some(numbers)) = (lines.next(), lines.next()) else { return Err(garbled(path, &text)) };
    let Some(place) = names.split_whitespace().position(|word| word == name) else { return Ok(0) };
    let number = numbers.split_whitespace().nth(place).and_then(|number| number.parse().ok());
    number.ok_or_else(|| garbled(path, numbers))
}

/// A counter of TCP that few need.
pub(super) fn tcp_more(host: &Host, name: &str) -> Result<u64, Unknown> {
    counter(host, TCP_MORE, "TcpExt", name)
}

#[cfg(test)]
mod tests {
    use super::super::super::fake::{check, listening, look, look_with, needs};
    use super::super::super::finding::Severity;
    use super::*;

    fn overflows(counts: &str, accepted: &str) -> Finding {
        let more = format!(
            "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPReqQFullDrop\nTcpExt: 9 {counts}\nIpExt: A\nIpExt: 1\n"
        );
        let tcp = format!("Tcp: ActiveOpens PassiveOpens\nTcp: 7 {accepted}\n");
        look(listen_overflows, &[(TCP_MORE, &more), (PROTOCOLS, &tcp)])
    }

    #[test]
    fn overflows_weigh_as_much_as_their_share() {
        check(&overflows("0 0 0", "5"), Severity::Ok, "none since boot", "");
        let found = "7 overflows, 9 drops, 0 half-open; 2103961 accepted";
        check(&overflows("7 9 0", "2103961"), Severity::Note, found, "nstat -az TcpExtListenOverflows");
        check(&overflows("11 11 0", "100000"), Severity::Warn, "11 overflows", "nstat -az");
        check(&overflows("0 0 1", "0"), Severity::Warn, "1 half-open", "nstat -az");
        check(&overflows("1", "0"), Severity::Note, "unknown, because", "cat /proc/net/netstat");
        check(&overflows("1 2 3", "many"), Severity::Note, "unknown, because", "cat /proc/net/snmp");
        check(&look(listen_overflows, &[]), Severity::Note, "/proc/net/netstat is not there", "");
        check(&look(listen_overflows, &[(TCP_MORE, "")]), Severity::Note, "says \"\"", "cat");
        // An older kernel that counts less.
        let older = [(TCP_MORE, "TcpExt: A\nTcpExt: 1\n"), (PROTOCOLS, "Tcp: B\nTcp: 1\n")];
        check(&look(listen_overflows, &older), Severity::Ok, "none since boot", "");
    }

    #[test]
    fn dropped_packets_are_summed_over_cores() {
        const LIMIT: &str = "/proc/sys/net/core/netdev_max_backlog";
        let with = |text| look(packet_backlog, &[(PACKETS, text), (LIMIT, "1000\n")]);
        let raised = |text| look(packet_backlog, &[(PACKETS, text), (LIMIT, "10000\n")]);
        let tune = "tuning/tune apply --role throughput --global --knob net.core.netdev_max_backlog";
        check(
            &with("0000ffff 00000000 00000001 0\n00000001 0 2 0\n"),
            Severity::Ok,
            "0 dropped of 65536, 3 rounds",
            "",
        );
        check(&with("215b0885 0000015a 0000000e 0\n"), Severity::Note, "346 dropped of 559614085", tune);
        check(&with("0000ffff 00000001 00000000 0\n"), Severity::Warn, "1 dropped of 65535", tune);
        let done = "1 dropped of 65535, 0 rounds cut short, and the limit is raised already";
        check(&raised("0000ffff 00000001 00000000 0\n"), Severity::Note, done, "cat /proc/net/softnet_stat");
        check(&with("none\n"), Severity::Note, "says \"none\"", "cat /proc/net/softnet_stat");
        check(&with(""), Severity::Note, "says \"\"", "cat /proc/net/softnet_stat");
        check(&with("1 2\n"), Severity::Note, "says \"1 2\"", "cat /proc/net/softnet_stat");
        check(&look(packet_backlog, &[]), Severity::Note, "is not there", "");
    }

    #[test]
    fn datagrams_count_where_they_are_served() {
        let of_buffers = |numbers: &str, bytes| {
            let counts =
                format!("Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors\nUdp: {numbers}\n");
            look(datagrams, &[(PROTOCOLS, &counts), ("/proc/sys/net/core/rmem_default", bytes)])
        };
        let with = |numbers| of_buffers(numbers, "212992\n");
        let raise = "sysctl -w net.core.rmem_default=8388608";
        check(&with("5 0 0 0 0"), Severity::Ok, "0 dropped, 5 taken", "");
        check(&with("20000 0 0 0 2"), Severity::Note, "2 dropped, 20000 taken", raise);
        check(&with("20000 0 0 0 3"), Severity::Warn, "3 dropped", raise);
        let done = of_buffers("20000 0 0 0 3", "8388608\n");
        check(
            &done,
            Severity::Note,
            "3 dropped, 20000 taken, and the limit is raised",
            "nstat -az UdpRcvbufErrors",
        );
        check(&with("20000"), Severity::Note, "unknown, because", "cat /proc/net/snmp");
        check(&look(datagrams, &[]), Severity::Note, "/proc/net/snmp is not there", "");
        let config = listening(&["tcp://[::]:7000"]);
        check(&look_with(datagrams, &[], &config, &needs()), Severity::Ok, "no listener takes datagrams", "");
    }
}
