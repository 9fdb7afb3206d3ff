//! The flags that describe a load; every command that sends one takes them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tidemill::config::units::{Cores, parse_duration, parse_size};

use super::values::{Rate, Sources, whole};
use crate::result::Arrivals;
use crate::server_side::MetricsPage;
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

/// Whom to load.
#[derive(Clone, Debug, Args)]
pub struct TargetFlags {
    /// Where the server listens, and what is spoken: tcp://127.0.0.1:7000, udp://, unix:/path, tls://, http://, https://,
    /// ws:// or wss://.
    ///
    /// The path of http:// and https:// is / unless it is given. /echo gets POST requests, whose content must come back;
    /// every other path gets GET requests, whose answers must all be equally long. The path of ws:// and wss:// is /ws
    /// unless it is given. Names are not looked up.
    #[arg(value_name = "URL", default_value = DEFAULT_TARGET)]
    pub target: Target,
}

/// What to load it with.
#[derive(Clone, Debug, Args)]
pub struct LoadFlags {
    /// Open this many connections, or sockets for UDP.
    #[arg(short, long, value_name = "N", value_parser = whole::<u32>, default_value_t = DEFAULT_CONNECTIONS, allow_hyphen_values = true, help_heading = "Load")]
    pub connections: u32,

    /// Send messages of this size, as in 64 or 16KiB [default: 64].
    ///
    /// A message of at least 16 bytes says which one it is; a datagram has to. For HTTP it is the content of requests
    /// to /echo; others have none.
    #[arg(short, long, value_name = "SIZE", value_parser = parse_size, allow_hyphen_values = true, help_heading = "Load")]
    pub size: Option<u64>,

    /// Send this many requests per second, whatever the server does (open loop); A..B changes from A to B over the
    /// measured time [default: closed loop].
    ///
    /// Over all connections. Intended times follow from the rate and the seed alone, never from answers.
    #[arg(short, long, value_name = "R", allow_hyphen_values = true, help_heading = "Load")]
    pub rate: Option<Rate>,

    /// How intended times are spaced: constant, or poisson, as independent strangers come.
    #[arg(
        long,
        value_name = "LAW",
        requires = "rate",
        value_enum,
        help_heading = "Load",
        hide_possible_values = true
    )]
    pub arrivals: Option<Arrivals>,

    /// Keep this many messages in flight on each connection; for HTTP, requests in the pipeline. In an open loop, at
    /// most as many.
    #[arg(
        short,
        long,
        value_name = "D", value_parser = whole::<u32>,
        default_value_t = 1,
        allow_hyphen_values = true,
        help_heading = "Load"
    )]
    pub depth: u32,

    /// Measure for this long [default: 5s].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true, conflicts_with = "count", help_heading = "Load")]
    pub duration: Option<Duration>,

    /// Measure this many messages instead, over all connections.
    #[arg(long, value_name = "M", value_parser = whole::<u64>, allow_hyphen_values = true, help_heading = "Load")]
    pub count: Option<u64>,

    /// Load this long before anything is measured [default: 1s; with --count, 0s].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true, help_heading = "Load")]
    pub warmup: Option<Duration>,

    /// Choose the bytes of the messages; the same seed gives the same bytes.
    #[arg(long, value_name = "S", value_parser = whole::<u64>, default_value_t = 1, help_heading = "Load")]
    pub seed: u64,

    /// Give up on a request that is not answered within this time of being sent [default: 10s; for datagrams 1s].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true, help_heading = "Load")]
    pub timeout: Option<Duration>,

    /// Let at most this many due requests wait for a free connection, in an open loop; more are counted as unsent
    /// [default: 1000000].
    #[arg(long, value_name = "N", value_parser = whole::<u64>, requires = "rate", allow_hyphen_values = true, help_heading = "Load")]
    pub queue: Option<u64>,

    /// Close each connection after this many answers and open another: connections that come and go.
    #[arg(long, value_name = "N", value_parser = whole::<u64>, allow_hyphen_values = true, help_heading = "Load")]
    pub requests_per_connection: Option<u64>,

    /// Use a new connection for each message: --requests-per-connection 1.
    #[arg(long, conflicts_with = "requests_per_connection", help_heading = "Load")]
    pub reconnect: bool,

    /// Connect from these addresses in turns, as in 127.0.0.2,127.1.0.0/24: for more connections than one address has
    /// ports [default: the kernel chooses].
    #[arg(long, value_name = "LIST", help_heading = "Load")]
    pub source: Option<Sources>,

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
    #[arg(short, long, value_name = "T", value_parser = whole::<usize>, help_heading = "Threads")]
    pub threads: Option<usize>,

    /// Pin the threads to these cores, as in 1,3 or 4-7 [default: the last ones that this process may use].
    ///
    /// Give the server other cores, or the two compete and the result means nothing.
    #[arg(long, value_name = "LIST", help_heading = "Threads")]
    pub cores: Option<Cores>,

    /// How threads wait: sleep; hybrid, which sleeps and then spins through the last 50 µs; or spin, which needs a core
    /// of its own [default: sleep].
    #[arg(long, value_name = "HOW", value_enum, help_heading = "Threads", hide_possible_values = true)]
    pub idle: Option<Idle>,

    /// Watch what this process costs: processor time, memory, context switches.
    #[arg(long, value_name = "PID", value_parser = whole::<u32>, help_heading = "Server")]
    pub server_pid: Option<u32>,

    /// Read the same from the server's metrics, in Prometheus' text format, as in http://127.0.0.1:9180/metrics.
    #[arg(long, value_name = "URL", conflicts_with = "server_pid", help_heading = "Server")]
    pub server_metrics: Option<MetricsPage>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

/// How a thread waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Idle {
    /// In the kernel, until something comes or is due.
    #[default]
    Sleep,
    /// The same, and awake for the last moment before something is due.
    Hybrid,
    /// Awake all the time.
    Spin,
}

impl Idle {
    /// Its name in a result.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sleep => "sleep",
            Self::Hybrid => "hybrid",
            Self::Spin => "spin",
        }
    }
}
