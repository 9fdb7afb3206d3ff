//! A result for a person.

use std::fmt;

use super::result::{Config, Counts, PubsubResult, Server, Stuck};
use crate::report::table::cell;
use crate::report::{counted, show_bytes, show_count, show_nanos};
use crate::result::{Latency, Status};

impl fmt::Display for PubsubResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (config, throughput, generator) = (&self.config, &self.throughput, &self.generator);
        if self.verdict != Status::Pass {
            writeln!(f, "{}", verdict(self))?;
        }
        writeln!(f, "{}", what(config))?;
        writeln!(
            f,
            "published     {}/s ({} in {:.2} s)",
            show_count(throughput.published_per_second),
            show_count(throughput.published as f64),
            throughput.duration_s
        )?;
        let deliveries = if config.request_reply { "round trips  " } else { "delivered    " };
        writeln!(
            f,
            "{deliveries} {}/s, {}/s of payload",
            show_count(throughput.deliveries_per_second),
            show_bytes(throughput.bytes_per_second)
        )?;
        writeln!(f, "{}", faults(&self.counts))?;
        if let Some(ns) = generator.cpu_ns_per_delivery {
            writeln!(
                f,
                "generator     {:.0} % of its core, {} a delivery",
                generator.cpu_percent,
                show_nanos(ns)
            )?;
        }
        if let Some(server) = &self.server {
            writeln!(f, "{}", cost(server))?;
        }
        if let Some(stuck) = &self.stuck {
            writeln!(f, "{}", fate(stuck))?;
        }
        write!(f, "latency              count        p50        p90        p99      p99.9        max")?;
        let rows = if config.request_reply { &["every"][..] } else { &["first", "last", "every", "lag"] };
        for name in rows {
            let latency = match *name {
                "first" => &self.latency.first,
                "last" => &self.latency.last,
                "lag" => &self.latency.lag,
                _ => &self.latency.every,
            };
            if latency.count != 0 {
                write!(f, "\n{}", row(if config.request_reply { "round trip" } else { name }, latency))?;
            }
        }
        Ok(())
    }
}

fn verdict(result: &PubsubResult) -> String {
    let worst = result.checks.iter().filter(|check| check.status == result.verdict);
    let sentences: Vec<String> = worst.map(|check| format!("{}: {}", check.name, check.sentence)).collect();
    format!("{}  {}", result.verdict, sentences.join(" "))
}

fn what(config: &Config) -> String {
    let Config { publishers, subscribers, subjects, size, .. } = config;
    let elsewhere =
        (config.publish_url != config.url).then(|| format!(", published to {}", config.publish_url));
    let loop_model = match config.rate {
        Some(rate) => format!("{} messages/s", show_count(rate)),
        None => format!("at most {} under way", show_count(config.window as f64)),
    };
    let (from, to) =
        if config.request_reply { ("requester", "responder") } else { ("publisher", "subscriber") };
    let (publishers, subscribers) = (counted((*publishers).into(), from), counted((*subscribers).into(), to));
    let (subjects, size) = (counted(*subjects as u64, "subject"), counted(*size as u64, "byte"));
    let wildcards =
        if config.wildcards == 0 { String::new() } else { format!(" ({} by wildcard)", config.wildcards) };
    format!(
        "{}{}: {publishers}, {subscribers}{wildcards}, {subjects}, {size}, {loop_model}",
        config.url,
        elsewhere.unwrap_or_default()
    )
}

fn faults(counts: &Counts) -> String {
    let shown = [
        (counts.delivered, "delivered in all"),
        (counts.lost, "lost"),
        (counts.duplicated, "duplicated"),
        (counts.reordered, "out of order"),
        (counts.corrupt, "corrupt"),
    ];
    let shown = shown.map(|(count, what)| format!("{} {what}", show_count(count as f64)));
    format!("messages      {}", shown.join(", "))
}

fn cost(server: &Server) -> String {
    let each = server.cpu_ns_per_delivery.map(|ns| format!(", {} a delivery", show_nanos(ns)));
    let rate =
        server.deliveries_per_cpu_second.map(|rate| format!(", {} for a CPU second", show_count(rate)));
    format!(
        "server        {:.2} s of processor time{}{}, {} resident",
        server.cpu_s,
        each.unwrap_or_default(),
        rate.unwrap_or_default(),
        show_bytes(server.rss_bytes as f64)
    )
}

fn fate(stuck: &Stuck) -> String {
    let Stuck { subscribers, cut, first_cut_s, last_cut_s } = stuck;
    let when = first_cut_s.zip(*last_cut_s).map(|(first, last)| match cut {
        1 => format!(", {first:.1} s after the load began"),
        _ => format!(", {first:.1} to {last:.1} s after the load began"),
    });
    let were = if *cut == 1 { "was" } else { "were" };
    format!("stuck         {subscribers} read nothing, {cut} of them {were} cut{}", when.unwrap_or_default())
}

fn row(name: &str, latency: &Latency) -> String {
    let cells =
        [(50.0, latency.p50_us), (90.0, latency.p90_us), (99.0, latency.p99_us), (99.9, latency.p999_us)];
    let cells =
        cells.map(|(percentile, us)| format!("{:>10}", cell(latency.count, percentile, us))).join(" ");
    let (count, max) = (show_count(latency.count as f64), show_nanos(latency.max_us * 1e3));
    format!("{name:<12} {count:>13} {cells} {max:>10}")
}

#[cfg(test)]
mod tests {
    use super::super::result::example;
    use super::*;

    #[test]
    fn a_person_reads_what_was_measured() {
        let text = example().to_string();
        for words in [
            "100,000/s",
            "1 publisher, 100 subscribers",
            "0 lost",
            "2,000,000 for a CPU second",
            "1.00 µs a delivery",
        ] {
            assert!(text.contains(words), "{words} in\n{text}");
        }
        assert!(!text.starts_with("PASS") && !text.contains("stuck"));
        let failed = PubsubResult { verdict: Status::Fail, ..example() };
        assert!(failed.to_string().starts_with("FAIL"));
    }

    #[test]
    fn a_person_reads_what_became_of_those_that_were_stuck() {
        let check = |stuck: Stuck, expected: &str| {
            let text = PubsubResult { stuck: Some(stuck), ..example() }.to_string();
            assert!(text.contains(&format!("\nstuck         {expected}\n")), "{expected} in\n{text}");
        };
        let none = Stuck { subscribers: 10, cut: 0, first_cut_s: None, last_cut_s: None };
        check(none, "10 read nothing, 0 of them were cut");
        let all = Stuck { cut: 10, first_cut_s: Some(2.04), last_cut_s: Some(3.96), ..none };
        check(all, "10 read nothing, 10 of them were cut, 2.0 to 4.0 s after the load began");
        let one = Stuck { subscribers: 1, cut: 1, first_cut_s: Some(2.04), last_cut_s: Some(2.04) };
        check(one, "1 read nothing, 1 of them was cut, 2.0 s after the load began");
    }
}
