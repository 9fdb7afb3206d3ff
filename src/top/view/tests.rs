//! Two looks made by hand, and what they come to by arithmetic.

use super::super::fake::{connz, look, row, shard, varz};
use super::*;

const START: u64 = 100_000_000;

#[test]
fn rates_are_differences_by_the_second_of_the_server() {
    let before = look(
        varz(
            9,
            START,
            r#""http_requests": 10, "hub_slow_pending": 1"#,
            &[
                shard(
                    0,
                    r#""accepted": 5, "hub_published": 1000, "hub_delivered": 8000, "bytes_received": 100, "bytes_sent": 900, "turns": 50, "cpu_micros": 1000000"#,
                ),
                shard(1, r#""accepted": 1"#),
            ],
        ),
        connz(0, &[]),
    );
    let now = look(
        varz(
            9,
            START + 2_000_000,
            r#""http_requests": 16, "hub_slow_pending": 2, "hub_slow_replies": 1, "hub_dropped_cut": 100"#,
            &[
                shard(
                    0,
                    r#""accepted": 25, "connections_open": 11, "hub_published": 1500, "hub_delivered": 18000, "bytes_received": 5100, "bytes_sent": 100900, "turns": 58, "cpu_micros": 2500000, "turn_longest_1s_micros": 3, "turn_longest_10s_micros": 40, "turn_longest_60s_micros": 500, "private_bytes": 7, "hub_lent_bytes": 30, "receive_buffers": 128, "receive_buffers_free": 99"#,
                ),
                shard(1, r#""accepted": 2, "connections_open": 4, "hub_published": 1"#),
            ],
        ),
        connz(15, &[]),
    );
    let view = View::between(Some(&before), &now);
    assert_eq!((view.server.interval_seconds, view.server.uptime_seconds), (Some(2.0), 102));
    let total = &view.total;
    assert_eq!((total.connections, total.accepts_per_second), (15, Some(10.5)));
    assert_eq!((total.messages_in_per_second, total.messages_out_per_second), (Some(250.5), Some(5000.0)));
    assert_eq!((total.bytes_in_per_second, total.bytes_out_per_second), (Some(2500.0), Some(50_000.0)));
    assert_eq!((total.requests_per_second, total.dropped_per_second), (Some(3.0), Some(50.0)));
    assert_eq!((total.slow_consumers, total.slow_consumers_new), (3, Some(2)));
    let first = view.shards[0].figures.as_ref().unwrap();
    assert_eq!((first.connections, first.accepts_per_second, first.busy), (11, Some(10.0), Some(0.75)));
    assert_eq!((first.messages_in_per_second, first.messages_out_per_second), (Some(250.0), Some(5000.0)));
    assert_eq!((first.turns_per_second, first.pending_bytes), (Some(4.0), 37));
    assert_eq!((first.receive_buffers_free, first.receive_buffers), (99, 128));
    assert_eq!((first.longest_turn_micros, first.longest_turn_of_minute_micros), (40, 500));
}

#[test]
fn the_longest_turn_is_that_of_the_time_between_both_looks() {
    let figures =
        r#""turn_longest_1s_micros": 3, "turn_longest_10s_micros": 40, "turn_longest_60s_micros": 500"#;
    for (millis, expected) in
        [(100, 3), (1000, 3), (1400, 3), (2000, 40), (10_000, 40), (11_000, 500), (60_000, 500)]
    {
        let before = look(varz(9, START, "", &[shard(0, "")]), connz(0, &[]));
        let now = look(varz(9, START + millis * 1000, "", &[shard(0, figures)]), connz(0, &[]));
        let view = View::between(Some(&before), &now);
        assert_eq!(view.shards[0].figures.as_ref().unwrap().longest_turn_micros, expected, "{millis} ms");
    }
}

/// A first look, another process, and one whose number came again: there are figures and no rates.
#[test]
fn a_server_that_was_started_anew_has_no_rates() {
    let figures = r#""accepted": 1, "connections_open": 1, "bytes_sent": 10"#;
    let before =
        look(varz(9, START, r#""http_requests": 99"#, &[shard(0, r#""accepted": 500"#)]), connz(0, &[]));
    for (before, process, uptime) in
        [(None, 9, 5_000_000), (Some(&before), 10, START * 2), (Some(&before), 9, START - 1)]
    {
        let now = look(varz(process, uptime, "", &[shard(0, figures)]), connz(1, &[]));
        let view = View::between(before, &now);
        let shard = view.shards[0].figures.as_ref().unwrap();
        assert_eq!((shard.connections, shard.accepts_per_second, shard.busy), (1, None, None));
        assert_eq!((view.total.connections, view.total.accepts_per_second), (1, None));
        assert_eq!((view.total.requests_per_second, view.total.slow_consumers_new), (None, None));
        assert_eq!(view.server.cpu_cores, None);
    }
    // Twice the same moment.
    let view = View::between(Some(&before), &before);
    assert_eq!((view.server.interval_seconds, view.total.accepts_per_second), (None, None));
}

/// Its counters come back all at once, and are no rate; nor is what all shards come to.
#[test]
fn a_shard_that_keeps_silent_is_shown_and_never_counted_twice() {
    let full = |uptime, requests: u64, accepted: u64| {
        let counters = format!(r#""http_requests": {requests}"#);
        let second = shard(1, &format!(r#""accepted": {accepted}, "connections_open": 2"#));
        varz(9, uptime, &counters, &[shard(0, r#""connections_open": 1"#), second])
    };
    let one = varz(9, START + 1_000_000, r#""http_requests": 50"#, &[shard(0, r#""connections_open": 1"#)]);
    let before = Look::new(full(START, 1_000_000, 400), connz(0, &[]), None);
    let silent = Look::new(one, connz(0, &[]), Some(&before));
    let view = View::between(Some(&before), &silent);
    assert_eq!(
        view.shards.iter().map(|shard| (shard.shard, shard.figures.is_some())).collect::<Vec<_>>(),
        [(0, true), (1, false)]
    );
    assert_eq!((view.total.connections, view.total.requests_per_second), (1, None));
    assert_eq!(view.total.accepts_per_second, Some(0.0));
    let back = Look::new(full(START + 2_000_000, 1_000_007, 403), connz(0, &[]), Some(&silent));
    let view = View::between(Some(&silent), &back);
    assert_eq!((view.total.connections, view.total.requests_per_second), (3, None));
    assert_eq!(view.shards[1].figures.as_ref().unwrap().accepts_per_second, None);
    assert_eq!(view.total.accepts_per_second, Some(0.0));
    let next = Look::new(full(START + 3_000_000, 1_000_010, 404), connz(0, &[]), Some(&back));
    let view = View::between(Some(&back), &next);
    assert_eq!((view.total.requests_per_second, view.total.accepts_per_second), (Some(3.0), Some(1.0)));
}

#[test]
fn connections_are_compared_with_themselves() {
    let hub = |sent: u64| {
        format!(
            r#""hub": {{"subscriptions": 3, "filters": [], "messages_sent": {sent}, "messages_dropped": 4, "held_bytes": 1000}}"#
        )
    };
    let before = look(
        varz(9, START, "", &[]),
        connz(
            3,
            &[
                row(
                    "0/1",
                    "a",
                    &format!(r#""since_micros": 7, "bytes_received": 100, "bytes_sent": 10, {}"#, hub(5)),
                ),
                row("0/2", "b", r#""since_micros": 8, "bytes_received": 5000"#),
            ],
        ),
    );
    let now = look(
        varz(9, START + 4_000_000, "", &[]),
        connz(
            4,
            &[
                row(
                    "0/1",
                    "a",
                    &format!(
                        r#""since_micros": 7, "bytes_received": 500, "bytes_sent": 50, "pending_bytes": 24, "bytes_sent_per_second": 77, {}"#,
                        hub(13)
                    ),
                ),
                // Another one in the slot of b, of which the server says how fast it goes.
                row(
                    "0/2",
                    "c",
                    r#""since_micros": 9, "bytes_received": 6000, "bytes_received_per_second": 1500, "bytes_sent_per_second": 0"#,
                ),
                // One that was there before, and not among the first.
                row("1/2", "d", r#""since_micros": 8, "bytes_received": 6000"#),
            ],
        ),
    );
    let view = View::between(Some(&before), &now);
    let rates: Vec<_> = view
        .connections
        .iter()
        .map(|row| {
            (
                row.address.as_str(),
                row.bytes_in_per_second,
                row.bytes_out_per_second,
                row.messages_out_per_second,
            )
        })
        .collect();
    assert_eq!(
        rates,
        [
            ("a", Some(100.0), Some(10.0), Some(2.0)),
            ("c", Some(1500.0), Some(0.0), None),
            ("d", None, None, None)
        ]
    );
    let first = &view.connections[0];
    assert_eq!((first.pending_bytes, first.subscriptions, first.messages_dropped), (1024, Some(3), Some(4)));
}
