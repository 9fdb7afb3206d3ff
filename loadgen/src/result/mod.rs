//! What came of a run: one value that holds all of it, and whose JSON is the published format.
//!
//! A run ends in a [`RunResult`]. The table on the terminal, the files, the page and every comparison are made from
//! it and from nothing else, so that none of them can say what the others do not know; and a result that was written
//! yesterday can be read, shown and compared today. Latencies travel as whole histograms beside their percentiles.

mod confidence;
pub mod example;
mod figures;
mod latency;
mod names;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use confidence::Confidence;
pub use latency::{Latency, LatencyError, PERCENTILES};
pub use names::{Arrivals, LoopModel, Status, worst};

use crate::target::Scheme;

/// The name and version of the JSON's shape.
pub const SCHEMA: &str = "tidemill-loadgen/2";

/// The result of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// [`SCHEMA`].
    pub schema: String,
    /// The worst of the checks: whether the figures may be believed.
    pub verdict: Status,
    /// The version of this program.
    pub version: String,
    /// When the measured time began, in UTC (RFC 3339).
    pub started_at: String,
    /// What was asked for.
    pub config: Config,
    /// Where it ran.
    pub environment: Environment,
    /// How much came back.
    pub throughput: Throughput,
    /// What became of every request of the measured time.
    pub requests: Requests,
    /// What happened besides, over the whole run.
    pub counts: Counts,
    /// How long it took.
    pub latency: LatencySet,
    /// TLS, if there was any.
    pub tls: Option<Tls>,
    /// What the generator itself did and cost.
    pub generator: Generator,
    /// What the server cost, if it was watched.
    pub server: Option<Server>,
    /// Whether the figures may be believed, check by check.
    pub checks: Vec<Check>,
    /// What went wrong, in words; empty when nothing did.
    pub problems: Vec<String>,
    /// The run over time.
    pub series: Vec<Interval>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The command line.
    pub argv: Vec<String>,
    /// Where the server listens, and what is spoken.
    pub url: String,
    /// The protocol's name.
    pub protocol: String,
    /// Who decides when a request is sent.
    pub loop_model: LoopModel,
    /// The law of the intended times, in an open loop.
    pub arrivals: Option<Arrivals>,
    /// Requests per second at the start of the measured time, in an open loop.
    pub rate: Option<f64>,
    /// The same at its end, when it changes.
    pub rate_to: Option<f64>,
    /// Connections, or sockets.
    pub connections: u32,
    /// Requests in flight on each connection, at most.
    pub depth: u32,
    /// Bytes of a message.
    pub size: usize,
    /// Seconds that were to be measured; absent when requests were counted.
    pub duration_s: Option<f64>,
    /// Requests that were to be measured; absent when only time ended the run.
    pub count: Option<u64>,
    /// Seconds of load before anything is measured.
    pub warmup_s: f64,
    /// Seconds after which a request is given up.
    pub timeout_s: f64,
    /// Requests that may wait for a free connection.
    pub queue: u64,
    /// Requests that each connection carries before it is closed, if it is.
    pub requests_per_connection: Option<u64>,
    /// Addresses that connections come from; empty when the kernel chose.
    pub sources: Vec<String>,
    /// What bytes and times follow from.
    pub seed: u64,
    /// A hash of all intended times, in hexadecimal digits; equal seeds and rates give equal ones.
    pub schedule_hash: Option<String>,
    /// How threads wait: sleep, hybrid or spin.
    pub idle: String,
    /// Threads of the generator.
    pub threads: usize,
    /// The cores that they are pinned to.
    pub cores: Vec<usize>,
    /// Whether every byte was compared.
    pub verify: bool,
    /// The congestion control, if not the host's.
    pub congestion: Option<String>,
}

/// Where it ran. What could not be found out is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The processor's model.
    pub processor: Option<String>,
    /// Cores that are online.
    pub cores_online: Option<usize>,
    /// The kernel's source of time.
    pub clock_source: Option<String>,
    /// The frequency governor of the generator's first core.
    pub governor: Option<String>,
    /// The load average of the last minute before the run.
    pub load_average: Option<f64>,
    /// The io_uring tier.
    pub tier: String,
    /// Whether the server runs on this host, on cores that the generator also uses; absent when it is not known.
    pub shared_cores: Option<Vec<usize>>,
}

