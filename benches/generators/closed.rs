//! As fast as answers come: what each generator reaches, what it costs, what it prints.

use std::io;

use super::pairs::{Pairs, Quartiles};
use super::process::Tidemill;
use super::tools::{Run, StartUp, Tool};
use super::{Options, head, notes, say};

/// One run, and what the server spent on it.
#[derive(Clone, Copy)]
pub(crate) struct Slice {
    pub(crate) run: Run,
    /// Microseconds of the server's CPU for each request.
    pub(crate) server_cost: f64,
}

impl Slice {
    /// Runs what is to be run, and looks at the server before and after.
    pub(crate) fn of(server: &Tidemill, run: impl FnOnce() -> io::Result<Run>) -> io::Result<Self> {
        let before = server.cpu_micros();
        let run = run()?;
        Ok(Self { run, server_cost: (server.cpu_micros() - before) / run.requests })
    }
}

pub(crate) fn run(options: &Options) -> io::Result<()> {
    head(&format!(
        "Closed loop: HTTP/1.1 keep-alive, 13 bytes, {} connections, one thread",
        options.connections
    ));
    let others: Vec<Tool> =
        [Tool::Wrk, Tool::H2load, Tool::Oha].into_iter().filter(|tool| tool.is_there(options)).collect();
    if !Tool::Loadgen.is_there(options) {
        return Ok(());
    }
    let server = Tidemill::start(options)?;
    let own = Tool::Loadgen.start_up(options, &server.url())?;
    let (mut figures, mut ratios) = (Vec::new(), Vec::new());
    for tool in others {
        let start = tool.start_up(options, &server.url())?;
        let slice = |tool: Tool| Slice::of(&server, || tool.load(options, &server.url()));
        let pairs = Pairs::measure(options, || slice(Tool::Loadgen), || slice(tool))?;
        if figures.is_empty() {
            figures.push(row(Tool::Loadgen, &pairs, 0, own));
            ratios.extend(claim(&pairs, own));
        }
        figures.push(row(tool, &pairs, 1, start));
        ratios.push(compare(tool, &pairs, own, start));
    }
    say(
        "| | requests/s | generator CPU per request | server CPU per request | p50 | p99 | mean | max | mean x rate | start and end |",
    );
    say("|---|---|---|---|---|---|---|---|---|---|");
    figures.iter().for_each(|line| say(line));
    say("");
    ratios.iter().for_each(|lines| say(lines));
    notes::http();
    Ok(())
}

fn row(tool: Tool, pairs: &Pairs<Slice>, side: usize, start: StartUp) -> String {
    let median = |value: fn(&Slice) -> f64| pairs.of(side, value).median();
    let cost = pairs.of(side, |slice| slice.run.cost(start)).median();
    format!(
        "| {} | {:.0} | {cost:.2} µs | {:.2} µs | {} | {} | {} | {} | {:.1} | {:.1} ms of CPU |",
        tool.name(),
        median(|slice| slice.run.per_second),
        median(|slice| slice.server_cost),
        micros(median(|slice| slice.run.p50)),
        micros(median(|slice| slice.run.p99)),
        micros(median(|slice| slice.run.mean)),
        micros(median(|slice| slice.run.max)),
        median(|slice| slice.run.mean * slice.run.per_second / 1e6),
        start.without_requests(cost) / 1e3
    )
}

fn compare(tool: Tool, pairs: &Pairs<Slice>, own: StartUp, start: StartUp) -> String {
    let efficiency =
        Quartiles::of(pairs.kept.iter().map(|[ours, theirs]| theirs.run.cost(start) / ours.run.cost(own)));
    let verdict = match tool {
        Tool::Wrk if 1.0 <= efficiency.median() => " (at least 1 is asked for: met)",
        Tool::Wrk => " (at least 1 is asked for: **missed**)",
        _ => "",
    };
    format!(
        "- loadgen / {}, pairs {}: requests per CPU second of the generator {efficiency}{verdict}; requests/s {}; \
         server CPU per request {}; p50 {}; p99 {}; mean {}.",
        tool.name(),
        pairs.counts(),
        pairs.ratio(|slice| slice.run.per_second),
        pairs.ratio(|slice| slice.server_cost),
        or_nothing(&pairs.ratio(|slice| slice.run.p50)),
        or_nothing(&pairs.ratio(|slice| slice.run.p99)),
        pairs.ratio(|slice| slice.run.mean),
    )
}

/// What loadgen says of its own cost, against what the kernel says of its process.
fn claim(pairs: &Pairs<Slice>, own: StartUp) -> Option<String> {
    let ratio = pairs.of(0, |slice| slice.run.claim / slice.run.cost(own));
    let said = pairs.of(0, |slice| slice.run.claim).median();
    ratio.median().is_finite().then(|| {
        format!(
            "- loadgen says that a request costs it {said:.2} µs, which is {ratio} of what wait4 says. It counts its \
             threads within the measured time, so what it does between requests is in both."
        )
    })
}

/// A time, or a dash where the tool does not print it.
pub(crate) fn micros(value: f64) -> String {
    if value.is_finite() { format!("{value:.0} µs") } else { "–".to_owned() }
}

fn or_nothing(ratio: &Quartiles) -> String {
    if ratio.median().is_finite() { ratio.to_string() } else { "not printed".to_owned() }
}
