//! The page's tables: each property in a row, each result in a column.

use super::escape::{escaped, sentence};
use crate::report::table::{
    Support, cell, errors, is_get, is_service_response, load, means, show_interval, support,
};
use crate::report::{show_bytes, show_count, show_nanos};
use crate::result::{Confidence, Latency, LatencySet, RunResult, Status};

/// A property and how it is said of a result; nothing where it has none.
type Property = (&'static str, fn(&RunResult) -> Option<String>);

const CONFIG: &[Property] = &[
    ("Server", |result| Some(result.config.url.clone())),
    ("Load", |result| Some(load(&result.config))),
    ("With", |result| Some(means(result))),
    ("Time-out", |result| Some(format!("{} s", result.config.timeout_s))),
    ("Schedule", |result| result.config.schedule_hash.clone()),
    ("Bytes compared", |result| Some(compared(result))),
    ("Command", |result| Some(result.config.argv.join(" "))),
    ("Started", |result| Some(result.started_at.clone())),
];

const REQUESTS: &[Property] = &[
    ("Throughput", |result| Some(format!("{}/s", show_count(result.throughput.requests_per_second)))),
    ("Content", |result| Some(format!("{}/s", show_bytes(result.throughput.bytes_per_second)))),
    ("Scheduled", |result| count(result.requests.scheduled)),
    ("Ok", |result| count(result.requests.ok)),
    ("Failed", |result| count(result.requests.failed)),
    ("Timed out", |result| count(result.requests.timed_out)),
    ("Outstanding", |result| count(result.requests.outstanding)),
    ("Unsent", |result| count(result.requests.unsent)),
    ("Wrong bytes", |result| count(result.counts.verification_errors)),
    ("Reconnects", |result| count(result.counts.reconnects)),
    ("Datagrams lost", |result| udp(result, result.counts.lost)),
    ("Datagrams duplicated", |result| udp(result, result.counts.duplicated)),
    ("Datagrams reordered", |result| udp(result, result.counts.reordered)),
    ("Errors", errors),
    ("TLS", |result| {
        let handshakes = result.tls.iter().flat_map(|tls| &tls.handshakes);
        joined(handshakes.map(|(name, count)| format!("{name}: {}", show_count(*count as f64))))
    }),
];

const COSTS: &[Property] = &[
    ("Server CPU", |result| {
        result.server.as_ref().map(|server| format!("{:.2} s ({})", server.cpu_s, server.source))
    }),
    ("Server CPU per request", |result| {
        result.server.as_ref().and_then(|server| server.cpu_us_per_request).map(|us| format!("{us:.1} µs"))
    }),
    ("Server memory, most", |result| {
        result.server.as_ref().map(|server| show_bytes(server.rss_bytes as f64))
    }),
    ("Server switches, involuntary", |result| {
        result.server.as_ref().and_then(|server| server.involuntary_switches).and_then(count)
    }),
    ("Generator CPU", |result| {
        let generator = &result.generator;
        Some(format!("{:.2} s user, {:.2} s system", generator.cpu_user_s, generator.cpu_system_s))
    }),
    ("Generator CPU per request", |result| {
        result.generator.cpu_us_per_request.map(|us| format!("{us:.1} µs"))
    }),
    ("Generator threads", |result| {
        let workers = result.generator.workers.iter();
        joined(workers.map(|worker| format!("core {}: {:.0} %", worker.core, worker.cpu_percent)))
    }),
    ("Generator stalls", |result| count(result.generator.stall_count)),
    ("Wake-up lateness p99", |result| {
        let lateness = &result.generator.lateness;
        (0 < lateness.count).then(|| show_nanos(lateness.p99_us * 1000.0))
    }),
];

const ENVIRONMENT: &[Property] = &[
    ("Processor", |result| result.environment.processor.clone()),
    ("Cores online", |result| result.environment.cores_online.map(|cores| cores.to_string())),
    ("Cores shared with the server", |result| {
        let shared = result.environment.shared_cores.as_ref()?;
        joined(shared.iter().map(usize::to_string)).or_else(|| Some("none".to_owned()))
    }),
    ("Kernel", |result| result.environment.kernel.clone()),
    ("Clock", |result| {
        let source = result.environment.clock_source.as_ref()?;
        Some(format!("{source}, {:.0} ns a reading", result.generator.clock_read_ns))
    }),
    ("Governor", |result| result.environment.governor.clone()),
    ("Load average before", |result| result.environment.load_average.map(|load| load.to_string())),
    ("io_uring tier", |result| Some(result.environment.tier.clone())),
    ("loadgen", |result| Some(result.version.clone())),
];

/// All tables of properties.
pub(super) fn properties(results: &[RunResult], labels: &[String]) -> String {
    let tables =
        [("Requests", REQUESTS), ("Cost", COSTS), ("Configuration", CONFIG), ("Environment", ENVIRONMENT)];
    tables.into_iter().map(|(title, properties)| side_by_side(title, properties, results, labels)).collect()
}

fn side_by_side(title: &str, properties: &[Property], results: &[RunResult], labels: &[String]) -> String {
    let cells = |say: fn(&RunResult) -> Option<String>| {
        let said: Vec<Option<String>> = results.iter().map(say).collect();
        let is_said = said.iter().any(Option::is_some);
        is_said.then(|| said.into_iter().map(Option::unwrap_or_default).collect::<Vec<String>>())
    };
    let rows = properties.iter().filter_map(|(name, say)| Some((*name, cells(*say)?)));
    let rows: String = rows.map(|(name, cells)| row(name, &cells)).collect();
    let head = if labels.len() == 1 { String::new() } else { head("", labels) };
    format!("<section class=\"card\"><h2>{title}</h2>{}</section>\n", scrolled(&(head + &rows)))
}

/// Several runs, a row for each: what was asked for, what came, and whether to believe it.
pub(super) fn runs(results: &[RunResult], labels: &[String]) -> String {
    let columns = ["asked/s", "got/s", "p50", "p99", "p99.9", "errors", "verdict"];
    let rows: String = results
        .iter()
        .zip(labels)
        .map(|(result, label)| {
            let (requests, response) = (&result.requests, &result.latency.response);
            let errors = requests.failed + requests.timed_out + requests.outstanding + requests.unsent;
            let cells = [
                result.config.rate.map_or_else(|| "closed loop".to_owned(), show_count),
                show_count(result.throughput.requests_per_second),
                percentile(response, 50.0, response.p50_us),
                percentile(response, 99.0, response.p99_us),
                percentile(response, 99.9, response.p999_us),
                show_count(errors as f64),
            ];
            let cells = cells.map(|cell| format!("<td>{}</td>", escaped(&cell))).concat();
            let (name, verdict) = (escaped(label), badge(result.verdict));
            format!("<tr><th scope=\"row\">{name}</th>{cells}<td>{verdict}</td></tr>")
        })
        .collect();
    let table = scrolled(&(head("", &columns.map(str::to_owned)) + &rows));
    format!("<section class=\"card figures span\"><h2>Runs</h2>{table}</section>\n")
}

/// Percentiles of every kind of latency that there is; those of several results below each other, kind by kind.
pub(super) fn latencies(results: &[RunResult], labels: &[String]) -> String {
    let columns = ["p50", "p90", "p99", "p99.9", "p99.99", "max", "n"].map(str::to_owned);
    let mut rows = String::new();
    for (at, name) in KINDS.into_iter().enumerate() {
        let of_kind = results.iter().zip(labels).map(|(result, label)| (kind(&result.latency, at), label));
        let there: Vec<_> = of_kind.filter(|(latency, _)| 0 < latency.count).collect();
        if there.is_empty() || (name == "All" && !results.iter().any(went_wrong)) {
            continue;
        }
        // In a closed loop service is the response once more, and there is no lag: rows that say nothing.
        let is_said = matches!(name, "Service" | "Generator lag") && results.iter().all(is_service_response);
        if is_said || (name == "Queue wait" && there.iter().all(|(latency, _)| latency.max_us <= 0.0)) {
            continue;
        }
        if labels.len() == 1 {
            rows.extend(there.iter().map(|(latency, _)| row(name, &figures(latency))));
        } else {
            rows += &format!("<tr class=\"kind\"><th colspan=\"8\" scope=\"rowgroup\">{name}</th></tr>");
            rows.extend(there.iter().map(|(latency, label)| row(label, &figures(latency))));
        }
        if let ("Response", [result]) = (name, results) {
            rows += &confidence(&result.latency.response_ci, result.latency.response.count);
        }
    }
    let is_closed = !results.is_empty() && results.iter().all(is_service_response);
    let closed = if is_closed {
        " In a closed loop response and service are the same, and there is no lag."
    } else {
        ""
    };
    format!(
        "<section class=\"card figures span\"><h2>Latency</h2>{}<p class=\"note\">~ rests on fewer than 100 samples \
         beyond it; – on fewer than 10.{closed}</p></section>\n",
        scrolled(&(head("", &columns) + &rows))
    )
}

/// The intervals of the percentiles that are shown above; nothing where none has one.
fn confidence(intervals: &Confidence, count: u64) -> String {
    let all = [
        (50.0, intervals.p50_us),
        (90.0, intervals.p90_us),
        (99.0, intervals.p99_us),
        (99.9, intervals.p999_us),
        (99.99, intervals.p9999_us),
    ];
    let all = all.map(|(of, interval)| interval.filter(|_| support(count, of) != Support::None));
    if all.iter().all(Option::is_none) {
        return String::new();
    }
    let shown =
        all.map(|interval| interval.map_or_else(|| "–".to_owned(), show_interval).replace(" .. ", " – "));
    let cells: Vec<String> = shown.into_iter().chain([String::new(), String::new()]).collect();
    row("95 % interval", &cells).replacen("<tr>", "<tr class=\"interval\">", 1)
}

/// Whether there is more to tell than good answers.
fn went_wrong(result: &RunResult) -> bool {
    0 < result.latency.failed.count + result.latency.unanswered.count
}

const KINDS: [&str; 9] = [
    "Response",
    "Service",
    "Generator lag",
    "Queue wait",
    "Failed",
    "Unanswered",
    "All",
    "Connect",
    "Handshake",
];

/// The latency of a place in [`KINDS`].
fn kind(set: &LatencySet, at: usize) -> &Latency {
    let all = [
        &set.response,
        &set.service,
        &set.generator_lag,
        &set.queue_wait,
        &set.failed,
        &set.unanswered,
        &set.all,
        &set.connect,
        &set.handshake,
    ];
    all[at]
}

fn figures(latency: &Latency) -> Vec<String> {
    let percentiles = [
        (50.0, latency.p50_us),
        (90.0, latency.p90_us),
        (99.0, latency.p99_us),
        (99.9, latency.p999_us),
        (99.99, latency.p9999_us),
    ];
    let shown = percentiles.map(|(of, us)| percentile(latency, of, us));
    shown.into_iter().chain([most(latency), show_count(latency.count as f64)]).collect()
}

/// The largest, if there is any.
pub(super) fn most(latency: &Latency) -> String {
    if latency.count == 0 { "–".to_owned() } else { show_nanos(latency.max_us * 1000.0) }
}

/// A percentile as it is shown on the page.
pub(super) fn percentile(latency: &Latency, of: f64, us: f64) -> String {
    cell(latency.count, of, us).replace('-', "–")
}

/// The checks of each result, the worst first; of several results, only those that need attention.
pub(super) fn checks(results: &[RunResult], labels: &[String], class: &str) -> String {
    let lists: String = results
        .iter()
        .zip(labels)
        .map(|(result, label)| match labels.len() {
            1 => format!("<div>{}{}</div>", checks_of(result), others_of(result)),
            _ => format!("<div><h3>{}</h3>{}{}</div>", escaped(label), checks_of(result), others_of(result)),
        })
        .collect();
    format!("<section class=\"card{class}\"><h2>Checks</h2><div class=\"lists\">{lists}</div></section>\n")
}

/// What went wrong, and the checks that need attention.
fn checks_of(result: &RunResult) -> String {
    let problems = result.problems.iter().map(|problem| item(Status::Fail, "problem", problem));
    let items: String = problems.chain(items_of(result, |status| Status::Warn <= status)).collect();
    if items.is_empty() { String::new() } else { format!("<ul class=\"checks\">{items}</ul>") }
}

/// The other checks, for those who ask for them.
fn others_of(result: &RunResult) -> String {
    let count = |status| result.checks.iter().filter(|check| check.status == status).count();
    let (passed, skipped) = (count(Status::Pass), count(Status::Skipped));
    if passed + skipped == 0 {
        return String::new();
    }
    let items: String = items_of(result, |status| status < Status::Warn).collect();
    let skipped = if skipped == 0 { String::new() } else { format!(", {skipped} do not apply") };
    format!("<details><summary>{passed} pass{skipped}</summary><ul class=\"checks\">{items}</ul></details>")
}

/// Checks with some of the statuses, the worst first.
fn items_of(result: &RunResult, is_shown: fn(Status) -> bool) -> impl Iterator<Item = String> {
    let mut checks: Vec<_> = result.checks.iter().filter(|check| is_shown(check.status)).collect();
    checks.sort_by_key(|check| std::cmp::Reverse(check.status));
    checks.into_iter().map(|check| item(check.status, &check.name, &check.sentence))
}

fn item(status: Status, name: &str, words: &str) -> String {
    format!("<li>{}<b>{}</b> <span>{}</span></li>", badge(status), escaped(name), sentence(words))
}

/// A status that is seen, and read.
pub(super) fn badge(status: Status) -> String {
    format!("<span class=\"badge {}\">{status}</span>", class_of(status))
}

/// Its class in the style.
pub(super) fn class_of(status: Status) -> &'static str {
    match status {
        Status::Skipped => "skip",
        Status::Pass => "pass",
        Status::Warn => "warn",
        Status::Fail => "fail",
    }
}

