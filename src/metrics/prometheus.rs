//! The figures as Prometheus reads them: the OpenMetrics text format, written by the Prometheus project's own crate.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::process::Process;
use super::reloads::Reloads;
use super::{Counters, Kind, Row, TABLE, Tally, UNSEEN};

/// The media type of the format.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All figures as text; with those of the process and of its configuration, where somebody could read them.
pub fn encode(tally: &Tally, process: Option<Process>, reloads: Option<Reloads>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Figures(tally.clone(), process, reloads)));
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    text
}

#[derive(Debug)]
struct Figures(Tally, Option<Process>, Option<Reloads>);

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        // Rows of one name stand together, each with a label of its own.
        for rows in TABLE.chunk_by(|one, other| one.base() == other.base()) {
            self.encode_family(rows, &mut encoder)?;
        }
        self.encode_stalls(&mut encoder)?;
        self.encode_deliveries(&mut encoder)?;
        self.1.map_or(Ok(()), |process| encode_process(process, &mut encoder))?;
        self.2.map_or(Ok(()), |reloads| encode_reloads(reloads, &mut encoder))
    }
}

impl Figures {
    fn encode_family(
        &self,
        rows: &[Row],
        encoder: &mut DescriptorEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        let first = &rows[0];
        if first.kind == Kind::Recent && self.0.is_hung_out() {
            return Ok(());
        }
        let kind = if first.kind == Kind::Sum { MetricType::Counter } else { MetricType::Gauge };
        // The format adds `_total` to the name of a counter by itself.
        let name = first.base();
        let name = name.strip_suffix("_total").unwrap_or(name);
        let by_label = first.label().map(|(key, _)| format!("By {key}."));
        let help = by_label.as_deref().unwrap_or(first.help);
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        if first.is_by_shard() {
            return encode_shards(first, self.0.shards(), family);
        }
        for row in rows {
            let value = (row.read)(&self.0.total().counters);
            if row.kind == Kind::Min && value == UNSEEN {
                continue;
            }
            match row.label() {
                None => return encode_value(row, value, family),
                Some(label) => encode_value(row, value, family.encode_family(&[label])?)?,
            }
        }
        Ok(())
    }

    fn encode_deliveries(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let name = "tidemill_hub_delivery_seconds";
        let help = "How long messages were in the server, from their receive to the send to each subscriber.";
        let family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let histogram = self.0.total().delivery();
        let mut below = 0;
        let buckets = BUCKETS.map(|bound| {
            let count = histogram.count_between(0, u64::from(bound));
            (f64::from(bound) / 1e6, count - std::mem::replace(&mut below, count))
        });
        let rest = (f64::INFINITY, histogram.len() - below);
        let buckets: Vec<(f64, u64)> = buckets.into_iter().chain([rest]).collect();
        let sum = histogram.mean() * histogram.len() as f64 / 1e6;
        let mut family = family;
        family.encode_histogram::<[(String, String); 0]>(sum, histogram.len(), &buckets, None)
    }

    fn encode_stalls(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "How long a turn of the loop kept the ring waiting, in seconds, by quantile.";
        let mut family =
            encoder.encode_descriptor("tidemill_turn_stall_seconds", help, None, MetricType::Gauge)?;
        for (quantile, label) in [(0.5, "0.5"), (0.99, "0.99"), (0.999, "0.999"), (1.0, "1")] {
            let micros = self.0.total().stall().value_at_quantile(quantile);
            let seconds = micros as f64 / 1e6;
            ConstGauge::new(seconds).encode(family.encode_family(&[("quantile", label)])?)?;
        }
        Ok(())
    }
}

/// Upper bounds of the spans that are told apart, in microseconds.
const BUCKETS: [u32; 13] = [10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 100_000, 1_000_000];

/// By the names that all client libraries of Prometheus use.
fn encode_process(process: Process, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let help = "User and system processor time of the process.";
    let cpu = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
    ConstCounter::new(process.cpu.as_secs_f64()).encode(cpu)?;
    let help = "Resident memory of the process.";
    let resident =
        encoder.encode_descriptor("process_resident_memory_bytes", help, None, MetricType::Gauge)?;
    ConstGauge::new(i64::try_from(process.resident_bytes).unwrap_or(i64::MAX)).encode(resident)
}

/// By names such as Prometheus has them for itself.
fn encode_reloads(reloads: Reloads, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let help = "How often the configuration was read again.";
    let mut family = encoder.encode_descriptor("tidemill_config_reloads", help, None, MetricType::Counter)?;
    for (outcome, count) in [("succeeded", reloads.succeeded), ("failed", reloads.failed)] {
        ConstCounter::new(count).encode(family.encode_family(&[("outcome", outcome)])?)?;
    }
    let gauges = [
        (
            "tidemill_config_last_reload_successful",
            "Whether the configuration that was read last holds.",
            i64::from(reloads.last_succeeded),
        ),
        (
            "tidemill_config_loaded_timestamp_seconds",
            "When the configuration that holds was read, in seconds since 1970.",
            i64::try_from(reloads.loaded_at).unwrap_or(i64::MAX),
        ),
    ];
    for (name, help, value) in gauges {
        ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
    }
    Ok(())
}

/// The figures of each shard, with its number for a label: their sum is that of the server.
fn encode_shards(
    row: &Row,
    shards: &[(usize, Counters)],
    mut family: MetricEncoder<'_>,
) -> Result<(), std::fmt::Error> {
    for (shard, counters) in shards {
        encode_value(row, (row.read)(counters), family.encode_family(&[("shard", shard.to_string())])?)?;
    }
    Ok(())
}

