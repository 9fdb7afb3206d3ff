//! What came of a run: a calm table for a person, JSON for a machine, and the exit code.
//!
//! All three are made from one [`Outcome`]; nothing is computed in one that the other does not have.

pub mod live;

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use tidemill::config::units::{Cores, show_duration, show_size};
use tidemill::ring::Capabilities;

use crate::plan::{End, Plan};
use crate::record::{ErrorClass, Record};
use crate::target::Protocol;

/// The name and version of the JSON's shape.
pub const SCHEMA: &str = "tidemill-loadgen/1";

/// A run that took place.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was to be done.
    pub plan: Plan,
    /// What the kernel could do.
    pub capabilities: Capabilities,
    /// What happened.
    pub record: Record,
    /// Whether nothing came any more while answers were due.
    pub fell_silent: bool,
    /// Whether a signal ended it.
    pub interrupted: bool,
}

/// The result as JSON.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the format, which the README describes")]
pub struct Json {
    pub schema: &'static str,
    pub url: String,
    pub connections: u32,
    pub size: usize,
    pub depth: u32,
    pub warmup_s: f64,
    pub duration_s: f64,
    pub messages: u64,
    pub messages_per_second: f64,
    pub bytes_per_second: f64,
    pub latency_us: LatencyJson,
    pub sent: u64,
    pub received: u64,
    pub outstanding: u64,
    pub errors: BTreeMap<&'static str, u64>,
    pub first_error: Option<String>,
    pub verify: bool,
    pub verified_bytes: u64,
    pub verification_errors: u64,
    pub first_mismatch: Option<MismatchJson>,
    pub lost: u64,
    pub late: u64,
    pub duplicated: u64,
    pub reordered: u64,
    pub delayed: u64,
    pub fell_silent: bool,
    pub interrupted: bool,
    pub cpu: CpuJson,
    pub threads: usize,
    pub cores: Vec<usize>,
    pub tier: &'static str,
    pub congestion: Option<String>,
    pub seed: u64,
    pub protocol: &'static str,
    pub body_bytes: u64,
    pub reconnect: bool,
    pub dialed: u64,
    pub connections_per_second: Option<f64>,
    pub reconnects: u64,
    pub repeated: u64,
    pub statuses: BTreeMap<u16, u64>,
    pub tls: Option<TlsJson>,
}

/// TLS: what was asked for, and what came of it.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "as above")]
pub struct TlsJson {
    pub insecure: bool,
    pub resumption: bool,
    pub version: Option<&'static str>,
    pub cipher: Option<&'static str>,
    pub handshakes: u64,
    pub resumed: u64,
    pub handshake_us: LatencyJson,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "as above")]
pub struct LatencyJson {
    pub count: u64,
    pub min: f64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub p9999: f64,
    pub max: f64,
}

/// The first byte that was wrong.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "as above")]
pub struct MismatchJson {
    pub connection: u32,
    pub position: u64,
    pub expected: u8,
    pub found: u8,
}

/// The generator's own use of processors in the measured time.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "as above")]
pub struct CpuJson {
    pub user_s: f64,
    pub system_s: f64,
    pub percent: Vec<f64>,
}

impl LatencyJson {
    fn of(nanos: &Histogram<u64>) -> Self {
        let at = |quantile| nanos.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            count: nanos.len(),
            min: nanos.min() as f64 / 1000.0,
            mean: nanos.mean() / 1000.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: nanos.max() as f64 / 1000.0,
        }
    }

    fn rows(&self) -> [(&'static str, f64); 8] {
        [
            ("min", self.min),
            ("mean", self.mean),
            ("p50", self.p50),
            ("p90", self.p90),
            ("p99", self.p99),
            ("p99.9", self.p999),
            ("p99.99", self.p9999),
            ("max", self.max),
        ]
    }
}

impl Outcome {
    /// Whether nothing went wrong.
    pub fn is_fine(&self) -> bool {
        let counts = &self.record.counts;
        let is_clean = counts.errors.total() == 0 && counts.verification_errors == 0;
        is_clean && counts.outstanding() == 0 && !self.fell_silent && 0 < counts.received
    }

