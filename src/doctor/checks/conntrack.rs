//! Whether the firewall keeps a table of the connections to our ports.

use super::super::Sight;
use super::super::finding::{Finding, Topic};
use super::super::host::{Unknown, if_there};
use super::process::ports_of;
use crate::sys::address::Listen;

const TABLE: &str = "/proc/net/nf_conntrack";
const COUNT: &str = "net.netfilter.nf_conntrack_count";
const MAX: &str = "net.netfilter.nf_conntrack_max";
/// From this part of the table on it may be full any moment.
const NEARLY_FULL_PERCENT: u64 = 80;

pub(super) fn conntrack(sight: &Sight<'_>) -> Finding {
    let why = "Each packet costs a look-up in the firewall's table, and new connections are dropped when it is full. Rules \
               that depend on states stop matching ports that are not tracked; what is tracked stays until it times out.";
    Topic::new("conntrack", "no tracking of the service's ports", why).judge(|topic| {
        let Some(count) = if_there(sight.host.sysctl_number(COUNT))? else {
            return Ok(topic.ok("not loaded"));
        };
        if count == 0 {
            return Ok(topic.ok("nothing is tracked"));
        }
        let max = sight.host.sysctl_number(MAX)?;
        if max.saturating_mul(NEARLY_FULL_PERCENT) <= count.saturating_mul(100) {
            let found = format!("{count} of {max} places are taken");
            return Ok(topic.warn(found).with(format!("sysctl -w {MAX}={}", max.saturating_mul(2))));
        }
        let ports = Ports::of(sight);
        match tracked(sight, &ports) {
            Ok(0) => Ok(topic.ok(format!("{count} tracked, none at our ports"))),
            Ok(ours) => {
                Ok(topic.note(format!("{ours} tracked at our ports, {count} in all")).with(ports.untracked()))
            }
            Err(unknown) => {
                let found = format!("{count} tracked; whose is unknown, because {unknown}");
                Ok(topic.note(found).with(ports.shown(&unknown)))
            }
        }
    })
}

/// The ports that are served.
struct Ports {
    tcp: Vec<u16>,
    udp: Vec<u16>,
}

impl Ports {
    fn of(sight: &Sight<'_>) -> Self {
        let tcp = ports_of(sight, Listen::is_stream);
        Self { tcp, udp: ports_of(sight, |listen| !listen.is_stream()) }
    }

    /// Whether an entry is a connection to one of them; the first `dport` is where the first packet went.
    fn has(&self, entry: &str) -> bool {
        let mut words = entry.split_whitespace();
        let ports = match words.nth(2) {
            Some("tcp") => &self.tcp,
            Some("udp") => &self.udp,
            _ => return false,
        };
        let port = words.find_map(|word| word.strip_prefix("dport=")?.parse().ok());
        port.is_some_and(|port| ports.contains(&port))
    }

    /// nft(8), as one table that can be deleted again: no state for what comes to the ports, nor for what leaves them. What
    /// comes over loopback is seen first as it leaves.
    fn untracked(&self) -> String {
        let rules = |prefix: &str, side: &str| {
            let rule = |(kind, ports): (&str, &Vec<u16>)| {
                let ports = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
                if ports.is_empty() {
                    String::new()
                } else {
                    format!(" {prefix}{kind} {side} {{ {ports} }} notrack;")
                }
            };
            [("tcp", &self.tcp), ("udp", &self.udp)].map(rule).concat()
        };
        format!(
            "nft 'table inet tidemill {{ chain in {{ type filter hook prerouting priority raw;{} }}; \
             chain out {{ type filter hook output priority raw;{}{} }}; }}'",
            rules("", "dport"),
            rules("", "sport"),
            rules("oif lo ", "dport")
        )
    }

    /// What shows it to those who may see it.
    fn shown(&self, unknown: &Unknown) -> String {
        let ports = self.tcp.iter().chain(&self.udp);
        let patterns = ports.map(|port| format!("dport={port}")).collect::<Vec<_>>().join("|");
        match unknown {
            Unknown::Missing(_) => format!("sudo conntrack -L | grep -cwE '{patterns}'"),
            Unknown::Unreadable { .. } | Unknown::Garbled { .. } => {
                format!("sudo grep -cwE '{patterns}' {TABLE}")
            }
        }
    }
}

