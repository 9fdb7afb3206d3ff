//! The lines themselves, on two sizes of screen: alignment, what is left out, and that no name reaches a terminal as it came.

use super::super::fake::{connz, look, row, shard, varz};
use super::super::table::padded;
use super::*;

/// A second of a server with two shards and three connections, of which one has names of all kinds.
fn view() -> View {
    let shards = |busy: u64| {
        [
            shard(
                0,
                &format!(
                    r#""accepted": {}, "connections_open": 1234, "hub_published": {}, "hub_delivered": {}, "bytes_received": {}, "bytes_sent": {}, "turns": {}, "cpu_micros": {}, "turn_longest_1s_micros": 12000, "turn_longest_60s_micros": 340000, "hub_subscriptions": 1500, "hub_lent_bytes": 131072, "receive_buffers": 128, "receive_buffers_free": 20"#,
                    12 * busy,
                    1234 * busy,
                    12_345_678 * busy,
                    5000 * busy,
                    678_000 * busy,
                    800 * busy,
                    950_000 * busy
                ),
            ),
            shard(
                1,
                r#""connections_open": 2, "turn_longest_1s_micros": 85, "turn_longest_60s_micros": 900, "receive_buffers": 1024, "receive_buffers_free": 1024"#,
            ),
        ]
    };
    let counters = |times: u64| {
        format!(
            r#""http_requests": {}, "hub_slow_pending": {}, "hub_dropped_cut": {}"#,
            7 * times,
            2 * times,
            40 * times
        )
    };
    let rows = |times: u64| {
        [
            row(
                "0/12",
                "192.168.100.200:51234",
                &format!(
                    r#""since_micros": 1, "bytes_received": {}, "bytes_sent": {}, "pending_bytes": 131072, "age_seconds": 11520, "idle_seconds": 0.4, "tls": "TLS 1.3", "about": {{"name": "prices\u001b[2J", "lang": "go", "version": "1.31", "user": "aliceé"}}, "hub": {{"subscriptions": 3, "filters": [], "messages_sent": {}, "messages_dropped": 7, "held_bytes": 0}}"#,
                    12_300 * times,
                    1_230_000 * times,
                    45_600 * times
                ),
            ),
            row(
                "1/3",
                "[2001:db8:1234:5678:9abc:def0:1234:5678]:51234",
                r#""since_micros": 2, "protocol": "websocket", "age_seconds": 200000, "idle_seconds": 61"#,
            ),
            row(
                "0/16383",
                "unix",
                r#""since_micros": 3, "protocol": "http", "state": "lingering", "age_seconds": 1"#,
            ),
        ]
    };
    let mut before = look(varz(7, 90_000_000_000, &counters(1), &shards(1)), connz(3, &rows(1)));
    let mut now = look(varz(7, 90_001_000_000, &counters(2), &shards(2)), connz(3, &rows(2)));
    before.varz.process_cpu_micros = Some(1_000_000);
    now.varz.process_cpu_micros = Some(1_950_000);
    now.varz.process_resident_bytes = Some(50_855_936); // 48.5 times 2^20.
    View::between(Some(&before), &now)
}

fn frame(width: usize, height: usize) -> Frame<'static> {
    let (source, interval) = ("127.0.0.1:9180", "1s");
    Frame {
        width,
        height,
        alphabet: Alphabet::Ascii,
        source,
        interval,
        sort: Sort::Rate,
        notice: None,
        is_old: false,
    }
}

#[track_caller]
fn check(view: &View, frame: &Frame<'_>, expected: &str) {
    let lines: Vec<String> = screen(Some(view), frame).iter().map(plain).collect();
    assert_eq!(lines.len(), frame.height);
    let shown =
        lines.iter().filter(|line| !line.is_empty()).map(|line| line.clone() + "\n").collect::<String>();
    assert_eq!(shown, expected, "\n{shown}");
    for line in screen(Some(view), frame) {
        let text: String = padded(line, frame.width).iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(columns(&text), frame.width, "{text:?}");
        assert!(text.chars().all(|letter| matches!(letter, ' '..='~')), "{text:?}");
    }
}

const NARROW: &str = "\
tidemill 0.1.0  uring 6.17  up 1d01h  cpu 95%  memory 48.5Mi      127.0.0.1:9180
connections 1236  accepts/s 12  requests/s 7  slow consumers 4 (+2)
messages/s 1.23k in 12.3M out  bytes/s 5.00k in 678k out  dropped/s 40
           accepts    messages        bytes     longest              free
shard  conns    /s  in/s out/s   in/s out/s  busy  turn pending   buffers
    0  1.23k    12 1.23k 12.3M  5.00k  678k   95%  12ms   128Ki    20/128
    1      2     0     0     0      0     0    0%  85us       0 1024/1024
busiest connections: 3 of 1236
                                              bytes
