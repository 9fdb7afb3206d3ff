//! What subscribers that read nothing do to the others: the same load with them and without, in pairs.
//!
//! The others are as many in both, so that without a fault nothing differs once the kernels have taken what they take for
//! those that are stuck; that is over when the measured time begins. Within it the server has to cut all of them. Each slice
//! has stuck ones of its own, which are gone when it is over.

use std::io;

use tidemill::limits::{HUB_CROWDED_BYTES, HUB_TURN_BYTES};

use super::generator::{self, Said, Spread};
use super::measure::{Report, is_near};
use super::rows::Row;
use super::servers::{Kind, Server};
use super::{Options, say};

/// Those who read, and those who read nothing.
const READERS: u32 = 900;
const STUCK: u32 = 100;
/// Seconds of warm-up, in which the kernels' buffers fill, and of measuring: a stuck one is cut 1 s after it takes nothing
/// more, or when 256 KiB wait for it, which takes 1.3 s; and it is seen within one second more.
const TIMES: (f64, f64) = (0.6, 2.4);
/// MiB of shared bytes, and of private ones, in the configuration; and of empty buffers that a shard keeps.
const CONFIGURED_MIB: [u64; 3] = [16, 16, 20];

/// One slice of each kind, and the largest resident memory in each.
struct Pair {
    without: (Said, u64),
    with: (Said, u64),
}

pub(crate) fn run(options: &Options, row: &Row, servers: &[Server], report: &mut Report) -> io::Result<()> {
    let without = format!("--subscribers {READERS} {}", row.arguments);
    let with = format!("--subscribers {} --stuck {STUCK} {}", READERS + STUCK, row.arguments);
    for words in [&without, &with] {
        report.commands.push(format!("{}: `{}`", row.name, generator::command(words, TIMES)));
    }
    for server in servers {
        // The first slice is not like the rest.
        generator::load(options, server, &without, TIMES)?;
        let before = server.resident().1;
        let mut pairs: Vec<Pair> = Vec::new();
        let mut dropped = 0;
        while pairs.len() < options.rounds && dropped < 4 * options.rounds {
            let near = is_near(options);
            let one = |words: &str| -> io::Result<(Said, u64)> {
                server.forget_peak()?;
                let said = generator::load(options, server, words, TIMES)?;
                Ok((said, server.resident().0.saturating_sub(before)))
            };
            // Each goes first in turns.
            let pair = match pairs.len().is_multiple_of(2) {
                true => (one(&without)?, one(&with)?),
                false => {
                    let with = one(&with)?;
                    (one(&without)?, with)
                }
            };
            if is_near(options) == near {
                pairs.push(Pair { without: pair.0, with: pair.1 });
            } else {
                dropped += 1;
            }
        }
        say(&format!("{}: {} pairs, {dropped} dropped", row.name, pairs.len()));
        report.name(server);
        add(row, server, &pairs, report);
    }
    Ok(())
}

fn add(row: &Row, server: &Server, pairs: &[Pair], report: &mut Report) {
    let p99_ms = |said: &Said| said.figure("/latency/every/p99_us") / 1e3;
    let ratio = Spread::of(pairs.iter().map(|pair| p99_ms(&pair.with.0) / p99_ms(&pair.without.0)));
    let median = |path: &str| Spread::of(pairs.iter().map(|pair| pair.with.0.figure(path))).median();
    let name = server.kind.name();
    let line = format!(
        "| {} | {name} | {:.3} M/s | {:.2} s/s | {:.2} M | {:.0} / {:.0} us | {ratio} | {:.0} % |",
        row.name,
        median("/throughput/deliveries_per_second") / 1e6,
        median("/server/cpu_s") / median("/throughput/duration_s"),
        median("/server/deliveries_per_cpu_second") / 1e6,
        median("/latency/every/p50_us"),
        median("/latency/every/p99_us"),
        median("/generator/cpu_percent"),
    );
    let without = Spread::of(pairs.iter().map(|pair| p99_ms(&pair.without.0)));
    let with = Spread::of(pairs.iter().map(|pair| p99_ms(&pair.with.0)));
    let stuck = |path: &'static str| pairs.iter().map(move |pair| pair.with.0.figure(path));
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let most = |peak: fn(&Pair) -> u64| mib(pairs.iter().map(peak).max().unwrap_or_default());
    let note = format!(
        "{}: {name}: p99 of the others is {without} ms without and {with} ms with those that are stuck. Of {} that were stuck \
         {} were cut, {:.1} to {:.1} s after the load began. Memory grew by {:.1} MiB at most without them, by {:.1} MiB with \
         them.{}",
        row.name,
        stuck("/stuck/subscribers").sum::<f64>(),
        stuck("/stuck/cut").sum::<f64>(),
        stuck("/stuck/first_cut_s").fold(f64::INFINITY, f64::min),
        stuck("/stuck/last_cut_s").fold(0.0, f64::max),
        most(|pair| pair.without.1),
        most(|pair| pair.with.1),
        if server.kind == Kind::TidemillStrict { bound() } else { String::new() },
    );
    for line in [&line, &note] {
        say(line);
    }
    report.lines.push(line);
    report.notes.push(note);
}

/// What `src/hub/mod.rs` says of memory, for this configuration and these subscribers.
fn bound() -> String {
    let mib = |bytes: usize| (bytes >> 20) as u64;
    let shared: u64 = CONFIGURED_MIB.iter().sum::<u64>() + mib(HUB_TURN_BYTES);
    let of = |subscribers: u32| shared + u64::from(subscribers) * mib(HUB_CROWDED_BYTES);
    format!(
        " src/hub/mod.rs bounds it by {} MiB, since only {STUCK} have more waiting than they take: shared_bytes_per_shard and \
         outbox_per_shard of 16 MiB each, {} MiB for each of them, 20 MiB of empty buffers, {} MiB of one turn.",
        of(STUCK),
        mib(HUB_CROWDED_BYTES),
        mib(HUB_TURN_BYTES),
    )
}
