//! The checks: each looks at the host, the configuration and what a start would need, and says one thing.
//!
//! They are pure functions of what they are shown. Thresholds are those at which something is lost or paid for; whatever
//! `tuning/knobs.tsv` has a knob for has its name, and asks for the same value.

mod addresses;
mod cards;
mod congestion;
mod conntrack;
mod counters;
mod engine;
mod listening;
mod machine;
mod process;
mod sandbox;
mod sockets;

#[cfg(test)]
pub(super) use self::counters::{BACKLOG_OF_A_CORE, DATAGRAM_BUFFER_BYTES};
#[cfg(test)]
pub(super) use self::sockets::BUCKETS;
use super::Sight;
use super::finding::Finding;

/// A check, by its name.
pub(super) type Check = (&'static str, fn(&Sight<'_>) -> Finding);

/// All of them, in the order of JSON: what a start needs, what listeners are, what the machine is, what has happened.
pub(super) const CHECKS: &[Check] = &[
    ("kernel", engine::kernel),
    ("io_uring", engine::io_uring),
    ("seccomp", engine::seccomp),
    ("kernel.io_uring_disabled", engine::io_uring_disabled),
    ("sandbox", sandbox::sandbox),
    ("container", process::container),
    ("files", process::files),
    ("ports", process::ports),
    ("addresses", addresses::addresses),
    ("LimitNOFILE", process::descriptors),
    ("LimitMEMLOCK", process::locked_memory),
    ("net.core.somaxconn", listening::somaxconn),
    ("net.ipv4.tcp_max_syn_backlog", listening::syn_backlog),
    ("net.ipv4.tcp_syncookies", listening::syncookies),
    ("net.ipv4.tcp_migrate_req", listening::migrate_req),
    ("net.ipv4.tcp_congestion_control", congestion::congestion_control),
    ("conntrack", conntrack::conntrack),
    ("irq_affinity", cards::irq_affinity),
    ("rps_cpus", cards::rps_cpus),
    ("cpu_governor", machine::governor),
    ("transparent_hugepage", machine::huge_pages),
    ("ListenOverflows", counters::listen_overflows),
    ("net.core.netdev_max_backlog", counters::packet_backlog),
    ("UdpRcvbufErrors", counters::datagrams),
    ("CLOSE_WAIT", sockets::close_wait),
    ("TIME_WAIT", sockets::time_wait),
];

/// Those that are no knob of `tuning/knobs.tsv`.
#[cfg(test)]
pub(super) const NO_KNOBS: &[&str] = &[
    "sandbox",
    "kernel",
    "io_uring",
    "seccomp",
    "container",
    "files",
    "ports",
    "addresses",
    "ListenOverflows",
    "UdpRcvbufErrors",
    "CLOSE_WAIT",
    "TIME_WAIT",
];
