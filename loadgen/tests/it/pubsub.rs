//! Whole runs of `loadgen pubsub`: the figures against hubs whose faults are counted, and against a real nats-server.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tidemill::sys::clock;

use super::hubs::{Fault, Patience, doors, nats, patient};
use super::install::nats_server;
use super::{number, run};

/// Runs `loadgen pubsub` with these words, and reads its result.
fn pubsub(url: &str, line: &str) -> (i32, Value) {
    let run = run("pubsub", &format!("{url} {line} --json -"));
    let json = serde_json::from_str(&run.stdout);
    let json =
        json.unwrap_or_else(|error| panic!("{url} {line}: {error} in {:?}; {}", run.stdout, run.stderr));
    (run.code, json)
}

/// A run comes to exactly these counts: published, expected, delivered, lost, duplicated, reordered, corrupt.
pub(crate) fn check(url: &str, line: &str, code: i32, expected: [u64; 7]) -> Value {
    let (found, json) = pubsub(url, line);
    let names = ["published", "expected", "delivered", "lost", "duplicated", "reordered", "corrupt"];
    let counts = names.map(|name| number(&json, &format!("counts.{name}")));
    assert_eq!((found, counts), (code, expected), "{url} {line}: {json}");
    let conservation =
        json["checks"].as_array().unwrap().iter().find(|check| check["name"] == "conservation");
    assert_eq!(conservation.unwrap()["status"], "pass", "{json}");
    json
}

#[test]
fn every_delivery_of_a_hub_that_is_right_is_counted() {
    check(&nats(Fault::None), "--count 1000", 0, [1000, 1000, 1000, 0, 0, 0, 0]);
    check(&nats(Fault::None), "--count 1000 -s 5 --size 100", 0, [1000, 5000, 5000, 0, 0, 0, 0]);
    check(&nats(Fault::None), "--count 1000 -p 3 -s 2 --window 7", 0, [1000, 2000, 2000, 0, 0, 0, 0]);
}

/// One of two subscribers is lied to at every 10th of 999 deliveries: 99 times, and never at the last one.
#[test]
fn what_a_hub_does_wrong_is_counted_as_what_it_is() {
    let check = |fault, expected| check(&nats(fault), "--count 999 -s 2", 1, expected);
    check(Fault::Drop(10), [999, 1998, 1899, 99, 0, 0, 0]);
    check(Fault::Repeat(10), [999, 1998, 1998, 0, 99, 0, 0]);
    check(Fault::Swap(10), [999, 1998, 1998, 0, 0, 99, 0]);
    check(Fault::Spoil(10), [999, 1998, 1899, 99, 0, 0, 99]);
}

/// Nothing comes behind the last message that would show that it is missing.
#[test]
fn a_last_message_that_is_missing_is_missed() {
    check(&nats(Fault::Drop(1000)), "--count 1000", 1, [1000, 1000, 999, 1, 0, 0, 0]);
}

#[test]
fn a_subscriber_that_is_cut_off_loses_the_rest() {
    let json = check(&nats(Fault::Close(101)), "--count 1000 -s 2", 1, [1000, 2000, 1100, 900, 0, 0, 0]);
    assert_eq!(
        (number(&json, "counts.disconnected"), number(&json, "counts.errors.closed")),
        (1, 1),
        "{json}"
    );
}

/// 12 subjects in three groups of four; two subscribers share them, and two take a group each by a wildcard.
#[test]
fn subjects_and_wildcards_reach_whom_they_should() {
    let line = "--count 1200 --subjects 12 --subscribers 4 --wildcards 50% --sids distinct";
    check(&nats(Fault::None), line, 0, [1200, 2000, 2000, 0, 0, 0, 0]);
    check(&nats(Fault::Drop(10)), line, 1, [1200, 2000, 1940, 60, 0, 0, 0]);
}

#[test]
fn requests_are_answered() {
    let json = check(&nats(Fault::None), "--request-reply --count 500", 0, [500, 500, 500, 0, 0, 0, 0]);
    assert_eq!(number(&json, "latency.every.count"), 500, "every round trip is timed");
    let line = "--request-reply --count 500 -p 4 -s 3 --window 16";
    check(&nats(Fault::None), line, 0, [500, 500, 500, 0, 0, 0, 0]);
}

