//! What a run counts, against servers that behave and servers that do not.

use super::servers::{Habit, Place, tcp, udp, unix};
use super::{number, result, run};

/// A run of `messages` against a correct server comes to exactly these numbers.
fn check_exact(url: &str, line: &str, messages: u64, size: u64) {
    let (code, json) = result(url, &format!("{line} --count {messages} --size {size}"));
    let what = format!("{url} {line} {size}: {json}");
    assert_eq!(code, 0, "{what}");
    for key in ["counts.sent", "counts.received", "throughput.answers"] {
        assert_eq!(number(&json, key), messages, "{key} of {what}");
    }
    for key in [
        "counts.outstanding",
        "counts.verification_errors",
        "counts.lost",
        "counts.late",
        "counts.duplicated",
        "counts.reordered",
    ] {
        assert_eq!(number(&json, key), 0, "{key} of {what}");
    }
    assert_eq!(number(&json, "counts.verified_bytes"), messages * size, "{what}");
    assert_eq!(number(&json, "latency.response.count"), messages, "{what}");
    assert!(json["counts"]["errors"].as_object().unwrap().values().all(|count| count == 0), "{what}");
}

#[test]
fn every_message_comes_back_over_tcp() {
    let url = tcp(Habit::Echo);
    check_exact(&url, "-c 1", 100, 64);
    check_exact(&url, "-c 7 -d 3", 2000, 1);
    check_exact(&url, "-c 5 -d 100", 5000, 15);
    check_exact(&url, "-c 5 -d 100", 5000, 16);
    check_exact(&url, "-c 3 -d 70", 1000, 3000);
    check_exact(&url, "-c 2 -d 2 --congestion reno", 20, 1 << 20);
}

#[test]
fn every_message_comes_back_over_unix() {
    let place = Place::new("echo");
    let url = unix(&place, Habit::Echo);
    check_exact(&url, "-c 4 -d 2", 1000, 64);
    check_exact(&url, "-c 4 -d 5", 200, 100_000);
}

#[test]
fn every_message_comes_back_over_udp() {
    let url = udp(|_, bytes| vec![bytes.to_vec()]);
    check_exact(&url, "-c 1", 100, 64);
    check_exact(&url, "-c 4 -d 4", 1000, 16);
    check_exact(&url, "-c 1 -d 1", 50, 65_507);
}

#[test]
fn threads_share_the_work() {
    if std::thread::available_parallelism().unwrap().get() < 2 {
        return;
    }
    let url = tcp(Habit::Echo);
    check_exact(&url, "-c 5 -d 2 --threads 2", 1001, 64);
    let (_, json) = result(&url, "-c 2 --threads 2 --count 10");
    assert_eq!((number(&json, "config.threads"), json["config"]["cores"].as_array().unwrap().len()), (2, 2));
    assert_eq!(json["generator"]["workers"].as_array().unwrap().len(), 2);
}

#[test]
fn a_timed_run_measures_after_its_warm_up() {
    let (code, json) = result(&tcp(Habit::Echo), "-c 4 --warmup 200ms --duration 300ms");
    assert_eq!(code, 0, "{json}");
    assert_eq!(json["throughput"]["duration_s"], 0.3);
    let (measured, received) = (number(&json, "throughput.answers"), number(&json, "counts.received"));
    assert!(0 < measured && measured < received, "{json}");
    assert_eq!(number(&json, "counts.sent"), received);
    let rate = json["throughput"]["requests_per_second"].as_f64().unwrap();
    assert!((rate - measured as f64 / 0.3).abs() < 1.0, "{json}");
    let latency = |key| json["latency"]["response"][key].as_f64().unwrap();
    let keys = ["min_us", "p50_us", "p90_us", "p99_us", "p999_us", "p9999_us", "max_us"];
    assert!(keys.map(latency).is_sorted(), "{json}");
    assert!(0.0 < latency("min_us") && latency("max_us") < 1e6, "{json}");
}

