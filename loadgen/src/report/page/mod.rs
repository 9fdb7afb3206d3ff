//! Results as one page of HTML, which needs nothing from elsewhere: no script runs in it, and nothing is fetched.
//!
//! The results themselves are in it as JSON, so that the page can be read back.

mod axis;
mod escape;
mod latency;
mod plot;
mod tables;
mod time;

use escape::{escaped, script_safe, sentence};

use super::label::labels;
use super::table::{interruption, load, means};
use super::{show_count, why_not};
use crate::result::{RunResult, Status, worst};

const STYLE: &str = include_str!("style.css");
const DATA_BEGINS: &str = "<script type=\"application/json\" id=\"results\">";
const DATA_ENDS: &str = "</script>";

/// The page of a run, or of several runs beside each other.
pub fn page(results: &[RunResult]) -> String {
    let labels = labels(results);
    let json = serde_json::to_string(results).unwrap_or_else(|_| "[]".to_owned());
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>loadgen: {title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         {header}<main>\n{body}</main>\n\
         <footer>Made by loadgen {version}. The results are within this page: <code>loadgen report</code> reads \
         it.</footer>\n{DATA_BEGINS}{data}{DATA_ENDS}\n</body>\n</html>\n",
        title = escaped(&title(results)),
        header = header(results, &labels),
        body = body(results, &labels),
        version = env!("CARGO_PKG_VERSION"),
        data = script_safe(&json),
    )
}

/// The same with what was said of the runs together, as the end of a search, on top.
pub fn page_with(results: &[RunResult], words: &[String]) -> String {
    let said: String = words.iter().map(|words| format!("<p>{}</p>\n", escaped(words))).collect();
    page(results).replacen("</header>\n", &format!("</header>\n{said}"), 1)
}

/// The JSON within a page that [`page`] made, if it is one.
pub fn embedded(page: &str) -> Option<&str> {
    let (_, data) = page.split_once(DATA_BEGINS)?;
    data.split_once(DATA_ENDS).map(|(json, _)| json)
}

fn title(results: &[RunResult]) -> String {
    let first = results.first().map(|result| result.config.url.clone()).unwrap_or_default();
    let is_same = results.iter().all(|result| result.config.url == first);
    match results {
        [_] => first,
        results if is_same => format!("{first}, {} runs", results.len()),
        results => format!("{} runs", results.len()),
    }
}

/// Whom, what with, whether to believe it, and the figures that are asked for first.
fn header(results: &[RunResult], labels: &[String]) -> String {
    let words: String = match results {
        [result] => {
            let config = &result.config;
            let ended = interruption(result).map(|words| format!("<p>{}</p>", escaped(&words)));
            let (load, means) = (escaped(&load(config)), escaped(&means(result)));
            format!("<p>{load}</p><p>{means}</p>{}", ended.unwrap_or_default())
        }
        _ => format!("<p>{}</p>", escaped(&labels.join(" · "))),
    };
    let below = match results {
        [result] => verdict(result) + &hero(result),
        results => summary(results),
    };
    format!("<header><h1>{}</h1>{words}</header>\n{below}", escaped(&title(results)))
}

fn verdict(result: &RunResult) -> String {
    let worst: Vec<_> = result
        .checks
        .iter()
        .filter(|check| check.status == result.verdict && Status::Warn <= check.status)
        .collect();
    let why = match worst.as_slice() {
        [] => ".".to_owned(),
        [check] => format!(": {}", sentence(&check.sentence)),
        checks => {
            let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
            format!(": see {} below.", escaped(&names.join(", ")))
        }
    };
    banner(result.verdict, &format!("{}{why}", meaning(std::slice::from_ref(result), result.verdict)))
}

/// The worst of several runs, and how many came to it.
fn summary(results: &[RunResult]) -> String {
    let worst = worst(results.iter().map(|result| result.verdict));
    let count = results.iter().filter(|result| result.verdict == worst).count();
    banner(worst, &format!("{}: {count} of {} runs.", meaning(results, worst), results.len()))
}

fn meaning(results: &[RunResult], verdict: Status) -> String {
    let words = match verdict {
        Status::Pass => "Every check of the run by itself holds",
        Status::Skipped => "Nothing could be checked, so nothing vouches for these figures",
        Status::Warn => "Read these figures with care",
        Status::Fail => why_not(results),
    };
    // The same words as in the table, at the beginning of a sentence.
    words[..1].to_uppercase() + &words[1..]
}

fn banner(status: Status, words: &str) -> String {
    format!(
        "<div class=\"verdict {}\">{}<span>{words}</span></div>\n",
        tables::class_of(status),
        tables::badge(status)
    )
}

