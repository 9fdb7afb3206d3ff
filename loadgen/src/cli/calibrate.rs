//! `loadgen calibrate`: the floor of this machine.

use clap::builder::Resettable;
use clap::{Args, ValueEnum};

use super::{JsonFlags, LoadFlags};

/// Below its long help.
pub(super) const LONG_END: &str = "\
Examples:
  loadgen calibrate
  loadgen calibrate http -c 200 -d 16 --duration 10s
  loadgen calibrate udp --size 512 --cores 1 --json floor.json

What is measured:
  A peer of loadgen's own that answers at once is started, on another core than the generator's
  if there is one, where it spins. The load goes to it four times: in a closed loop, which shows
  the highest rate and the processor time of a request, and in an open loop at --rate (1000/s if
  not told), with threads that sleep, that spin before the next request is due (hybrid), and that
  spin always. Each run lasts --duration (2 s if not told) after --warmup (0.5 s).
  Of the open loops the best p50 and the best p99 are the floor. The peer takes a little time, too,
  so what is left of a server's figures above the floor is the server's, within a few microseconds.
  What disturbs this machine is in the floor as well: a check that fails is said below the rows.

Exit codes:
  0   calibrated
  1   something went wrong in a run, or a signal ended it
  2   the command line is wrong
  3   the peer or a run could not start";

/// The flags of a calibration.
#[derive(Clone, Debug, Args)]
// The rate comes of itself, so that what asks for an open loop need not ask for --rate.
#[command(mut_arg("arrivals", |arg| arg.requires(Resettable::Reset)), mut_arg("queue", |arg| arg.requires(Resettable::Reset)))]
#[command(mut_arg("rate", |arg| arg.help("Load the peer with this many requests per second in the open loops [default: 1000]").long_help(None)))]
#[command(mut_arg("idle", |arg| arg.help("How threads wait in the closed loop: sleep, hybrid or spin [default: sleep]").long_help(None)))]
#[command(mut_arg("duration", |arg| arg.help("Measure each run for this long [default: 2s]")))]
#[command(mut_arg("warmup", |arg| arg.help("Load this long before each run is measured [default: 500ms]")))]
#[command(mut_arg("server_pid", |arg| arg.hide(true)), mut_arg("server_metrics", |arg| arg.hide(true)))]
#[command(mut_arg("tls_ca", |arg| arg.hide(true)), mut_arg("insecure", |arg| arg.hide(true)), mut_arg("tls_resumption", |arg| arg.hide(true)))]
pub struct CalibrateFlags {
    /// What is spoken: tcp, udp, unix or http; http is GET, or POST with --size.
    #[arg(value_name = "PROTOCOL", value_enum, default_value = "tcp", hide_possible_values = true)]
    pub spoken: Spoken,

    /// What with.
    #[command(flatten)]
    pub load: LoadFlags,

    /// Where the result goes.
    #[command(flatten)]
    pub output: JsonFlags,
}

/// What is spoken with the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Spoken {
    /// Bytes over TCP.
    Tcp,
    /// Datagrams.
    Udp,
    /// Bytes over a Unix socket.
    Unix,
    /// HTTP/1.1 over TCP.
    Http,
}

impl Spoken {
    /// Its name in a result.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::Http => "http",
        }
    }
}