#[test]
fn one_wrong_byte_in_a_stream_is_found() {
    let url = tcp(Habit::Corrupt(1234));
    let (code, json) = result(&url, "-c 1 -d 4 --count 1000 --size 100");
    assert_eq!((code, number(&json, "counts.verification_errors")), (1, 1), "{json}");
    let first = &json["counts"]["first_mismatch"];
    assert_eq!((number(first, "connection"), number(first, "position")), (0, 1234));
    assert_eq!(number(first, "expected") ^ number(first, "found"), 0xff);
    assert_eq!(number(&json, "counts.received"), 1000);

    let run = run(&url, "-c 1 --count 100 --size 100");
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("1 message came back wrong; the first on connection 0 at position 1234"),
        "{}",
        run.stderr
    );
    let (code, json) = result(&url, "-c 1 --count 100 --size 100 --no-verify");
    assert_eq!((code, number(&json, "counts.verified_bytes")), (0, 0), "{json}");
}

/// The wrong byte comes with one receive, and the end of its message with another.
#[test]
fn a_wrong_message_that_comes_in_pieces_has_failed() {
    let (code, json) = result(&tcp(Habit::Halves(64)), "-c 1 --count 40");
    let counted = ["requests.failed", "requests.ok", "counts.verification_errors", "counts.received"];
    assert_eq!((code, counted.map(|key| number(&json, key))), (1, [40, 0, 40, 40]), "{json}");
    assert_eq!(number(&json, "counts.verified_bytes"), 0, "{json}");
}

/// The gaps between requests are longer than the silence after which a server counts as dead.
#[test]
fn a_slow_schedule_is_not_a_silent_server() {
    let (code, json) = result(&tcp(Habit::Echo), "-c 1 --rate 0.18 --count 2");
    assert_eq!((code, number(&json, "requests.ok")), (0, 2), "{json}");
}

#[test]
fn more_than_was_sent_is_an_error() {
    let url = tcp(Habit::Twice);
    for line in ["", "--no-verify"] {
        let (code, json) = result(&url, &format!("-c 1 --count 100 --size 10 {line}"));
        assert_eq!(code, 1, "{json}");
        assert!(
            0 < number(&json["counts"]["errors"], "other") + number(&json, "counts.verification_errors"),
            "{json}"
        );
    }
}

#[test]
fn one_wrong_byte_in_a_datagram_is_found() {
    for at in [0, 4, 8, 16, 63] {
        let url = udp(move |number, bytes| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= if number == 50 { 0xff } else { 0 };
            vec![bytes]
        });
        let (code, json) = result(&url, "-c 1 --count 100 --size 64");
        assert_eq!((code, number(&json, "counts.verification_errors")), (1, 1), "byte {at}: {json}");
    }
}

#[test]
fn a_datagram_of_another_length_is_wrong() {
    let longer = udp(|_, bytes| vec![[bytes, b"x"].concat()]);
    let shorter = udp(|_, bytes| vec![bytes[..bytes.len() - 1].to_vec()]);
    for url in [longer, shorter] {
        let (code, json) = result(&url, "-c 1 --count 10 --size 64");
        assert_eq!((code, number(&json, "counts.verification_errors")), (1, 10), "{json}");
    }
}

#[test]
fn lost_datagrams_are_counted_and_replaced() {
    let url = udp(|number, bytes| if number % 10 == 9 { Vec::new() } else { vec![bytes.to_vec()] });
    let (code, json) = result(&url, "-c 4 -d 5 --count 100");
    assert_eq!(code, 0, "losing is what datagrams do: {json}");
    assert_eq!((number(&json, "counts.lost"), number(&json, "counts.received")), (10, 90), "{json}");
    assert_eq!((number(&json, "counts.sent"), number(&json, "counts.outstanding")), (100, 0), "{json}");
}

#[test]
fn repeated_datagrams_are_counted() {
    let url = udp(|number, bytes| vec![bytes.to_vec(); if number % 10 == 5 { 2 } else { 1 }]);
    let (code, json) = result(&url, "-c 1 --count 100");
    assert_eq!(code, 0, "{json}");
    assert_eq!((number(&json, "counts.duplicated"), number(&json, "counts.received")), (10, 100), "{json}");
}

#[test]
fn overtaken_datagrams_are_counted() {
    // The second of each ten waits for the third, so two must be in flight; those two come back the wrong way round.
    let mut held: Option<Vec<u8>> = None;
    let url = udp(move |number, bytes| {
        if number % 10 == 1 {
            held = Some(bytes.to_vec());
            return Vec::new();
        }
        std::iter::once(bytes.to_vec()).chain(held.take()).collect()
    });
    let (code, json) = result(&url, "-c 1 -d 4 --count 100");
    assert_eq!(code, 0, "{json}");
    assert_eq!((number(&json, "counts.reordered"), number(&json, "counts.received")), (10, 100), "{json}");
}
