//! `loadgen pubsub`: publishers and subscribers of a hub.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tidemill::config::units::{parse_duration, parse_size};

use super::values::{single_rate, whole};
use super::{Idle, JsonFlags};
use crate::pubsub::endpoint::Endpoint;
use crate::pubsub::plan::DEFAULT_SIZE;
use crate::result::Arrivals;
use crate::server_side::MetricsPage;

/// Below its long help.
pub(super) const LONG_END: &str = "\
Examples:
  loadgen pubsub nats://127.0.0.1:4222 --subscribers 100
  loadgen pubsub nats://127.0.0.1:4222 --rate 50000 --subscribers 10 --duration 30s
  loadgen pubsub nats://127.0.0.1:4222 --subjects 10000 --subscribers 1000 --wildcards 10%
  loadgen pubsub nats://127.0.0.1:4222 --request-reply --publishers 16
  loadgen pubsub ws://127.0.0.1:8080 --subscribers 1000 --size 64
  loadgen pubsub sse://127.0.0.1:8080 --publish-to nats://127.0.0.1:4222 --subscribers 100
  loadgen pubsub nats://127.0.0.1:4222 --rate 1000 --size 1KiB --subscribers 100 --stuck 10%
  loadgen pubsub nats+ws://127.0.0.1:8080 --server-pid 1234 --json result.json

Who is spoken to:
  nats://       the NATS client protocol, of whatever server: INFO, CONNECT, SUB, PUB, MSG
  nats+ws://    the same in binary WebSocket messages, at /nats unless a path is given
  ws://         plain WebSocket: a connection to PATH/SUBJECT, /ws/SUBJECT unless a path is given,
                publishes each message there and gets everything that is published there
  sse://        Server-Sent Events: GET PATH?subject=SUBJECT, /sse unless a path is given;
                publishers go elsewhere, with --publish-to

Who gets what:
  With one subject everybody takes it. Several are named SUBJECT.GROUP.NUMBER, and each publisher
  goes through them in turns. Where there are more subjects than subscribers, a subscriber takes
  several; where there are fewer, several take the same. --wildcards has a part of the subscribers
  take whole groups instead, by SUBJECT.GROUP.* and SUBJECT.GROUP.> in turns.

Who never reads:
  --stuck has some of the subscribers subscribe and then read nothing more, so that what they are
  sent waits in the hub. They count in no delivery and no latency: what they do to the others is
  what is measured. The result says how many of them the hub has cut, and how long after the load
  began. The kernels at both ends take little of what they do not read: some 75 KB. A hub's end
  stands behind that and cannot be seen, so once a second each says a word that asks for no answer
  (PONG, a pong frame, an empty line): who says it to a connection that was ended is reset.

Two kinds of load:
  saturated     Without --rate. Publishers send as fast as they can, but no more than --window
                messages ahead of the slowest subscriber: so a slow server, or a slow generator, is
                not taken for one that loses messages. One message in 64 is timed.
  open loop     With --rate. Messages are due at times that follow from rate, law and seed alone,
                and every one is timed from when it was due. --window holds here too: what waits for
                it waits since it was due.

What is measured:
  deliveries    messages that subscribers got for the first time, each payload compared in full
  first, last, every
                from the time at which a message was due (saturated: sent) to its delivery to the
                first subscriber, to the last one, and to each
  lost          what did not come, whatever the reason, a lost connection too
  duplicated    what came once more
  reordered     what came behind a later message of the same publisher on the same subscription
  corrupt       what was never published, or not for that subscription
  The time is read once when a wait ends, for all that has come.

Exit codes:
  0   fine
  1   errors, or messages that were lost, came twice, out of order or wrong
  2   the command line is wrong
  3   could not start: nobody listens, or a handshake failed
  4   a check came to FAIL, and --strict was given";

/// Where a hub listens that was started without flags.
const DEFAULT_HUB: &str = "nats://127.0.0.1:4222";

/// The flags of publish and subscribe.
#[derive(Clone, Debug, Args)]
pub struct PubsubFlags {
    /// Where the hub listens, and what is spoken there: nats://127.0.0.1:4222, nats+ws://, ws:// or sse://. Names are not
    /// looked up.
    #[arg(value_name = "URL", default_value = DEFAULT_HUB)]
    pub endpoint: Endpoint,

    /// Publish there instead [default: where subscribers are].
    #[arg(long, value_name = "URL", help_heading = "Load")]
    pub publish_to: Option<Endpoint>,

    /// Publish from this many connections.
    #[arg(short, long, value_name = "P", value_parser = whole::<u32>, default_value_t = 1, help_heading = "Load")]
    pub publishers: u32,

    /// Subscribe from this many connections.
    #[arg(short, long, value_name = "S", value_parser = whole::<u32>, default_value_t = 1, help_heading = "Load")]
    pub subscribers: u32,

    /// Publish on this many subjects in turns.
    #[arg(short = 'n', long, value_name = "N", value_parser = whole::<u64>, default_value_t = 1, help_heading = "Load")]
    pub subjects: u64,

    /// Begin the names of subjects with this.
    #[arg(long, value_name = "NAME", default_value = "bench", help_heading = "Load")]
    pub subject: String,

    /// Publish payloads of this size, as in 128 or 16KiB; at least 16.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value_t = DEFAULT_SIZE, help_heading = "Load")]
    pub size: u64,

