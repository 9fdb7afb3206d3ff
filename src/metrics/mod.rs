//! What a shard counts, and how the counts of all shards become one.
//!
//! It must not know who reads it, nor how the counted things work. Each shard owns its [`Metrics`] and writes plain
//! numbers; when it is asked it sends a [`Snapshot`] through its mailbox, and whoever asked adds the snapshots up.
//! No counter is shared, so none is atomic.

pub mod board;
mod micros;
mod nats;
pub mod process;
pub mod prometheus;
mod refused;

use std::time::Duration;

use self::micros::Micros;
pub use self::nats::NatsError;
pub use self::refused::Refused;

use hdrhistogram::Histogram;

/// The counters of one shard and the histogram of its stalls. Writing to it never allocates.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Plain numbers; any part of the shard writes its own.
    pub counters: Counters,
    stall: Micros,
    delivery: Micros,
}

impl Metrics {
    /// Notes how long one turn kept the ring waiting. Longer than a minute counts as a minute.
    pub fn record_stall(&mut self, stall: Duration) {
        self.stall.record(stall, 1);
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

/// How a number of several shards becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; shards add up.
    Sum,
    /// Goes up and down; shards add up.
    Gauge,
    /// The highest ever seen, by any shard.
    Max,
    /// The lowest ever seen, by any shard; [`UNSEEN`] before the first look.
    Min,
}

impl Kind {
    fn start(self) -> u64 {
        if self == Self::Min { UNSEEN } else { 0 }
    }

    fn join(self, one: u64, other: u64) -> u64 {
        match self {
            Self::Sum | Self::Gauge => one.saturating_add(other),
            Self::Max => one.max(other),
            Self::Min => one.min(other),
        }
    }
}

/// One counter, as those who print need it.
pub struct Row {
    /// The name of the field in [`Counters`].
    pub field: &'static str,
    /// The name for machines, after the conventions of Prometheus.
    pub name: &'static str,
    /// How shards are joined.
    pub kind: Kind,
    /// One sentence: what is counted.
    pub help: &'static str,
    /// Reads it.
    pub read: fn(&Counters) -> u64,
    place: fn(&mut Counters) -> &mut u64,
}

impl Row {
    /// The name without its label.
    pub fn base(&self) -> &'static str {
        self.name.split('{').next().unwrap_or(self.name)
    }

    /// Its label, if it is one of several rows of that name.
    pub fn label(&self) -> Option<(&'static str, &'static str)> {
        let (key, value) = self.name.split_once('{')?.1.trim_end_matches('}').split_once('=')?;
        Some((key, value.trim_matches('"')))
    }
}

/// The value of a minimum that nobody has measured yet.
pub const UNSEEN: u64 = u64::MAX;