id      peer                  protocol   in/s out/s pending  subs    age name
0/12    192.168.100.200:51234 nats      12.3k 1.23M   128Ki     3  3h12m alice?~
1/3     [2001:db8:1234:5678:~ websocket     0     0       0     -  2d07h
0/16383 unix                  lingering     0     0       0     -     1s
q quit  space pause   order: r rate  i in  o out  p pending  a age   every 1s
";

#[test]
fn a_screen_of_80_by_24() {
    check(&view(), &frame(80, 24), NARROW);
}

const WIDE: &str = "\
tidemill 0.1.0  uring 6.17  up 1d01h  cpu 95%  memory 48.5Mi                                                                  127.0.0.1:9180
connections 1236  accepts/s 12  requests/s 7  slow consumers 4 (+2)
messages/s 1.23k in 12.3M out  bytes/s 5.00k in 678k out  dropped/s 40
             accepts      messages          bytes                longest    of a                       free
shard   conns     /s   in/s  out/s    in/s  out/s   busy  turns/s   turn  minute   subs  pending    buffers
    0   1.23k     12  1.23k  12.3M   5.00k   678k    95%      800   12ms   340ms  1.50k    128Ki     20/128
    1       2      0      0      0       0      0     0%        0   85us   900us      0        0  1024/1024
busiest connections: 3 of 1236
                                                                    bytes  messages
id       peer                            protocol   tls       in/s  out/s     out/s  pending   subs  missed     age    idle  name
0/12     192.168.100.200:51234           nats       TLS 1.3  12.3k  1.23M     45.6k    128Ki      3       7   3h12m      0s  alice?, prices~
1/3      [2001:db8:1234:5678:9abc:def0~  websocket  -            0      0         -        0      -       -   2d07h   1m01s
0/16383  unix                            lingering  -            0      0         -        0      -       -      1s      0s
q quit  space pause   order: r rate  i in  o out  p pending  a age   every 1s
";

/// A strip at the foot of a terminal: all shards, and no table of connections that has only titles.
#[test]
fn a_screen_of_12_lines_shows_the_shards() {
    let lines: Vec<String> = screen(Some(&view()), &frame(80, 12)).iter().map(plain).collect();
    assert_eq!(lines.len(), 12);
    let shard = |number: &str| lines.iter().any(|line| line.trim_start().starts_with(number));
    assert!(shard("0 ") && shard("1 "), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("more with less to do")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains(": 0 of 3")), "{lines:#?}");
}

#[test]
fn a_screen_of_140_by_40() {
    check(&view(), &frame(140, 40), WIDE);
}

/// The same lines but for the keys, and as wide as a report is.
#[test]
fn a_report_has_the_lines_of_a_screen() {
    let report = report(&view(), &frame(140, 0));
    let lines: Vec<&str> = report.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, WIDE.lines().take(lines.len()).collect::<Vec<_>>());
    assert_eq!(lines.len() + 1, WIDE.lines().count());
}

#[test]
fn letters_beyond_ascii_are_shown_where_the_locale_has_them() {
    let unicode = Frame { alphabet: Alphabet::Unicode, ..frame(140, 40) };
    let lines: Vec<String> = screen(Some(&view()), &unicode).iter().map(plain).collect();
    let expected = WIDE.replace("alice?", "alice\u{e9}");
    assert!(
        lines.iter().all(|line| line.is_empty() || expected.lines().any(|other| other == line)),
        "{lines:#?}"
    );
}

fn styled(lines: &[Line], style: Style) -> Vec<String> {
    let pieces = lines.iter().flatten().filter(|piece| piece.style == style);
    pieces.map(|piece| piece.text.trim().to_owned()).collect()
}

#[test]
fn what_hurts_stands_out() {
    let lines = screen(Some(&view()), &frame(140, 40));
    assert_eq!(styled(&lines, Style::Wrong), ["4 (+2)", "95%", "340ms"]);
    assert_eq!(styled(&lines, Style::Notable), ["40", "12ms", "20/128"]);
    let old = screen(Some(&view()), &Frame { is_old: true, ..frame(140, 40) });
    assert_eq!(styled(&old, Style::Wrong), ["4 (+2)"]);
}

/// 40 shards in 24 lines: the head has four, the keys one, and of the 19 between them shards have half: two titles, six shards and
/// how many are left out. The six are those with most to do, in the order of their numbers, and one that keeps silent is among them.
#[test]
fn of_many_shards_those_with_most_to_do_are_shown() {
    let all = |times: u64, silent: u32| {
        let one = |number: u32| {
            let (open, micros) = (50 * u64::from(number == 0), u64::from(number * 7 % 40) * 1000 * times);
            shard(number, &format!(r#""connections_open": {open}, "cpu_micros": {micros}"#))
        };
        (0..40).filter(|number| *number != silent).map(one).collect::<Vec<_>>()
    };
    let rows: Vec<_> = (0..50)
        .map(|number| row(&format!("0/{number}"), "a", &format!(r#""since_micros": {number}"#)))
        .collect();
    let before = look(varz(7, 1_000_000, "", &all(1, 99)), connz(50, &rows));
    let now =
        super::super::answers::Look::new(varz(7, 2_000_000, "", &all(2, 3)), connz(50, &rows), Some(&before));
    let lines: Vec<String> =
        screen(Some(&View::between(Some(&before), &now)), &frame(80, 24)).iter().map(plain).collect();
    assert_eq!(lines[3], "Shard 3 has not answered within a second: it is stuck, or its core is taken.");
    let numbers: Vec<&str> = lines[6..12].iter().map(|line| line[..5].trim()).collect();
    // number * 7 % 40 is 39 for 17, 38 for 34, 37 for 11, 36 for 28, 35 for 5; and 3 is silent.
    assert_eq!(numbers, ["3", "5", "11", "17", "28", "34"]);
    assert!(lines[6].contains("silent"), "{lines:#?}");
    assert_eq!(lines[12], "and 34 more with less to do");
    assert_eq!(lines[14], "busiest connections: 6 of 50");
    assert!(lines[23].starts_with("q quit"), "{lines:#?}");
}

#[test]
fn connections_come_in_the_order_of_what_is_shown() {
    let ids = |sort: Sort| {
        let view = view();
        sort.order(&view.connections).iter().map(|row| row.id.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(Sort::Rate), ["0/12", "1/3", "0/16383"]);
    assert_eq!(ids(Sort::Pending), ["0/12", "1/3", "0/16383"]);
    assert_eq!(ids(Sort::Age), ["1/3", "0/12", "0/16383"]);
}
