//! How a run ends: with which code, after which time, and with which words.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;
use std::{fs, thread};

use tidemill::sys::clock;

use super::servers::{Habit, Place, tcp, udp};
use super::{number, result, run};

/// What a run may take beyond its own time on a busy machine.
const SLACK: Duration = Duration::from_secs(3);

#[test]
fn where_nobody_listens_one_sentence_says_so() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unix = Place::new("nobody").url();
    for url in [format!("tcp://{tcp}"), format!("udp://{udp}"), unix] {
        let run = run(&url, "--duration 5s");
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert!(
            run.stderr.starts_with(&format!("loadgen: nobody listens at {url}. Try: start the server")),
            "{}",
            run.stderr
        );
        assert!(run.took < SLACK, "it took {:?}", run.took);
    }
}

#[test]
fn a_command_line_that_cannot_be_is_refused() {
    for (url, line, words) in [
        ("localhost:7000", "", "an address begins with"),
        ("tcp://127.0.0.1:1", "--count 1 --duration 1s", "cannot be used with"),
        ("udp://127.0.0.1:1", "--size 8", "a datagram has at least 16 bytes"),
        ("tcp://127.0.0.1:1", "--connections 0", "--connections must be at least 1"),
    ] {
        let run = run(url, line);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{url} {line}");
        assert!(run.stderr.contains(words), "{url} {line}: {}", run.stderr);
    }
}

#[test]
fn a_core_that_is_not_there_is_named() {
    let run = run(&tcp(Habit::Echo), "--cores 1023 --count 1");
    assert_eq!(run.code, 3);
    assert!(run.stderr.contains("core 1023 may not be used"), "{}", run.stderr);
}

/// A run whose server goes silent ends in time, and says how much is missing.
fn check_silent(habit: Habit, line: &str) {
    let url = tcp(habit);
    let run = run(&url, &format!("{line} --warmup 0s --duration 1s --json -"));
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(run.code, 1, "{json}");
    assert!(0 < number(&json, "counts.outstanding"), "{json}");
    assert_eq!(
        number(&json, "counts.sent") - number(&json, "counts.received"),
        number(&json, "counts.outstanding")
    );
    assert!(run.took < Duration::from_secs(2) + SLACK, "it took {:?}", run.took);
    assert!(run.stderr.contains(" got no answer"), "{}", run.stderr);
}

#[test]
fn a_server_that_stops_answering_does_not_hold_the_run() {
    check_silent(Habit::Mute(1000), "-c 3");
    check_silent(Habit::Mute(0), "-c 1 -d 10");
}

#[test]
fn a_server_that_never_reads_does_not_hold_the_run() {
    check_silent(Habit::Deaf, "-c 3");
    check_silent(Habit::Deaf, "-c 2 -d 64 -s 1MiB");
}

#[test]
fn a_counted_run_ends_with_the_server_s_silence() {
    let (code, json) = result(&tcp(Habit::Mute(1000)), "-c 1 --count 1000");
    assert_eq!((code, number(&json, "counts.outstanding")), (1, 1), "{json}");
    assert_eq!(json["counts"]["fell_silent"], true);
}

#[test]
fn a_datagram_server_that_stops_is_no_success() {
    let url = udp(|number, bytes| if number < 100 { vec![bytes.to_vec()] } else { Vec::new() });
    let (code, json) = result(&url, "-c 4 --warmup 0s --duration 2s");
    assert_eq!((code, number(&json, "counts.received")), (1, 100), "{json}");
    assert_eq!(json["counts"]["fell_silent"], true);
}

#[test]
fn a_connection_that_is_closed_early_is_an_error() {
    let url = tcp(Habit::Close(1000));
    let run = run(&url, "-c 3 --duration 5s --size 100 --json -");
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(run.code, 1, "{json}");
    let errors = &json["counts"]["errors"];
    assert_eq!(number(errors, "closed_early") + number(errors, "reset"), 3, "{json}");
    assert!(run.took < SLACK, "with no connection left there is nothing to wait for: {:?}", run.took);
}

