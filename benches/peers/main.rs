//! The same requests to this server and to others that people use, in turns: nginx for HTTP and TLS, Bun (uWebSockets)
//! and tokio-tungstenite for WebSocket.
//!
//! Every server has one core, the load generator another. Servers stay up for the whole run and sleep while they are not
//! asked. A slice is one run of the load generator; slices alternate, and a pair counts only if the two cores were equally
//! far apart throughout (see `support/placement.rs`). What is compared is the server's CPU time for each request, by the
//! kernel's exact count; throughput stands beside it. Needs a release build of the load generator, and nginx or Bun where
//! they are to be compared; without them their rows are left out with a line that says so.

#[path = "../support/child.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest of it")]
mod child;
mod contest;
#[path = "../support/placement.rs"]
mod placement;
mod servers;
mod tungstenite;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Parser;

use self::contest::{CONTESTS, run};

#[derive(Parser)]
#[command(about = "Compares this server with nginx, Bun and tokio-tungstenite.")]
pub(crate) struct Options {
    /// Pairs of slices in each comparison.
    #[arg(long, default_value_t = 12)]
    pub(crate) pairs: usize,
    /// Seconds of each slice.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) slice: f64,
    /// Only contests whose name contains this.
    #[arg(long)]
    contest: Option<String>,
    #[arg(long, default_value_t = 0)]
    pub(crate) server_core: usize,
    #[arg(long, default_value_t = 1)]
    pub(crate) client_core: usize,
    /// The load generator.
    #[arg(long, default_value = "target/release/loadgen")]
    pub(crate) loadgen: PathBuf,
    /// nginx.
    #[arg(long, default_value = "nginx")]
    pub(crate) nginx: String,
    /// Bun.
    #[arg(long, default_value = "bun")]
    pub(crate) bun: String,
    /// Serve a WebSocket echo with tokio-tungstenite: print the port, serve until standard input closes.
    #[arg(long)]
    serve_tungstenite: bool,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    if options.serve_tungstenite {
        return tungstenite::serve(options.server_core);
    }
    for contest in CONTESTS {
        if options.contest.as_ref().is_none_or(|wanted| contest.name.contains(wanted.as_str())) {
            run(&options, contest)?;
        }
    }
    Ok(())
}

/// Writes a line of the report.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
