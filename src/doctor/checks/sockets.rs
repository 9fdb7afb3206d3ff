//! The sockets at our ports, by state: those that nobody closes, and those that wait out their time.

use super::super::Sight;
use super::super::finding::{Finding, Topic};
use super::super::host::{Host, Unknown, garbled, if_there};
use super::counters;
use super::process::ports_of;
use crate::sys::address::Listen;

/// States of `include/net/tcp_states.h`, as the files below show them.
const TIME_WAIT: &str = "06";
const CLOSE_WAIT: &str = "08";

/// So many may be caught in the moment between the peer's end and ours.
const CLOSING_MAX: usize = 16;
/// So many at our ports mean that peers come for one request and go.
const WAITING_MANY: usize = 10_000;
/// From this part of the kernel's bound on it may be met any moment.
const NEARLY_FULL_PERCENT: u64 = 80;

pub(super) fn close_wait(sight: &Sight<'_>) -> Finding {
    let why = "The peer has ended, and we have not: each keeps a connection. They should last a moment; the command shows whose \
               they are.";
    Topic::new("CLOSE_WAIT", "none that lasts", why).judge(|topic| {
        let ports = tcp_ports(sight);
        let count = count(sight.host, CLOSE_WAIT, &ports)?;
        if count == 0 {
            return Ok(topic.ok("none"));
        }
        let found = format!("{count} at our ports");
        let finding = if CLOSING_MAX < count { topic.warn(found) } else { topic.note(found) };
        Ok(finding.with(format!("ss -tnp state close-wait '( {} )'", filter(&ports))))
    })
}

pub(super) fn time_wait(sight: &Sight<'_>) -> Finding {
    let name = "net.ipv4.tcp_max_tw_buckets";
    let why = "Closed connections wait out their time at the end that closed first; beyond the bound they are forgotten, and \
               old packets may meet new connections.";
    Topic::new("TIME_WAIT", format!("far fewer than {name}"), why).judge(|topic| {
        let ports = tcp_ports(sight);
        let ours = count(sight.host, TIME_WAIT, &ports)?;
        let all = waiting(sight.host)?;
        let bound = sight.host.sysctl_number(name)?;
        let forgotten = counters::tcp_more(sight.host, "TCPTimeWaitOverflow")?;
        let found = format!("{ours} at our ports, {all} in all; {bound} may be");
        let is_nearly_full = bound.saturating_mul(NEARLY_FULL_PERCENT) <= all.saturating_mul(100);
        let found = if forgotten == 0 { found } else { format!("{found}, and {forgotten} were forgotten") };
        if 0 < forgotten && !is_nearly_full && BUCKETS <= bound {
            // Since boot, and it may have been raised since then.
            return Ok(topic.note(found).with("nstat -az TcpExtTCPTimeWaitOverflow"));
        }
        if is_nearly_full || 0 < forgotten {
            let raised = BUCKETS.max(bound.saturating_mul(2));
            return Ok(topic.warn(found).with(format!("sysctl -w {name}={raised}")));
        }
        if WAITING_MANY < ours {
            let why = "Peers open a connection for each request; keeping it would save both ends work.";
            let command = format!("ss -tn state time-wait '( {} )'", filter(&ports));
            return Ok(topic.because(why).note(found).with(command));
        }
        Ok(topic.ok(found))
    })
}

/// What `tuning/knobs.tsv` raises the bound to for many idle connections.
pub(in crate::doctor) const BUCKETS: u64 = 262_144;

fn tcp_ports(sight: &Sight<'_>) -> Vec<u16> {
    ports_of(sight, |listen| matches!(listen, Listen::Tcp(_)))
}

/// Sockets in this state whose own port is one of these.
fn count(host: &Host, state: &str, ports: &[u16]) -> Result<usize, Unknown> {
    let mut found = 0;
    let is_one = |line: &str| {
        let mut words = line.split_whitespace();
        let port = words.nth(1).and_then(|local| u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok());
        port.is_some_and(|port| ports.contains(&port)) && words.nth(1) == Some(state)
    };
    host.each_line("/proc/net/tcp", |line| found += usize::from(is_one(line)))?;
    // Without IPv6 there is no second file.
    if_there(host.each_line("/proc/net/tcp6", |line| found += usize::from(is_one(line))))?;
    Ok(found)
}

/// Connections that wait out their time, in this network namespace.
fn waiting(host: &Host) -> Result<u64, Unknown> {
    let path = "/proc/net/sockstat";
    let text = host.field(path, "TCP")?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = words.windows(2).find(|pair| pair[0] == "tw").and_then(|pair| pair[1].parse().ok());
    number.ok_or_else(|| garbled(path, &text))
}