/// Requests that the responder never gets have no answer; those behind them have.
#[test]
fn requests_without_an_answer_are_lost() {
    let line = "--request-reply --count 100 --window 100";
    check(&nats(Fault::Drop(10)), line, 1, [100, 100, 90, 10, 0, 0, 0]);
}

/// Over plain WebSocket a publisher hears itself, which is nobody's delivery; before the load, messages that are no
/// deliveries either show that everybody is there.
#[test]
fn plain_websockets_and_events_are_counted_alike() {
    let http = doors(Fault::None).http;
    check(&format!("ws://{http}"), "--count 1000 -s 3 -p 2 --size 64", 0, [1000, 3000, 3000, 0, 0, 0, 0]);
    let hub = doors(Fault::None);
    let line = format!("--publish-to {} --count 1000 -s 3 --size 64", hub.nats);
    check(&format!("sse://{}", hub.http), &line, 0, [1000, 3000, 3000, 0, 0, 0, 0]);
    check(&format!("ws://{}", hub.http), &line, 0, [1000, 3000, 3000, 0, 0, 0, 0]);
    let line = format!("{line} --subjects 3");
    check(&format!("sse://{}", hub.http), &line, 0, [1000, 1000, 1000, 0, 0, 0, 0]);
}

/// In an open loop every message is timed: once for the first subscriber, once for the last, and for each.
#[test]
fn an_open_loop_publishes_at_its_rate() {
    let line = "--rate 1000 --count 500 -s 3 --window 1000";
    let json = check(&nats(Fault::None), line, 0, [500, 1500, 1500, 0, 0, 0, 0]);
    let counts =
        ["first", "last", "every", "lag"].map(|name| number(&json, &format!("latency.{name}.count")));
    assert_eq!(counts, [500, 500, 1500, 500], "{json}");
    let duration = json["throughput"]["duration_s"].as_f64().unwrap();
    assert!(0.499 <= duration, "the last message is due after 499 ms: {json}");
    let p50 = |name: &str| json["latency"][name]["p50_us"].as_f64().unwrap();
    assert!(p50("first") <= p50("every") && p50("every") <= p50("last"), "{json}");
}

/// Messages for each subscriber that fill the kernels' buffers and leave more than two MiB to the hub.
const FLOOD: &str = "--count 8000 --size 1KiB --window 200 --subscribers 4 --stuck 50%";
/// What [`FLOOD`] is to come to: those that are stuck are not among it.
const FLOOD_COUNTS: [u64; 7] = [8000, 16_000, 16_000, 0, 0, 0, 0];

/// Two of four read nothing, and the hub ends their connections: the others get everything, and it is seen.
#[test]
fn who_is_stuck_is_seen_to_be_cut_and_counts_nowhere() {
    let doors = || patient(Patience::Cuts(1 << 20));
    let check = |url: &str, line: &str| {
        let json = check(url, &format!("{FLOOD} {line}"), 0, FLOOD_COUNTS);
        let when = ["first", "last"].map(|name| json["stuck"][format!("{name}_cut_s")].as_f64().unwrap());
        assert_eq!((number(&json, "stuck.subscribers"), number(&json, "stuck.cut")), (2, 2), "{json}");
        assert!(0.0 <= when[0] && when[0] <= when[1], "{json}");
        assert_eq!((number(&json, "config.subscribers"), number(&json, "config.stuck")), (4, 2), "{json}");
        assert_eq!(number(&json, "counts.disconnected"), 0, "{json}");
    };
    check(&doors().nats, "");
    let hub = doors();
    check(&format!("sse://{}", hub.http), &format!("--publish-to {}", hub.nats));
}

/// The same with a hub that keeps everything for them.
#[test]
fn who_is_stuck_and_not_cut_is_not_said_to_be() {
    let json = check(&patient(Patience::Keeps).nats, FLOOD, 0, FLOOD_COUNTS);
    assert_eq!((number(&json, "stuck.subscribers"), number(&json, "stuck.cut")), (2, 0), "{json}");
    assert!(json["stuck"]["first_cut_s"].is_null() && json["stuck"]["last_cut_s"].is_null(), "{json}");
}

#[test]
fn without_anybody_stuck_a_result_says_nothing_of_it() {
    assert!(check(&nats(Fault::None), "--count 10", 0, [10, 10, 10, 0, 0, 0, 0])["stuck"].is_null());
}

