//! The lines around the percentiles: what was asked for above them, how much came of it below.

use crate::record::ErrorClass;
use crate::report::{bytes_of, bytes_of_u64, counted, show_bytes, show_count, show_share};
use crate::result::{Arrivals, Config, LoopModel, RunResult};
use crate::target::{Protocol, Target};

/// Protocols that are spoken of in words of their own.
const HTTP: &str = Protocol::Http.name();
const WEBSOCKET: &str = Protocol::WebSocket.name();

/// A line that begins with what it is about.
pub(super) fn line(name: &str, words: &str) -> String {
    format!("{name:14}{words}")
}

/// What was asked for: whom, how much, and with what.
pub(super) fn header(result: &RunResult) -> Vec<String> {
    let config = &result.config;
    let target = format!("{}, {}", config.url, load(config));
    [target, means(result)].into_iter().chain(interruption(result)).collect()
}

/// That a signal ended the run, and when.
pub fn interruption(result: &RunResult) -> Option<String> {
    let asked = result.config.duration_s.map(|seconds| format!(" of {seconds} s")).unwrap_or_default();
    let after = result.throughput.duration_s;
    result.counts.interrupted.then(|| format!("interrupted by a signal after {after:.1} s{asked}"))
}

/// Whether requests carry nothing that could come back, so that only statuses and lengths are looked at.
pub fn is_get(config: &Config) -> bool {
    let is_post = config.url.parse::<Target>().is_ok_and(|target| target.is_http_echo());
    config.protocol == HTTP && !is_post
}

/// The load: who decides, how much of it, and for how long.
pub fn load(config: &Config) -> String {
    let mut words = vec![match (config.loop_model, config.rate) {
        (LoopModel::Open, Some(rate)) => {
            let arrivals = config.arrivals.unwrap_or(Arrivals::Constant);
            let to = config.rate_to.filter(|to| *to != rate).map(|to| format!("..{}", show_rate(to)));
            format!("open loop, {arrivals} {}{}/s", show_rate(rate), to.unwrap_or_default())
        }
        (model, _) => model.to_string(),
    }];
    let end = match (config.duration_s, config.count) {
        (_, Some(count)) => counted(count, "request"),
        (Some(seconds), None) => format!("{seconds} s"),
        (None, None) => "until stopped".to_owned(),
    };
    let warmup = if 0.0 < config.warmup_s {
        format!(" after {} s of warm-up", config.warmup_s)
    } else {
        String::new()
    };
    words.push(format!("{end}{warmup}"));
    words.join(", ")
}

/// Connections, sizes and threads.
pub fn means(result: &RunResult) -> String {
    let config = &result.config;
    let cores: Vec<String> = config.cores.iter().map(usize::to_string).collect();
    let pinned = match cores.as_slice() {
        [] => String::new(),
        [core] => format!(" on core {core}"),
        cores => format!(" on cores {}", cores.join(",")),
    };
    let depth = if config.protocol == HTTP { "pipeline" } else { "depth" };
    let mut words = vec![
        counted(u64::from(config.connections), if config.is_datagrams() { "socket" } else { "connection" }),
        format!("{depth} {}", config.depth),
        messages(result),
        format!("{}{pinned}", counted(config.threads as u64, "thread")),
        format!("idle {}", config.idle),
        format!("seed {}", config.seed),
    ];
    if let Some(requests) = config.requests_per_connection {
        words.insert(1, format!("{} on each", counted(requests, "request")));
    }
    words.join(", ")
}

/// What is sent, or asked for, and how long it is.
fn messages(result: &RunResult) -> String {
    let config = &result.config;
    match config.protocol.as_str() {
        HTTP if !is_get(config) => format!("POST of {} each", bytes_of(config.size)),
        // What does not come back as it was sent is as long as the server makes it.
        HTTP if result.throughput.answers == 0 => "GET".to_owned(),
        HTTP => format!("GET of {} each", bytes_of_u64(result.throughput.body_bytes)),
        WEBSOCKET => format!("WebSocket, {} each", bytes_of(config.size)),
        _ => format!("{} each", bytes_of(config.size)),
    }
}

fn show_rate(rate: f64) -> String {
    if rate < 10.0 { rate.to_string() } else { show_count(rate) }
}

/// How much came of it.
pub(super) fn footer(result: &RunResult) -> Vec<String> {
    let mut lines = vec![line("throughput", &throughput(result)), line("requests", &requests(result))];
    lines.extend(errors(result).map(|words| line("errors", &words)));
    lines.extend(datagrams(result).map(|words| line("datagrams", &words)));
    lines.extend(connections(result).map(|words| line("connections", &words)));
    lines.extend(tls(result).map(|words| line("TLS", &words)));
    lines.extend(server(result).map(|words| line("server", &words)));
    lines.push(line("generator", &generator(result)));
    lines
}