#[test]
fn the_result_goes_where_it_was_asked_to() {
    let url = tcp(Habit::Echo);
    let place = Place::new("result.json");
    fs::write(place.path(), "x".repeat(100_000)).unwrap();
    let with_file = run(&url, &format!("--count 100 --json {}", place.path()));
    assert_eq!(with_file.code, 0, "{}", with_file.stderr);
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(place.path()).unwrap()).unwrap();
    assert_eq!(json["schema"], "tidemill-loadgen/2");
    // The verdict on this machine may stand above it.
    let header =
        format!("{url}, closed loop, 100 requests\n64 connections, depth 1, 64 B each, 1 thread on core ");
    let header = with_file.stdout.find(&header).unwrap_or_else(|| panic!("{}", with_file.stdout));
    assert!(header == 0 || with_file.stdout[..header].ends_with('\n'), "{}", with_file.stdout);
    assert_eq!(with_file.stderr, "", "no terminal, no progress");

    let with_no_place = run(&url, "--count 100 --json /nowhere/result.json");
    assert_eq!((with_no_place.code, with_no_place.stdout.as_str()), (3, ""));
    let words = "loadgen: the result cannot be written to /nowhere/result.json: No such file";
    assert!(with_no_place.stderr.starts_with(words), "{}", with_no_place.stderr);
}

/// A device has no length that could be cut, and is written to all the same.
#[test]
fn the_result_may_go_to_a_device() {
    let url = tcp(Habit::Echo);
    let into = |device| run(&url, &format!("-c 1 --count 1 --json {device}"));
    assert_eq!((into("/dev/null").code, into("/dev/null").stderr.as_str()), (0, ""));
    let shown = into("/dev/stdout");
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(shown.stdout.contains("\"schema\": \"tidemill-loadgen/2\""), "{}", shown.stdout);
    let full = into("/dev/full");
    assert_eq!(full.code, 1);
    let words = "loadgen: the result cannot be written to /dev/full: No space left on device";
    assert!(full.stderr.starts_with(words), "{}", full.stderr);
}

#[test]
fn a_congestion_control_that_is_not_there_is_named() {
    let run = run(&tcp(Habit::Echo), "--congestion nonesuch --count 1");
    assert_eq!((run.code, run.stdout.as_str()), (3, ""));
    assert_eq!(
        run.stderr,
        "loadgen: the host does not offer congestion control nonesuch. \
         Try: one that sysctl net.ipv4.tcp_available_congestion_control shows\n"
    );
}

/// 192.0.2.1 is for documentation alone (RFC 5737), so no host has it.
#[test]
fn a_source_that_is_not_ours_is_named() {
    for url in [tcp(Habit::Echo), udp(|_, bytes| vec![bytes.to_vec()])] {
        let run = run(&url, "--source 192.0.2.1 --count 1");
        assert_eq!(
            (run.code, run.stderr.as_str()),
            (3, "loadgen: 192.0.2.1 is not an address of this host. Try: one that `ip -br address` shows\n")
        );
    }
}

#[test]
fn a_path_that_is_no_socket_is_named() {
    let place = Place::new("no-socket");
    fs::write(place.path(), "").unwrap();
    for path in [place.path(), "/tmp"] {
        let run = run(&format!("unix:{path}"), "--count 1");
        assert_eq!(run.code, 3);
        assert!(run.stderr.starts_with(&format!("loadgen: {path} is not a socket")), "{}", run.stderr);
    }
}

#[test]
fn a_signal_ends_the_run_and_what_there_is_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let (answering, answers) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 64];
        while stream.read_exact(&mut buffer).is_ok() && stream.write_all(&buffer).is_ok() {
            let _ = answering.send(()); // The test listens for the first ones only.
        }
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args([&url, "-c", "1", "--warmup", "0s", "--duration", "1h", "--json", "-"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    (0..10).for_each(|_| answers.recv_timeout(SLACK).unwrap());
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{json}");
    assert_eq!(json["counts"]["interrupted"], true);
    assert!(9 <= number(&json, "counts.received"), "{json}");
    assert!(json["throughput"]["duration_s"].as_f64().unwrap() < 30.0, "{json}");
}

/// An open loop waits long for answers, and not for long once it is told to end.
#[test]
fn a_signal_ends_an_open_loop_that_waits_for_a_silent_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let (hearing, heard) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 64];
        while stream.read_exact(&mut buffer).is_ok() {
            let _ = hearing.send(()); // The test listens for the first one only.
        }
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args([&url, "-c", "1", "--rate", "100", "--timeout", "1h", "--duration", "1h", "--json", "-"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    heard.recv_timeout(SLACK).unwrap();
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let told = clock::now();
    let output = child.wait_with_output().unwrap();
    let took = clock::now().saturating_since(told);
    assert!(took < SLACK, "{took:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &json["counts"]["interrupted"]), (Some(1), &true.into()), "{json}");
}