fn encode_value(row: &Row, value: u64, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
    let seconds = value as f64 / 1e6;
    match (row.kind == Kind::Sum, row.is_in_micros()) {
        (true, false) => ConstCounter::new(value).encode(encoder),
        (true, true) => ConstCounter::new(seconds).encode(encoder),
        (false, false) => ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(encoder),
        (false, true) => ConstGauge::new(seconds).encode(encoder),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Counters, Metrics};
    use super::*;

    fn text() -> String {
        let process = Process { cpu: Duration::from_millis(1230), resident_bytes: 4096 };
        let reloads = Reloads { succeeded: 5, failed: 2, last_succeeded: false, loaded_at: 1_700_000_000 };
        encode(&tally(Tally::default()), Some(process), Some(reloads))
    }

    /// The figures of two shards, of which the second has a number that is not its place.
    fn tally(mut tally: Tally) -> Tally {
        let counters = Counters {
            accepted: 7,
            closed: 4,
            refused_origin: 2,
            cpu_micros: 1_250_000,
            turn_longest_60s_micros: 1_500,
            ..Counters::default()
        };
        let mut one = Metrics { counters, ..Metrics::default() };
        for (micros, count) in [(7, 2), (10, 1), (11, 3), (80, 5)] {
            one.record_delivery(Duration::from_micros(micros), count);
        }
        let counters = Counters { accepted: 5, closed: 1, connections_open: 3, ..Counters::default() };
        let mut other = Metrics { counters, ..Metrics::default() };
        other.record_delivery(Duration::from_millis(40), 4);
        other.record_delivery(Duration::from_secs(5), 1);
        tally.add(0, &one.snapshot());
        tally.add(2, &other.snapshot());
        tally
    }

    /// The lines are those of the OpenMetrics specification, 1.0, section 5.
    #[test]
    fn counters_and_gauges_have_their_types_and_names() {
        let text = text();
        for line in [
            "# TYPE tidemill_connections_accepted counter",
            "# HELP tidemill_connections_accepted Connections accepted.",
            "tidemill_connections_accepted_total{shard=\"0\"} 7",
            "tidemill_connections_accepted_total{shard=\"2\"} 5",
            "# TYPE tidemill_connections_open gauge",
            "tidemill_connections_open{shard=\"0\"} 0",
            "tidemill_connections_open{shard=\"2\"} 3",
            "tidemill_connections_closed_total 5",
            "# HELP tidemill_hub_published_by_door By door.",
            "tidemill_refused_total{reason=\"origin\"} 2",
            "tidemill_refused_total{reason=\"network\"} 0",
            "# TYPE tidemill_shard_cpu_seconds counter",
            "tidemill_shard_cpu_seconds_total{shard=\"0\"} 1.25",
            "# TYPE tidemill_turn_longest_60s_seconds gauge",
            "tidemill_turn_longest_60s_seconds{shard=\"0\"} 0.0015",
            "tidemill_turn_longest_60s_seconds{shard=\"2\"} 0.0",
            "# TYPE process_cpu_seconds counter",
            "process_cpu_seconds_total 1.23",
            "# TYPE process_resident_memory_bytes gauge",
            "process_resident_memory_bytes 4096",
            "# TYPE tidemill_config_reloads counter",
            "tidemill_config_reloads_total{outcome=\"succeeded\"} 5",
            "tidemill_config_reloads_total{outcome=\"failed\"} 2",
            "# TYPE tidemill_config_last_reload_successful gauge",
            "tidemill_config_last_reload_successful 0",
            "tidemill_config_loaded_timestamp_seconds 1700000000",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    /// They would say of a shard that sleeps what was true when it fell asleep.
    #[test]
    fn figures_that_were_hung_out_tell_nothing_of_the_last_seconds() {
        let hung_out = encode(&tally(Tally::hung_out()), None, None);
        assert!(text().contains("tidemill_turn_longest_1s_seconds{"));
        assert!(!hung_out.contains("longest"), "{hung_out}");
        assert!(hung_out.contains("tidemill_turns_total{shard=\"0\"} 0"), "{hung_out}");
    }

    /// A family is shown either by shard or as one sum, and never both: else what adds up its series counts twice.
    #[test]
    fn a_family_is_by_shard_or_not() {
        let text = text();
        let by_shard: Vec<&str> = TABLE.iter().filter(|row| row.is_by_shard()).map(Row::base).collect();
        assert!((10..=24).contains(&by_shard.len()), "some figures, and not all: {by_shard:?}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(line.contains("{shard=\""), by_shard.contains(&name), "{line}");
        }
    }

    /// 2 + 1 took up to 10 us, 3 more up to 25, 5 more up to 100; 4 took 40 ms, and one longer than the last bound. A bucket
    /// counts what is in those below it, too.
    #[test]
    fn the_buckets_of_the_histogram_add_up() {
        let text = text();
        let counts: Vec<(&str, u64)> = text
            .lines()
            .filter_map(|line| {
                line.strip_prefix("tidemill_hub_delivery_seconds_bucket{le=\"")?.split_once("\"} ")
            })
            .map(|(bound, count)| (bound, count.parse().unwrap()))
            .collect();
        let expected = [
            ("0.00001", 3),
            ("0.000025", 6),
            ("0.00005", 6),
            ("0.0001", 11),
            ("0.00025", 11),
            ("0.0005", 11),
            ("0.001", 11),
            ("0.0025", 11),
            ("0.005", 11),
            ("0.01", 11),
            ("0.025", 11),
            ("0.1", 15),
            ("1.0", 15),
            ("+Inf", 16),
        ];
        assert_eq!(counts, expected);
        assert!(text.lines().any(|line| line == "tidemill_hub_delivery_seconds_count 16"), "{text}");
    }

    #[test]
    fn each_family_is_described_once() {
        let text = text();
        let mut types: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let all = types.len();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), all);
    }
}