    /// The result for a machine.
    pub fn json(&self) -> Json {
        let (plan, record, counts) = (&self.plan, &self.record, &self.record.counts);
        let rate = self.messages_per_second();
        let class =
            |class: ErrorClass| (class.name(), counts.errors.counts.get(&class).copied().unwrap_or(0));
        Json {
            schema: SCHEMA,
            url: plan.target.to_string(),
            connections: plan.connections,
            size: plan.size,
            depth: plan.depth,
            warmup_s: plan.warmup.as_secs_f64(),
            duration_s: record.measured_time.as_secs_f64(),
            messages: counts.measured,
            messages_per_second: rate,
            bytes_per_second: rate * self.body_bytes() as f64,
            latency_us: LatencyJson::of(&record.latency),
            sent: counts.sent,
            received: counts.received,
            outstanding: counts.outstanding(),
            errors: ErrorClass::ALL.into_iter().map(class).collect(),
            first_error: counts.errors.first.clone(),
            verify: plan.verify,
            verified_bytes: counts.verified_bytes,
            verification_errors: counts.verification_errors,
            first_mismatch: counts.mismatch.map(|mismatch| MismatchJson {
                connection: mismatch.connection,
                position: mismatch.position,
                expected: mismatch.expected,
                found: mismatch.found,
            }),
            lost: counts.lost,
            late: counts.late,
            duplicated: counts.duplicated,
            reordered: counts.reordered,
            delayed: counts.delayed,
            fell_silent: self.fell_silent,
            interrupted: self.interrupted,
            cpu: self.cpu(),
            threads: plan.cores.len(),
            cores: plan.cores.clone(),
            tier: self.capabilities.tier().name(),
            congestion: plan.congestion.clone(),
            seed: plan.seed,
            protocol: plan.target.protocol().name(),
            body_bytes: self.body_bytes(),
            reconnect: plan.reconnect,
            dialed: counts.dialed,
            connections_per_second: plan.reconnect.then_some(rate),
            reconnects: counts.reconnects,
            repeated: counts.repeated,
            statuses: counts.statuses.clone(),
            tls: self.tls(),
        }
    }

    /// Bytes that each message brought back.
    fn body_bytes(&self) -> u64 {
        if self.plan.target.is_echo() {
            self.plan.size as u64
        } else {
            self.record.counts.content_bytes.unwrap_or_default()
        }
    }

    fn tls(&self) -> Option<TlsJson> {
        let (security, counts) = (self.plan.security.as_ref()?, &self.record.counts);
        let commonest = counts.handshakes.iter().max_by_key(|(_, count)| **count).map(|(agreed, _)| *agreed);
        Some(TlsJson {
            insecure: security.authorities.is_none(),
            resumption: security.resumption,
            version: commonest.map(|(version, _)| version),
            cipher: commonest.map(|(_, cipher)| cipher),
            handshakes: counts.handshakes.values().sum(),
            resumed: counts.resumed,
            handshake_us: LatencyJson::of(&self.record.handshake),
        })
    }

    fn messages_per_second(&self) -> f64 {
        let seconds = self.record.measured_time.as_secs_f64();
        if 0.0 < seconds { self.record.counts.measured as f64 / seconds } else { 0.0 }
    }

    fn cpu(&self) -> CpuJson {
        let processor = &self.record.processor;
        let seconds = self.record.measured_time.as_secs_f64();
        let percent = |total: Duration| {
            let share = if 0.0 < seconds { total.as_secs_f64() / seconds } else { 0.0 };
            (share * 1000.0).round() / 10.0
        };
        CpuJson {
            user_s: processor.iter().map(|time| time.user.as_secs_f64()).sum(),
            system_s: processor.iter().map(|time| time.system.as_secs_f64()).sum(),
            percent: processor.iter().map(|time| percent(time.total)).collect(),
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &self.plan;
        let end = match plan.end {
            End::After(time) => format!("for {}", show_duration(time)),
            End::Count(count) => format!("for {} messages", show_count(count as f64)),
        };
        writeln!(
            f,
            "{}: {} connections, {}, {end} after {} of warm-up{}",
            plan.target,
            show_count(f64::from(plan.connections)),
            self.describe_messages(),
            show_duration(plan.warmup),
            if self.interrupted { "; ended early by a signal" } else { "" },
        )
    }

    /// What is sent, and how many at a time.
    fn describe_messages(&self) -> String {
        let (plan, target) = (&self.plan, &self.plan.target);
        let what = match target.protocol() {
            Protocol::Echo => format!("{} each", bytes_of(plan.size)),
            Protocol::WebSocket => format!("WebSocket, {} each", bytes_of(plan.size)),
            Protocol::Http if target.is_http_echo() => format!("POST of {} each", bytes_of(plan.size)),
            Protocol::Http => match self.record.counts.content_bytes {
                Some(_) => format!("GET of {} each", bytes_of_u64(self.body_bytes())),
                None => "GET".to_owned(),
            },
        };
        let how = match target.protocol() {
            _ if plan.reconnect => "a connection for each".to_owned(),
            Protocol::Http => format!("pipeline {}", plan.depth),
            Protocol::Echo | Protocol::WebSocket => format!("depth {}", plan.depth),
        };
        format!("{what}, {how}")
    }

    /// TLS: what was agreed upon, and how long it took.
    fn describe_tls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(tls) = self.tls() else { return Ok(()) };
        writeln!(f, "TLS{}", if tls.insecure { ", any certificate taken (--insecure)" } else { "" })?;
        for ((version, cipher), count) in &self.record.counts.handshakes {
            writeln!(f, "  {version} with {cipher}: {}", counted(*count, "handshake"))?;
        }
        let row =
            |f: &mut fmt::Formatter<'_>, name: &str, value: String| writeln!(f, "  {name:<13} {value:>13}");
        row(f, "resumed", show_count(tls.resumed as f64))?;
        writeln!(f, "Handshake time ({})", counted(tls.handshake_us.count, "handshake"))?;
        let wanted = |name: &str| ["min", "p50", "p99", "max"].contains(&name);
        let mut rows = tls.handshake_us.rows().into_iter().filter(|(name, _)| wanted(name));
        rows.try_for_each(|(name, microseconds)| row(f, name, show_nanos(microseconds * 1000.0)))
    }

