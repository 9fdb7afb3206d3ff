//! What was typed: the command, its flags and their help, which is the manual.
//!
//! Nothing is decided here; what the flags mean together, and whether they can, is the [plan](crate::plan)'s business.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tidemill::config::units::{Cores, parse_duration, parse_size};

use crate::target::Target;

/// Where a server listens that was started without flags.
pub const DEFAULT_TARGET: &str = "tcp://127.0.0.1:7000";
/// Connections, if not told.
pub const DEFAULT_CONNECTIONS: u32 = 64;
/// Bytes of a message, if not told.
pub const DEFAULT_SIZE: u64 = 64;
/// How long is measured, if not told.
pub const DEFAULT_DURATION: Duration = Duration::from_secs(5);
/// How long is not yet measured, if not told.
pub const DEFAULT_WARMUP: Duration = Duration::from_secs(1);

/// Load for a server, and what came of it: throughput, latency, and whether every byte came back.
///
/// It speaks plain echo, HTTP/1.1 and WebSocket, each with and without TLS. Closed loop: each connection keeps --depth
/// messages in flight, and sends the next one when one has come back.
/// Without arguments: 64 connections to tcp://127.0.0.1:7000, 64 bytes, one message in flight each, for 5 s after 1 s
/// of warm-up.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, args_conflicts_with_subcommands = true)]
#[command(after_help = SHORT_END, after_long_help = LONG_END)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Load a server and report (this is what happens without a command).
    #[command(after_help = SHORT_END, after_long_help = LONG_END)]
    Run(Flags),
}

/// The flags of a run.
#[derive(Clone, Debug, Args)]
pub struct Flags {
    /// Where the server listens, and what is spoken: tcp://127.0.0.1:7000, udp://, unix:/path, tls://, http://, https://,
    /// ws:// or wss://.
    ///
    /// The path of http:// and https:// is / unless it is given. /echo gets POST requests, whose content must come back;
    /// every other path gets GET requests, whose answers must all be equally long. The path of ws:// and wss:// is /ws
    /// unless it is given. Names are not looked up.
    #[arg(value_name = "URL", default_value = DEFAULT_TARGET)]
    pub target: Target,

    /// Open this many connections, or sockets for UDP.
    #[arg(short, long, value_name = "N", default_value_t = DEFAULT_CONNECTIONS, allow_hyphen_values = true, help_heading = "Load")]
    pub connections: u32,

    /// Send messages of this size, as in 64 or 16KiB [default: 64].
    ///
    /// A message of at least 16 bytes says which one it is; a datagram has to. For HTTP it is the content of requests
    /// to /echo; others have none.
    #[arg(short, long, value_name = "SIZE", value_parser = parse_size, allow_hyphen_values = true, help_heading = "Load")]
    pub size: Option<u64>,

    /// Keep this many messages in flight on each connection; for HTTP, requests in the pipeline.
    #[arg(
        short,
        long,
        value_name = "D",
        default_value_t = 1,
        allow_hyphen_values = true,
        help_heading = "Load"
    )]
    pub depth: u32,

    /// Measure for this long [default: 5s].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true, conflicts_with = "count", help_heading = "Load")]
    pub duration: Option<Duration>,

    /// Measure this many messages instead, over all connections.
    #[arg(long, value_name = "M", allow_hyphen_values = true, help_heading = "Load")]
    pub count: Option<u64>,

    /// Load this long before anything is measured [default: 1s; with --count, 0s].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true, help_heading = "Load")]
    pub warmup: Option<Duration>,

    /// Choose the bytes of the messages; the same seed gives the same bytes.
    #[arg(long, value_name = "S", default_value_t = 1, help_heading = "Load")]
    pub seed: u64,

    /// Use a new connection for each message, and close it behind the answer: what is measured then is connections per
    /// second, and with TLS handshakes per second.
    #[arg(long, help_heading = "Load")]
    pub reconnect: bool,

    /// Count what comes back, but do not look at it.
    #[arg(long, help_heading = "Load")]
    pub no_verify: bool,

    /// Use this TCP congestion control, as in cubic [default: the host's].
    #[arg(long, value_name = "NAME", help_heading = "Load")]
    pub congestion: Option<String>,

    /// Trust servers whose certificate one of the authorities in this PEM file has signed, for the address in the URL.
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub tls_ca: Option<PathBuf>,

    /// Take any certificate, whoever signed it and whatever it is for. The result says so.
    #[arg(long, help_heading = "TLS")]
    pub insecure: bool,

    /// Go on from earlier sessions, where the server allows it [default: off, so that handshakes are whole].
    #[arg(long, value_name = "on|off", help_heading = "TLS", hide_possible_values = true)]
    pub tls_resumption: Option<Switch>,

    /// Run this many threads, each with a ring of its own [default: one, or one for each of --cores].
    #[arg(short, long, value_name = "T", help_heading = "Threads")]
    pub threads: Option<usize>,

    /// Pin the threads to these cores, as in 1,3 or 4-7 [default: the last ones that this process may use].
    ///
    /// Give the server other cores, or the two compete and the result means nothing.
    #[arg(long, value_name = "LIST", help_heading = "Threads")]
    pub cores: Option<Cores>,

    /// Write the result as JSON to this file; - is standard output, which then has nothing else.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub json: Option<String>,

    /// Show no progress. It is shown only on a terminal anyway.
    #[arg(short, long, help_heading = "Result")]
    pub quiet: bool,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

