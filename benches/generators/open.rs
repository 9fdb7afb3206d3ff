//! Half of the rate that wrk reaches, in an open loop: what keeping a schedule costs.

use std::io;

use super::closed::{Slice, micros};
use super::pairs::{Pairs, Quartiles};
use super::process::Tidemill;
use super::tools::{StartUp, Tool, loadgen};
use super::{Options, head, notes, say};

/// The columns of both tables.
const HEADING: &str = "\
| idle | asked for | reached | generator CPU per request | / wrk in its closed loop | server CPU per request | p50 | p99 | own lag, p99 |
|---|---|---|---|---|---|---|---|---|";
/// Connections with which wrk is tried at a lower rate.
const FEW: usize = 6;
/// How many times wrk's CPU per request an open loop may cost.
const BOUND: f64 = 1.15;

pub(crate) fn run(options: &Options) -> io::Result<()> {
    head(&format!(
        "Open loop at half of wrk's rate: HTTP/1.1 keep-alive, 13 bytes, {} connections",
        options.connections
    ));
    if !Tool::Wrk.is_there(options) || !Tool::Loadgen.is_there(options) {
        return Ok(());
    }
    let server = Tidemill::start(options)?;
    let starts =
        (Tool::Loadgen.start_up(options, &server.url())?, Tool::Wrk.start_up(options, &server.url())?);
    let rates: Vec<f64> =
        (0..3).map(|_| Ok(Tool::Wrk.load(options, &server.url())?.per_second)).collect::<io::Result<_>>()?;
    let rate = (Quartiles::of(rates.into_iter()).median() / 2.0).round();
    say(HEADING);
    for idle in ["sleep", "hybrid", "spin"] {
        let pairs = Pairs::measure(
            options,
            || Slice::of(&server, || open(options, &server, rate, idle)),
            || Slice::of(&server, || Tool::Wrk.load(options, &server.url())),
        )?;
        say(&row(idle, rate, &pairs, starts, Some(BOUND)));
    }
    at_the_same_rate(options, &server, rate, starts.0)?;
    notes::open(BOUND);
    Ok(())
}

/// wrk goes no faster than its connections are answered: a few of them make it slow enough to be asked for the rate that
/// the open loop has.
fn at_the_same_rate(options: &Options, server: &Tidemill, rate: f64, own: StartUp) -> io::Result<()> {
    let mut nearest: Option<(f64, Options)> = None;
    for connections in 1..=FEW {
        let few = Options { connections, ..options.clone() };
        let reached = Tool::Wrk.load(&few, &server.url())?.per_second;
        let distance = |reached: f64| (reached / rate).ln().abs();
        if nearest.as_ref().is_none_or(|(best, _)| distance(reached) < distance(*best)) {
            nearest = Some((reached, few));
        }
    }
    let Some((reached, few)) = nearest else { return Ok(()) };
    let wrk = Tool::Wrk.start_up(&few, &server.url())?;
    say(&format!(
        "\nAgainst wrk with {} connections, at the rate that it reaches with them:\n",
        few.connections
    ));
    say(HEADING);
    for idle in ["sleep", "hybrid"] {
        let pairs = Pairs::measure(
            options,
            || Slice::of(server, || open(options, server, reached.round(), idle)),
            || Slice::of(server, || Tool::Wrk.load(&few, &server.url())),
        )?;
        say(&row(idle, reached, &pairs, (own, wrk), None));
    }
    Ok(())
}

fn open(options: &Options, server: &Tidemill, rate: f64, idle: &str) -> io::Result<super::tools::Run> {
    let milliseconds = format!("{}ms", (options.slice * 1e3).round());
    let rate = rate.to_string();
    loadgen(options, &server.url(), &["--duration", &milliseconds, "--rate", &rate, "--idle", idle])
}

fn row(
    idle: &str,
    rate: f64,
    pairs: &Pairs<Slice>,
    (own, wrk): (StartUp, StartUp),
    bound: Option<f64>,
) -> String {
    let median = |value: fn(&Slice) -> f64| pairs.of(0, value).median();
    let cost =
        Quartiles::of(pairs.kept.iter().map(|[ours, theirs]| ours.run.cost(own) / theirs.run.cost(wrk)));
    let verdict = match bound {
        Some(bound) if cost.median() <= bound => format!(", at most {bound}: met"),
        Some(bound) => format!(", at most {bound}: **missed**"),
        None => String::new(),
    };
    format!(
        "| {idle} | {rate:.0}/s | {:.0}/s | {:.2} µs | {cost}{verdict} (pairs {}) | {:.2} µs | {} | {} | {} |",
        median(|slice| slice.run.per_second),
        pairs.of(0, |slice| slice.run.cost(own)).median(),
        pairs.counts(),
        median(|slice| slice.server_cost),
        micros(median(|slice| slice.run.p50)),
        micros(median(|slice| slice.run.p99)),
        micros(median(|slice| slice.run.lag)),
    )
}