    fn describe_rates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (json, rate) = (self.json(), self.messages_per_second());
        let row =
            |f: &mut fmt::Formatter<'_>, name: &str, value: String| writeln!(f, "  {name:<13} {value:>13}");
        writeln!(
            f,
            "Throughput ({} messages in {:.3} s)",
            show_count(json.messages as f64),
            json.duration_s
        )?;
        let is_echo = self.plan.target.is_echo();
        let rated = if self.plan.reconnect { "connections/s" } else { "messages/s" };
        row(f, rated, show_count(rate.round()))?;
        row(
            f,
            if is_echo { "each way" } else { "content" },
            format!("{}/s", show_bytes(json.bytes_per_second)),
        )?;
        let latency = json.latency_us;
        let inside = if self.plan.reconnect { ", connecting inside" } else { "" };
        writeln!(f, "Latency ({} messages{inside})", show_count(latency.count as f64))?;
        let mut rows = latency.rows().into_iter();
        rows.try_for_each(|(name, microseconds)| row(f, name, show_nanos(microseconds * 1000.0)))
    }

    fn describe_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.record.counts;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, count: u64| {
            writeln!(f, "  {name:<13} {:>13}", show_count(count as f64))
        };
        writeln!(f, "Messages, warm-up included")?;
        row(f, "sent", counts.sent)?;
        row(f, "received", counts.received)?;
        row(f, "outstanding", counts.outstanding())?;
        row(f, "wrong", counts.verification_errors)?;
        if !self.plan.target.is_stream() {
            row(f, "lost", counts.lost)?;
            row(f, "late", counts.late)?;
            row(f, "duplicated", counts.duplicated)?;
            row(f, "reordered", counts.reordered)?;
            row(f, "delayed", counts.delayed)?;
        }
        if self.plan.target.protocol() == Protocol::Http {
            row(f, "reconnects", counts.reconnects)?;
            row(f, "sent again", counts.repeated)?;
        }
        for (status, count) in &counts.statuses {
            row(f, &format!("status {status}"), *count)?;
        }
        let verified = match (self.plan.target.is_echo(), self.plan.verify) {
            (false, _) => "lengths".to_owned(),
            (true, false) => "off".to_owned(),
            (true, true) => show_bytes(counts.verified_bytes as f64),
        };
        writeln!(f, "  {:<12} {verified:>14}", "verified")?;
        writeln!(f, "  {:<12} {:>14}", "errors", show_count(counts.errors.total() as f64))?;
        for (class, count) in &counts.errors.counts {
            writeln!(f, "    {:<10} {:>14}", class.name(), show_count(*count as f64))?;
        }
        Ok(())
    }

    fn describe_generator(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpu = self.cpu();
        let percent =
            cpu.percent.iter().map(|percent| format!("{percent:.0} %")).collect::<Vec<_>>().join(", ");
        writeln!(f, "Generator")?;
        writeln!(f, "  cores {}, busy {percent}", Cores(self.plan.cores.clone()))?;
        writeln!(f, "  processor time {:.2} s user, {:.2} s system", cpu.user_s, cpu.system_s)?;
        writeln!(f, "  io_uring tier {} ({})", self.capabilities.tier(), self.capabilities)
    }

    /// One sentence for each thing that went wrong.
    pub fn problems(&self) -> Vec<String> {
        let counts = &self.record.counts;
        let mut problems = Vec::new();
        if let Some(mismatch) = counts.mismatch {
            problems.push(format!(
                "{} came back wrong; the first on connection {} at position {}: {:#04x} instead of {:#04x}",
                counted(counts.verification_errors, "message"),
                mismatch.connection,
                mismatch.position,
                mismatch.found,
                mismatch.expected,
            ));
        }
        if !counts.statuses.is_empty() {
            let each = counts
                .statuses
                .iter()
                .map(|(status, count)| format!("{status} ({})", show_count(*count as f64)));
            let answers = counted(counts.statuses.values().sum(), "answer");
            problems.push(format!(
                "{answers} had a status that is not 2xx: {}",
                each.collect::<Vec<_>>().join(", ")
            ));
        }
        if let Some(first) = &counts.errors.first {
            problems.push(format!("{}; the first: {first}", counted(counts.errors.total(), "error")));
        }
        if 0 < counts.outstanding() {
            problems.push(format!("{} got no answer", counted(counts.outstanding(), "message")));
        }
        if self.fell_silent {
            problems.push("the server stopped answering before the end".to_owned());
        } else if counts.received == 0 {
            problems.push("nothing came back".to_owned());
        }
        problems
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f)?;
        self.describe_rates(f)?;
        self.describe_tls(f)?;
        self.describe_counts(f)?;
        self.describe_generator(f)
    }
}