#[test]
fn what_cannot_be_is_said_before_anything_begins() {
    let refused = |line: &str, code: i32, words: &str| {
        let run = run("pubsub", line);
        assert!(run.code == code && run.stderr.contains(words), "{line}: {} {}", run.code, run.stderr);
    };
    refused("nats://127.0.0.1:1 --count 1", 3, "nobody listens at nats://127.0.0.1:1. Try: start the server");
    refused("--size 15", 2, "--size is at least 16");
    refused("tcp://127.0.0.1:1", 2, "a hub's address begins with nats://");
    refused("--subscribers 2 --stuck 2", 2, "--stuck leaves no subscriber that reads");
    refused("--stuck 1.5", 2, "a whole number");
}

/// A nats-server of this test's own. It ends when it is dropped.
struct NatsServer {
    process: Child,
    port: u16,
    websocket: u16,
}

impl NatsServer {
    /// Started, and listening; `None`, with a line that says so, where there is none and none can be installed.
    fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// The same, with these lines more in its configuration.
    fn start_with(lines: &str) -> Option<Self> {
        static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
        let program = match FOUND.get_or_init(nats_server) {
            Ok(program) => program,
            Err(why) => {
                let _ = writeln!(std::io::stderr(), "left out: {why}");
                return None;
            }
        };
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (port, websocket) = (free(), free());
        let place = super::servers::Place::new("nats.conf");
        let config = format!(
            "listen: 127.0.0.1:{port}\nwebsocket {{ listen: \"127.0.0.1:{websocket}\", no_tls: true }}\n{lines}\n"
        );
        std::fs::write(place.path(), config).unwrap();
        let mut command = Command::new(program);
        command.args(["-c", place.path()]).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("it was tried before");
        let server = Self { process, port, websocket };
        let deadline = clock::now().saturating_add(Duration::from_secs(20));
        while [port, websocket].iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()) {
            assert!(clock::now() < deadline, "nats-server listens in time");
            std::thread::yield_now();
        }
        Some(server)
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_real_nats_server_loses_nothing() {
    let Some(server) = NatsServer::start() else { return };
    let urls =
        [format!("nats://127.0.0.1:{}", server.port), format!("nats+ws://127.0.0.1:{}", server.websocket)];
    for url in &urls {
        check(url, "--count 20000 -s 10", 0, [20_000, 200_000, 200_000, 0, 0, 0, 0]);
        check(url, "--count 3000 -s 3 -p 2 --size 5000", 0, [3000, 9000, 9000, 0, 0, 0, 0]);
        let line = "--count 10000 --subjects 100 -s 20 --wildcards 50% --sids distinct";
        check(url, line, 0, [10_000, 20_000, 20_000, 0, 0, 0, 0]);
        check(url, "--request-reply --count 2000 -p 4 -s 2", 0, [2000, 2000, 2000, 0, 0, 0, 0]);
        check(url, "--rate 5000 --count 1000 -s 4", 0, [1000, 4000, 4000, 0, 0, 0, 0]);
    }
    let across = format!("{} --publish-to {} --count 1000 -s 2", urls[0], urls[1]);
    check(&across, "", 0, [1000, 2000, 2000, 0, 0, 0, 0]);
}

/// It cuts whoever has more than `max_pending` waiting, as soon as the write that it is at has met its deadline: on a busy
/// machine perhaps only when the run is over.
#[test]
fn a_real_nats_server_cuts_who_is_stuck() {
    let Some(server) = NatsServer::start_with("max_pending: 2MB\nwrite_deadline: 100ms") else { return };
    let url = format!("nats://127.0.0.1:{}", server.port);
    let is_seen = |_| {
        let json = check(&url, &format!("{FLOOD} --rate 4000"), 0, FLOOD_COUNTS);
        number(&json, "stuck.cut") == 2
    };
    assert!((0..5).any(is_seen), "both are cut");
}

/// What the server itself says comes with the result.
#[test]
fn a_server_that_complains_is_quoted() {
    let Some(server) = NatsServer::start() else { return };
    let url = format!("nats://127.0.0.1:{}", server.port);
    // Its max_payload is 1 MiB.
    let (code, json) = pubsub(&url, "--count 1 --size 2MiB");
    assert_eq!(code, 1, "{json}");
    let said = json["counts"]["first_error"].as_str().unwrap_or_default();
    assert!(said.contains("Maximum Payload Violation") || said.contains("publisher 0"), "{json}");
}
