//! What the doctor finds on this host and on worse ones: with few descriptors, with a filter of system calls, in a network
//! that cuts backlogs. It changes nothing, needs no privilege, and what it tells to do helps.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::forbid::forbid_io_uring;
use crate::support::launch::{BINARY, Ended, can_run, check_calm, run, tidemill};
use crate::support::server::Server;
use crate::support::{Folder, eventually, skip, text};

/// Every check there is, in the order of JSON.
const CHECKS: [&str; 26] = [
    "kernel",
    "io_uring",
    "seccomp",
    "kernel.io_uring_disabled",
    "sandbox",
    "container",
    "files",
    "ports",
    "addresses",
    "LimitNOFILE",
    "LimitMEMLOCK",
    "net.core.somaxconn",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_migrate_req",
    "net.ipv4.tcp_congestion_control",
    "conntrack",
    "irq_affinity",
    "rps_cpus",
    "cpu_governor",
    "transparent_hugepage",
    "ListenOverflows",
    "net.core.netdev_max_backlog",
    "UdpRcvbufErrors",
    "CLOSE_WAIT",
    "TIME_WAIT",
];

/// What the doctor wrote, as JSON, and how it ended.
struct Report {
    value: Value,
    code: i32,
}

impl Report {
    #[track_caller]
    fn of(command: Command) -> Self {
        let ended = run(command);
        assert_eq!(ended.stderr, "", "{ended:#?}");
        Self::read(&ended)
    }

    /// Checks the form of the JSON, and that summary, verdict and exit code are those of the findings.
    #[track_caller]
    fn read(ended: &Ended) -> Self {
        // Before it, a test that became the doctor has said that it is one.
        let start = ended.stdout.find('{').unwrap_or_else(|| panic!("there is JSON: {ended:#?}"));
        let value: Value = serde_json::from_str(&ended.stdout[start..]).expect("it is JSON");
        let report = Self { value, code: ended.code.expect("it ends by itself") };
        assert_eq!(report.value["format"], "tidemill-doctor/1");
        assert_eq!(report.value["exit_code"], report.code);
        let names: Vec<&str> = report.findings().map(|finding| word(finding, "name")).collect();
        assert_eq!(names, CHECKS);
        let mut worst = "ok";
        for severity in ["ok", "note", "warn", "error"] {
            let count = report.findings().filter(|finding| word(finding, "severity") == severity).count();
            assert_eq!(report.value["summary"][severity], count, "{severity}");
            worst = if count == 0 { worst } else { severity };
        }
        assert_eq!(report.value["verdict"], worst);
        let code = match worst {
            "error" => 3,
            "warn" => 5,
            _ => 0,
        };
        assert_eq!(report.code, code);
        report
    }

    fn findings(&self) -> impl Iterator<Item = &Value> {
        self.value["findings"].as_array().expect("there is a list").iter()
    }

    #[track_caller]
    fn finding(&self, name: &str) -> &Value {
        self.findings().find(|finding| finding["name"] == name).expect("every check is there")
    }

    #[track_caller]
    fn check(&self, name: &str, severity: &str, found: &str) {
        let finding = self.finding(name);
        assert!(
            finding["severity"] == severity && word(finding, "found").contains(found),
            "{severity} {found}: {finding:#}"
        );
    }
}

#[track_caller]
fn word<'a>(finding: &'a Value, key: &str) -> &'a str {
    finding[key].as_str().unwrap_or_else(|| panic!("{key} is a text: {finding:#}"))
}

/// Every finding is whole: a reason for all, and a command or its absence.
#[test]
fn every_check_is_in_the_json() {
    let report = Report::of(tidemill(&["doctor", "--json"]));
    for finding in report.findings() {
        let keys: HashSet<&str> =
            finding.as_object().expect("it has fields").keys().map(String::as_str).collect();
        assert_eq!(keys, HashSet::from(["name", "severity", "found", "wanted", "why", "command"]));
        for key in ["name", "severity", "found", "wanted", "why"] {
            assert!(!word(finding, key).is_empty(), "{key}: {finding:#}");
        }
        assert!(finding["command"].is_null() || !word(finding, "command").is_empty(), "{finding:#}");
    }
}