/// How many entries of the table are ours.
fn tracked(sight: &Sight<'_>, ports: &Ports) -> Result<usize, Unknown> {
    let mut ours = 0;
    sight.host.each_line(TABLE, |entry| ours += usize::from(ports.has(entry)))?;
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::super::super::fake::{Tree, check, listening, needs};
    use super::super::super::finding::Severity;
    use super::*;

    const ENTRIES: &str = "ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.1 dst=192.0.2.9 sport=40000 dport=7000 src=192.0.2.9 dst=192.0.2.1 sport=7000 dport=40000 [ASSURED] mark=0 use=1\n\
                           ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.9 dst=192.0.2.1 sport=7000 dport=22 src=192.0.2.1 dst=192.0.2.9 sport=22 dport=7000 [ASSURED] mark=0 use=1\n\
                           ipv4     2 udp      17 29 src=192.0.2.1 dst=192.0.2.9 sport=9 dport=7000 src=192.0.2.9 dst=192.0.2.1 sport=7000 dport=9 mark=0 use=1\n";

    fn with(count: &str, max: &str, entries: Option<&str>) -> Finding {
        let tree = Tree::new(&[
            ("/proc/sys/net/netfilter/nf_conntrack_count", count),
            ("/proc/sys/net/netfilter/nf_conntrack_max", max),
        ]);
        if let Some(entries) = entries {
            tree.write(TABLE, entries);
        }
        let config = listening(&["tcp://[::]:7000", "tcp://[::]:80"]);
        conntrack(&Sight { host: &tree.host(), config: &config, needs: &needs() })
    }

    #[test]
    fn only_our_ports_matter() {
        check(&with("0", "262144", None), Severity::Ok, "nothing is tracked", "");
        let rule = "nft 'table inet tidemill { chain in { type filter hook prerouting priority raw; tcp dport { 80, 7000 } \
                    notrack; }; chain out { type filter hook output priority raw; tcp sport { 80, 7000 } notrack; oif lo tcp \
                    dport { 80, 7000 } notrack; }; }'";
        check(&with("3", "262144", Some(ENTRIES)), Severity::Note, "1 tracked at our ports, 3 in all", rule);
        let others: String = ENTRIES.lines().skip(1).map(|line| format!("{line}\n")).collect();
        check(&with("2", "262144", Some(&others)), Severity::Ok, "2 tracked, none at our ports", "");
        check(&with("2", "262144", Some("garbled\n\n")), Severity::Ok, "none at our ports", "");
    }

    #[test]
    fn a_full_table_drops() {
        check(&with("79", "100", Some("")), Severity::Ok, "79 tracked", "");
        let raise = "sysctl -w net.netfilter.nf_conntrack_max=200";
        check(&with("80", "100", Some("")), Severity::Warn, "80 of 100 places are taken", raise);
    }

    #[test]
    fn what_cannot_be_seen_is_said_with_what_shows_it() {
        let list = "sudo conntrack -L | grep -cwE 'dport=80|dport=7000'";
        check(&with("3", "100", None), Severity::Note, "whose is unknown, because", list);
        check(&with("x", "100", None), Severity::Note, "says \"x\"", "cat /proc/sys/net/netfilter");
        check(&with("3", "x", None), Severity::Note, "says \"x\"", "cat /proc/sys/net/netfilter");
        let tree = Tree::new(&[
            ("/proc/sys/net/netfilter/nf_conntrack_count", "3"),
            ("/proc/sys/net/netfilter/nf_conntrack_max", "100"),
            ("/proc/net/nf_conntrack/x", "a directory cannot be read, as the table cannot without root"),
        ]);
        let config = listening(&["udp://[::]:7000"]);
        let finding = conntrack(&Sight { host: &tree.host(), config: &config, needs: &needs() });
        let count = "sudo grep -cwE 'dport=7000' /proc/net/nf_conntrack";
        check(&finding, Severity::Note, "/proc/net/nf_conntrack cannot be read: ", count);
        let none = conntrack(&Sight { host: &Tree::new(&[]).host(), config: &config, needs: &needs() });
        check(&none, Severity::Ok, "not loaded", "");
    }
}
