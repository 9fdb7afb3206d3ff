//! What was typed: the command, its flags and their help, which is the manual.
//!
//! Nothing is decided here; what the flags mean together, and whether they can, is the [plan](crate::plan)'s business.

mod calibrate;
mod compare;
mod json;
mod load;
mod manual;
mod mistyped;
mod output;
mod pubsub;
mod report;
mod run;
mod search;
mod serve;
mod sweep;
mod values;

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};

pub use calibrate::{CalibrateFlags, Spoken};
pub use compare::{CompareFlags, DEFAULT_PAIRS, Source};
pub use json::{JsonFlags, SeveralFlags};
pub use load::{
    DEFAULT_CONNECTIONS, DEFAULT_DURATION, DEFAULT_SIZE, DEFAULT_TARGET, DEFAULT_WARMUP, Idle, LoadFlags,
    Switch, TargetFlags,
};
use manual::{LONG_END, REPORT_END, SHORT_END};
pub use output::{FileFlags, OutputFlags};
pub use pubsub::{PubsubFlags, Share, Sids};
pub use report::ReportFlags;
pub use run::RunFlags;
pub use search::SearchFlags;
use serve::SERVE_END;
pub use serve::ServeFlags;
pub use sweep::SweepFlags;
pub use values::{Rate, SOURCES_MAX, Sources};

/// Load for a server, and what came of it: throughput, latency, and whether every byte came back.
///
/// It speaks plain echo, HTTP/1.1 and WebSocket, each with and without TLS, and datagrams. Without --rate it is a closed
/// loop: each connection sends the next request when an answer comes. With --rate it is an open one: requests are due
/// at their times, whatever the server does.
/// Without arguments: 64 connections to tcp://127.0.0.1:7000, 64 bytes, one message in flight each, for 5 s after 1 s
/// of warm-up.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, args_conflicts_with_subcommands = true)]
#[command(after_help = SHORT_END, after_long_help = LONG_END)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunFlags,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load a server and report (this is what happens without a command).
    #[command(after_help = SHORT_END, after_long_help = LONG_END)]
    Run(RunFlags),
    /// Publish and subscribe: load a hub, and count what every subscriber gets.
    #[command(after_help = SHORT_END, after_long_help = pubsub::LONG_END)]
    Pubsub(PubsubFlags),
    /// Be the server: a test peer with delays that follow a known law, and with faults where it is told to.
    #[command(after_help = SHORT_END, after_long_help = SERVE_END)]
    Serve(ServeFlags),
    /// Show results that were kept: as tables, and as a page or other files.
    #[command(after_help = SHORT_END, after_long_help = REPORT_END)]
    Report(ReportFlags),
    /// Run at one rate, or number of connections, after the other.
    #[command(after_help = SHORT_END, after_long_help = sweep::LONG_END)]
    Sweep(SweepFlags),
    /// Find the highest rate at which objectives are kept.
    #[command(after_help = SHORT_END, after_long_help = search::LONG_END)]
    Search(SearchFlags),
    /// Compare two servers, or the results of runs, with confidence.
    #[command(after_help = SHORT_END, after_long_help = compare::LONG_END)]
    Compare(CompareFlags),
    /// Find the floor of this machine: what loadgen itself costs and adds here, against a peer that answers at once.
    #[command(after_help = SHORT_END, after_long_help = calibrate::LONG_END)]
    Calibrate(CalibrateFlags),
}

impl Cli {
    /// Takes what was typed, of which the first word is the program's name.
    ///
    /// # Errors
    /// When it cannot be understood, or help was asked for: what to print, and whether it is an error.
    pub fn read(typed: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let typed: Vec<OsString> = typed.into_iter().collect();
        let first = typed.get(1).and_then(|word| word.to_str()).unwrap_or_default();
        mistyped::complaint(Self::command(), first).map_or_else(|| Self::try_parse_from(&typed), Err)
    }

    /// What to do; without a command it is a run.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Run(self.run))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::result::Arrivals;

    fn parse(line: &str) -> Result<RunFlags, clap::Error> {
        let words = std::iter::once("loadgen").chain(line.split_whitespace());
        match Cli::read(words.map(OsString::from))?.into_command() {
            Command::Run(flags) => Ok(flags),
            other => panic!("{line} is a run, and not {other:?}"),
        }
    }

