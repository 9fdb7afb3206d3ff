//! One row: slices in turns, and what they say.

use std::io;

use super::generator::{self, Spread};
use super::rows::{Load, Row};
use super::servers::Server;
use super::{Options, idle, placement, say, shards, stuck};

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

/// The table so far.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) lines: Vec<String>,
    /// What the columns have no place for.
    pub(crate) notes: Vec<String>,
    pub(crate) commands: Vec<String>,
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
    match row.load {
        Load::Idle => return run_idle(options, row, &servers, report),
        Load::Stuck => return stuck::run(options, row, &servers, report),
        Load::Shards => return shards::run(options, row, &servers, report),
        Load::Saturated | Load::Tenth => {}
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
    let command = generator::command(&words, (WARMUP, options.slice));
    report.commands.push(format!("{}: `{command}`", row.name));
    servers.iter().for_each(|server| report.name(server));
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
        report.name(server);
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

fn slice(options: &Options, words: &str, server: &Server) -> io::Result<Slice> {
    let said = generator::load(options, server, words, (WARMUP, options.slice))?;
    Ok(Slice {
        per_second: said.figure("/throughput/deliveries_per_second"),
        server_cpu: said.figure("/server/cpu_s") / said.figure("/throughput/duration_s"),
        per_cpu_second: said.figure("/server/deliveries_per_cpu_second"),
        // In a short slice of a slow server there may be no sample.
        p50_us: said.figure("/latency/every/p50_us"),
        p99_us: said.figure("/latency/every/p99_us"),
        generator_percent: said.figure("/generator/cpu_percent"),
    })
}

/// Whether the two cores share a cache now.
pub(crate) fn is_near(options: &Options) -> bool {
    placement::round_trip_ns(options.server_core, options.client_core) < NEAR_NS
}

impl Report {
    fn add(&mut self, row: &Row, servers: &[Server], rounds: &[Vec<Slice>], at: usize) {
        let server = &servers[at];
        let median =
            |figure: fn(&Slice) -> f64| Spread::of(rounds.iter().map(|round| figure(&round[at]))).median();
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

    /// Says how a server was started, once.
    pub(crate) fn name(&mut self, server: &Server) {
        let line = format!("{}: `{}`", server.kind.name(), server.command);
        if !self.commands.contains(&line) {
            self.commands.push(line);
        }
    }

    /// The whole table, and how each row is had.
    pub(crate) fn markdown(&self) -> String {
        let head = "| load | server | deliveries | server CPU | deliveries per CPU second | p50 / p99 | \
                    ratio to the first [quartiles] | generator's core |\n|---|---|---|---|---|---|---|---|\n";
        let list = |lines: &[String]| lines.iter().map(|line| format!("- {line}\n")).collect::<String>();
        format!(
            "{head}{}\n\nThe ratio is of deliveries per CPU second; in rows of latency, of p99; with somebody stuck, of p99 \
             with them to that without; with two shards, of what each shard delivers in a CPU second, times \
             shards.\n\n{}\n{}",
            self.lines.join("\n"),
            list(&self.notes),
            list(&self.commands)
        )
    }
}

/// Seconds of load before each slice.
pub(crate) const WARMUP: f64 = 0.3;
/// Below this the two cores share a cache, in nanoseconds.
const NEAR_NS: f64 = 150.0;
