//! What a shard counts, and how the counts of all shards become one.
//!
//! It must not know who reads it, nor how the counted things work. Each shard owns its [`Metrics`] and writes plain
//! numbers; when it is asked it sends a [`Snapshot`] through its mailbox, and whoever asked adds the snapshots up.
//! No counter is shared, so none is atomic.

pub mod board;
mod counters;
mod micros;
mod nats;
pub mod process;
pub mod prometheus;
mod recent;
mod refused;
pub mod reloads;
mod tally;

use std::time::Duration;

pub use self::counters::{Counters, Kind, Row, TABLE, UNSEEN};
use self::micros::Micros;
pub use self::nats::NatsError;
use self::recent::Recent;
pub use self::refused::Refused;
pub use self::tally::Tally;

use hdrhistogram::Histogram;

/// The counters of one shard and the histogram of its stalls. Writing to it never allocates.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Plain numbers; any part of the shard writes its own.
    pub counters: Counters,
    stall: Micros,
    recent: Recent,
    delivery: Micros,
}

impl Metrics {
    /// Notes how long one turn kept the ring waiting, and the second in which it ended. Longer than a minute counts as a minute.
    pub fn record_turn(&mut self, second: u64, stall: Duration) {
        self.stall.record(stall, 1);
        self.recent.record(second, u64::try_from(stall.as_micros()).unwrap_or(u64::MAX));
    }

    /// The longest turn of the last so many seconds, up to a minute, and of the second that has begun; in microseconds.
    pub fn longest_turn(&self, second: u64, seconds: u64) -> u64 {
        self.recent.longest(second, seconds)
    }

    /// Notes how long so many deliveries took, from when their messages came in to when they were handed to the kernel.
    pub fn record_delivery(&mut self, took: Duration, count: u64) {
        self.delivery.record(took, count);
    }

    /// A copy to send away.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            counters: self.counters.clone(),
            stall: self.stall.clone(),
            delivery: self.delivery.clone(),
        }
    }
}

/// The numbers of one shard at one moment, or of several together. The default is what no shard has seen.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The counters as they stood.
    pub counters: Counters,
    stall: Micros,
    delivery: Micros,
}

impl Snapshot {
    /// Takes in another shard's numbers: sums and gauges add up, of extremes the more extreme stays.
    pub fn add(&mut self, other: &Self) {
        for row in TABLE {
            let value = (row.place)(&mut self.counters);
            *value = row.kind.join(*value, (row.read)(&other.counters));
        }
        self.stall.add(&other.stall);
        self.delivery.add(&other.delivery);
    }

    /// How long turns kept the ring waiting, in microseconds.
    pub fn stall(&self) -> &Histogram<u64> {
        self.stall.histogram()
    }

    /// How long deliveries took inside the server, in microseconds: from when their messages came in to when they were
    /// handed to the kernel, over shards if need be.
    pub fn delivery(&self) -> &Histogram<u64> {
        self.delivery.histogram()
    }

    /// Completions handled per system call; none before the first call.
    pub fn completions_per_enter(&self) -> Option<f64> {
        let Counters { completions, enters, .. } = self.counters;
        (enters > 0).then(|| completions as f64 / enters as f64)
    }

    /// A table for people, with `self` as the total; one column per shard when there are several. What is zero
    /// everywhere is only named.
    pub fn to_text(&self, shards: &[Self]) -> String {
        let mut columns = vec![self];
        if shards.len() > 1 {
            columns.extend(shards);
        }
        let (silent, telling): (Vec<_>, Vec<_>) = lines(&columns).into_iter().partition(Line::is_silent);
        let mut text = aligned(&heading(columns.len()), &telling);
        text.push_str(&listed("zero:", &silent));
        text
    }
}

/// A line of the table: what it tells, and one cell per column.
struct Line {
    label: &'static str,
    cells: Vec<String>,
}

impl Line {
    fn is_silent(&self) -> bool {
        self.cells.iter().all(|cell| cell == "0" || cell == "-")
    }
}

fn lines(columns: &[&Snapshot]) -> Vec<Line> {
    let mut lines: Vec<Line> = TABLE.iter().map(|row| counted(row, columns)).collect();
    let ratio = |snapshot: &&Snapshot| {
        snapshot.completions_per_enter().map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.1}"))
    };
    lines.push(Line { label: "completions per enter", cells: columns.iter().map(ratio).collect() });
    lines.extend(spans(columns));
    lines
}