fn throughput(result: &RunResult) -> String {
    let throughput = &result.throughput;
    let mut words = format!(
        "{}/s, {}/s of content, {} in {:.3} s",
        show_rate(throughput.requests_per_second),
        show_bytes(throughput.bytes_per_second),
        counted(throughput.answers, "answer"),
        throughput.duration_s,
    );
    if let Some(asked) = result.config.duration_s.filter(|asked| throughput.duration_s < asked * 0.99) {
        words += &format!(" of {asked} s");
    }
    if let Some(connections) = throughput.connections_per_second {
        words += &format!(", {} connections/s", show_rate(connections));
    }
    words
}

/// What became of the requests: every class, as the ones that are 0 are news too.
fn requests(result: &RunResult) -> String {
    let requests = &result.requests;
    let classes = [
        (requests.ok, "ok"),
        (requests.failed, "failed"),
        (requests.timed_out, if result.config.is_datagrams() { "lost" } else { "timed out" }),
        (requests.outstanding, "outstanding"),
        (requests.unsent, "unsent"),
    ];
    let share = |count: u64| match count {
        0 => String::new(),
        _ => format!(" ({})", show_share(count, requests.scheduled)),
    };
    let classes = classes.map(|(count, name)| format!("{} {name}{}", show_count(count as f64), share(count)));
    format!("{} scheduled: {}", show_count(requests.scheduled as f64), classes.join(", "))
}

/// Errors by class, each once; statuses stand behind theirs.
pub fn errors(result: &RunResult) -> Option<String> {
    let counts = &result.counts;
    let is_said = |class: &str| class == ErrorClass::Status.name() && !counts.statuses.is_empty();
    let classes = counts.errors.iter().filter(|(class, _)| !is_said(class));
    let classes = classes.map(|(class, count)| (class.replace('_', " "), *count));
    let each: Vec<String> = match counts.statuses.iter().collect::<Vec<_>>().as_slice() {
        [(status, 1)] => vec![status.to_string()],
        [(status, _)] => vec![format!("all {status}")],
        several => several.iter().map(|(status, count)| format!("{status}: {}", shown(**count))).collect(),
    };
    let status = (format!("status ({})", each.join(", ")), counts.statuses.values().sum());
    let wrong = ("wrong bytes".to_owned(), counts.verification_errors);
    nonzero(classes.chain([status, wrong]))
}

fn shown(count: u64) -> String {
    show_count(count as f64)
}

fn datagrams(result: &RunResult) -> Option<String> {
    let counts = &result.counts;
    if !result.config.is_datagrams() {
        return None;
    }
    // Those of the measured time are among the requests.
    let lost = (counts.lost != result.requests.timed_out).then_some((counts.lost, "lost with the warm-up"));
    let all = [
        (counts.late, "late"),
        (counts.duplicated, "duplicated"),
        (counts.reordered, "reordered"),
        (counts.delayed, "delayed"),
    ];
    let all = lost.into_iter().chain(all).map(|(count, name)| format!("{} {name}", shown(count)));
    Some(format!("{} of {} sent", all.collect::<Vec<_>>().join(", "), shown(counts.sent)))
}

fn connections(result: &RunResult) -> Option<String> {
    let counts = &result.counts;
    let events = [
        ("opened later", counts.dialed),
        ("reconnected", counts.reconnects),
        ("requests sent again", counts.repeated),
    ];
    let events = nonzero(events.into_iter().map(|(name, count)| (name.to_owned(), count)))?;
    let (start, end) = (counts.connections_at_start as f64, counts.connections_at_end as f64);
    Some(format!("{} at the start, {} at the end; {events}", show_count(start), show_count(end)))
}

