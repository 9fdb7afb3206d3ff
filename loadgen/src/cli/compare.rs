//! `loadgen compare`: what differs between two sides, and with which confidence.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args};

use super::{JsonFlags, LoadFlags};
use crate::compare::Limit;
use crate::statistics::PAIRS_MIN;
use crate::target::Target;

/// Pairs, if not told: with seven, one run that is out of line does not hide a difference.
pub const DEFAULT_PAIRS: u32 = 7;
/// Most pairs.
const PAIRS_MAX: u32 = 1000;

/// Below its long help.
pub(super) const LONG_END: &str = "\
Examples:
  loadgen compare --a tcp://127.0.0.1:7000 --b tcp://127.0.0.1:7001 --pairs 9 --duration 10s
  loadgen compare --a http://127.0.0.1:8080 --b http://127.0.0.1:8081 --rate 20000 --json ab.json
  loadgen compare before.json after.json --fail-on-regression p99:5%,requests_per_second:2%
  loadgen compare --a a1.json --a a2.json --a a3.json --a a4.json \\
                  --b b1.json --b b2.json --b b3.json --b b4.json

What is claimed:
  better or worse       the whole interval of 95 % of B's difference to A lies on one side of 0
  no difference shown   it does not; that there is none is not claimed
  Where nothing differs, one line in twenty says otherwise by chance. Differences are relative to
  A, of geometric means; those of the share of requests without a good answer are in points.
  A percentile with fewer than 10 samples beyond it is not compared.

How it is known:
  Two addresses         runs in pairs, in the order A B, B A, A B ...: Student's t of the
                        logarithms, widened to what the exact test of flipped signs allows. With
                        fewer than 6 pairs nothing can be shown.
  6 files or more       and as many on the other side: the same; the files belong together in
  on each side          their order.
  4 files or more       in other numbers: Welch's t, stretched to 0 where the test of exchanged
  on each side          labels does not refuse it.
  Two files             bootstrap of their seconds. It cannot see that runs of one and the same
                        server settle at different figures: measure in pairs to be sure.

Figures for --fail-on-regression:
  requests_per_second, mean, p50, p90, p99, p99.9, service_p50, service_p99, generator_cpu,
  server_cpu, errors (in points). A regression is shown when B is worse, and by more than the
  limit. What cannot be excluded passes, and is said; a figure that could not be compared at all,
  for want of good answers, does not pass. With any limit, a share of requests without a good
  answer that is shown to be worse is a regression too, unless errors has a limit of its own.

Exit codes:
  0   compared; no regression is shown
  1   a regression is shown that --fail-on-regression forbids, or a signal ended the runs
  2   the command line is wrong, or the loads differ
  3   a run could not take place, a file cannot be read or is no result
  4   a figure of --fail-on-regression could not be compared, and no regression is shown; or a
      run's own checks came to FAIL, and --strict was given";

/// The flags of a comparison.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("sides").args(["files", "a"]).required(true).multiple(true))]
#[command(
    override_usage = "loadgen compare [OPTIONS] <FILE> <FILE>\n       loadgen compare [OPTIONS] --a <FILE|URL> --b <FILE|URL>"
)]
pub struct CompareFlags {
    /// Two results, as --json or --html wrote them.
    #[arg(value_name = "FILE", num_args = 2, conflicts_with_all = ["a", "b"])]
    pub files: Vec<PathBuf>,

    /// Side A: a server's URL, or a result. May be given several times, for results.
    #[arg(long, value_name = "FILE|URL", requires = "b", help_heading = "Comparison")]
    pub a: Vec<Source>,

    /// Side B.
    #[arg(long, value_name = "FILE|URL", requires = "a", help_heading = "Comparison")]
    pub b: Vec<Source>,

    /// Make so many pairs of runs, when both sides are servers [default: 7].
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "files",
        help_heading = "Comparison",
        value_parser = clap::value_parser!(u32).range(PAIRS_MIN as i64..=i64::from(PAIRS_MAX))
    )]
    pub pairs: Option<u32>,

    /// Exit with 1 when B is shown to be worse by more than this, as in p99:5%, and with 4 when that could not be told; a
    /// list, or several times.
    #[arg(long, value_name = "FIGURE:LIMIT", value_delimiter = ',', help_heading = "Comparison")]
    pub fail_on_regression: Vec<Limit>,

    /// Compare results of different loads all the same.
    #[arg(long, help_heading = "Comparison")]
    pub allow_different_load: bool,

    /// What with, when both sides are servers.
    #[command(flatten)]
    pub load: LoadFlags,

    /// Where the comparison goes.
    #[command(flatten)]
    pub output: JsonFlags,
}

/// Where a side comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Runs that were made.
    File(PathBuf),
    /// Runs that are to be made.
    Server(Target),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains("://") || text.starts_with("unix:") {
            text.parse().map(Self::Server).map_err(|error: <Target as FromStr>::Err| error.to_string())
        } else {
            Ok(Self::File(text.into()))
        }
    }
}