/// The table fits 100 columns but for commands, has every check, no colours where nobody sees them, and a verdict.
#[test]
fn the_table_is_for_people() {
    let ended = run(tidemill(&["doctor"]));
    assert_eq!(ended.stderr, "");
    for name in CHECKS {
        assert!(ended.stdout.contains(&format!("  {name} ")), "{name}: {}", ended.stdout);
    }
    for line in ended.stdout.lines() {
        let is_command = line.trim_start().starts_with("$ ");
        assert!(is_command || line.chars().count() <= 100, "{line}");
        assert_eq!(line, line.trim_end(), "{line:?}");
    }
    assert!(!ended.stdout.contains('\x1b'), "{}", ended.stdout);
    let verdict = match ended.code {
        Some(0) => "Nothing hurts.",
        Some(5) => "The server starts, and something hurts (exit code 5).",
        code => panic!("this host runs the tests, so that the server starts: {code:?} {}", ended.stdout),
    };
    assert!(ended.stdout.contains(verdict), "{}", ended.stdout);
}

/// A configuration that cannot be is told as `check` tells it, and nothing is looked at.
#[test]
fn a_wrong_configuration_is_no_finding() {
    let folder = Folder::new();
    let file = folder.write("tidemill.toml", "[server]\nconections = 5\n");
    for (arguments, words) in [
        (&["doctor", "--config", text(&file), "--json"][..], "tidemill.toml:2:1"),
        (&["doctor", "--config", "/nowhere/tidemill.toml"], "/nowhere/tidemill.toml"),
        (&["doctor", "--listen", "localhost"], "an address begins with"),
        (&["doctor", "--jsno"], "--jsno"),
    ] {
        let ended = run(tidemill(arguments));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:#?}");
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
        check_calm(&ended.stderr);
    }
}

/// The codes that scripts rely on stand in its help.
#[test]
fn the_help_documents_severities_and_exit_codes() {
    let ended = run(tidemill(&["doctor", "--help"]));
    assert_eq!(ended.code, Some(0));
    for words in [
        "--json",
        "--config",
        "  warn    it costs",
        "  3       there are errors",
        "  5       there are warnings",
    ] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
}

/// The findings are about the configuration that was given.
#[test]
fn the_configuration_decides_what_matters() {
    let folder = Folder::new();
    let file = folder
        .write("tidemill.toml", "[[listener]]\naddress = \"unix:/run/tidemill.sock\"\nservice = \"echo\"\n");
    let report = Report::of(tidemill(&["doctor", "--config", text(&file), "--engine", "epoll", "--json"]));
    report.check("net.ipv4.tcp_syncookies", "ok", "no listener is TCP");
    report.check("UdpRcvbufErrors", "ok", "no listener takes datagrams");
    report.check("io_uring", "note", "epoll, as asked for");
    report.check("LimitMEMLOCK", "ok", "not needed by epoll");
    let none = Report::of(tidemill(&["doctor", "--json", "--congestion", "nosuch"]));
    none.check("net.ipv4.tcp_congestion_control", "error", "nosuch is not here");
    assert_eq!(none.finding("net.ipv4.tcp_congestion_control")["command"], "modprobe tcp_nosuch");
    let keys =
        ["doctor", "--json", "--listen", "https://127.0.0.1:0", "--tls-cert", "/no/c", "--tls-key", "/no/k"];
    Report::of(tidemill(&keys)).check("files", "error", "/no/");
}

/// It looks at a host on which the server runs, and leaves it alone.
#[test]
fn a_server_that_runs_is_left_alone() {
    let server = Server::tcp(&["--shards", "1"]);
    let address = server.tcp_address().to_string();
    let report = Report::of(tidemill(&["doctor", "--json", "--listen", &format!("tcp://{address}")]));
    report.check("CLOSE_WAIT", "ok", "none");
    report.check("TIME_WAIT", "ok", " at our ports");
    assert_eq!(server.stop().code, Some(0));
}

// --- Worse hosts -----------------------------------------------------------------------------------------------------

/// The doctor of a shell that has set itself this limit.
fn limited(limit: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit {limit} && exec {BINARY} doctor --json")]);
    command
}