const SHORT_END: &str = "More, with examples, definitions and exit codes: --help";

const LONG_END: &str = "\
Examples:
  loadgen                                               64 connections to port 7000 of this host
  loadgen tcp://[::1]:7000 -c 1000 -d 16 --cores 1      16,000 messages in flight
  loadgen run unix:/run/tidemill/echo.sock -s 16KiB
  loadgen udp://127.0.0.1:7000 --count 100000           until so many messages were sent
  loadgen --duration 30s --json result.json
  loadgen http://127.0.0.1:8080/bytes/13 -d 16          GET, 16 requests in each pipeline
  loadgen http://127.0.0.1:8080/echo -s 4KiB            POST, whose content comes back
  loadgen ws://127.0.0.1:8080 -s 1KiB                   WebSocket at /ws, binary messages
  loadgen wss://127.0.0.1:8443 --tls-ca ca.pem
  loadgen tls://127.0.0.1:7443 --insecure --reconnect   whole TLS handshakes per second

What is measured:
  A message's latency counts from the moment it is put into a send to the arrival of its last
  byte. The clock is read once per turn of a thread's loop, when the wait for completions ends:
  what was sent or had arrived in one turn has one time. Warm-up is cut away: a latency counts
  if its message was sent after the warm-up, and a message counts for throughput if it came back
  between the warm-up and the end. Whoever waits for an answer sends nothing meanwhile (closed
  loop), so a stalled server is asked less often: do not read these percentiles as those of an
  open loop. After the end, answers have 1 s of grace. With --count, a run without any answer
  for 5 s is over. A datagram that has not come back after 1 s is lost, and a new message takes
  its place.
  Handshakes, of TLS and of WebSocket, are done before the warm-up. Those of TLS are timed apart:
  from the turn in which the first message is put into a send to the one in which data may be
  sent. With --reconnect a message's latency begins with its connect and has the handshakes
  inside, and a connection's goodbye comes after it.

What is an error:
  HTTP: a status that is not 2xx, broken framing, an answer of another length than the others.
  A server that answers Connection: close is connected to again; what it left unanswered is asked
  again, and its latency goes on from the first time. WebSocket: whatever RFC 6455 forbids, and a
  close frame that is not answered within 1 s. Every protocol: bytes that are not those that were
  sent, and a connection that ends while answers are due; it is not opened again.

Signals:
  SIGINT, SIGTERM, SIGHUP   end the run now, and report what there is

Exit codes:
  0   fine
  1   errors, wrong bytes, or messages that were never answered
  2   the command line is wrong
  3   could not start: nobody listens, a handshake failed, or cores, io_uring or limits are in the
      way";

impl Cli {
    /// The flags, with or without the command in front.
    pub fn into_flags(self) -> Flags {
        match self.command {
            None => self.flags,
            Some(Command::Run(flags)) => flags,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Flags, clap::Error> {
        let words = std::iter::once("loadgen").chain(line.split_whitespace());
        Cli::try_parse_from(words).map(Cli::into_flags)
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
                (flags.target.to_string().as_str(), flags.connections),
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
        assert_eq!(flags.target.to_string(), "udp://[::1]:7001");
        assert_eq!((flags.connections, flags.size, flags.depth), (5, Some(1024), 3));
        assert_eq!((flags.count, flags.warmup), (Some(12), Some(Duration::from_millis(250))));
        assert_eq!((flags.threads, flags.cores.unwrap().0), (Some(2), vec![1, 3]));
        assert_eq!((flags.json.as_deref(), flags.congestion.as_deref()), (Some("-"), Some("cubic")));
        assert!(flags.no_verify && flags.quiet && flags.seed == 9);
        let secure =
            parse("https://127.0.0.1:443/x --tls-ca ca.pem --insecure --tls-resumption on --reconnect")
                .unwrap();
        assert_eq!(secure.target.to_string(), "https://127.0.0.1:443/x");
        assert_eq!(secure.tls_ca.as_deref(), Some(std::path::Path::new("ca.pem")));
        assert!(secure.insecure && secure.reconnect && secure.tls_resumption == Some(Switch::On));
        assert_eq!(parse("--duration 10s").unwrap().duration, Some(Duration::from_secs(10)));
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
        check_refused("--fast", "--fast");
    }
}
