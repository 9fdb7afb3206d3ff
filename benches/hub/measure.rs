//! One row: slices in turns, and what they say.

use std::io;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::rows::{Load, Row};
use super::servers::Server;
use super::{Options, idle, placement, say};

/// What one slice measured; for connections that do nothing, the bytes of one, in all fields.
#[derive(Clone, Copy)]
struct Slice {
    per_second: f64,
    server_cpu: f64,
    per_cpu_second: f64,
    p50_us: f64,
    p99_us: f64,
    generator_percent: f64,
}

/// A figure over all rounds: the median, and the quartiles.
struct Spread([f64; 3]);

/// The table so far.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<String>,
    commands: Vec<String>,
}

/// Puts the load of a row on each of its servers, and adds their lines to the report.
pub(crate) fn run(options: &Options, row: &Row, report: &mut Report) -> io::Result<()> {
    let mut servers = Vec::new();
    for kind in row.servers {
        match kind.start(options) {
            Ok(server) => servers.push(server),
            Err(error) => say(&format!("{}: {} is left out: {error}", row.name, kind.name())),
        }
    }
    if servers.is_empty() {
        return Ok(());
    }
    if row.load == Load::Idle {
        return run_idle(options, row, &servers, report);
    }
    let words = words(options, row, &servers)?;
    // The first slice of each is not like the rest; and it shows who does not do what the row asks for.
    servers.retain(|server| {
        let first = slice(options, &words, server);
        first
            .map_err(|error| say(&format!("{}: {} is left out: {error}", row.name, server.kind.name())))
            .is_ok()
    });
    if servers.is_empty() {
        return Ok(());
    }
    let mut rounds: Vec<Vec<Slice>> = Vec::new();
    let mut dropped = 0;
    while rounds.len() < options.rounds && dropped < 4 * options.rounds {
        let mut near = vec![is_near(options)];
        let mut round = vec![None; servers.len()];
        for at in 0..servers.len() {
            let at = (at + rounds.len()) % servers.len(); // Each goes first in turns.
            round[at] = Some(slice(options, &words, &servers[at])?);
            near.push(is_near(options));
        }
        if near.iter().all(|one| *one == near[0]) {
            rounds.push(round.into_iter().flatten().collect());
        } else {
            dropped += 1;
        }
    }
    report.commands.push(format!("{}: `loadgen pubsub URL {words}`", row.name));
    (0..servers.len()).for_each(|at| report.add(row, &servers, &rounds, at));
    say(&format!("{}: {} rounds, {dropped} dropped", row.name, rounds.len()));
    report.lines.iter().rev().take(servers.len()).rev().for_each(|line| say(line));
    Ok(())
}

fn run_idle(options: &Options, row: &Row, servers: &[Server], report: &mut Report) -> io::Result<()> {
    let mut first = None;
    for server in servers {
        let bytes = match idle::bytes_per_connection(server, options.idle_connections) {
            Ok(bytes) => bytes,
            Err(error) => {
                say(&format!("{}: {} is left out: {error}", row.name, server.kind.name()));
                continue;
            }
        };
        first = first.or((server.kind == row.servers[0]).then_some(bytes));
        let ratio = first.map_or(f64::NAN, |first| bytes / first);
        let name = server.kind.name();
        let line = format!("| {} | {name} | {bytes:.0} B each | | | | {ratio:.3} | |", row.name);
        say(&line);
        report.lines.push(line);
    }
    Ok(())
}

/// What the load generator is told of a row.
fn words(options: &Options, row: &Row, servers: &[Server]) -> io::Result<String> {
    if row.load != Load::Tenth {
        return Ok(row.arguments.to_owned());
    }
    if servers[0].kind != row.servers[0] {
        return Err(io::Error::other("without nats-server there is no tenth of its maximum"));
    }
    let takers = row.arguments.split_whitespace().nth(1).and_then(|number| number.parse::<f64>().ok());
    let most = slice(options, row.arguments, &servers[0])?.per_second / takers.unwrap_or(1.0);
    Ok(format!("{} --rate {:.0}", row.arguments, most / 10.0))
}