    /// Publish this many messages per second, whatever the hub does (open loop) [default: as many as it takes].
    #[arg(short, long, value_name = "R", value_parser = single_rate, help_heading = "Load")]
    pub rate: Option<f64>,

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

    /// Have at most this many messages under way to the slowest subscriber, over all publishers; of requests, in flight
    /// [default: such that 4 million deliveries, or 256 MiB of them, are under way, at least 256 and at most 65536
    /// messages; one request for each publisher].
    #[arg(short, long, value_name = "W", value_parser = whole::<u64>, help_heading = "Load")]
    pub window: Option<u64>,

    /// Name subscriptions alike on every connection, from 1 on, as clients do (same), or all differently (distinct).
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        default_value = "same",
        help_heading = "Load",
        hide_possible_values = true
    )]
    pub sids: Sids,

    /// Have this part of the subscribers use wildcards, as in 10%.
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Load")]
    pub wildcards: Share,

    /// Have so many of the subscribers, or this part of them, as in 10%, never read again once they have subscribed.
    #[arg(long, value_name = "N|N%", default_value = "0", help_heading = "Load")]
    pub stuck: Part,

    /// Have subscribers answer: publishers are requesters, each with a subscription to its inbox, and round trips are
    /// measured. Several subscribers are a queue group.
    #[arg(long, help_heading = "Load")]
    pub request_reply: bool,

    /// Measure for this long [default: 5s].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, conflicts_with = "count", help_heading = "Load")]
    pub duration: Option<Duration>,

    /// Publish this many messages instead, over all publishers.
    #[arg(long, value_name = "M", value_parser = whole::<u64>, help_heading = "Load")]
    pub count: Option<u64>,

    /// Load this long before anything is measured [default: 1s; with --count, 0s].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, conflicts_with = "count", help_heading = "Load")]
    pub warmup: Option<Duration>,

    /// Choose the times of --arrivals poisson.
    #[arg(long, value_name = "S", value_parser = whole::<u64>, default_value_t = 1, help_heading = "Load")]
    pub seed: u64,

    /// Say in CONNECT that this user connects.
    #[arg(long, value_name = "NAME", help_heading = "Access")]
    pub user: Option<String>,

    /// The user's password.
    #[arg(long, value_name = "WORD", help_heading = "Access")]
    pub password: Option<String>,

    /// Say this token in CONNECT.
    #[arg(long, value_name = "TOKEN", conflicts_with = "user", help_heading = "Access")]
    pub token: Option<String>,

    /// Pin the generator's one thread to this core [default: the last one that this process may use].
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Threads")]
    pub core: Option<usize>,

    /// How it waits: sleep; hybrid, which sleeps and then spins through the last 50 µs; or spin [default: sleep].
    #[arg(long, value_name = "HOW", value_enum, help_heading = "Threads", hide_possible_values = true)]
    pub idle: Option<Idle>,

    /// Watch what this process costs: processor time, memory, context switches.
    #[arg(long, value_name = "PID", value_parser = whole::<u32>, help_heading = "Server")]
    pub server_pid: Option<u32>,

    /// Read the same from the server's metrics, in Prometheus' text format, as in http://127.0.0.1:9180/metrics.
    #[arg(long, value_name = "URL", conflicts_with = "server_pid", help_heading = "Server")]
    pub server_metrics: Option<MetricsPage>,

    /// Where the result goes.
    #[command(flatten)]
    pub output: JsonFlags,
}

/// How subscriptions are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Sids {
    /// From 1 on, on each connection.
    #[default]
    Same,
    /// From 1 on, over all connections.
    Distinct,
}

impl Sids {
    /// Its name in a result.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Distinct => "distinct",
        }
    }
}

/// A part of a whole, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent: Option<f64> = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
        let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
        percent
            .map(|percent| Self(percent / 100.0))
            .ok_or_else(|| "a share is a percentage, as in 10%".to_owned())
    }
}

/// Some of a whole: so many, or a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// So many.
    Count(u32),
    /// A share of them.
    Share(Share),
}

impl Part {
    /// How many of so many that is; of a share that is not nothing, at least one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 32 bits")]
    pub fn of(self, whole: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Share(Share(0.0)) => 0,
            Self::Share(Share(share)) => ((f64::from(whole) * share).round() as u32).max(1),
        }
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.ends_with('%') { text.parse().map(Self::Share) } else { whole(text).map(Self::Count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_count_or_a_share() {
        let part = |text: &str| text.parse::<Part>().map(|part| part.of(1000)).ok();
        assert_eq!(
            ["0", "7", "10%", "0%", "0.01%"].map(part),
            [Some(0), Some(7), Some(100), Some(0), Some(1)]
        );
        assert_eq!(["", "-1", "1.5", "101%", "x", "4294967296"].map(part), [None; 6]);
    }

    #[test]
    fn a_share_is_a_percentage() {
        let share = |text: &str| text.parse::<Share>().map(|share| share.0).ok();
        assert_eq!(["0%", "12.5 %", "100%"].map(share), [Some(0.0), Some(0.125), Some(1.0)]);
        assert_eq!(["", "10", "-1%", "101%", "NaN%", "x%"].map(share), [None; 6]);
    }
}