/// How much came back in the measured time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Seconds that were measured.
    pub duration_s: f64,
    /// Good answers that arrived within them.
    pub answers: u64,
    /// The same per second.
    pub requests_per_second: f64,
    /// Bytes of content per second, in one direction.
    pub bytes_per_second: f64,
    /// Bytes of content of each answer.
    pub body_bytes: u64,
    /// Connections opened per second, where each carries a number of requests.
    pub connections_per_second: Option<f64>,
}

/// What became of the requests whose intended time lies in the measured time: each is in one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// All of them.
    pub scheduled: u64,
    /// Answered, and rightly.
    pub ok: u64,
    /// Answered with an error, or lost with their connection.
    pub failed: u64,
    /// Given up after the time-out; for datagrams, lost.
    pub timed_out: u64,
    /// Sent, and neither answered nor given up when the run ended.
    pub outstanding: u64,
    /// Never sent: no connection was free before the queue was full, or the run over.
    pub unsent: u64,
}

/// What is counted over the whole run, with warm-up and grace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests given to the kernel.
    pub sent: u64,
    /// Answers, right or wrong.
    pub received: u64,
    /// Requests sent and never answered nor given up.
    pub outstanding: u64,
    /// Errors by class.
    pub errors: BTreeMap<String, u64>,
    /// The first error in words.
    pub first_error: Option<String>,
    /// Bytes that were compared and right.
    pub verified_bytes: u64,
    /// Messages with a byte that was not.
    pub verification_errors: u64,
    /// The first such byte.
    pub first_mismatch: Option<Mismatch>,
    /// Datagrams that did not come back in time.
    pub lost: u64,
    /// Of these, the ones that came back after all.
    pub late: u64,
    /// Datagrams that came back once more.
    pub duplicated: u64,
    /// Datagrams that came back after one that was sent later.
    pub reordered: u64,
    /// Datagrams that the socket did not take at once.
    pub delayed: u64,
    /// Connections that were open when the load began.
    pub connections_at_start: u64,
    /// Connections that were open when it ended.
    pub connections_at_end: u64,
    /// Connections opened after the start.
    pub dialed: u64,
    /// Of these, the ones opened anew because one had ended.
    pub reconnects: u64,
    /// Requests that were sent again because of that.
    pub repeated: u64,
    /// Answers by status, for those that say that the request failed.
    pub statuses: BTreeMap<u16, u64>,
    /// Whether nothing came any more while answers were due.
    pub fell_silent: bool,
    /// Whether a signal ended the run.
    pub interrupted: bool,
}

/// The first byte that was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// The connection.
    pub connection: u32,
    /// Its place among the bytes that the connection brought.
    pub position: u64,
    /// What was sent.
    pub expected: u8,
    /// What came.
    pub found: u8,
}

/// All latencies of a run; of requests whose intended time lies in the measured time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencySet {
    /// Answer minus intended time, of good answers: what somebody who comes at that time experiences.
    pub response: Latency,
    /// How far the percentiles of `response` may be trusted.
    pub response_ci: Confidence,
    /// Answer minus sending, of good answers: what the server, the network and the kernel took.
    pub service: Latency,
    /// Sending minus intended time: what the generator added.
    pub lag: Latency,
    /// The part of the lag in which the generator was late.
    pub generator_lag: Latency,
    /// The part of the lag in which no connection was free.
    pub queue_wait: Latency,
    /// Answer, or end of the connection, minus intended time, of requests that failed.
    pub failed: Latency,
    /// Age of those that got no answer: time-outs, outstanding, unsent. The true latency is at least this.
    pub unanswered: Latency,
    /// Response, failed and unanswered together: nothing is left out.
    pub all: Latency,
    /// From connect to connection.
    pub connect: Latency,
    /// TLS handshakes.
    pub handshake: Latency,
}

/// TLS: what was asked for, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tls {
    /// Whether any certificate was taken.
    pub insecure: bool,
    /// Whether sessions could be resumed.
    pub resumption: bool,
    /// Handshakes by version and cipher, as in `TLS 1.3 with TLS13_AES_128_GCM_SHA256`.
    pub handshakes: BTreeMap<String, u64>,
    /// Handshakes that went on from an earlier session.
    pub resumed: u64,
}

