//! `loadgen serve`: the flags of a test peer, and the laws that it knows.

use std::time::Duration;

use clap::Args;
use tidemill::config::units::{parse_duration, parse_size};

use super::values::whole;
use super::{DEFAULT_TARGET, Idle};
use crate::peer::address::Address;
use crate::peer::fault::Often;
use crate::peer::law::Law;

/// The flags of a peer.
#[derive(Clone, Debug, Args)]
pub struct ServeFlags {
    /// Listen here: tcp://127.0.0.1:0, unix:/path, udp:// or http://; port 0 is any free one, and is shown.
    ///
    /// tcp:// and unix: send back each --size bytes, udp:// each datagram. http:// sends back the content of a request,
    /// and 13 fixed bytes to one without content, whatever its path.
    #[arg(value_name = "URL", default_value = DEFAULT_TARGET)]
    pub address: Address,

    /// Hold answers back by this law, as in fixed:10ms [default: none]. --help explains the laws.
    #[arg(
        long,
        value_name = "LAW",
        default_value = "none",
        hide_default_value = true,
        help_heading = "Delay"
    )]
    pub law: Law,

    /// Draw delays and faults from this seed; the same seed draws the same.
    #[arg(long, value_name = "S", value_parser = whole::<u64>, default_value_t = 1, help_heading = "Delay")]
    pub seed: u64,

    /// How to wait for the next departure: sleep; hybrid, which sleeps and spends the last 80 µs awake; or spin, which needs
    /// a core of its own [default: hybrid].
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        default_value = "hybrid",
        hide_default_value = true,
        hide_possible_values = true,
        help_heading = "Delay"
    )]
    pub idle: Idle,

    /// Send no answer to this share of the messages: 1% by chance, or 1/100 for exactly every 100th.
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "0%",
        hide_default_value = true,
        help_heading = "Faults"
    )]
    pub drop: Often,

    /// Send the answer twice, for this share of those that are not dropped.
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "0%",
        hide_default_value = true,
        help_heading = "Faults"
    )]
    pub duplicate: Often,

    /// Change the answer's last byte, for this share of those that are neither dropped nor duplicated.
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "0%",
        hide_default_value = true,
        help_heading = "Faults"
    )]
    pub corrupt: Often,

    /// Close each connection after the answer to its Nth message; over HTTP that answer says so (Connection: close).
    #[arg(long, value_name = "N", value_parser = whole::<u64>, allow_hyphen_values = true, help_heading = "Faults")]
    pub close_after: Option<u64>,

    /// Accept one connection at a time, and the next one this much later.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true, help_heading = "Faults")]
    pub slow_accept: Option<Duration>,

    /// Take this many bytes of a stream as one message, as in 64 or 16KiB [default: 64].
    #[arg(short, long, value_name = "SIZE", value_parser = parse_size, allow_hyphen_values = true, help_heading = "Messages")]
    pub size: Option<u64>,

    /// Pin the peer's one thread to this core [default: any].
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Threads")]
    pub core: Option<usize>,

    /// Write what was counted as one line of JSON to this file at the end; - is standard output.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub json: Option<String>,

    /// Do not say on standard error what was done.
    #[arg(short, long, help_heading = "Result")]
    pub quiet: bool,
}

/// Below the long help.
pub(super) const SERVE_END: &str = "\
Examples:
  loadgen serve tcp://127.0.0.1:0 --law fixed:10ms
  loadgen serve http://127.0.0.1:8080 --law mm1:2000 --core 1
  loadgen serve udp://127.0.0.1:7000 --drop 1% --duplicate 1/1000 --seed 7
  loadgen serve unix:/tmp/peer.sock -s 1KiB --close-after 100 --json -

Laws, and what a client must find. All times are added to what the machine itself takes:
  none                    answers leave at once
  fixed:10ms              each after 10 ms: every percentile is 10 ms
  mix:99%@100us,1%@10ms   each after one of these times, by chance: p50 100 µs, p99.9 10 ms
  mm1:2000                one queue for all connections, before one server that does 2000 messages
                          per second, each in an exponential time. With 1000 messages per second
                          and --arrivals poisson: p50 0.693, p90 2.303, p99 4.605, p99.9 6.908 ms;
                          at a constant rate: p50 0.435, p90 1.445, p99 2.890 ms
  stall:10s,1s            nothing departs in the last 1 s of each 10 s, counted from the first
                          message; what is due then departs at the end. At a constant rate: p50 0,
                          p95 500, p99 900, p99.9 990 ms
  stall:10s,1s,1ms        the same, and each after 1 ms

How exact it is:
  A departure follows from the time of arrival, the seed and the law. On tcp://, unix: and http://
  the answers of one connection keep their order, so with mix one may wait for the one before it;
  on udp:// each goes at its own time. With the same seed and order of arrivals, the same messages
  get the same delays and the same faults. Messages are counted over all connections; each has one
  fault at most. At the end it says how late answers left. A peer that is late tells nothing about
  its client: give it a core of its own.

Limits:
  65,536 connections, or as many as the process has descriptors for; more wait in the kernel's
  queue. 1,048,576 answers and 512 MiB may wait; a connection that brings more is cut, a datagram
  more is ignored, and both are counted. Content of 16 MiB.

Output:
  The first line on standard output is \"listening at URL\", with the real port. The counts follow
  at the end: as a sentence on standard error, and with --json as one line of JSON.

Signals:
  SIGINT, SIGTERM, SIGHUP   end at once; answers that still wait are not sent, and counted
  SIGUSR1                   say what was counted so far

Exit codes:
  0   it was asked to end
  1   it could not go on
  2   the command line is wrong
  3   it could not start";