fn hero(result: &RunResult) -> String {
    let response = &result.latency.response;
    let requests = &result.requests;
    let wrong = requests.failed + requests.timed_out + requests.outstanding + requests.unsent;
    let percentile = |of: f64, us: f64| tables::percentile(response, of, us);
    let figures = [
        ("answers per second", show_count(result.throughput.requests_per_second)),
        ("response p50", percentile(50.0, response.p50_us)),
        ("response p99", percentile(99.0, response.p99_us)),
        ("response p99.9", percentile(99.9, response.p999_us)),
        ("response max", tables::most(response)),
        ("no right answer", show_count(wrong as f64)),
    ];
    let figures =
        figures.map(|(name, figure)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escaped(&figure)));
    format!("<dl class=\"hero\">{}</dl>\n", figures.concat())
}

/// Plots two by two, with the checks in the place that an odd one leaves.
fn body(results: &[RunResult], labels: &[String]) -> String {
    let plots = [
        latency::by_rate(results),
        latency::by_percentile(results, labels),
        time::latency(results, labels),
        time::throughput(results, labels),
    ];
    let figures: Vec<String> = plots.iter().flatten().map(plot::Plot::figure).collect();
    let is_odd = !figures.len().is_multiple_of(2);
    format!(
        "<div class=\"grid\">\n{}{}{}{}{}</div>\n",
        if results.len() == 1 { String::new() } else { tables::runs(results, labels) },
        figures.concat(),
        tables::checks(results, labels, if is_odd { "" } else { " span" }),
        tables::latencies(results, labels),
        tables::properties(results, labels),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::example::{example, example_at};

    #[test]
    fn nothing_is_fetched_and_nothing_runs() {
        let page = page(&[example()]);
        let (markup, _) = page.split_once(DATA_BEGINS).unwrap();
        for outside in ["src=", "href=", "url(", "@import", "<link", "<script", "http:", "https:", "onload"] {
            assert!(!markup.contains(outside), "{outside}");
        }
        assert!(page.contains("default-src 'none'"));
    }

    #[test]
    fn what_comes_from_a_result_is_text() {
        let mut result = example();
        let evil = "</script><script>alert(1)</script><!--";
        result.config.url = evil.to_owned();
        result.config.argv = vec![evil.to_owned()];
        result.checks[2].sentence = evil.to_owned();
        result.checks[2].name = evil.to_owned();
        result.problems = vec![evil.to_owned()];
        result.environment.processor = Some(evil.to_owned());
        let page = page(&[result.clone()]);
        assert!(!page.contains("<script>") && !page.contains("<!--"));
        assert_eq!(page.matches("</script>").count(), 1);
        let read: Vec<RunResult> = serde_json::from_str(embedded(&page).unwrap()).unwrap();
        assert_eq!(read, [result]);
    }

    #[test]
    fn what_was_said_of_the_runs_stands_on_top() {
        let words = ["5,000/s keep p99<2ms.".to_owned()];
        let page = page_with(&[example(), example()], &words);
        let said = page.find("</header>\n<p>5,000/s keep p99&lt;2ms.</p>").unwrap();
        assert!(said < page.find("<main>").unwrap());
    }

    #[test]
    fn one_run_has_its_figures_and_several_their_curves() {
        let one = page(&[example()]);
        for words in
            ["Latency by percentile", "Response time over time", "Throughput over time", "response p99.9"]
        {
            assert!(one.contains(words), "{words}");
        }
        assert!(!one.contains("Latency by rate") && one.contains("generator stalled"));
        let two = page(&[example_at(5000.0), example_at(20_000.0)]);
        for words in ["Latency by rate", "5,000/s · 20,000/s", "99th percentile over time", ", 2 runs"] {
            assert!(two.contains(words), "{words}");
        }
        assert_eq!(embedded("<html></html>"), None);
        let mut ended = example();
        ended.counts.interrupted = true;
        ended.throughput.duration_s = 0.7;
        assert!(page(&[ended]).contains("<p>interrupted by a signal after 0.7 s of 10 s</p>"));
    }

    #[test]
    fn a_run_in_which_nothing_happened_has_a_page_too() {
        let mut result = example();
        (result.latency, result.series, result.checks) = Default::default();
        result.throughput.requests_per_second = 0.0;
        let page = page(&[result.clone(), result]);
        assert!(!page.contains("<figure>") && !page.contains("NaN") && page.contains("<h2>Requests</h2>"));
        let one_interval = RunResult { series: vec![Default::default()], ..example() };
        assert!(!super::page(&[one_interval]).contains("NaN"));
    }

    #[test]
    fn elements_are_closed() {
        let page = page(&[example_at(5000.0), example_at(20_000.0)]);
        for name in [
            "svg", "figure", "section", "table", "tr", "td", "ul", "li", "div", "text", "rect", "circle",
            "main",
        ] {
            let opened =
                page.matches(&format!("<{name} ")).count() + page.matches(&format!("<{name}>")).count();
            assert_eq!(opened, page.matches(&format!("</{name}>")).count(), "{name}");
        }
    }
}
