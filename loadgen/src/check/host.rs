//! Whether the host is one to measure on.

use super::evidence::Evidence;
use super::finding::{Finding, time};
use crate::report::counted;
use crate::result::Status;

/// Sources of time that are read without a system call.
const FAST_CLOCKS: [&str; 4] = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"];
/// A reading of the clock that takes longer is itself a load.
const CLOCK_READ_NS: f64 = 1000.0;
/// Governors that keep a core slow, or raise its frequency only after a while.
const SLOW_GOVERNORS: [&str; 4] = ["powersave", "ondemand", "conservative", "schedutil"];
/// Share of the ports that may be taken: the kernel searches longer for the last ones.
const PORTS_SHARE: f64 = 0.9;

/// What to do about a listener that drops connections.
const BACKLOG: &str = "Whom a listener drops comes again a second later. Try: sysctl net.core.somaxconn, and raise it, or fewer \
                       new connections at a time.";
/// What to do about segments that are lost, or taken for lost.
const RETRANSMITTED: &str = "A lost segment delays an answer by 200 ms or more. Try: a path without loss, which tc -s qdisc and \
                             ip -s link show, or peers that are never stopped.";
/// What to do about full buffers.
const BUFFERS: &str = "What is dropped counts as lost. Try: sysctl net.core.rmem_max and net.core.wmem_max, and raise them, or \
                       a lower --rate.";

/// Whether time can be told at all.
pub(super) fn clock(evidence: &Evidence<'_>) -> Finding {
    let source = evidence.environment.clock_source.as_deref();
    let is_fast = source.is_none_or(|source| FAST_CLOCKS.contains(&source));
    let status = if is_fast && evidence.clock_read_ns <= CLOCK_READ_NS { Status::Pass } else { Status::Warn };
    let figures = format!(
        "One reading of the clock, {}, takes {} (up to {} is good).",
        source.unwrap_or("whose source is not known"),
        time(evidence.clock_read_ns),
        time(CLOCK_READ_NS)
    );
    let advice = "Each request needs several readings. Try: tsc in /sys/devices/system/clocksource.";
    Finding::judged(status, figures, advice)
}

/// Whether the server competes with the generator.
pub(super) fn shared_cores(evidence: &Evidence<'_>) -> Finding {
    match evidence.environment.shared_cores.as_deref() {
        None => Finding::skipped("It is not known which cores the server works on: --server-pid would tell."),
        Some([]) => Finding::pass("The server works on no core of the generator."),
        Some(cores) => {
            let list = cores.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
            let figures = format!(
                "The server also works on {} {list} of the generator: each takes time from the other.",
                if cores.len() == 1 { "core" } else { "cores" }
            );
            Finding::judged(Status::Warn, figures, "Try: taskset for the server, and other --cores here.")
        }
    }
}

/// What the host's network lost meanwhile.
pub(super) fn drops(evidence: &Evidence<'_>) -> Finding {
    let drops = evidence.drops;
    if drops.is_zero() {
        return Finding::pass("The host dropped nothing and retransmitted nothing.");
    }
    let undelivered = drops.receive_errors.saturating_sub(drops.receive_buffer_errors);
    let found = [
        (drops.listen_drops.max(drops.listen_overflows), "connection", "dropped by a listener", BACKLOG),
        (drops.retransmits, "segment", "retransmitted", RETRANSMITTED),
        (drops.receive_buffer_errors, "datagram", "dropped at a full receive buffer", BUFFERS),
        (undelivered, "datagram", "not delivered", BUFFERS),
        (drops.send_buffer_errors, "datagram", "refused by a full send buffer", BUFFERS),
    ];
    let found = found.into_iter().filter(|(count, ..)| 0 < *count).collect::<Vec<_>>();
    let words = found.iter().map(|(count, noun, what, _)| {
        format!("{} {} {what}", counted(*count, noun), if *count == 1 { "was" } else { "were" })
    });
    let mut advice: Vec<&str> = found.iter().map(|(.., advice)| *advice).collect();
    advice.dedup();
    let figures = format!("Over all programs of this host, {}.", words.collect::<Vec<_>>().join(", "));
    Finding::judged(Status::Warn, figures, &advice.join(" "))
}