fn counted(row: &Row, columns: &[&Snapshot]) -> Line {
    let cell = |snapshot: &&Snapshot| match (row.read)(&snapshot.counters) {
        UNSEEN if row.kind == Kind::Min => "-".to_owned(),
        value => grouped(value),
    };
    Line { label: row.field, cells: columns.iter().map(cell).collect() }
}

/// Spans as people read them: half of them, and how bad it gets.
fn spans(columns: &[&Snapshot]) -> Vec<Line> {
    let lines = |names: [&'static str; 4], of: fn(&Snapshot) -> &Micros| {
        let marks: Vec<_> = columns.iter().map(|snapshot| of(snapshot).marks(names)).collect();
        let line = move |at: usize| Line {
            label: names[at],
            cells: marks.iter().map(|marks| grouped(marks[at].1)).collect(),
        };
        (0..names.len()).map(line)
    };
    let delivery = lines(DELIVERIES, |snapshot| &snapshot.delivery);
    delivery.chain(lines(STALLS, |snapshot| &snapshot.stall)).collect()
}

const STALLS: [&str; 4] = ["stall p50 (us)", "stall p99 (us)", "stall p99.9 (us)", "stall max (us)"];
const DELIVERIES: [&str; 4] =
    ["delivery p50 (us)", "delivery p99 (us)", "delivery p99.9 (us)", "delivery max (us)"];

fn heading(columns: usize) -> Line {
    let name = |column| if column == 0 { "total".to_owned() } else { format!("shard {}", column - 1) };
    Line { label: "", cells: (0..columns).map(name).collect() }
}

/// The lines one below the other: labels to the left, cells to the right.
fn aligned(heading: &Line, lines: &[Line]) -> String {
    let all = || std::iter::once(heading).chain(lines);
    let label_width = all().map(|line| line.label.len()).max().unwrap_or(0);
    let cell_width = all().flat_map(|line| &line.cells).map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for line in all() {
        text.push_str(&format!("{:label_width$}", line.label));
        for cell in &line.cells {
            text.push_str(&format!("  {cell:>cell_width$}"));
        }
        text.push('\n');
    }
    text
}

/// The labels after a title, broken before they grow too wide.
fn listed(title: &str, lines: &[Line]) -> String {
    let mut rows = vec![title.to_owned()];
    for (at, line) in lines.iter().enumerate() {
        let word =
            if at + 1 < lines.len() { format!(" {},", line.label) } else { format!(" {}", line.label) };
        match rows.last_mut() {
            Some(row) if row.len() + word.len() <= TEXT_WIDTH => row.push_str(&word),
            _ => rows.push(format!(" {word}")),
        }
    }
    if lines.is_empty() { String::new() } else { rows.join("\n") + "\n" }
}