/// The generator's own doings in the measured time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// Processor time in the program, in seconds.
    pub cpu_user_s: f64,
    /// Processor time in the kernel for it, in seconds.
    pub cpu_system_s: f64,
    /// Processor time for each good answer, in microseconds.
    pub cpu_us_per_request: Option<f64>,
    /// What one reading of the clock takes, in nanoseconds.
    pub clock_read_ns: f64,
    /// How late threads woke after the moment that they had asked for.
    pub lateness: Latency,
    /// Longest pauses of the generator itself, the longest first; a bounded number.
    pub stalls: Vec<Stall>,
    /// All pauses of more than a millisecond.
    pub stall_count: u64,
    /// Each thread.
    pub workers: Vec<Worker>,
}

/// A pause in which a thread of the generator did not run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// The thread.
    pub worker: usize,
    /// When it began, in seconds after the start of the measured time.
    pub at_s: f64,
    /// How long it lasted, in milliseconds.
    pub length_ms: f64,
}

/// One thread of the generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// The core that it is pinned to.
    pub core: usize,
    /// Good answers.
    pub ok: u64,
    /// Share of the core that it used, in percent.
    pub cpu_percent: f64,
    /// How often the kernel took the core away from it.
    pub involuntary_switches: u64,
    /// Median response time, in microseconds.
    pub p50_us: f64,
    /// 99th percentile of its response times, in microseconds.
    pub p99_us: f64,
}

/// What the server cost in the measured time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Where this comes from: `pid 1234`, or the address of its metrics.
    pub source: String,
    /// Processor time, in seconds.
    pub cpu_s: f64,
    /// Processor time for each good answer, in microseconds.
    pub cpu_us_per_request: Option<f64>,
    /// Largest resident memory that was seen, in bytes.
    pub rss_bytes: u64,
    /// Voluntary context switches; absent where the source does not tell.
    pub voluntary_switches: Option<u64>,
    /// Involuntary context switches; absent where the source does not tell.
    pub involuntary_switches: Option<u64>,
}

/// One check of the run by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// A short name that stays, as in `schedule-fidelity`.
    pub name: String,
    /// What came of it.
    pub status: Status,
    /// The figures, in a sentence.
    pub sentence: String,
}

/// A part of the run, of about a second, or of more in a long run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its start, in seconds after the start of the measured time; negative within the warm-up.
    pub start_s: f64,
    /// Its length in seconds.
    pub length_s: f64,
    /// Requests sent in it.
    pub sent: u64,
    /// Good answers that came in it.
    pub ok: u64,
    /// Requests that failed in it.
    pub failed: u64,
    /// Requests given up in it.
    pub timed_out: u64,
    /// Requests in flight at its end.
    pub in_flight: u64,
    /// Response times of the answers that came in it.
    pub response: Latency,
    /// Service times of the same.
    pub service: Latency,
    /// Lag of the requests that were sent in it.
    pub lag: Latency,
    /// How long the generator itself paused in it, in milliseconds.
    pub stalled_ms: f64,
    /// Processor time of the server in it, in seconds.
    pub server_cpu_s: Option<f64>,
    /// Resident memory of the server at its end, in bytes.
    pub server_rss_bytes: Option<u64>,
    /// Context switches of the server in it, voluntary and not; absent where the source does not tell.
    pub server_switches: Option<u64>,
}

impl Requests {
    /// Adds those of another thread.
    pub fn add(&mut self, other: Self) {
        self.scheduled += other.scheduled;
        self.ok += other.ok;
        self.failed += other.failed;
        self.timed_out += other.timed_out;
        self.outstanding += other.outstanding;
        self.unsent += other.unsent;
    }
}

impl Config {
    /// Whether datagrams are sent, which may be lost, come twice, and in another order.
    pub fn is_datagrams(&self) -> bool {
        self.url.starts_with(Scheme::Udp.prefix())
    }
}

impl RunResult {
    /// Whether nothing went wrong: no errors, no wrong bytes, nothing left without an answer.
    pub fn is_fine(&self) -> bool {
        self.problems.is_empty()
    }
}