fn head(corner: &str, labels: &[String]) -> String {
    let names: String =
        labels.iter().map(|label| format!("<th scope=\"col\">{}</th>", escaped(label))).collect();
    format!("<tr><th>{corner}</th>{names}</tr>")
}

fn row(name: &str, cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", sentence(cell))).collect();
    format!("<tr><th scope=\"row\">{}</th>{cells}</tr>", escaped(name))
}

/// A table that scrolls by itself where the window is narrow, also with keys.
fn scrolled(rows: &str) -> String {
    format!("<div class=\"scroll\" tabindex=\"0\"><table>{rows}</table></div>")
}

fn count(count: u64) -> Option<String> {
    Some(show_count(count as f64))
}

/// What was looked at of that which came back.
fn compared(result: &RunResult) -> String {
    match result.config.verify {
        false => "none".to_owned(),
        true if is_get(&result.config) => "none: a GET's status and length only".to_owned(),
        true => format!("all; {} were right", show_bytes(result.counts.verified_bytes as f64)),
    }
}

fn udp(result: &RunResult, datagrams: u64) -> Option<String> {
    if result.config.is_datagrams() { count(datagrams) } else { None }
}

fn joined(parts: impl Iterator<Item = String>) -> Option<String> {
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::example::{example, example_at};

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn properties_stand_side_by_side() {
        let mut other = example_at(5000.0);
        other.server = None;
        let text = properties(&[example(), other], &labels(&["a", "b"]));
        assert!(
            text.contains("<tr><th></th><th scope=\"col\">a</th><th scope=\"col\">b</th></tr>"),
            "{text}"
        );
        assert!(text.contains("<th scope=\"row\">Scheduled</th><td>100,000</td><td>50,000</td>"), "{text}");
        assert!(
            text.contains("<th scope=\"row\">Server CPU per request</th><td>31.0 µs</td><td></td>"),
            "{text}"
        );
        assert!(text.contains("Example Processor 9000 &lt;8 cores&gt;"), "{text}");
        assert!(!text.contains("Datagrams"), "{text}");
    }

    #[test]
    fn the_worst_check_is_first() {
        let text = checks(&[example()], &labels(&["a"]), "");
        let warn = text.find("<span class=\"badge warn\">WARN</span><b>stalls</b>").unwrap();
        assert!(warn < text.find("conservation").unwrap() && text.contains("badge skip\">SKIP"), "{text}");
        let mut result = example();
        result.problems.push("nothing came <back>".to_owned());
        assert!(checks(&[result], &labels(&["a"]), "").contains("nothing came &lt;back&gt;"));
    }

    #[test]
    fn what_was_compared_is_said() {
        let mut result = example();
        result.counts.verified_bytes = 6_400_000;
        assert_eq!(compared(&result), "all; 6.40 MB were right");
        (result.config.protocol, result.config.url) = ("http/1.1".to_owned(), "http://[::1]:80/".to_owned());
        assert_eq!(compared(&result), "none: a GET's status and length only");
        result.config.url += "echo";
        assert_eq!(compared(&result), "all; 6.40 MB were right");
        result.config.verify = false;
        assert_eq!(compared(&result), "none");
    }

    #[test]
    fn intervals_stand_below_the_percentiles_of_one_run() {
        let mut result = example();
        result.latency.response_ci = Confidence { p99_us: Some([301.0, 322.0]), ..Confidence::default() };
        let text = latencies(std::slice::from_ref(&result), &labels(&["a"]));
        let row = "<tr class=\"interval\"><th scope=\"row\">95 % interval</th><td>–</td><td>–</td>\
                   <td>301 µs – 322 µs</td>";
        assert!(text.contains(row), "{text}");
        result.latency.response_ci = Confidence::default();
        assert!(!latencies(&[result], &labels(&["a"])).contains("interval"));
    }

    #[test]
    fn a_closed_loop_says_what_is_one_once() {
        let mut result = example();
        result.config.loop_model = crate::result::LoopModel::Closed;
        result.latency.service = result.latency.response.clone();
        (result.latency.lag, result.latency.generator_lag) = Default::default();
        let text = latencies(&[result], &labels(&["a"]));
        assert!(!text.contains(">Service<") && text.contains("are the same, and there is no lag"), "{text}");
        assert!(latencies(&[example()], &labels(&["a"])).contains(">Service<"));
    }

    #[test]
    fn a_percentile_without_samples_is_not_shown() {
        let mut result = example();
        result.latency.failed = Latency { count: 5, p50_us: 1.0, max_us: 2.0, ..Latency::default() };
        let text = latencies(&[result], &labels(&["a"]));
        assert!(text.contains("<th scope=\"row\">Failed</th><td>–</td><td>–</td>"), "{text}");
        assert!(!text.contains("Unanswered"), "{text}");
    }
}
