//! What the kernel does with those who come: the queues before a listener, and what becomes of them.

use super::super::Sight;
use super::super::finding::{Finding, Topic};
use crate::limits;

pub(super) fn somaxconn(sight: &Sight<'_>) -> Finding {
    let name = "net.core.somaxconn";
    let why = "It caps the connections that wait to be accepted; more are dropped, and their peers try again after a \
               second. Listeners keep what they read: restart the server.";
    let wanted = u64::from(limits::BACKLOG);
    Topic::new(name, format!("at least {wanted}"), why).judge(|topic| {
        if !sight.has_streams() {
            return Ok(topic.ok("no listener takes connections"));
        }
        let found = sight.host.sysctl_number(name)?;
        if wanted <= found {
            return Ok(topic.ok(found.to_string()));
        }
        Ok(topic.warn(found.to_string()).with(format!("sysctl -w {name}={wanted}")))
    })
}

pub(super) fn syn_backlog(sight: &Sight<'_>) -> Finding {
    let name = "net.ipv4.tcp_max_syn_backlog";
    let why = "It caps half-open handshakes, and only where tcp_syncookies is 0.";
    let wanted = u64::from(limits::BACKLOG);
    Topic::new(name, format!("at least {wanted}, or tcp_syncookies = 1"), why).judge(|topic| {
        if !sight.has_tcp() {
            return Ok(topic.ok("no listener is TCP"));
        }
        let found = sight.host.sysctl_number(name)?;
        if wanted <= found {
            return Ok(topic.ok(found.to_string()));
        }
        if sight.host.sysctl_number("net.ipv4.tcp_syncookies")? != 0 {
            return Ok(topic.ok(format!("{found}, which is not looked at")));
        }
        Ok(topic.warn(format!("{found}, without tcp_syncookies")).with(format!("sysctl -w {name}={wanted}")))
    })
}

pub(super) fn syncookies(sight: &Sight<'_>) -> Finding {
    let name = "net.ipv4.tcp_syncookies";
    let why = "Floods of half-open handshakes are answered without memory; without it they keep others out.";
    Topic::new(name, "1", why).judge(|topic| {
        if !sight.has_tcp() {
            return Ok(topic.ok("no listener is TCP"));
        }
        let repair = format!("sysctl -w {name}=1");
        Ok(match sight.host.sysctl_number(name)? {
            1 => topic.ok("1"),
            0 => topic.warn("0").with(repair),
            found => {
                let why =
                    "Every handshake is answered by a cookie, which loses options of TCP: this is for tests.";
                topic.because(why).warn(found.to_string()).with(repair)
            }
        })
    })
}

pub(super) fn migrate_req(sight: &Sight<'_>) -> Finding {
    let name = "net.ipv4.tcp_migrate_req";
    let why = "Where a server ends beside another one at the same addresses, connections that wait at its listeners are reset \
               instead of moved. tidemill upgrade loses nobody either way. Set it before the first of them starts.";
    Topic::new(name, "1, where two servers share addresses", why).judge(|topic| {
        if !sight.has_tcp() || sight.needs.cores.len() < 2 {
            return Ok(topic.ok("not needed: there is no group of TCP listeners"));
        }
        Ok(match sight.host.sysctl_number(name)? {
            0 => topic.note("0").with(format!("sysctl -w {name}=1")),
            found => topic.ok(found.to_string()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::fake::{check, listening, look, look_with, needs};
    use super::super::super::finding::Severity;
    use super::*;
    use crate::server::Needs;

    const COOKIES: &str = "/proc/sys/net/ipv4/tcp_syncookies";

    #[test]
    fn the_backlog_is_not_to_be_cut() {
        let with = |text| look(somaxconn, &[("/proc/sys/net/core/somaxconn", text)]);
        check(&with("4096\n"), Severity::Ok, "4096", "");
        check(&with("65535\n"), Severity::Ok, "65535", "");
        check(&with("4095\n"), Severity::Warn, "4095", "sysctl -w net.core.somaxconn=4096");
        check(&with("all\n"), Severity::Note, "says \"all\"", "cat /proc/sys/net/core/somaxconn");
        check(&look(somaxconn, &[]), Severity::Note, "/proc/sys/net/core/somaxconn is not there", "");
        let config = listening(&["udp://127.0.0.1:7000"]);
        check(&look_with(somaxconn, &[], &config, &needs()), Severity::Ok, "no listener", "");
    }

    #[test]
    fn half_open_handshakes_are_capped_only_without_cookies() {
        let name = "/proc/sys/net/ipv4/tcp_max_syn_backlog";
        let with = |text, cookies| look(syn_backlog, &[(name, text), (COOKIES, cookies)]);
        check(&with("4096", "0"), Severity::Ok, "4096", "");
        check(&with("2048", "1"), Severity::Ok, "2048, which is not looked at", "");
        let raise = "sysctl -w net.ipv4.tcp_max_syn_backlog=4096";
        check(&with("2048", "0"), Severity::Warn, "2048, without tcp_syncookies", raise);
        check(&with("2048", "?"), Severity::Note, "says \"?\"", "cat /proc/sys/net/ipv4/tcp_syncookies");
        check(&look(syn_backlog, &[]), Severity::Note, "is not there", "");
        let config = listening(&["unix:/run/t.sock"]);
        check(&look_with(syn_backlog, &[], &config, &needs()), Severity::Ok, "no listener is TCP", "");
    }

    #[test]
    fn cookies_are_for_floods() {
        let with = |text| look(syncookies, &[(COOKIES, text)]);
        check(&with("1"), Severity::Ok, "1", "");
        check(&with("0"), Severity::Warn, "0", "sysctl -w net.ipv4.tcp_syncookies=1");
        check(&with("2"), Severity::Warn, "2", "sysctl -w net.ipv4.tcp_syncookies=1");
        check(&with(""), Severity::Note, "says \"\"", "cat /proc/sys/net/ipv4/tcp_syncookies");
        check(&look(syncookies, &[]), Severity::Note, "is not there", "");
        let config = listening(&["udp://127.0.0.1:7000"]);
        check(&look_with(syncookies, &[], &config, &needs()), Severity::Ok, "no listener is TCP", "");
    }

    #[test]
    fn waiting_connections_move_only_within_a_group() {
        let name = "/proc/sys/net/ipv4/tcp_migrate_req";
        check(&look(migrate_req, &[(name, "1")]), Severity::Ok, "1", "");
        check(
            &look(migrate_req, &[(name, "0")]),
            Severity::Note,
            "0",
            "sysctl -w net.ipv4.tcp_migrate_req=1",
        );
        check(&look(migrate_req, &[(name, "-")]), Severity::Note, "unknown", "cat /proc/sys/net");
        check(&look(migrate_req, &[]), Severity::Note, "is not there", "");
        let alone = Needs { cores: vec![0], ..needs() };
        let config = listening(&["tcp://[::]:7000"]);
        check(&look_with(migrate_req, &[(name, "0")], &config, &alone), Severity::Ok, "no group", "");
    }
}