/// One run of the load generator.
fn slice(options: &Options, words: &str, server: &Server) -> io::Result<Slice> {
    let mut command = Command::new(&options.loadgen);
    command.args(["pubsub", &server.url()]).args(words.split_whitespace());
    command.args(["--core", &options.client_core.to_string(), "--server-pid", &server.pid().to_string()]);
    command.args(["--warmup", "300ms", "--json", "-"]);
    command.args(["--duration", &format!("{}ms", (options.slice * 1e3).round())]);
    let output = command.stderr(Stdio::piped()).output()?;
    let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let figure = |path: &str| json.pointer(path).and_then(Value::as_f64);
    let read = || {
        Some(Slice {
            per_second: figure("/throughput/deliveries_per_second")?,
            server_cpu: figure("/server/cpu_s")? / figure("/throughput/duration_s")?,
            per_cpu_second: figure("/server/deliveries_per_cpu_second")?,
            // In a short slice of a slow server there may be no sample.
            p50_us: figure("/latency/every/p50_us").unwrap_or(f64::NAN),
            p99_us: figure("/latency/every/p99_us").unwrap_or(f64::NAN),
            generator_percent: figure("/generator/cpu_percent")?,
        })
    };
    read().filter(|_| output.status.success()).ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().last().unwrap_or("it said nothing"); // The last line is what went wrong.
        io::Error::other(format!("the load generator failed against {}: {said}", server.kind.name()))
    })
}

fn is_near(options: &Options) -> bool {
    placement::round_trip_ns(options.server_core, options.client_core) < NEAR_NS
}

impl Report {
    fn add(&mut self, row: &Row, servers: &[Server], rounds: &[Vec<Slice>], at: usize) {
        let server = &servers[at];
        let median =
            |figure: fn(&Slice) -> f64| Spread::of(rounds.iter().map(|round| figure(&round[at]))).0[1];
        let is_latency = row.load == Load::Tenth;
        let compared = |round: &Vec<Slice>| {
            let [own, first] = [&round[at], &round[0]];
            if is_latency { own.p99_us / first.p99_us } else { own.per_cpu_second / first.per_cpu_second }
        };
        // Without the one that all are compared with there is no ratio.
        let is_compared = servers[0].kind == row.servers[0];
        let ratio = Spread::of(rounds.iter().filter(|_| is_compared).map(compared));
        self.lines.push(format!(
            "| {} | {} | {:.3} M/s | {:.2} s/s | {:.2} M | {:.0} / {:.0} us | {ratio} | {:.0} % |",
            row.name,
            server.kind.name(),
            median(|slice| slice.per_second) / 1e6,
            median(|slice| slice.server_cpu),
            median(|slice| slice.per_cpu_second) / 1e6,
            median(|slice| slice.p50_us),
            median(|slice| slice.p99_us),
            median(|slice| slice.generator_percent),
        ));
    }

    /// The whole table, and how each row is had.
    pub(crate) fn markdown(&self) -> String {
        let head = "| load | server | deliveries | server CPU | deliveries per CPU second | p50 / p99 | \
                    ratio to the first [quartiles] | generator's core |\n|---|---|---|---|---|---|---|---|\n";
        let commands: String = self.commands.iter().map(|command| format!("- {command}\n")).collect();
        format!(
            "{head}{}\n\nThe ratio is of deliveries per CPU second; in rows of latency, of p99.\n\n{commands}",
            self.lines.join("\n")
        )
    }
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| values.get((values.len().saturating_sub(1)) * quarter / 4).copied();
        Self([1, 2, 3].map(|quarter| at(quarter).unwrap_or(f64::NAN)))
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [low, median, high] = self.0;
        write!(f, "{median:.3} [{low:.3}, {high:.3}]")
    }
}

/// Below this the two cores share a cache, in nanoseconds.
const NEAR_NS: f64 = 150.0;
