//! The same publications to this server and to others, in turns: nats-server for NATS, Bun (uWebSockets) for plain
//! WebSocket; and a bare program, which shows what the kernel and the generator can do.
//!
//! Every server has one core, the load generator another. Servers stay up for the whole row and sleep while they are not
//! asked. A slice is one run of `loadgen pubsub`, which counts every delivery, so that a server that loses messages fails
//! its row; slices alternate, and a round counts only if the two cores were equally far apart throughout (see
//! `support/placement.rs`). What is compared is deliveries for a second of the server's processor time; in rows of their own,
//! what subscribers that read nothing do to the others, and two shards to one. Needs release builds of the load generator and
//! of Tidemill; a server that does not start is left out with a line that says so.

#[path = "../support/child.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest of it")]
mod child;
mod floor;
mod generator;
mod idle;
mod measure;
#[path = "../support/placement.rs"]
mod placement;
mod rows;
mod servers;
mod shards;
mod stuck;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Parser;

use self::measure::Report;
use self::rows::ROWS;

#[derive(Parser)]
#[command(about = "Compares this server as a hub with nats-server and Bun.")]
pub(crate) struct Options {
    /// Rounds of slices in each row.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Seconds of each slice.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) slice: f64,
    /// Only rows whose name contains this.
    #[arg(long)]
    row: Option<String>,
    #[arg(long, default_value_t = 0)]
    pub(crate) server_core: usize,
    #[arg(long, default_value_t = 1)]
    pub(crate) client_core: usize,
    /// Connections of the rows that do nothing.
    #[arg(long, default_value_t = 5000)]
    pub(crate) idle_connections: usize,
    /// The load generator.
    #[arg(long, default_value = "target/release/loadgen")]
    pub(crate) loadgen: PathBuf,
    /// This server.
    #[arg(long, default_value = "target/release/tidemill")]
    pub(crate) tidemill: PathBuf,
    /// nats-server.
    #[arg(long, default_value = "nats-server")]
    pub(crate) nats_server: String,
    /// Bun.
    #[arg(long, default_value = "bun")]
    pub(crate) bun: String,
    /// Write the table into this file as well.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Be the bare program: print the port, and serve.
    #[arg(long)]
    serve_floor: bool,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    if options.serve_floor {
        child::pin(options.server_core);
        return floor::serve();
    }
    let mut report = Report::default();
    for row in ROWS {
        if options.row.as_ref().is_none_or(|wanted| row.name.contains(wanted.as_str())) {
            // A server that loses messages, or ends, spoils its own row and no other.
            measure::run(&options, row, &mut report)
                .unwrap_or_else(|error| say(&format!("{}: {error}", row.name)));
        }
    }
    let table = report.markdown();
    say(&table);
    options.markdown.as_ref().map_or(Ok(()), |path| fs::write(path, table))
}

/// Writes a line of the report.
pub(crate) fn say(line: &str) {
    let mut output = io::stdout();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}
