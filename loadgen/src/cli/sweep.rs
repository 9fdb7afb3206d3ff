//! `loadgen sweep`: runs at one rate, or number of connections, after the other.

use clap::builder::Resettable;
use clap::{ArgGroup, Args};

use super::{LoadFlags, SeveralFlags, TargetFlags};
use crate::sweep::{Connections, Rates};

/// Below its long help.
pub(super) const LONG_END: &str = "\
Examples:
  loadgen sweep tcp://127.0.0.1:7000 --rates 1000,2000,4000
  loadgen sweep tcp://127.0.0.1:7000 --rates 1000..10000:1000 --duration 10s --json sweep.json
  loadgen sweep http://127.0.0.1:8080 --from 1000 --to 50000 --points 8 --shuffle --html sweep.html
  loadgen sweep tcp://127.0.0.1:7000 --over-connections 1,8,64,512

What is claimed:
  Each row is one run, with all its checks; a row whose checks FAIL is not about the server. A
  single run says nothing of how far runs scatter: to tell two servers apart, use compare. If the
  machine grows slower or faster meanwhile, --shuffle keeps that from looking like load.
  The JSON (tidemill-loadgen-sweep/1) has the whole results, by rising rate or connections; the
  page has them too, and report reads both.

Exit codes:
  0   all runs took place, and nothing went wrong in them
  1   errors, wrong bytes, or messages that were never answered, in one run at least; or a signal
      ended the sweep
  2   the command line is wrong
  3   a run could not take place; the result has those before it
  4   a check of a run by itself came to FAIL, and --strict was given";

/// The flags of a sweep.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("axis").args(["rates", "over_connections", "points"]))]
// The rate comes from the sweep, so that what asks for an open loop need not ask for --rate.
#[command(mut_arg("connections", |arg| arg.value_parser(one_count)))]
#[command(mut_arg("arrivals", |arg| arg.requires(Resettable::Reset)), mut_arg("queue", |arg| arg.requires(Resettable::Reset)))]
pub struct SweepFlags {
    /// Whom to load.
    #[command(flatten)]
    pub target: TargetFlags,

    /// Run at each of these rates (open loop), as in 1000,2000,4000 or 1000..10000:1000, in steps of 1000.
    #[arg(long, value_name = "LIST", conflicts_with = "rate", help_heading = "Sweep")]
    pub rates: Option<Rates>,

    /// Run at so many rates instead, equally far apart.
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "rate",
        help_heading = "Sweep",
        value_parser = clap::value_parser!(u32).range(1..=crate::sweep::POINTS_MAX as i64)
    )]
    pub points: Option<u32>,

    /// The lowest of them.
    #[arg(long, value_name = "R", conflicts_with_all = ["rates", "over_connections", "rate"], value_parser = super::values::single_rate, help_heading = "Sweep")]
    pub from: Option<f64>,

    /// The highest of them.
    #[arg(long, value_name = "R", conflicts_with_all = ["rates", "over_connections", "rate"], value_parser = super::values::single_rate, help_heading = "Sweep")]
    pub to: Option<f64>,

    /// Run with each of these numbers of connections, as in 1,8,64,512.
    #[arg(long, value_name = "LIST", conflicts_with = "connections", help_heading = "Sweep")]
    pub over_connections: Option<Connections>,

    /// Run in a random order, which follows from --seed, so that drift does not look like load.
    #[arg(long, help_heading = "Sweep")]
    pub shuffle: bool,

    /// What with.
    #[command(flatten)]
    pub load: LoadFlags,

    /// Where the result goes.
    #[command(flatten)]
    pub output: SeveralFlags,
}

/// One number of connections, with a word for those who want several.
fn one_count(text: &str) -> Result<u32, String> {
    let hint =
        if text.contains(',') { format!("; for several, --over-connections {text}") } else { String::new() };
    text.parse().map_err(|_| format!("a whole number, as in 1000{hint}"))
}