/// Below what the start asks for it would refuse, and says what it wants; the command names the same number.
#[test]
fn few_descriptors_are_an_error() {
    let report = Report::of(limited("-n 256"));
    report.check("LimitNOFILE", "error", "descriptors are needed and the hard limit is 256");
    let finding = report.finding("LimitNOFILE");
    let wanted = word(finding, "wanted").strip_prefix("at least ").expect("a number is wanted");
    assert_eq!(finding["command"], format!("ulimit -n {wanted}"));
    let start = run({
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n 256 && exec {BINARY}")]);
        command
    });
    assert_eq!(start.code, Some(3), "{start:#?}");
    assert!(start.stderr.contains(word(finding, "found")), "{start:#?}");
}

#[test]
fn little_memory_to_lock_is_told() {
    let report = Report::of(limited("-l 64"));
    let finding = report.finding("LimitMEMLOCK");
    assert_ne!(finding["severity"], "ok", "{finding:#}");
    assert!(word(finding, "found").starts_with("64KiB"), "{finding:#}");
    assert!(word(finding, "command").starts_with("ulimit -l "), "{finding:#}");
}

/// Set for the process that is to become a doctor without io_uring: what it is to be asked.
const FORBIDDEN: &str = "TIDEMILL_TEST_FORBIDDEN_DOCTOR";
/// The libtest name of [`becomes_a_doctor_without_io_uring`].
const BECOMES: &str = "doctor::becomes_a_doctor_without_io_uring";

/// Not a test of its own: run as a process by the test below, it forbids itself io_uring and becomes the doctor.
#[test]
fn becomes_a_doctor_without_io_uring() {
    let Ok(engine) = std::env::var(FORBIDDEN) else { return };
    forbid_io_uring(libc::EPERM.unsigned_abs());
    let mut command = tidemill(&["doctor", "--json"]);
    if !engine.is_empty() {
        command.args(["--engine", &engine]);
    }
    panic!("the doctor cannot be run: {}", command.exec());
}

/// A filter that refuses io_uring is a warning where epoll may serve, an error where it may not, and nothing to one that
/// asked for epoll; the words are those of the start.
#[test]
fn a_forbidden_io_uring_is_told_with_its_remedy() {
    let sysctl = fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    if sysctl.is_ok_and(|disabled| disabled.trim() != "0") {
        return skip("this host has io_uring switched off, which is told before its profile");
    }
    for (engine, severity, filter) in
        [("", "warn", "warn"), ("uring", "error", "error"), ("epoll", "note", "ok")]
    {
        let mut command = Command::new(std::env::current_exe().expect("a test knows its binary"));
        command.args(["--exact", BECOMES, "--nocapture", "--test-threads", "1"]);
        command.env(FORBIDDEN, engine);
        let report = Report::read(&run(command));
        report.check("seccomp", filter, "a filter");
        let cause = if engine == "epoll" { "epoll, as asked for" } else { "a security profile refuses it" };
        report.check("io_uring", severity, cause);
        if engine != "epoll" {
            let finding = report.finding("io_uring");
            assert!(word(finding, "command").ends_with("--security-opt seccomp=FILE"), "{finding:#}");
            assert!(word(finding, "why").contains("SystemCallFilter=@aio in the unit"), "{finding:#}");
        }
    }
}

/// A user that may do nothing is told as much as others, and never more than a note of what it cannot see.
#[test]
fn nobody_may_ask() {
    let folder = Folder::new();
    // Where others can reach it.
    let binary = folder.path("tidemill");
    fs::copy(BINARY, &binary).expect("there is room for the binary");
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).expect("a file of ours can be shared");
    let identity = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    if !can_run("setpriv", &[&identity[..], &[text(&binary), "--version"]].concat()) {
        return skip("becoming nobody takes root and setpriv");
    }
    let mut command = Command::new("setpriv");
    command.args(identity).arg(&binary).args(["doctor", "--json", "--listen", "tcp://127.0.0.1:0"]);
    let report = Report::of(command);
    for finding in report.findings().filter(|finding| word(finding, "found").contains("unknown")) {
        assert_eq!(finding["severity"], "note", "{finding:#}");
    }
    // What root finds of the same host; counters and limits differ.
    let own = Report::of(tidemill(&["doctor", "--json", "--listen", "tcp://127.0.0.1:0"]));
    for name in ["kernel", "net.core.somaxconn", "net.ipv4.tcp_migrate_req", "transparent_hugepage"] {
        assert_eq!(report.finding(name), own.finding(name));
    }
    let mut command = Command::new("setpriv");
    command.args(identity).arg(&binary).args(["doctor", "--json", "--listen", "tcp://127.0.0.1:80"]);
    let start = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if start.is_ok_and(|start| start.trim() == "1024") {
        Report::of(command).check("ports", "error", "port 80, and this user may from 1024 on");
    }
}

