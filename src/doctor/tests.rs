//! What holds for all checks together.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use super::checks::{self, CHECKS, NO_KNOBS};
use super::fake::{Tree, needs};
use super::*;
use crate::limits;

/// The rows of `tuning/knobs.tsv`, by name, each with its fields by column.
fn knobs() -> HashMap<String, HashMap<&'static str, String>> {
    let columns = [
        "name",
        "where",
        "scope",
        "rule",
        "read",
        "default",
        "latency",
        "throughput",
        "idle",
        "risk",
        "evidence",
        "why",
    ];
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning/knobs.tsv")).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let row = |line: &str| {
        let fields: HashMap<_, _> = columns.into_iter().zip(line.split('\t').map(str::to_owned)).collect();
        (fields["name"].clone(), fields)
    };
    rows.map(row).collect()
}

/// The sources of the checks.
fn sources() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/doctor/checks");
    let files = fs::read_dir(folder).unwrap();
    files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn each_check_has_its_name_once_and_says_it() {
    let names: HashSet<_> = CHECKS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), CHECKS.len());
    let tree = Tree::new(&[]);
    let (config, needs) = (Config::default(), needs());
    for (name, look) in CHECKS {
        let finding = look(&Sight { host: &tree.host(), config: &config, needs: &needs });
        assert_eq!(finding.name, *name);
        assert!(
            !finding.found.is_empty() && !finding.wanted.is_empty() && !finding.why.is_empty(),
            "{finding:#?}"
        );
    }
}

/// A host that tells nothing is a host of which little is known, and no reason to fail.
#[test]
fn a_host_that_tells_nothing_hurts_nobody() {
    let tree = Tree::new(&[]);
    let report = Report::of(&Sight { host: &tree.host(), config: &Config::default(), needs: &needs() });
    assert_eq!((report.verdict, report.exit_code), (Severity::Note, 0), "{}", report.to_json());
}

/// Every file that any check reads says something that it never says.
#[test]
fn a_host_that_tells_nonsense_is_no_reason_to_panic() {
    for nonsense in ["", "\n", "-1", "99999999999999999999999999", "a b c\nd: e f\n", "\u{fffd}\0", ": : :"] {
        let tree = Tree::new(&[]);
        for path in [
            "/proc/sys/kernel/osrelease",
            "/proc/sys/kernel/io_uring_disabled",
            "/proc/sys/kernel/io_uring_group",
            "/proc/self/status",
            "/proc/self/limits",
            "/proc/self/cgroup",
            "/proc/self/uid_map",
            "/proc/sys/fs/nr_open",
            "/proc/sys/net/core/somaxconn",
            "/proc/sys/net/core/default_qdisc",
            "/proc/sys/net/ipv4/ip_unprivileged_port_start",
            "/proc/sys/net/ipv4/tcp_max_syn_backlog",
            "/proc/sys/net/ipv4/tcp_syncookies",
            "/proc/sys/net/ipv4/tcp_migrate_req",
            "/proc/sys/net/ipv4/tcp_congestion_control",
            "/proc/sys/net/ipv4/tcp_allowed_congestion_control",
            "/proc/sys/net/ipv4/tcp_max_tw_buckets",
            "/proc/sys/net/netfilter/nf_conntrack_count",
            "/proc/sys/net/netfilter/nf_conntrack_max",
            "/proc/net/nf_conntrack",
            "/proc/net/netstat",
            "/proc/net/snmp",
            "/proc/net/softnet_stat",
            "/proc/net/sockstat",
            "/proc/net/tcp",
            "/proc/net/tcp6",
            "/proc/interrupts",
            "/sys/class/net/eth0/operstate",
            "/sys/class/net/eth0/device/x",
            "/sys/class/net/eth0/queues/rx-0/rps_cpus",
            "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
            "/sys/kernel/mm/transparent_hugepage/enabled",
        ] {
            tree.write(path, nonsense);
        }
        let config = fake::listening(&["tcp://[::]:7000", "udp://[::]:7000"]);
        let report = Report::of(&Sight { host: &tree.host(), config: &config, needs: &needs() });
        assert_eq!(report.findings.len(), CHECKS.len());
        let _ = table::text(&report, false);
    }
}

#[test]
fn the_exit_code_is_that_of_the_worst() {
    let finding = |severity| Finding {
        name: "kernel",
        severity,
        found: String::new(),
        wanted: String::new(),
        why: String::new(),
        command: None,
    };
    let code = |severities: &[Severity]| {
        Report::from_findings(severities.iter().map(|severity| finding(*severity)).collect()).exit_code
    };
    assert_eq!(code(&[]), 0);
    assert_eq!(code(&[Severity::Ok, Severity::Note]), 0);
    assert_eq!(code(&[Severity::Warn, Severity::Note]), 5);
    assert_eq!(code(&[Severity::Error, Severity::Warn]), 3);
}

#[test]
fn names_are_those_of_the_knobs() {
    let knobs = knobs();
    for (name, _) in CHECKS {
        assert_ne!(knobs.contains_key(*name), NO_KNOBS.contains(name), "{name}");
    }
}

/// `tune` takes what the commands say, and changes what they are for.
#[test]
fn commands_of_tune_name_knobs_of_their_role() {
    let knobs = knobs();
    let mut seen = 0;
    for text in sources() {
        for command in text.split("tuning/tune apply ").skip(1) {
            let words: Vec<&str> = command.split(['"', '\n']).next().unwrap().split_whitespace().collect();
            let after = |flag| words.iter().skip_while(|word| **word != flag).nth(1).copied();
            let (role, knob) = (after("--role").unwrap(), after("--knob").unwrap());
            // One command fills the name in; it is its topic's.
            let knob = if knob == "{name}" { "net.core.netdev_max_backlog" } else { knob };
            let row = knobs.get(knob).unwrap_or_else(|| panic!("no knob is called {knob}"));
            assert_ne!(row[role], "-", "{knob} has no value for {role}");
            assert_eq!(row["scope"] == "global", words.contains(&"--global"), "{command}");
            seen += 1;
        }
    }
    assert!(3 <= seen, "the sources have commands of tune");
}

/// What a check asks for is what the knob of that name sets.
#[test]
fn values_are_those_of_the_knobs() {
    let knobs = knobs();
    let check = |knob: &str, role: &str, value: String| assert_eq!(knobs[knob][role], value, "{knob}");
    for role in ["latency", "throughput", "idle"] {
        check("net.core.somaxconn", role, limits::BACKLOG.to_string());
        check("net.ipv4.tcp_syncookies", role, "1".to_owned());
    }
    check("net.ipv4.tcp_max_tw_buckets", "idle", checks::BUCKETS.to_string());
    check("net.core.rmem_max", "throughput", checks::DATAGRAM_BUFFER_BYTES.to_string());
    check("net.core.netdev_max_backlog", "throughput", checks::BACKLOG_OF_A_CORE.to_string());
    check("cpu_governor", "latency", "performance".to_owned());
    check("transparent_hugepage", "latency", "madvise".to_owned());
}