    fn check_refused(line: &str, reason: &str) {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(reason), "{line}: {error}");
    }

    #[test]
    fn the_table_of_flags_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_command_may_be_left_out() {
        for line in ["", "run", "tcp://127.0.0.1:7000", "run tcp://127.0.0.1:7000", "-c 64"] {
            let flags = parse(line).unwrap();
            assert_eq!(
                (flags.target.target.to_string().as_str(), flags.load.connections),
                (DEFAULT_TARGET, 64),
                "{line}"
            );
        }
    }

    #[test]
    fn every_flag_is_read() {
        let flags = parse(
            "run udp://[::1]:7001 --connections 5 --size 1KiB --depth 3 --count 12 --warmup 250ms --threads 2 \
             --cores 1,3 --json - --congestion cubic --no-verify --seed 9 --quiet",
        );
        let flags = flags.unwrap();
        assert_eq!(flags.target.target.to_string(), "udp://[::1]:7001");
        let (flags, output) = (flags.load, flags.output);
        assert_eq!((flags.connections, flags.size, flags.depth), (5, Some(1024), 3));
        assert_eq!((flags.count, flags.warmup), (Some(12), Some(Duration::from_millis(250))));
        assert_eq!((flags.threads, flags.cores.unwrap().0), (Some(2), vec![1, 3]));
        assert_eq!((output.json.as_deref(), flags.congestion.as_deref()), (Some("-"), Some("cubic")));
        assert!(flags.no_verify && output.quiet && flags.seed == 9);
        let secure =
            parse("https://127.0.0.1:443/x --tls-ca ca.pem --insecure --tls-resumption on --reconnect")
                .unwrap();
        assert_eq!(secure.target.target.to_string(), "https://127.0.0.1:443/x");
        let secure = secure.load;
        assert_eq!(secure.tls_ca.as_deref(), Some(std::path::Path::new("ca.pem")));
        assert!(secure.insecure && secure.reconnect && secure.tls_resumption == Some(Switch::On));
        assert_eq!(parse("--duration 10s").unwrap().load.duration, Some(Duration::from_secs(10)));
        let open = parse(
            "--rate 1000..2e3 --arrivals poisson --timeout 3s --queue 7 --source 127.0.0.2 --idle spin",
        );
        let open = open.unwrap().load;
        assert_eq!(
            (open.rate, open.arrivals),
            (Some(Rate { from: 1000.0, to: 2000.0 }), Some(Arrivals::Poisson))
        );
        assert_eq!(
            (open.timeout, open.queue, open.idle),
            (Some(Duration::from_secs(3)), Some(7), Some(Idle::Spin))
        );
        let churn = parse("--requests-per-connection 5 --server-pid 1").unwrap().load;
        assert_eq!((churn.requests_per_connection, churn.server_pid), (Some(5), Some(1)));
    }

    #[test]
    fn mistakes_are_usage_errors() {
        check_refused("localhost:7000", "an address begins with tcp://, udp://, unix:, tls://, http://");
        check_refused("https://localhost:443", "names are not looked up");
        check_refused("--tls-resumption maybe", "invalid value 'maybe' for '--tls-resumption <on|off>'");
        check_refused("--duration 10", "a duration is a number with its unit");
        check_refused("--duration 10s --count 5", "cannot be used with");
        check_refused("--size 1MB", "a size is a number of bytes");
        check_refused("--cores 1,1", "each core once");
        check_refused("--connections -1", "invalid value '-1' for '--connections <N>'");
        check_refused("-d -1", "invalid value '-1' for '--depth <D>'");
        check_refused("--warmup -5s", "a duration is a number with its unit");
        check_refused("--rate 0", "a rate is requests per second, more than 0");
        check_refused("--arrivals poisson", "--rate <R>");
        check_refused("--source localhost", "sources are addresses and networks");
        check_refused("--reconnect --requests-per-connection 2", "cannot be used with");
        check_refused("--fast", "--fast");
        check_refused("--connections 1e4", "a whole number, as in 1000");
        check_refused("--connections 5000000000", "it is at most 4294967295");
        check_refused("--seed x", "a whole number, as in 1000");
        let commands = "'serach' is neither a command (run, pubsub, serve, report, sweep, search, compare, calibrate) nor an \
                        address such as tcp://127.0.0.1:7000";
        check_refused("serach", commands);
        check_refused("serach http://127.0.0.1:8080/ --slo p99<2ms", commands);
        check_refused("--server-metrics 127.0.0.1:9180", "write a URL, as in http://127.0.0.1:9180/metrics");
    }
}
