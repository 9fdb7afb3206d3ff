//! `loadgen search`: the highest rate at which a server keeps its objectives.

use clap::Args;
use clap::builder::Resettable;

use super::{LoadFlags, SeveralFlags, TargetFlags};
use crate::search::{MinOk, Slo};

/// The first rate, if not told.
const DEFAULT_FROM: &str = "1000";
/// The highest rate, if not told: more than a generator on one host can send.
const DEFAULT_MAX_RATE: &str = "10000000";

/// Below its long help.
pub(super) const LONG_END: &str = "\
Examples:
  loadgen search tcp://127.0.0.1:7000 --slo 'p99<2ms'
  loadgen search http://127.0.0.1:8080 --slo 'p99<2ms' --slo 'p99.9<=10ms' --min-ok 99.99%
  loadgen search wss://127.0.0.1:8443 --insecure --slo 'mean<500us' --from 5000 --duration 10s
  loadgen search tcp://127.0.0.1:7000 --slo 'p99<1ms' --json found.json --html found.html

What is claimed:
  The rate doubles from --from until a run misses an objective; the gap between the highest rate
  that was kept and the lowest that was missed is halved until it is 2 %; then a run three times
  as long must keep the rate, or the rate goes down by 2, 4, 8 % and so on until one does. At most
  40 runs are made. The figure of an objective is the greater of two: that of good answers, and
  that of all requests, in which those that failed or were never answered have the age that they
  reached. All times count from the intended time (open loop).
  A run counts only if the generator did its part: if one of its checks schedule-fidelity,
  offered-rate, own-cpu or connections fails, the answer is \"client-limited at N/s\", which says
  that the server may be able to do more. A rate that was not offered because the server kept all
  connections busy is the server's limit: give it enough --connections.
  The JSON (tidemill-loadgen-search/1) has all runs, without their series.

Exit codes:
  0   a rate was found and confirmed: server-limited, client-limited or reached-max-rate
  1   none was: not even the first rate is kept, none was confirmed, or a signal ended the search
  2   the command line is wrong
  3   a run could not take place
  4   a check of the last run, which confirms, came to FAIL, and --strict was given";

/// The flags of a search.
#[derive(Clone, Debug, Args)]
// The rate comes from the search, so that what asks for an open loop need not ask for --rate.
#[command(mut_arg("arrivals", |arg| arg.requires(Resettable::Reset)), mut_arg("queue", |arg| arg.requires(Resettable::Reset)))]
#[command(mut_arg("rate", |arg| arg.hide(true)))]
pub struct SearchFlags {
    /// Whom to load.
    #[command(flatten)]
    pub target: TargetFlags,

    /// Keep this, as in p99<2ms: p50 to p99.99, mean or max of the response time, < or <=, a time in us, ms or s. May be
    /// given several times; all must be kept.
    #[arg(long, value_name = "SLO", required = true, conflicts_with = "rate", help_heading = "Search")]
    pub slo: Vec<Slo>,

    /// Give a good answer to at least this share of all requests.
    #[arg(long, value_name = "SHARE", default_value = "99.9%", help_heading = "Search")]
    pub min_ok: MinOk,

    /// Begin with this rate, in requests per second.
    #[arg(long, value_name = "R", default_value = DEFAULT_FROM, value_parser = super::values::single_rate, help_heading = "Search")]
    pub from: f64,

    /// Go no further than this rate.
    #[arg(long, value_name = "R", default_value = DEFAULT_MAX_RATE, value_parser = super::values::single_rate, help_heading = "Search")]
    pub max_rate: f64,

    /// What with.
    #[command(flatten)]
    pub load: LoadFlags,

    /// Where the result goes.
    #[command(flatten)]
    pub output: SeveralFlags,
}
