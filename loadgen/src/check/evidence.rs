//! What a run knows of itself.

use hdrhistogram::Histogram;

use crate::environment::{HostCounters, Room};
use crate::record::processor::ProcessorTime;
use crate::result::{Arrivals, Environment, Interval, LoopModel, Requests};

/// What the checks look at.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// What was asked for.
    pub load: Load,
    /// Seconds that were measured.
    pub measured_s: f64,
    /// What became of the requests of the measured time.
    pub requests: Requests,
    /// How many intended times lie in the measured time, from the schedule alone, in an open loop.
    pub expected: Option<u64>,
    /// Good answers that arrived in the measured time.
    pub answers: u64,
    /// Response times of good answers, in nanoseconds; likewise the others.
    pub response: &'a Histogram<u64>,
    /// Service times.
    pub service: &'a Histogram<u64>,
    /// Lag of the generator.
    pub generator_lag: &'a Histogram<u64>,
    /// Waiting for a free connection.
    pub queue_wait: &'a Histogram<u64>,
    /// How late threads woke after the moment that they had asked for.
    pub lateness: &'a Histogram<u64>,
    /// Each thread.
    pub workers: &'a [WorkerEvidence],
    /// The series, with warm-up; `start_s` below 0 is warm-up.
    pub series: &'a [Interval],
    /// Where it ran.
    pub environment: &'a Environment,
    /// What the host dropped and sent again, from before the first connection to the end.
    pub drops: HostCounters,
    /// How many connections the host allows.
    pub room: Room,
    /// The connections' lives.
    pub lives: Lives,
    /// What one reading of the clock takes, in nanoseconds.
    pub clock_read_ns: f64,
    /// Messages with wrong bytes, over the whole run.
    pub verification_errors: u64,
    /// Datagrams lost over the whole run, among so many sent.
    pub lost: u64,
    /// Requests sent over the whole run.
    pub sent: u64,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Who decides when a request is sent.
    pub loop_model: LoopModel,
    /// The law of the intended times.
    pub arrivals: Arrivals,
    /// Requests per second over all threads, in an open loop, when it is the same all the time.
    pub rate: Option<f64>,
    /// Requests in flight on each connection, at most.
    pub depth: u32,
    /// Whether threads never sleep, so that their use of the processor says nothing.
    pub spins: bool,
    /// Whether every byte that comes back is compared.
    pub verify: bool,
}

/// How the connections fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lives {
    /// Asked for.
    pub wanted: u64,
    /// Open when the load began.
    pub at_start: u64,
    /// Open when it ended.
    pub at_end: u64,
    /// Opened anew because one had ended although it should not have.
    pub reconnects: u64,
    /// Whether they are to come and go, so that few are open at a given moment.
    pub churn: bool,
}

/// What one thread knows of itself, in the measured time.
#[derive(Clone, Debug)]
pub struct WorkerEvidence {
    /// The core that it is pinned to.
    pub core: usize,
    /// Its processor time.
    pub processor: ProcessorTime,
    /// How often the kernel took the core away from it.
    pub involuntary_switches: u64,
    /// Good answers.
    pub ok: u64,
    /// Response times of good answers, in nanoseconds.
    pub response: Histogram<u64>,
    /// Its pauses of more than a millisecond, the longest of them.
    pub pauses: Vec<Pause>,
    /// All such pauses.
    pub pause_count: u64,
    /// The requests in flight, turn by turn, summed over the whole run: request-seconds.
    pub in_flight_seconds: f64,
    /// What all requests of the whole run took, from their sending to their end, whatever that was: seconds.
    pub taken_seconds: f64,
    /// Moments at which consecutive requests were really sent, in nanoseconds after the start of the measured time;
    /// the first several thousand, in an open loop.
    pub departures: Vec<u64>,
    /// The intended times of the same.
    pub intended: Vec<u64>,
    /// From the first to the last completion that was taken in one turn: the bound of what one time stamp for the
    /// whole turn can be wrong by, in nanoseconds.
    pub residual: Histogram<u64>,
    /// Receives that found no free buffer.
    pub no_buffers: u64,
}

/// A pause in which a thread did not run although it should have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pause {
    /// When it began, in seconds after the start of the measured time.
    pub at_s: f64,
    /// Its length in seconds.
    pub length_s: f64,
}
