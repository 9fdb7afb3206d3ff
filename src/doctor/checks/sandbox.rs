//! With what the server can shut itself in.

use super::super::Sight;
use super::super::finding::{Finding, Topic};
use crate::tier::Engine;

pub(super) fn sandbox(sight: &Sight<'_>) -> Finding {
    let why = "Whoever finds a mistake in the server finds little beyond, where walls stand around it.";
    let topic = Topic::new("sandbox", "files, ports, processes, rings, system calls", why);
    let walls = sight.needs.walls;
    let found = walls.to_string();
    if !sight.config.sandbox {
        return topic
            .note("off, as asked for")
            .with("tidemill serve, without --no-sandbox and sandbox = false");
    }
    if walls.are_complete() {
        return match client_bits(sight) {
            Some(bits) => topic
                .note(format!("{found}; a ring can connect, by TCP Fast Open"))
                .with(format!("sysctl -w net.ipv4.tcp_fastopen={}", bits & !CLIENT)),
            None => topic.ok(found),
        };
    }
    // Landlock has to be in the kernel and in the list of the start; what it knows comes with newer kernels.
    let command = match (walls.files, walls.calls) {
        (false, _) => "cat /sys/kernel/security/lsm",
        (true, false) => "cat /proc/sys/kernel/seccomp/actions_avail",
        (true, true) => "uname -r",
    };
    topic.note(found).with(command)
}

/// The bit of `net.ipv4.tcp_fastopen` that lets clients use it (ip-sysctl).
const CLIENT: u64 = 1;

/// The bits of that sysctl where it leaves a gap: a listener that was shut down connects when it sends with `MSG_FASTOPEN`, which
/// Landlock does not see (landlock-lsm/linux#41) and seccomp only of system calls.
fn client_bits(sight: &Sight<'_>) -> Option<u64> {
    let has_ring = sight.needs.engine.as_ref().is_ok_and(|found| found.engine == Engine::Uring);
    let bits = sight.host.sysctl_number("net.ipv4.tcp_fastopen").ok()?;
    (has_ring && bits & CLIENT != 0).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::super::super::fake::{check, look, look_with, needs};
    use super::super::super::finding::Severity;
    use super::*;
    use crate::config::Config;
    use crate::ring::Capabilities;
    use crate::server::Needs;
    use crate::sys::sandbox::Walls;
    use crate::tier::RingTier;

    #[test]
    fn walls_that_are_missing_are_named() {
        check(&look(sandbox, &[]), Severity::Ok, "files, ports, processes, rings, system calls", "");
        let without = |walls: Walls| look_with(sandbox, &[], &Config::default(), &Needs { walls, ..needs() });
        let all = needs().walls;
        let old = without(Walls { ports: false, processes: false, ..all });
        check(&old, Severity::Note, "files, rings, system calls; not ports, processes", "uname -r");
        let closed = without(Walls { calls: false, ..all });
        check(&closed, Severity::Note, "not system calls", "cat /proc/sys/kernel/seccomp/actions_avail");
        let none = without(Walls::default());
        check(&none, Severity::Note, "none", "cat /sys/kernel/security/lsm");
    }

    #[test]
    fn fast_open_is_a_gap_where_a_ring_sends() {
        let file = |bits| [("/proc/sys/net/ipv4/tcp_fastopen", bits)];
        let by_ring = |bits| look(sandbox, &file(bits));
        check(&by_ring("1"), Severity::Note, "a ring can connect", "net.ipv4.tcp_fastopen=0");
        check(&by_ring("1027"), Severity::Note, "a ring can connect", "net.ipv4.tcp_fastopen=1026");
        check(&by_ring("2"), Severity::Ok, "system calls", "");
        let epoll = Needs { engine: Ok(Capabilities::of_epoll(RingTier::V6_17)), ..needs() };
        let without_ring = look_with(sandbox, &file("1"), &Config::default(), &epoll);
        check(&without_ring, Severity::Ok, "system calls", "");
    }

    #[test]
    fn one_that_is_not_wanted_is_told() {
        let config = Config { sandbox: false, ..Config::default() };
        check(
            &look_with(sandbox, &[], &config, &needs()),
            Severity::Note,
            "off, as asked for",
            "tidemill serve",
        );
    }
}