/// A whole number with its thousands apart.
pub fn show_count(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at != 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// So many of something, in words.
fn counted(count: u64, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {what}{ending}", show_count(count as f64))
}

/// Nanoseconds, in the unit that leaves few digits before the point.
pub fn show_nanos(nanos: f64) -> String {
    show_scaled(nanos, &[("s", 1e9), ("ms", 1e6), ("µs", 1e3)], "ns")
}

/// Bytes, in decimal units, as links are sold.
fn show_bytes(bytes: f64) -> String {
    show_scaled(bytes, &[("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)], "B")
}

fn show_scaled(value: f64, units: &[(&str, f64)], least: &str) -> String {
    let mut shown = String::new();
    let written = match units.iter().find(|(_, unit)| *unit <= value) {
        Some((name, unit)) => {
            let scaled = value / unit;
            let digits = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
            write!(shown, "{scaled:.digits$} {name}")
        }
        None => write!(shown, "{value:.0} {least}"),
    };
    debug_assert!(written.is_ok(), "writing to a string does not fail");
    shown
}

/// A size as it was typed, with a unit.
fn bytes_of(size: usize) -> String {
    bytes_of_u64(size as u64)
}

fn bytes_of_u64(size: u64) -> String {
    let shown = show_size(size);
    if shown.ends_with('B') { shown } else { format!("{shown} B") }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tidemill::tier::RingTier;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::traffic::verify::Mismatch;

    fn plan(line: &str) -> Plan {
        let words = std::iter::once("loadgen").chain(line.split_whitespace());
        let Command::Run(flags) = Cli::try_parse_from(words).unwrap().into_command() else {
            panic!("{line}")
        };
        Plan::new(&flags.target.target, &flags.load, &[3]).unwrap()
    }

    fn outcome() -> Outcome {
        let plan = plan("udp://[::1]:9 -s 1000");
        let mut record = Record::empty();
        record.counts.sent = 50_010;
        record.counts.received = 50_000;
        record.counts.lost = 10;
        record.counts.measured = 40_000;
        record.measured_time = Duration::from_secs(4);
        record.latency.record_n(20_000, 40_000).unwrap();
        Outcome {
            plan,
            capabilities: Capabilities::of_tier(RingTier::V6_17),
            record,
            fell_silent: false,
            interrupted: false,
        }
    }

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!([0.0, 999.0, 1000.0, 1_234_567.0].map(show_count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, 999.0, 1500.0, 15_040.0, 999_000.0, 2e9].map(show_nanos),
            ["0 ns", "999 ns", "1.50 µs", "15.0 µs", "999 µs", "2.00 s"]
        );
        assert_eq!([12.0, 64_000.0, 1.25e9].map(show_bytes), ["12 B", "64.0 kB", "1.25 GB"]);
        assert_eq!([64, 16_384].map(bytes_of), ["64 B", "16KiB"]);
    }

    #[test]
    fn the_json_has_what_was_recorded() {
        let json = serde_json::to_value(outcome().json()).unwrap();
        assert_eq!(json["schema"], "tidemill-loadgen/1");
        assert_eq!(json["url"], "udp://[::1]:9");
        assert_eq!(json["messages_per_second"], 10_000.0);
        assert_eq!(json["bytes_per_second"], 10_000_000.0);
        assert_eq!(json["outstanding"], 0);
        assert_eq!(json["lost"], 10);
        assert_eq!(json["errors"]["reset"], 0);
        let p50 = json["latency_us"]["p50"].as_f64().unwrap();
        assert!((19.98..=20.02).contains(&p50), "{p50}");
    }

    #[test]
    fn the_table_says_the_same() {
        let table = outcome().to_string();
        for words in [
            "udp://[::1]:9: 64 connections, 1000 B each, depth 1, for 5s",
            "10,000\n",
            "10.0 MB/s",
            "20.0 µs",
        ] {
            assert!(table.contains(words), "{words} is missing in\n{table}");
        }
    }

    fn outcome_of(line: &str) -> Outcome {
        Outcome { plan: plan(line), ..outcome() }
    }

    #[test]
    fn protocols_say_what_they_did() {
        let check = |line: &str, words: &[&str]| {
            let mut outcome = outcome_of(line);
            outcome.record.counts.content_bytes = Some(13);
            outcome.record.counts.handshakes.insert(("TLS 1.3", "TLS13_AES_128_GCM_SHA256"), 64);
            let table = outcome.to_string();
            words.iter().for_each(|words| assert!(table.contains(words), "{words} is missing in\n{table}"));
        };
        check("http://[::1]:9/x -d 16", &["GET of 13 B each, pipeline 16", "130 kB/s", "messages/s"]);
        check("http://[::1]:9/echo -s 1000", &["POST of 1000 B each, pipeline 1", "10.0 MB/s"]);
        check("ws://[::1]:9 --reconnect", &["WebSocket, 64 B each, a connection for each", "connections/s"]);
        check(
            "tls://[::1]:9 --insecure",
            &[
                "TLS, any certificate taken (--insecure)",
                "TLS 1.3 with TLS13_AES_128_GCM_SHA256: 64 handshakes",
                "Handshake time",
            ],
        );
        let json = serde_json::to_value(outcome_of("wss://[::1]:9 --tls-ca ca.pem").json()).unwrap();
        assert_eq!((&json["protocol"], &json["body_bytes"]), (&"websocket".into(), &64.into()));
        assert_eq!((&json["tls"]["insecure"], &json["tls"]["version"]), (&false.into(), &().into()));
    }

    #[test]
    fn everything_wrong_is_said_and_none_of_it_is_fine() {
        assert!(outcome().is_fine() && outcome().problems().is_empty());
        let check = |spoil: fn(&mut Outcome), words: &str| {
            let mut outcome = outcome();
            spoil(&mut outcome);
            assert!(!outcome.is_fine(), "{words}");
            assert!(outcome.problems().join("\n").contains(words), "{:?}", outcome.problems());
        };
        check(|outcome| outcome.fell_silent = true, "stopped answering");
        check(|outcome| outcome.record.counts.sent += 7, "7 messages got no answer");
        check(|outcome| outcome.record.counts = Default::default(), "nothing came back");
        let spoil = |outcome: &mut Outcome| {
            outcome.record.counts.statuses.extend([(404, 1200), (503, 1)]);
            outcome.record.counts.errors.count(ErrorClass::Status, || "the answer was 404".to_owned());
        };
        check(spoil, "1,201 answers had a status that is not 2xx: 404 (1,200), 503 (1)");
        let spoil = |outcome: &mut Outcome| {
            outcome.record.counts.errors.count(ErrorClass::Reset, || "connection 3 was reset".to_owned());
        };
        check(spoil, "1 error; the first: connection 3 was reset");
        let spoil = |outcome: &mut Outcome| {
            let mismatch = Mismatch { connection: 3, position: 1000, expected: 0x0a, found: 0xff };
            outcome.record.counts.verified(1, 1, Some(mismatch), 64);
        };
        check(spoil, "the first on connection 3 at position 1000: 0xff instead of 0x0a");
    }
}
