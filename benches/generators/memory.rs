//! What each of thousands of connections costs the generator itself.

use std::fs;
use std::io;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::process::{Tidemill, run as run_to_the_end};
use super::{Options, head, notes, say};

/// What a connection may cost, in bytes.
const BOUND: f64 = 2048.0;
/// Beside how many the memory of the rest is measured.
const FEW: usize = 10;
/// Requests per second of the open loop: each connection has its turn while it lasts.
const RATE: &str = "5000";

/// The largest amounts that were seen, in bytes.
#[derive(Clone, Copy, Default)]
struct Memory {
    resident: f64,
    /// The part of it that is not of files: code is not counted.
    anonymous: f64,
}

pub(crate) fn run(options: &Options) -> io::Result<()> {
    head(&format!("Memory of the generator: {} connections against {FEW}", options.many));
    let server = Tidemill::start(options)?;
    say("| | loop | with few | with many | each | of it not of files | |");
    say("|---|---|---|---|---|---|---|");
    let urls = [
        format!("tcp://127.0.0.1:{}", server.echo),
        server.url(),
        format!("ws://127.0.0.1:{}/ws", server.http),
    ];
    for url in &urls {
        for open in [true, false] {
            let few = measure(options, url, FEW, open)?;
            let many = measure(options, url, options.many, open)?;
            say(&row(options, url, open, few, many));
        }
    }
    notes::memory(RATE);
    Ok(())
}

fn row(options: &Options, url: &str, open: bool, few: Memory, many: Memory) -> String {
    let each = |value: fn(&Memory) -> f64| (value(&many) - value(&few)) / (options.many - FEW) as f64;
    let resident = each(|memory| memory.resident);
    format!(
        "| {} | {} | {:.1} MiB | {:.1} MiB | {resident:.0} B | {:.0} B | {} |",
        url.split(':').next().unwrap_or_default(),
        if open { format!("open, {RATE}/s") } else { "closed".to_owned() },
        few.resident / MEBI,
        many.resident / MEBI,
        each(|memory| memory.anonymous),
        if resident < BOUND { "under 2 KiB: met" } else { "under 2 KiB: **missed**" },
    )
}

fn measure(options: &Options, url: &str, connections: usize, open: bool) -> io::Result<Memory> {
    let (connections, core) = (connections.to_string(), options.client_core.to_string());
    let mut command = Command::new(&options.loadgen);
    command.args(["run", url, "--connections", &connections, "--cores", &core, "--quiet"]);
    command.args(["--warmup", "100ms", "--duration", "4s", "--json", "-"]);
    if open {
        command.args(["--rate", RATE]);
    }
    let mut most = Memory::default();
    let finished = run_to_the_end(&command, options.client_core, |process| most = watch(process))?;
    let result: Value = serde_json::from_str(&finished.output).unwrap_or_default();
    match result.pointer("/counts/connections_at_start").and_then(Value::as_u64) {
        Some(open) if open.to_string() == connections => Ok(most),
        _ => Err(io::Error::other(format!("{connections} connections failed: {}", finished.complaint))),
    }
}

/// Looks at a process until it ends.
fn watch(process: u32) -> Memory {
    let path = format!("/proc/{process}/status");
    let mut most = Memory::default();
    while let Some(now) = fs::read_to_string(&path).ok().as_deref().and_then(read) {
        most = Memory {
            resident: most.resident.max(now.resident),
            anonymous: most.anonymous.max(now.anonymous),
        };
        thread::sleep(Duration::from_millis(20));
    }
    most
}

/// A process that has ended and is not waited for has no such lines any more.
fn read(status: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1024.0)
    };
    Some(Memory { resident: bytes("VmRSS:")?, anonymous: bytes("RssAnon:")? })
}

const MEBI: f64 = 1024.0 * 1024.0;