/// The ports, as ss(8) takes them.
fn filter(ports: &[u16]) -> String {
    ports.iter().map(|port| format!("sport = :{port}")).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::super::super::fake::{check, listening, look_with, needs};
    use super::super::super::finding::Severity;
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    /// A line as the kernel writes it: port 7000 is 1B58.
    fn lines(port: &str, state: &str, count: usize) -> String {
        let line = format!(
            "   0: 0100007F:{port} 0100007F:9DC1 {state} 00000000:00000000 03:000003AB 00000000     0        0 0 3 0\n"
        );
        line.repeat(count)
    }

    fn with(look: fn(&Sight<'_>) -> Finding, tcp: &str, waiting: &str, forgotten: &str) -> Finding {
        with_bound(look, tcp, waiting, (forgotten, "131072"))
    }

    fn with_bound(
        look: fn(&Sight<'_>) -> Finding,
        tcp: &str,
        waiting: &str,
        (forgotten, bound): (&str, &str),
    ) -> Finding {
        let sockets = format!("sockets: used 18\nTCP: inuse 1 orphan 0 tw {waiting} alloc 1 mem 163\n");
        let more = format!("TcpExt: TCPTimeWaitOverflow\nTcpExt: {forgotten}\n");
        let files = [
            ("/proc/net/tcp", tcp),
            ("/proc/net/sockstat", &sockets),
            ("/proc/net/netstat", &more),
            ("/proc/sys/net/ipv4/tcp_max_tw_buckets", bound),
        ];
        look_with(look, &files, &listening(&["tcp://[::]:7000", "tcp://[::]:80"]), &needs())
    }

    #[test]
    fn sockets_that_nobody_closes_are_counted_at_our_ports() {
        let closing = |count| HEAD.to_owned() + &lines("1B58", "08", count) + &lines("9DC1", "08", 99);
        check(&with(close_wait, &closing(0), "0", "0"), Severity::Ok, "none", "");
        let show = "ss -tnp state close-wait '( sport = :80 or sport = :7000 )'";
        check(&with(close_wait, &closing(16), "0", "0"), Severity::Note, "16 at our ports", show);
        check(&with(close_wait, &closing(17), "0", "0"), Severity::Warn, "17 at our ports", show);
        check(&with(close_wait, "garbled\n\n 0: 1 2 3\n", "0", "0"), Severity::Ok, "none", "");
        let six = format!("{HEAD}   0: 00000000000000000000000001000000:0050 0:0 08 0:0 0:0 0 0 0 0\n");
        let files = [("/proc/net/tcp", HEAD), ("/proc/net/tcp6", &six)];
        let both = look_with(close_wait, &files, &listening(&["tcp://[::]:80"]), &needs());
        check(&both, Severity::Note, "1 at our ports", "sport = :80");
        let none = look_with(close_wait, &[], &listening(&["tcp://[::]:80"]), &needs());
        check(&none, Severity::Note, "/proc/net/tcp is not there", "");
    }

    #[test]
    fn those_that_wait_have_a_bound() {
        let ours = |count| HEAD.to_owned() + &lines("1B58", "06", count);
        check(
            &with(time_wait, &ours(3), "18635", "0"),
            Severity::Ok,
            "3 at our ports, 18635 in all; 131072",
            "",
        );
        let show = "ss -tn state time-wait '( sport = :80 or sport = :7000 )'";
        check(&with(time_wait, &ours(10_001), "18635", "0"), Severity::Note, "10001 at our ports", show);
        let raise = "sysctl -w net.ipv4.tcp_max_tw_buckets=262144";
        check(&with(time_wait, HEAD, "104858", "0"), Severity::Warn, "104858 in all", raise);
        check(&with(time_wait, HEAD, "0", "5"), Severity::Warn, "and 5 were forgotten", raise);
        let raised = |waiting| with_bound(time_wait, HEAD, waiting, ("5", "262144"));
        check(&raised("0"), Severity::Note, "and 5 were forgotten", "nstat -az TcpExtTCPTimeWaitOverflow");
        let more = "sysctl -w net.ipv4.tcp_max_tw_buckets=524288";
        check(&raised("262144"), Severity::Warn, "and 5 were forgotten", more);
        check(&with(time_wait, HEAD, "many", "0"), Severity::Note, "unknown", "cat /proc/net/sockstat");
        check(&with(time_wait, HEAD, "0", "many"), Severity::Note, "unknown", "cat /proc/net/netstat");
    }
}