// --- A network that cuts backlogs ------------------------------------------------------------------------------------

/// A network namespace of a test's own, which goes with it.
struct Network(Child);

impl Network {
    /// None, when this process may not make one.
    fn new() -> Option<Self> {
        if !can_run("unshare", &["--net", "true"]) || !can_run("nsenter", &["--version"]) {
            skip("a network of its own takes root, unshare and nsenter");
            return None;
        }
        let mut command = Command::new("unshare");
        // It says that it is there, and stays for as long as its input is open.
        command.args(["--net", "sh", "-c", "echo; exec cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it was just tried");
        let output = child.stdout.as_mut().expect("it is piped");
        output.read_exact(&mut [0]).expect("it says that it is there");
        Some(Self(child))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.0.id().to_string(), program]).args(arguments);
        command
    }

    fn doctor(&self) -> Report {
        Report::of(self.run(BINARY, &["doctor", "--json"]))
    }

    /// Does in it what a finding says, as it stands.
    #[track_caller]
    fn follow(&self, finding: &Value) {
        let ended = run(self.run("sh", &["-c", word(finding, "command")]));
        assert_eq!(ended.code, Some(0), "{finding:#}: {ended:#?}");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It ends with its input.
        let _ = self.0.wait();
    }
}

/// A warning names the command; when it has been run, the warning is gone.
#[test]
fn what_is_told_to_do_helps() {
    let Some(network) = Network::new() else { return };
    for (name, bad, command) in [
        ("net.core.somaxconn", "128", "sysctl -w net.core.somaxconn=4096"),
        ("net.ipv4.tcp_syncookies", "0", "sysctl -w net.ipv4.tcp_syncookies=1"),
        ("net.ipv4.tcp_migrate_req", "0", "sysctl -w net.ipv4.tcp_migrate_req=1"),
    ] {
        let spoilt = run(network.run("sysctl", &["-w", &format!("{name}={bad}")]));
        if spoilt.code != Some(0) {
            return skip(&format!("sysctl does not set {name} here: {}", spoilt.stderr));
        }
        let before = network.doctor();
        let severity = if name.ends_with("migrate_req") { "note" } else { "warn" };
        if severity == "note" && before.finding(name)["severity"] == "ok" {
            continue; // One core, and so no group of listeners.
        }
        before.check(name, severity, bad);
        assert_eq!(before.finding(name)["command"], command);
        network.follow(before.finding(name));
        assert_eq!(network.doctor().finding(name)["severity"], "ok");
    }
}

/// A backlog that is cut by the table of half-open handshakes, which counts only without cookies.
#[test]
fn half_open_handshakes_are_capped_without_cookies() {
    let Some(network) = Network::new() else { return };
    let name = "net.ipv4.tcp_max_syn_backlog";
    let spoilt = run(network.run("sysctl", &["-w", "net.ipv4.tcp_syncookies=0", &format!("{name}=128")]));
    if spoilt.code != Some(0) {
        return skip(&format!("sysctl does not set {name} here: {}", spoilt.stderr));
    }
    let before = network.doctor();
    before.check(name, "warn", "128, without tcp_syncookies");
    network.follow(before.finding(name));
    network.doctor().check(name, "ok", "4096");
}

/// A peer that ended while our end stays open is seen where it is: at our port, in this network.
#[test]
fn sockets_that_nobody_closes_are_seen() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let peers: Vec<_> = (0..20)
        .map(|_| {
            drop(std::net::TcpStream::connect(address).expect("the listener is there"));
            listener.accept().expect("a peer has come")
        })
        .collect();
    let listen = format!("tcp://{address}");
    let count = || Report::of(tidemill(&["doctor", "--json", "--listen", &listen]));
    eventually("all ends have arrived", || {
        word(count().finding("CLOSE_WAIT"), "found") == format!("{} at our ports", peers.len())
    });
    let report = count();
    report.check("CLOSE_WAIT", "warn", "20 at our ports");
    let port = address.port();
    let command = format!("ss -tnp state close-wait '( sport = :{port} )'");
    assert_eq!(report.finding("CLOSE_WAIT")["command"], command.as_str());
}