/// Those counts that are not 0, if there are any.
fn nonzero(counts: impl Iterator<Item = (String, u64)>) -> Option<String> {
    let shown: Vec<String> = counts
        .filter(|(_, count)| 0 < *count)
        .map(|(name, count)| format!("{} {name}", show_count(count as f64)))
        .collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

fn tls(result: &RunResult) -> Option<String> {
    let tls = result.tls.as_ref()?;
    let mut words: Vec<String> = tls
        .handshakes
        .iter()
        .map(|(name, count)| format!("{name}: {}", counted(*count, "handshake")))
        .collect();
    words.push(format!("{} resumed", show_count(tls.resumed as f64)));
    if tls.insecure {
        words.push("any certificate taken (--insecure)".to_owned());
    }
    Some(words.join(", "))
}

fn server(result: &RunResult) -> Option<String> {
    let server = result.server.as_ref()?;
    let each = server.cpu_us_per_request.map(|us| format!(", {us:.1} µs per request")).unwrap_or_default();
    Some(format!(
        "{}: {:.2} s CPU{each}, RSS {}",
        server.source,
        server.cpu_s,
        show_bytes(server.rss_bytes as f64)
    ))
}

fn generator(result: &RunResult) -> String {
    let generator = &result.generator;
    let busy: Vec<String> =
        generator.workers.iter().map(|worker| format!("{:.0} %", worker.cpu_percent)).collect();
    let mut words = Vec::new();
    if !busy.is_empty() {
        words.push(format!("busy {}", busy.join(", ")));
    }
    words.extend(generator.cpu_us_per_request.map(|us| format!("{us:.1} µs per request")));
    let longest = generator.stalls.iter().map(|stall| stall.length_ms).fold(0.0, f64::max);
    words.push(match generator.stall_count {
        0 => "no stalls".to_owned(),
        count => format!("{}, the longest {longest:.1} ms", counted(count, "stall")),
    });
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::example::example;
    use crate::result::{Requests, Tls};

    #[test]
    fn what_was_asked_for_is_said() {
        let mut result = example();
        assert_eq!(
            header(&result).join("\n"),
            "tcp://127.0.0.1:7000, open loop, poisson 10,000/s, 10 s after 1 s of warm-up\n\
             200 connections, depth 1, 64 B each, 2 threads on cores 2,3, idle hybrid, seed 42"
        );
        result.config.rate_to = Some(20_000.0);
        assert!(load(&result.config).contains("poisson 10,000..20,000/s"));
        let config = Config {
            loop_model: LoopModel::Closed,
            count: Some(1),
            duration_s: None,
            warmup_s: 0.0,
            ..result.config
        };
        assert_eq!(load(&config), "closed loop, 1 request");
    }

    #[test]
    fn what_came_of_it_is_said() {
        let check = |result: &RunResult, words: &str| {
            let text = footer(result).join("\n");
            assert!(text.contains(words), "{words} is missing in\n{text}");
        };
        let mut result = example();
        check(&result, "throughput    10,000/s, 640 kB/s of content, 100,000 answers in 10.000 s");
        check(
            &result,
            "100,000 scheduled: 100,000 ok (100 %), 0 failed, 0 timed out, 0 outstanding, 0 unsent",
        );
        check(&result, "server        pid 4242: 3.10 s CPU, 31.0 µs per request, RSS 12.3 MB");
        check(&result, "generator     busy 38 %, 38 %, 77.0 µs per request, 1 stall, the longest 12.0 ms");
        assert!(!footer(&result).join("\n").contains("errors"));
        result.requests =
            Requests { scheduled: 15, ok: 1, failed: 2, timed_out: 3, outstanding: 4, unsent: 5 };
        check(
            &result,
            "15 scheduled: 1 ok (6.67 %), 2 failed (13.33 %), 3 timed out (20.00 %), 4 outstanding (26.67 %), 5",
        );
        result.counts.errors.extend([("reset".to_owned(), 2), ("refused".to_owned(), 0)]);
        result.counts.statuses.insert(404, 1200);
        check(&result, "errors        2 reset, 1,200 status (all 404)");
        result.counts.errors.extend([("closed_early".to_owned(), 3), ("status".to_owned(), 1201)]);
        result.counts.statuses.insert(503, 1);
        check(&result, "errors        3 closed early, 2 reset, 1,201 status (404: 1,200, 503: 1)");
        result.counts.reconnects = 2;
        check(&result, "connections   200 at the start, 200 at the end; 2 reconnected");
        let handshakes = [("TLS 1.3 with TLS13_AES_128_GCM_SHA256".to_owned(), 200)].into();
        result.tls = Some(Tls { insecure: true, resumption: false, handshakes, resumed: 0 });
        check(
            &result,
            "TLS           TLS 1.3 with TLS13_AES_128_GCM_SHA256: 200 handshakes, 0 resumed, any certificate",
        );
        result.config.url = "udp://127.0.0.1:7000".to_owned();
        result.counts.lost = 10;
        check(
            &result,
            "datagrams     10 lost with the warm-up, 0 late, 0 duplicated, 0 reordered, 0 delayed of 110,000 sent",
        );
        check(&result, "1 ok (6.67 %), 2 failed (13.33 %), 3 lost");
        result.counts.lost = 3;
        check(&result, "datagrams     0 late, 0 duplicated, 0 reordered, 0 delayed of 110,000 sent");
        result.counts.interrupted = true;
        result.throughput.duration_s = 0.7;
        assert_eq!(header(&result)[2], "interrupted by a signal after 0.7 s of 10 s");
    }
}