macro_rules! counters {
    ($($kind:ident $field:ident $name:literal $help:literal)*) => {
        /// Plain numbers, one field per row of [`TABLE`].
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Counters {
            $(#[doc = $help] pub $field: u64,)*
        }

        impl Default for Counters {
            fn default() -> Self {
                Self { $($field: Kind::$kind.start(),)* }
            }
        }

        /// Every counter, in the order in which it is printed.
        pub const TABLE: &[Row] = &[$(Row {
            field: stringify!($field),
            name: $name,
            kind: Kind::$kind,
            help: $help,
            read: |counters| counters.$field,
            place: |counters| &mut counters.$field,
        },)*];
    };
}

counters! {
    Sum accepted "tidemill_connections_accepted_total"
        "Connections accepted."
    Sum refused_full "tidemill_connections_refused_full_total"
        "Connections closed at once because the table was full."
    Sum accept_pauses "tidemill_accept_pauses_total"
        "Pauses in accepting because descriptors ran short."
    Sum closed "tidemill_connections_closed_total"
        "Connections whose slot is free again."
    Sum cut_idle "tidemill_connections_cut_idle_total"
        "Connections cut after a long silence in both directions."
    Sum cut_stalled "tidemill_connections_cut_stalled_total"
        "Connections cut because the peer read nothing of what waited for it."
    Sum cut_linger "tidemill_connections_cut_linger_total"
        "Connections cut because the peer did not close after we had."
    Sum cut_outbox "tidemill_connections_cut_outbox_total"
        "Connections cut because too many bytes waited to be sent."
    Sum cut_inbox "tidemill_connections_cut_inbox_total"
        "Connections cut because an unfinished frame grew too long."
    Sum cut_drain "tidemill_connections_cut_drain_total"
        "Connections cut because a stop did not wait longer."
    Sum reset_by_peer "tidemill_connections_reset_by_peer_total"
        "Connections that the peer reset, or that the kernel found dead."
    Gauge connections_open "tidemill_connections_open"
        "Connections that hold a slot."
    Sum bytes_received "tidemill_bytes_received_total"
        "Bytes received on streams."
    Sum bytes_sent "tidemill_bytes_sent_total"
        "Bytes sent on streams."
    Sum receives "tidemill_receives_total"
        "Completions that brought stream bytes."
    Sum sends "tidemill_sends_total"
        "Completions that took stream bytes."
    Sum send_short "tidemill_sends_short_total"
        "Sends of which the kernel took only a part."
    Sum send_blocked "tidemill_sends_blocked_total"
        "Sends that would have waited for the peer."
    Sum copied_bytes "tidemill_copied_bytes_total"
        "Bytes copied for peers that do not keep up, because receive buffers ran low."
    Sum datagrams_received "tidemill_datagrams_received_total"
        "Datagrams received."
    Sum datagrams_sent "tidemill_datagrams_sent_total"
        "Datagrams sent."
    Sum datagrams_dropped "tidemill_datagrams_dropped_total"
        "Datagrams whose answer could not be sent."
    Sum datagrams_truncated "tidemill_datagrams_truncated_total"
        "Datagrams that were longer than their buffer."
    Sum enters "tidemill_ring_enters_total"
        "System calls that submitted and waited."
    Sum completions "tidemill_ring_completions_total"
        "Completions handled."
    Max completions_per_enter_max "tidemill_ring_completions_per_enter_max"
        "The most completions that one system call brought."
    Sum submissions "tidemill_ring_submissions_total"
        "Operations submitted."
    Sum submission_queue_full "tidemill_ring_submission_queue_full_total"
        "Times that a full submission queue was submitted early."
    Sum cq_overflows "tidemill_ring_completion_queue_overflows_total"
        "Times that completions overflowed into the kernel's memory."
    Sum no_buffers "tidemill_receive_no_buffers_total"
        "Receives that ended because no buffer was free (ENOBUFS)."
    Sum receive_paused "tidemill_receive_paused_total"
        "Times that a peer was not read from any more because it did not read."
    Sum receive_resumed "tidemill_receive_resumed_total"
        "Times that reading from a paused peer started again."
    Gauge receive_buffers_free "tidemill_receive_buffers_free"
        "Receive buffers that the kernel may fill."
    Min receive_buffers_free_min "tidemill_receive_buffers_free_min"
        "The fewest receive buffers that were ever free in one shard."
    Sum stale_completions "tidemill_ring_stale_completions_total"
        "Completions for a slot whose connection was gone."
    Sum unexpected_errors "tidemill_unexpected_errors_total"
        "Errors of the kernel that no code expects."
    Sum messages_received "tidemill_mailbox_messages_received_total"
        "Messages taken from the own mailbox."
    Sum doorbells "tidemill_mailbox_doorbells_total"
        "Sleeping shards woken for a message."
    Sum log_lines_suppressed "tidemill_log_lines_suppressed_total"
        "Log lines that were only counted, because too many came in one second."
    Sum tls_handshakes "tidemill_tls_handshakes_total"
        "TLS handshakes that came to their end."
    Sum tls_resumed "tidemill_tls_handshakes_resumed_total"
        "TLS handshakes that took up an earlier session."
    Sum http_requests "tidemill_http_requests_total"
        "HTTP requests whose head was read."
    Sum http_answers_1xx "tidemill_http_answers_total{status=\"1xx\"}"
        "HTTP answers that change the protocol."
    Sum http_answers_2xx "tidemill_http_answers_total{status=\"2xx\"}"
        "HTTP answers that give what was asked for."
    Sum http_answers_4xx "tidemill_http_answers_total{status=\"4xx\"}"
        "HTTP answers that refuse."
    Sum http_answers_5xx "tidemill_http_answers_total{status=\"5xx\"}"
        "HTTP answers that fail, or say that the server is stopping."
    Gauge websockets_open "tidemill_websockets_open"
        "WebSocket connections."
    Sum websocket_messages_received "tidemill_websocket_messages_received_total"
        "WebSocket messages received."
    Sum websocket_messages_sent "tidemill_websocket_messages_sent_total"
        "WebSocket messages sent."
    Sum websocket_failures "tidemill_websocket_failures_total"
        "WebSocket connections ended for a fault of the peer."
    Sum hub_published "tidemill_hub_published_total"
        "Messages that connections have published."
    Sum hub_delivered "tidemill_hub_delivered_total"
        "Messages that connections were sent because they listen."
    Sum hub_crossed "tidemill_hub_crossed_total"
        "Messages that went to another shard, because somebody there listens."
    Sum hub_slow_consumers "tidemill_hub_slow_consumers_total"
        "Connections that were cut because too much waited for them."
    Sum hub_dropped "tidemill_hub_dropped_total"
        "Messages that were left out for connections that did not keep up, by their policy."
    Sum hub_orphaned "tidemill_hub_orphaned_total"
        "Messages for a queue group whose members had all left when they came to another shard."
    Sum hub_told_lost "tidemill_hub_told_lost_total"
        "Messages to the server's own services that were lost because too many waited."
    Gauge hub_clients "tidemill_hub_clients"
        "Connections that take part in the hub."
    Gauge hub_subscriptions "tidemill_hub_subscriptions"
        "Subscriptions."
    Gauge hub_lent_bytes "tidemill_hub_lent_bytes"
        "Bytes that wait for subscribers, each counted once however many share it."
    Sum published_websocket "tidemill_hub_published_by_door_total{door=\"websocket\"}"
        "Messages published over WebSocket."
    Sum published_http "tidemill_hub_published_by_door_total{door=\"http\"}"
        "Messages published by an HTTP request."
    Sum published_datagram "tidemill_hub_published_by_door_total{door=\"datagram\"}"
        "Messages published by a datagram."
    Gauge events_open "tidemill_event_streams_open"
        "Connections that are sent Server-Sent Events."
    Sum requests_unheard "tidemill_hub_requests_unheard_total"
        "Requests over HTTP and WebSocket to a subject that nobody listens to."
    Sum requests_timed_out "tidemill_hub_requests_timed_out_total"
        "Requests over HTTP and WebSocket that nobody answered in time."
    Sum hub_turns "tidemill_hub_turns_total"
        "Turns that had something for subscribers."
    Sum parcels_sent "tidemill_hub_parcels_total"
        "Batches of messages and of interest that one shard has sent to another."
    Gauge nats_open "tidemill_nats_connections_open"
        "NATS clients, over TCP and over WebSocket."
    Sum nats_messages_received "tidemill_nats_messages_received_total"
        "Messages that NATS clients have sent."
    Sum nats_payload_bytes_received "tidemill_nats_payload_bytes_received_total"
        "Bytes of headers and payloads that NATS clients have sent."
    Sum nats_pauses "tidemill_nats_pauses_total"
        "Times that a NATS client was read from later because another shard was behind."
    Sum nats_errors_operation "tidemill_nats_errors_total{kind=\"operation\"}"
        "What came begins like no operation, or a payload does not end where its line said."
    Sum nats_errors_control_line "tidemill_nats_errors_total{kind=\"control_line\"}"
        "A line was too long."
    Sum nats_errors_payload "tidemill_nats_errors_total{kind=\"payload\"}"
        "A message was too long."
    Sum nats_errors_arguments "tidemill_nats_errors_total{kind=\"arguments\"}"
        "An operation did not have the arguments that it needs."
    Sum nats_errors_reported "tidemill_nats_errors_total{kind=\"reported\"}"
        "The client reported an error, and was let go."
    Sum nats_errors_connect "tidemill_nats_errors_total{kind=\"connect\"}"
        "A CONNECT asked for what there is not."
    Sum nats_errors_authorization "tidemill_nats_errors_total{kind=\"authorization\"}"
        "A client did not say in time who it is, or not truly."
    Sum nats_errors_stale "tidemill_nats_errors_total{kind=\"stale\"}"
        "A client did not answer two pings."
    Sum nats_errors_subject "tidemill_nats_errors_total{kind=\"subject\"}"
        "A subject was not one."
    Sum nats_errors_subscriptions "tidemill_nats_errors_total{kind=\"subscriptions\"}"
        "A client had all the subscriptions that it may have."
    Sum nats_errors_publish_permission "tidemill_nats_errors_total{kind=\"publish_permission\"}"
        "A client published where it may not."
    Sum nats_errors_subscribe_permission "tidemill_nats_errors_total{kind=\"subscribe_permission\"}"
        "A client subscribed to what it may not hear."
    Sum throttled "tidemill_throttled_total"
        "Times that a peer was read from later because it sent more than its rate."
    Sum refused_network "tidemill_refused_total{reason=\"network\"}"
        "Connections from addresses that may not come."
    Sum refused_address_connections "tidemill_refused_total{reason=\"address_connections\"}"
        "Connections from addresses that have all they may have."
    Sum refused_address_arrivals "tidemill_refused_total{reason=\"address_arrivals\"}"
        "Connections from addresses that come too often."
    Sum refused_arrivals "tidemill_refused_total{reason=\"arrivals\"}"
        "Connections that came too fast."
    Sum refused_proxy_header "tidemill_refused_total{reason=\"proxy_header\"}"
        "Connections without the PROXY header that their listener asks for."
    Sum refused_opening_timeout "tidemill_refused_total{reason=\"opening_timeout\"}"
        "Connections whose PROXY header or TLS handshake did not come in time."
    Sum refused_tls_plain "tidemill_refused_total{reason=\"tls_plain\"}"
        "Connections that spoke without TLS to a listener with TLS."
    Sum refused_tls_negotiation "tidemill_refused_total{reason=\"tls_negotiation\"}"
        "TLS handshakes without a common version or cipher."
    Sum refused_tls_certificate "tidemill_refused_total{reason=\"tls_certificate\"}"
        "TLS handshakes without a certificate that is good for the other side."
    Sum refused_tls_malformed "tidemill_refused_total{reason=\"tls_malformed\"}"
        "TLS connections that sent something else."
    Sum refused_tls_other "tidemill_refused_total{reason=\"tls_other\"}"
        "TLS connections that failed for another reason."
    Sum refused_malformed "tidemill_refused_total{reason=\"malformed\"}"
        "Connections that sent what their protocol does not allow."
    Sum refused_too_large "tidemill_refused_total{reason=\"too_large\"}"
        "Requests and messages that were larger than they may be."
    Sum refused_slow "tidemill_refused_total{reason=\"slow\"}"
        "Requests that came too slowly."
    Sum refused_request_rate "tidemill_refused_total{reason=\"request_rate\"}"
        "Requests that came too often."
    Sum refused_credential_missing "tidemill_refused_total{reason=\"credential_missing\"}"
        "Requests without a credential."
    Sum refused_credential_bad "tidemill_refused_total{reason=\"credential_bad\"}"
        "Requests with a credential that is not good here."
    Sum refused_credential_expired "tidemill_refused_total{reason=\"credential_expired\"}"
        "Requests with a credential whose time is over or has not come."
    Sum refused_origin "tidemill_refused_total{reason=\"origin\"}"
        "WebSocket requests from web pages that may not."
    Sum refused_subject "tidemill_refused_total{reason=\"subject\"}"
        "Requests and datagrams to the hub that named no subject, or one that cannot be."
    Sum refused_permission "tidemill_refused_total{reason=\"permission\"}"
        "Messages and subscriptions that were not allowed."
    Sum turns "tidemill_turns_total"
        "Turns of the loop."
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
        stalls.into_iter().for_each(|micros| metrics.record_stall(Duration::from_micros(micros)));
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
        metrics.record_stall(Duration::MAX);
        metrics.record_stall(Duration::from_secs(61));
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
                row.base().chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'),
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
