//! Two shards beside one: what each delivers for a second of its processor time, times shards.
//!
//! On a host with two cores the second shard has the generator's core, so that deliveries per second say how well three
//! threads share two cores, and little of the server. What the server's own threads cost is the kernel's exact count
//! wherever they run: deliveries for a CPU second, times shards, is what so many cores of their own could deliver. It says
//! nothing of memory that more cores would share.

use std::io;

use super::generator::{self, Said, Spread};
use super::measure::{Report, WARMUP, is_near};
use super::rows::Row;
use super::servers::Server;
use super::{Options, say};

pub(crate) fn run(options: &Options, row: &Row, servers: &[Server], report: &mut Report) -> io::Result<()> {
    let [one, two] = servers else {
        return Err(io::Error::other("one shard and two are compared, and one of them is missing"));
    };
    let times = (WARMUP, options.slice);
    report.commands.push(format!("{}: `{}`", row.name, generator::command(row.arguments, times)));
    // The first slice of each is not like the rest.
    for server in servers {
        generator::load(options, server, row.arguments, times)?;
        report.name(server);
    }
    let (counted, spent) = (two.counted(DELIVERED)?, two.shard_seconds()?);
    let mut rounds: Vec<[Said; 2]> = Vec::new();
    let mut dropped = 0;
    while rounds.len() < options.rounds && dropped < 4 * options.rounds {
        let near = is_near(options);
        let load = |server: &Server| generator::load(options, server, row.arguments, times);
        // Each goes first in turns.
        let round = match rounds.len().is_multiple_of(2) {
            true => [load(one)?, load(two)?],
            false => {
                let second = load(two)?;
                [load(one)?, second]
            }
        };
        if is_near(options) == near {
            rounds.push(round);
        } else {
            dropped += 1;
        }
    }
    say(&format!("{}: {} rounds, {dropped} dropped", row.name, rounds.len()));
    for (at, server) in servers.iter().enumerate() {
        let line = line(row, server, &rounds, at);
        say(&line);
        report.lines.push(line);
    }
    let delivered = shares(&counted.iter().map(|count| *count as f64).collect::<Vec<_>>(), || {
        Ok(two.counted(DELIVERED)?.into_iter().map(|count| count as f64).collect())
    })?;
    let spent = shares(&spent, || two.shard_seconds())?;
    let note = format!(
        "{}: ratio of deliveries per second, for which three threads had two cores: {}. The generator cost {:.1} ns for a \
         delivery beside one shard, {:.1} ns beside two, with a core that it shares. Of two shards, {delivered} delivered, \
         for {spent} of the processor time.",
        row.name,
        Spread::of(rounds.iter().map(|[one, two]| two.figure(PER_SECOND) / one.figure(PER_SECOND))),
        Spread::of(rounds.iter().map(|[one, _]| one.figure(GENERATOR_NS))).median(),
        Spread::of(rounds.iter().map(|[_, two]| two.figure(GENERATOR_NS))).median(),
    );
    say(&note);
    report.notes.push(note);
    Ok(())
}

fn line(row: &Row, server: &Server, rounds: &[[Said; 2]], at: usize) -> String {
    let median = |path: &str| Spread::of(rounds.iter().map(|round| round[at].figure(path))).median();
    let capacity = |said: &Said, shards: usize| said.figure(PER_CPU_SECOND) * shards as f64;
    let shards = server.kind.shards();
    let ratio = Spread::of(rounds.iter().map(|round| capacity(&round[at], shards) / capacity(&round[0], 1)));
    format!(
        "| {} | {} | {:.3} M/s | {:.2} s/s | {:.2} M | {:.0} / {:.0} us | {ratio} | {:.0} % |",
        row.name,
        server.kind.name(),
        median(PER_SECOND) / 1e6,
        median("/server/cpu_s") / median("/throughput/duration_s"),
        median(PER_CPU_SECOND) / 1e6,
        median("/latency/every/p50_us"),
        median("/latency/every/p99_us"),
        median("/generator/cpu_percent"),
    )
}

/// What each shard has had of what came to all of them since.
fn shares(before: &[f64], now: impl FnOnce() -> io::Result<Vec<f64>>) -> io::Result<String> {
    let since: Vec<f64> = now()?.iter().zip(before).map(|(now, before)| now - before).collect();
    let sum: f64 = since.iter().sum();
    let shares = since.iter().map(|part| format!("{:.0} %", part / sum * 100.0));
    Ok(shares.collect::<Vec<_>>().join(" and "))
}

/// The counter of deliveries.
const DELIVERED: &str = "hub_delivered";
/// Figures of a run.
const PER_SECOND: &str = "/throughput/deliveries_per_second";
const PER_CPU_SECOND: &str = "/server/deliveries_per_cpu_second";
const GENERATOR_NS: &str = "/generator/cpu_ns_per_delivery";
