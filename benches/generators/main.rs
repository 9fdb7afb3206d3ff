//! Loadgen beside the load generators that people use, on one server and at one load: what each reports, what each costs,
//! and why their figures differ. wrk, h2load and oha for HTTP, sockperf for a single message that goes to and fro.
//!
//! The server has one core, the generators take turns on another. A slice is one run of one generator; slices alternate,
//! and a pair counts only if the two cores were equally far apart throughout (see `support/placement.rs`). A generator's
//! CPU time is that of its whole process, from wait4(2), less what its shortest run costs: so what a generator says of
//! itself is never what it is judged by. The output is Markdown, to be kept under `benches/results`.
//!
//! Needs release builds of the load generator and of the server, and the others where they are to be compared; without
//! them their rows are left out with a line that says how to get them.

#[path = "../support/child.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest of it")]
mod child;
mod closed;
mod echo;
mod memory;
mod notes;
mod open;
mod pairs;
mod ping_pong;
#[path = "../support/placement.rs"]
mod placement;
mod process;
mod progress;
mod sockperf;
mod tools;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// HTTP as fast as answers come: loadgen, wrk, h2load, oha.
    Closed,
    /// HTTP at half of the rate that wrk reaches.
    Open,
    /// One message to and fro: loadgen, sockperf.
    PingPong,
    /// The generator's own memory for thousands of connections.
    Memory,
    /// The generator with and without its progress view.
    Progress,
}

#[derive(Clone, Parser)]
#[command(about = "Compares loadgen with wrk, h2load, oha and sockperf.")]
pub(crate) struct Options {
    /// Pairs of slices in each comparison.
    #[arg(long, default_value_t = 12)]
    pub(crate) pairs: usize,
    /// Seconds of each slice; wrk and sockperf round them up to whole ones.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) slice: f64,
    /// Only these parts.
    #[arg(long, value_delimiter = ',')]
    part: Vec<Part>,
    /// Connections of the comparisons over HTTP.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Connections whose memory is measured.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) many: usize,
    #[arg(long, default_value_t = 0)]
    pub(crate) server_core: usize,
    #[arg(long, default_value_t = 1)]
    pub(crate) client_core: usize,
    /// The load generator.
    #[arg(long, default_value = "target/release/loadgen")]
    pub(crate) loadgen: PathBuf,
    #[arg(long, default_value = "wrk")]
    pub(crate) wrk: PathBuf,
    #[arg(long, default_value = "h2load")]
    pub(crate) h2load: PathBuf,
    #[arg(long, default_value = "oha")]
    pub(crate) oha: PathBuf,
    #[arg(long, default_value = "sockperf")]
    pub(crate) sockperf: PathBuf,
    /// Serve an echo of 64 bytes for one peer at a time: print the port, serve until standard input closes.
    #[arg(long, hide = true)]
    serve_echo: Option<child::Transport>,
    /// Answer as sockperf's own server does.
    #[arg(long, hide = true)]
    as_sockperf: bool,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    if let Some(transport) = options.serve_echo {
        return echo::serve(transport, options.as_sockperf, options.server_core);
    }
    about();
    for part in Part::value_variants() {
        if options.part.is_empty() || options.part.contains(part) {
            match part {
                Part::Closed => closed::run(&options)?,
                Part::Open => open::run(&options)?,
                Part::PingPong => ping_pong::run(&options)?,
                Part::Memory => memory::run(&options)?,
                Part::Progress => progress::run(&options)?,
            }
        }
    }
    Ok(())
}

/// Where the figures are from.
fn about() {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    say("# Loadgen beside other load generators\n");
    say(&format!(
        "Linux {}, {} for TCP on all sides, load average before the run {}.",
        read("/proc/sys/kernel/osrelease"),
        read("/proc/sys/net/ipv4/tcp_congestion_control"),
        read("/proc/loadavg").split(' ').next().unwrap_or_default()
    ));
}

/// Writes a line of the report.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Writes a heading, with the empty lines that Markdown wants around it.
pub(crate) fn head(line: &str) {
    say(&format!("\n## {line}\n"));
}