/// Whether the host was quiet, fast and large enough.
pub(super) fn host(evidence: &Evidence<'_>) -> Finding {
    let environment = evidence.environment;
    let mut troubles = Vec::new();
    if let (Some(load), Some(cores)) = (environment.load_average, environment.cores_online)
        && (cores as f64) < load
    {
        troubles.push(format!(
            "The load average was {load:.1} on {} before the run: wait until others are done.",
            counted(cores as u64, "core")
        ));
    }
    if let Some(governor) = environment.governor.as_deref().filter(|name| SLOW_GOVERNORS.contains(name)) {
        troubles.push(format!(
            "The governor {governor} changes the frequency of the cores. Try: cpupower frequency-set -g performance."
        ));
    }
    let wanted = evidence.lives.wanted;
    if let Some(descriptors) = evidence.room.descriptors.filter(|descriptors| *descriptors <= wanted) {
        troubles.push(format!(
            "{} are wanted, and the limit of descriptors is {descriptors}. Try: ulimit -n {}.",
            counted(wanted, "connection"),
            wanted + wanted / 8 + 64
        ));
    }
    if let Some(ports) = evidence.room.ports.map(|ports| ports.saturating_mul(evidence.room.sources))
        && 0 < evidence.room.sources
        && PORTS_SHARE * (ports as f64) < wanted as f64
    {
        troubles.push(format!(
            "{} are wanted, and there are {ports} local ports. Try: more --source addresses.",
            counted(wanted, "connection")
        ));
    }
    if troubles.is_empty() {
        return Finding::pass("Nothing speaks against the host: load, governor, descriptors and ports.");
    }
    Finding { status: Status::Warn, sentence: troubles.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::example::{Example, check};
    use crate::environment::HostCounters;

    #[test]
    fn a_slow_clock_is_told() {
        let hpet = |example: &mut Example| example.environment.clock_source = Some("hpet".to_owned());
        check(clock, Example::open(), hpet, Status::Warn, "the clock, hpet, takes 25 ns");
        check(
            clock,
            Example::open(),
            |example| example.clock_read_ns = 1200.0,
            Status::Warn,
            "takes 1.20 µs",
        );
        let unknown = |example: &mut Example| example.environment.clock_source = None;
        check(clock, Example::open(), unknown, Status::Pass, "whose source is not known");
    }

    #[test]
    fn shared_cores_are_named() {
        let shared =
            |cores: Option<Vec<usize>>| move |example: &mut Example| example.environment.shared_cores = cores;
        check(
            shared_cores,
            Example::open(),
            shared(Some(vec![0, 1])),
            Status::Warn,
            "cores 0, 1 of the generator",
        );
        check(shared_cores, Example::open(), shared(Some(vec![1])), Status::Warn, "core 1 of the generator");
        check(shared_cores, Example::open(), shared(None), Status::Skipped, "--server-pid");
    }

    #[test]
    fn every_kind_of_loss_is_named() {
        let check = |dropped: HostCounters, words: &str| {
            check(drops, Example::open(), |example| example.drops = dropped, Status::Warn, words);
        };
        let none = HostCounters::default();
        check(
            HostCounters { listen_overflows: 2, listen_drops: 3, ..none },
            "host, 3 connections were dropped by a listener. Whom",
        );
        check(HostCounters { retransmits: 1, ..none }, "1 segment was retransmitted. A lost segment");
        check(
            HostCounters { receive_errors: 4, receive_buffer_errors: 4, ..none },
            "4 datagrams were dropped at a full receive buffer.",
        );
        check(HostCounters { receive_errors: 4, ..none }, "4 datagrams were not delivered.");
        check(
            HostCounters { send_buffer_errors: 1, retransmits: 2, ..none },
            "2 segments were retransmitted, 1 datagram was refused by",
        );
    }

    #[test]
    fn a_bad_host_is_told() {
        let check =
            |spoil: fn(&mut Example), words: &str| check(host, Example::open(), spoil, Status::Warn, words);
        check(|example| example.environment.load_average = Some(2.5), "was 2.5 on 2 cores");
        check(|example| example.environment.governor = Some("powersave".to_owned()), "governor powersave");
        check(
            |example| example.room.descriptors = Some(10),
            "limit of descriptors is 10. Try: ulimit -n 75.",
        );
        check(
            |example| (example.room.ports, example.room.sources) = (Some(5), 2),
            "there are 10 local ports",
        );
        let unix = |example: &mut Example| (example.room.ports, example.room.sources) = (Some(5), 0);
        crate::check::example::check(host, Example::open(), unix, Status::Pass, "Nothing speaks against");
    }
}