/// The number with a comma before every third digit.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const TEXT_WIDTH: usize = 100;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn snapshot(counters: Counters, stalls: impl IntoIterator<Item = u64>) -> Snapshot {
        let mut metrics = Metrics { counters, ..Metrics::default() };
        stalls.into_iter().for_each(|micros| metrics.record_turn(0, Duration::from_micros(micros)));
        metrics.snapshot()
    }

    fn morning() -> Snapshot {
        let counters = Counters {
            accepted: 1200,
            connections_open: 30,
            enters: 4,
            completions: 10,
            completions_per_enter_max: 7,
            receive_buffers_free_min: 90,
            ..Counters::default()
        };
        snapshot(counters, 1..=50)
    }

    fn evening() -> Snapshot {
        let counters = Counters {
            accepted: 34,
            connections_open: 4,
            enters: 6,
            completions: 15,
            completions_per_enter_max: 5,
            receive_buffers_free_min: 12,
            ..Counters::default()
        };
        snapshot(counters, 51..=100)
    }

    fn day() -> Snapshot {
        let mut total = Snapshot::default();
        total.add(&morning());
        total.add(&evening());
        total
    }

    #[test]
    fn shards_add_up_by_kind() {
        let expected = Counters {
            accepted: 1234,
            connections_open: 34,
            enters: 10,
            completions: 25,
            completions_per_enter_max: 7,
            receive_buffers_free_min: 12,
            ..Counters::default()
        };
        assert_eq!(day().counters, expected);
        assert_eq!(day().completions_per_enter(), Some(2.5));
        assert_eq!(day().stall().len(), 100);
    }

    #[test]
    fn what_was_never_seen_changes_nothing() {
        let mut total = morning();
        total.add(&Snapshot::default());
        assert_eq!(total.counters, morning().counters);
        assert_eq!(Snapshot::default().completions_per_enter(), None);
        assert_eq!(Snapshot::default().counters.receive_buffers_free_min, UNSEEN);
    }

    #[test]
    fn percentiles_of_one_to_a_hundred_are_their_rank() {
        assert_eq!(day().stall.marks(STALLS).map(|(_, value)| value), [50, 99, 100, 100]);
    }

    #[test]
    fn a_stall_beyond_a_minute_counts_as_a_minute() {
        let mut metrics = Metrics::default();
        metrics.record_turn(0, Duration::MAX);
        metrics.record_turn(0, Duration::from_secs(61));
        assert_eq!(metrics.snapshot().stall.marks(STALLS).map(|(_, value)| value), [60_000_000; 4]);
    }

    #[test]
    fn several_shards_have_a_column_each() {
        let text = day().to_text(&[morning(), evening()]);
        let table = [
            "                             total  shard 0  shard 1",
            "accepted                     1,234    1,200       34",
            "connections_open                34       30        4",
            "enters                          10        4        6",
            "completions                     25       10       15",
            "completions_per_enter_max        7        7        5",
            "receive_buffers_free_min        12       90       12",
            "completions per enter          2.5      2.5      2.5",
            "stall p50 (us)                  50       25       75",
            "stall p99 (us)                  99       50      100",
            "stall p99.9 (us)               100       50      100",
            "stall max (us)                 100       50      100",
            "zero: refused_full, accept_pauses, closed, cut_idle, cut_stalled, cut_linger, cut_outbox, cut_inbox,",
        ];
        assert_eq!(text.lines().take(table.len()).collect::<Vec<_>>(), table);
        assert!(text.ends_with("delivery max (us)\n") && text.lines().all(|line| line.len() <= 100));
    }

    #[test]
    fn a_single_shard_has_one_column() {
        let text = morning().to_text(&[morning()]);
        assert_eq!(text.lines().nth(1), Some("accepted                   1,200"));
    }

    #[test]
    fn nothing_counted_yet_is_all_zero() {
        let text = Snapshot::default().to_text(&[]);
        assert!(text.contains("zero: accepted, refused_full"), "{text}");
        assert!(text.contains("completions per enter"), "{text}");
    }

    #[test]
    fn digits_go_in_threes() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")];
        for (value, expected) in cases {
            assert_eq!(grouped(value), expected);
        }
    }

    #[test]
    fn all_names_follow_the_conventions() {
        let mut seen = BTreeSet::new();
        for row in TABLE {
            assert!(seen.insert(row.name), "{} is there twice", row.name);
            assert!(row.name.starts_with("tidemill_"), "{}", row.name);
            assert!(
                row.base().chars().all(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '_')),
                "{}",
                row.name
            );
            assert_eq!(row.base().ends_with("_total"), row.kind == Kind::Sum, "{}", row.name);
            assert!(row.help.ends_with('.') && !row.help.starts_with(char::is_lowercase), "{}", row.help);
        }
        assert_eq!(size_of::<Counters>(), TABLE.len() * 8);
    }

    #[test]
    fn each_refusal_has_a_row_with_its_label() {
        let mut counters = Counters::default();
        for (number, refused) in (1..).zip(Refused::ALL) {
            *refused.count(&mut counters) = number;
            let row = TABLE.iter().find(|row| row.label() == Some(("reason", refused.label()))).unwrap();
            assert_eq!((row.base(), (row.read)(&counters)), ("tidemill_refused_total", number));
            assert!(refused.sentence().ends_with('.'));
        }
    }

    #[test]
    fn all_rows_read_the_field_they_write() {
        let mut counters = Counters::default();
        for (number, row) in (1..).zip(TABLE) {
            *(row.place)(&mut counters) = number;
        }
        for (number, row) in (1..).zip(TABLE) {
            assert_eq!((row.read)(&counters), number, "{}", row.field);
        }
        assert_eq!((counters.accepted, counters.turns), (1, TABLE.len() as u64));
    }
}
