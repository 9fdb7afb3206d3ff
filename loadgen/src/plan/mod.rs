//! What will be done: the flags, completed and checked against each other.
//!
//! Everything that is decided before the first socket opens is decided here: shares of the threads, sizes of the rings.
//! It opens nothing.

mod error;

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use tidemill::ring::{Capabilities, Setup};
use tidemill::sys::address::Listen;
use tidemill::sys::clock::Time;

pub use self::error::PlanError;
use crate::cli::{DEFAULT_DURATION, DEFAULT_SIZE, DEFAULT_WARMUP, Idle, LoadFlags, Rate, Switch};
use crate::load::{Course, Demand, Schedule, Shape};
use crate::record::Window;
use crate::result::Arrivals;
use crate::server_side::Source;
use crate::target::{Protocol, Scheme, Target};
use crate::traffic::pattern::HEADER_BYTES;
use crate::traffic::security::Security;

/// Most connections: what one table of direct descriptors is asked to hold.
pub const CONNECTIONS_MAX: u32 = 1 << 19;
/// Most messages in flight over all connections: each is remembered until it is answered.
pub const IN_FLIGHT_MAX: u64 = 1 << 22;
/// Largest message on a stream, in bytes.
pub const STREAM_BYTES_MAX: u64 = 16 << 20;
/// Largest datagram, in bytes (IPv4, udp(7)).
pub const DATAGRAM_BYTES_MAX: u64 = 65_507;
/// Most bytes of messages that are written before they are sent, one message for each connection.
pub const WRITTEN_BYTES_MAX: u64 = 4 << 30;
/// Time that answers have after the end of a closed loop, and due requests to be sent after that of an open one.
pub const GRACE: Duration = Duration::from_secs(1);
/// Silence after which a run that counts messages is over.
pub const SILENCE: Duration = Duration::from_secs(5);
/// Longest warm-up, and longest measured time: more is a slip of the finger.
pub const TIME_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long an answer may take, if not told.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The same for datagrams: one that does not come back is lost.
pub const DEFAULT_DATAGRAM_TIMEOUT: Duration = Duration::from_secs(1);
/// Requests that may wait for a connection, if not told.
pub const DEFAULT_QUEUE: u64 = 1_000_000;
/// Most requests that may: each takes three words.
pub const QUEUE_MAX: u64 = 100_000_000;
/// Most requests per second: more than any host sends over TCP.
pub const RATE_MAX: f64 = 1e7;
/// Most intended times that are counted once more to check the run's own count.
const EXPECTED_MAX: f64 = 2e7;
/// Time in which all connections must have been made.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Most memory for the receive buffers of one ring, in bytes.
const RECEIVE_BYTES_MAX: u64 = 64 << 20;
/// Room for one datagram beyond its payload, for the kernel's header, and to see that more came than was sent.
const DATAGRAM_EXTRA_BYTES: u64 = 256;

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the server listens.
    pub target: Target,
    /// Connections over all threads.
    pub connections: u32,
    /// Bytes of a message; 0 where requests have no content.
    pub size: usize,
    /// Messages in flight per connection.
    pub depth: u32,
    /// How long the load runs before it is measured.
    pub warmup: Duration,
    /// When it is over.
    pub end: End,
    /// One thread for each, pinned to it.
    pub cores: Vec<usize>,
    /// The congestion control, if not the host's.
    pub congestion: Option<String>,
    /// Whether every byte is compared.
    pub verify: bool,
    /// What the bytes follow from.
    pub seed: u64,
    /// TLS, if there is any.
    pub security: Option<Security>,
    /// Who decides when a request is sent.
    pub pace: Pace,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Requests that each connection carries before it is closed, if it is.
    pub requests_per_connection: Option<u64>,
    /// Addresses that connections come from in turns; none if the kernel chooses.
    pub sources: Vec<IpAddr>,
    /// How threads wait.
    pub idle: Idle,
    /// Where the server is watched, if it is.
    pub server: Option<Source>,
}

/// Who decides when a request is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// The server, by answering the one before.
    Closed,
    /// A schedule.
    Open {
        /// Requests per second.
        rate: Rate,
        /// How they are spaced.
        arrivals: Arrivals,
        /// Most requests that may wait for a connection, over all threads.
        queue: u64,
    },
}

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// So long after the warm-up.
    After(Duration),
    /// When so many messages were sent after the warm-up.
    Count(u64),
}

impl Plan {
    /// Completes and checks the flags, on a host where this process may use these cores.
    ///
    /// # Errors
    /// Says what cannot be.
    pub fn new(target: &Target, flags: &LoadFlags, allowed_cores: &[usize]) -> Result<Self, PlanError> {
        check_numbers(flags)?;
        let size = check_size(target, flags)?;
        check_times(flags)?;
        if IN_FLIGHT_MAX < u64::from(flags.connections) * u64::from(flags.depth) {
            return Err(PlanError::TooManyInFlight);
        }
        if flags.congestion.is_some() && !matches!(target.listen, Listen::Tcp(_)) {
            return Err(PlanError::NoCongestion);
        }
        let requests_per_connection = if flags.reconnect { Some(1) } else { flags.requests_per_connection };
        if requests_per_connection.is_some() && !target.is_stream() {
            return Err(PlanError::NoConnections);
        }
        if requests_per_connection.is_some_and(|most| most < u64::from(flags.depth)) {
            return Err(PlanError::DepthAndReconnect);
        }
        let pace = pace(flags)?;
        let sources = sources(target, flags)?;
        let security = security(target.scheme, flags)?;
        let cores = choose_cores(flags, allowed_cores)?;
        let (end, warmup) = match flags.count {
            Some(count) => (End::Count(count), Duration::ZERO),
            None => (End::After(flags.duration.unwrap_or(DEFAULT_DURATION)), DEFAULT_WARMUP),
        };
        Ok(Self {
            target: target.clone(),
            connections: flags.connections,
            size: usize::try_from(size).expect("a size was checked to be small"),
            depth: flags.depth,
            warmup: flags.warmup.unwrap_or(warmup),
            end,
            cores,
            congestion: flags.congestion.clone(),
            verify: !flags.no_verify,
            seed: flags.seed,
            security,
            pace,
            timeout: flags.timeout.unwrap_or_else(|| default_timeout(target)),
            requests_per_connection,
            sources,
            idle: flags.idle.unwrap_or_default(),
            server: flags
                .server_pid
                .map(Source::Pid)
                .or_else(|| flags.server_metrics.clone().map(Source::Metrics)),
        })
    }

    /// The numbers of the connections that a thread has.
    pub fn connections_of(&self, thread: usize) -> Range<u32> {
        let of = |thread| share(u64::from(self.connections), self.cores.len(), thread);
        let start: u64 = (0..thread).map(of).sum();
        let end = start + of(thread);
        let narrow = |number| u32::try_from(number).expect("connections are counted in 32 bits");
        narrow(start)..narrow(end)
    }

    /// The messages that a thread may send after the warm-up; `None` when only time ends the run.
    pub fn count_of(&self, thread: usize) -> Option<u64> {
        match self.end {
            End::Count(count) => Some(share(count, self.cores.len(), thread)),
            End::After(_) => None,
        }
    }

    /// What a thread is to send, when the load starts at `start`.
    pub fn demand(&self, thread: usize, start: Time, window: Window) -> Demand {
        let left = self.count_of(thread);
        match (self.pace, self.shape()) {
            (Pace::Open { queue, .. }, Some(shape)) => {
                let most = share(queue, self.cores.len(), thread).max(1);
                Demand::open(Schedule::new(shape, thread), start, window, left, most)
            }
            _ => Demand::closed(window, left),
        }
    }

    /// The law of all threads' schedules, in an open loop.
    pub fn shape(&self) -> Option<Shape> {
        let Pace::Open { rate, arrivals, .. } = self.pace else { return None };
        let change = match self.end {
            End::After(time) => time,
            End::Count(_) => Duration::ZERO,
        };
        let (warmup_s, change_s) = (self.warmup.as_secs_f64(), change.as_secs_f64());
        let course = Course { from: rate.from, to: rate.to, warmup_s, change_s };
        Some(Shape { arrivals, course, workers: self.cores.len(), seed: self.seed })
    }

    /// How many intended times lie in the measured time, from the schedule alone; `None` in a closed loop, and where
    /// there are so many that counting them takes long.
    pub fn expected(&self) -> Option<u64> {
        let shape = self.shape()?;
        let End::After(duration) = self.end else { return self.count_total() };
        let from = self.warmup;
        let until = from + duration;
        if EXPECTED_MAX < shape.course.requests_before(until.as_secs_f64()) {
            return None;
        }
        let within = |worker| {
            let mut schedule = Schedule::new(shape, worker);
            let mut count = 0;
            while u128::from(schedule.due()) < until.as_nanos() {
                count += u64::from(from.as_nanos() <= u128::from(schedule.due()));
                schedule.advance();
            }
            count
        };
        Some((0..self.cores.len()).map(within).sum())
    }

    fn count_total(&self) -> Option<u64> {
        if let End::Count(count) = self.end { Some(count) } else { None }
    }

    /// How long answers are waited for after the end.
    pub fn drain(&self) -> Duration {
        match self.pace {
            Pace::Closed => GRACE,
            Pace::Open { .. } => self.timeout.max(GRACE),
        }
    }

    /// The ring of a thread, with room for all that may come back at once.
    pub fn ring(&self, thread: usize, capabilities: Capabilities) -> Setup {
        let connections = self.connections_of(thread).len() as u64;
        let files = u32::try_from(connections).expect("connections are counted in 32 bits");
        let mut setup = Setup::shard(capabilities, files, !self.target.is_stream());
        let in_flight = connections * u64::from(self.depth);
        if self.target.is_stream() {
            let (count, bytes) = setup.stream_buffers;
            let filled = (in_flight * self.size as u64).div_ceil(u64::from(bytes));
            let taken = if capabilities.incremental_buffers { filled } else { filled.max(connections) };
            setup.stream_buffers = (buffers(taken, count, u64::from(bytes)), bytes);
        } else if let Some((count, _)) = setup.datagram_buffers {
            let bytes = (self.size as u64 + DATAGRAM_EXTRA_BYTES).next_multiple_of(64);
            let narrow = u32::try_from(bytes).expect("a datagram is small");
            setup.datagram_buffers = Some((buffers(in_flight, count, bytes), narrow));
        }
        setup
    }
}

fn check_numbers(flags: &LoadFlags) -> Result<(), PlanError> {
    at_least_one("--connections", u64::from(flags.connections))?;
    at_least_one("--depth", u64::from(flags.depth))?;
    at_least_one("--size", flags.size.unwrap_or(1))?;
    at_least_one("--count", flags.count.unwrap_or(1))?;
    at_least_one("--requests-per-connection", flags.requests_per_connection.unwrap_or(1))?;
    at_most("--connections", u64::from(flags.connections), u64::from(CONNECTIONS_MAX))
}

/// Bytes of a message.
fn check_size(target: &Target, flags: &LoadFlags) -> Result<u64, PlanError> {
    if !target.is_echo() {
        return if flags.size.is_some() { Err(PlanError::NoContent(target.path.clone())) } else { Ok(0) };
    }
    let size = flags.size.unwrap_or(DEFAULT_SIZE);
    at_most("--size", size, if target.is_stream() { STREAM_BYTES_MAX } else { DATAGRAM_BYTES_MAX })?;
    if !target.is_stream() && size < HEADER_BYTES as u64 {
        return Err(PlanError::DatagramTooSmall);
    }
    let comes_and_goes = flags.reconnect || flags.requests_per_connection.is_some();
    let is_lent = target.protocol() == Protocol::Echo && !target.scheme.is_secure() && !comes_and_goes;
    if !is_lent && WRITTEN_BYTES_MAX < size * u64::from(flags.connections) {
        return Err(PlanError::TooManyBytes);
    }
    Ok(size)
}

/// Who decides when a request is sent.
fn pace(flags: &LoadFlags) -> Result<Pace, PlanError> {
    let Some(rate) = flags.rate else { return Ok(Pace::Closed) };
    if RATE_MAX < rate.from.max(rate.to) {
        return Err(PlanError::TooFast);
    }
    #[expect(clippy::float_cmp, reason = "equal ends were typed as one number")]
    let changes = rate.from != rate.to;
    if changes && flags.count.is_some() {
        return Err(PlanError::RampAndCount);
    }
    let queue = flags.queue.unwrap_or(DEFAULT_QUEUE);
    at_least_one("--queue", queue)?;
    at_most("--queue", queue, QUEUE_MAX)?;
    Ok(Pace::Open { rate, arrivals: flags.arrivals.unwrap_or_default(), queue })
}

/// Where connections come from.
fn sources(target: &Target, flags: &LoadFlags) -> Result<Vec<IpAddr>, PlanError> {
    let Some(sources) = &flags.source else { return Ok(Vec::new()) };
    let Some(to) = target.listen.ip() else { return Err(PlanError::NoSource) };
    match sources.0.iter().find(|source| source.is_ipv4() != to.is_ipv4()) {
        Some(source) => Err(PlanError::OtherFamily { from: *source, target: to.ip() }),
        None => Ok(sources.0.clone()),
    }
}

fn default_timeout(target: &Target) -> Duration {
    if target.is_stream() { DEFAULT_TIMEOUT } else { DEFAULT_DATAGRAM_TIMEOUT }
}

fn check_times(flags: &LoadFlags) -> Result<(), PlanError> {
    if flags.duration == Some(Duration::ZERO) {
        return Err(PlanError::NoTime("--duration"));
    }
    if flags.timeout == Some(Duration::ZERO) {
        return Err(PlanError::NoTime("--timeout"));
    }
    not_too_long("--timeout", flags.timeout)?;
    not_too_long("--duration", flags.duration)?;
    not_too_long("--warmup", flags.warmup)
}

/// What TLS is to be like, where there is any.
fn security(scheme: Scheme, flags: &LoadFlags) -> Result<Option<Security>, PlanError> {
    let given = [
        ("--tls-ca", flags.tls_ca.is_some()),
        ("--insecure", flags.insecure),
        ("--tls-resumption", flags.tls_resumption.is_some()),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) if !scheme.is_secure() => return Err(PlanError::NotSecure(flag)),
        _ if !scheme.is_secure() => return Ok(None),
        _ => {}
    }
    match (&flags.tls_ca, flags.insecure) {
        (Some(_), true) => return Err(PlanError::TrustTwice),
        (None, false) => return Err(PlanError::NoTrust(scheme.prefix())),
        _ => {}
    }
    let resumption = flags.tls_resumption == Some(Switch::On);
    Ok(Some(Security { authorities: flags.tls_ca.clone(), resumption }))
}

/// Buffers of so many bytes for what is wanted: a power of two, at least `least` unless that is too much memory.
fn buffers(wanted: u64, least: u16, bytes: u64) -> u16 {
    let most = (RECEIVE_BYTES_MAX / bytes).clamp(1, 1 << 15);
    let most = if most.is_power_of_two() { most } else { most.next_power_of_two() / 2 };
    let count = wanted.max(u64::from(least)).next_power_of_two().min(most);
    u16::try_from(count).expect("at most 2^15")
}

/// The share of part `index` when `total` is divided into `parts` as evenly as it goes.
fn share(total: u64, parts: usize, index: usize) -> u64 {
    let (parts, index) = (parts as u64, index as u64);
    total / parts + u64::from(index < total % parts)
}

fn choose_cores(flags: &LoadFlags, allowed: &[usize]) -> Result<Vec<usize>, PlanError> {
    let listed = flags.cores.as_ref().map(|cores| cores.0.clone());
    let threads = flags.threads.unwrap_or(listed.as_ref().map_or(1, Vec::len));
    at_least_one("--threads", threads as u64)?;
    let cores = match listed {
        Some(cores) if cores.len() != threads => {
            return Err(PlanError::ThreadsAndCores { threads, cores: cores.len() });
        }
        Some(cores) => cores,
        None if allowed.len() < threads => {
            return Err(PlanError::TooFewCores { threads, cores: allowed.len() });
        }
        None => allowed[allowed.len() - threads..].to_vec(),
    };
    if (flags.connections as usize) < threads {
        return Err(PlanError::TooFewConnections(threads));
    }
    Ok(cores)
}

fn at_least_one(what: &'static str, value: u64) -> Result<(), PlanError> {
    if value == 0 { Err(PlanError::Zero(what)) } else { Ok(()) }
}

fn at_most(what: &'static str, value: u64, max: u64) -> Result<(), PlanError> {
    if max < value { Err(PlanError::TooMany { what, max }) } else { Ok(()) }
}

fn not_too_long(what: &'static str, time: Option<Duration>) -> Result<(), PlanError> {
    if time.is_some_and(|time| TIME_MAX < time) { Err(PlanError::TooLong(what)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tidemill::tier::RingTier;

    use super::*;
    use crate::cli::{Cli, Command};

    fn plan_on(cores: &[usize], line: &str) -> Result<Plan, PlanError> {
        let words = std::iter::once("loadgen").chain(line.split_whitespace());
        let Command::Run(flags) = Cli::try_parse_from(words).unwrap().into_command() else {
            panic!("it is a run")
        };
        Plan::new(&flags.target.target, &flags.load, cores)
    }

    fn plan(line: &str) -> Result<Plan, PlanError> {
        plan_on(&[0, 1, 2, 5], line)
    }

    #[test]
    fn without_flags_it_is_what_the_help_says() {
        let plan = plan("").unwrap();
        assert_eq!(plan.target.to_string(), "tcp://127.0.0.1:7000");
        assert_eq!((plan.connections, plan.size, plan.depth), (64, 64, 1));
        assert_eq!((plan.warmup, plan.end), (Duration::from_secs(1), End::After(Duration::from_secs(5))));
        assert_eq!(plan.cores, [5]);
        assert!(plan.verify);
    }

    #[test]
    fn counting_has_no_warm_up_unless_it_is_told() {
        assert_eq!(plan("--count 9").unwrap().warmup, Duration::ZERO);
        let plan = plan("--count 9 --warmup 1s").unwrap();
        assert_eq!((plan.warmup, plan.end), (Duration::from_secs(1), End::Count(9)));
    }

    #[test]
    fn threads_get_the_last_cores_or_those_that_were_listed() {
        assert_eq!(plan("--threads 2").unwrap().cores, [2, 5]);
        assert_eq!(plan("--cores 0,1").unwrap().cores, [0, 1]);
        assert_eq!(plan("--cores 3 --threads 1").unwrap().cores, [3]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let check = |line, error| assert_eq!(plan(line).unwrap_err(), error, "{line}");
        check("-c 0", PlanError::Zero("--connections"));
        check("-d 0", PlanError::Zero("--depth"));
        check("-s 0", PlanError::Zero("--size"));
        check("--count 0", PlanError::Zero("--count"));
        check("--threads 0", PlanError::Zero("--threads"));
        check("-s 17MiB", PlanError::TooMany { what: "--size", max: 16_777_216 });
        check("udp://127.0.0.1:1 -s 65508", PlanError::TooMany { what: "--size", max: 65_507 });
        check("udp://127.0.0.1:1 -s 15", PlanError::DatagramTooSmall);
        check("udp://127.0.0.1:1 --congestion reno", PlanError::NoCongestion);
        check("-c 5000 -d 5000", PlanError::TooManyInFlight);
        check("--threads 2 --cores 1", PlanError::ThreadsAndCores { threads: 2, cores: 1 });
        check("--threads 5", PlanError::TooFewCores { threads: 5, cores: 4 });
        check("--threads 3 -c 2", PlanError::TooFewConnections(3));
        check("--duration 0s", PlanError::NoTime("--duration"));
        check("--duration 8d", PlanError::TooLong("--duration"));
        check("--warmup 8d", PlanError::TooLong("--warmup"));
        assert!(plan("--duration 7d --warmup 0s").is_ok());
    }

    #[test]
    fn what_a_protocol_has_not_is_refused() {
        let check = |line, error| assert_eq!(plan(line).unwrap_err(), error, "{line}");
        check("http://127.0.0.1:1/x -s 10", PlanError::NoContent("/x".to_owned()));
        check("ws://127.0.0.1:1 -d 2 --reconnect", PlanError::DepthAndReconnect);
        check("udp://127.0.0.1:1 --reconnect", PlanError::NoConnections);
        check("http://127.0.0.1:1 --insecure", PlanError::NotSecure("--insecure"));
        check("tcp://127.0.0.1:1 --tls-ca ca.pem", PlanError::NotSecure("--tls-ca"));
        check("ws://127.0.0.1:1 --tls-resumption off", PlanError::NotSecure("--tls-resumption"));
        check("wss://127.0.0.1:1", PlanError::NoTrust("wss://"));
        check("tls://127.0.0.1:1 --insecure --tls-ca ca.pem", PlanError::TrustTwice);
        check("ws://127.0.0.1:1 -s 16MiB -c 257", PlanError::TooManyBytes);
        assert!(plan("tcp://127.0.0.1:1 -s 16MiB -c 257").is_ok());
        assert_eq!(
            plan("http://127.0.0.1:1/x -s 10").unwrap_err().to_string(),
            "--size is for messages that come back, and a GET of /x sends none. Try: /echo, or /x without --size"
        );
    }

    #[test]
    fn tls_is_what_was_asked_for() {
        let security = |line| plan(line).unwrap().security;
        assert_eq!(security("http://127.0.0.1:1"), None);
        let insecure = Security { authorities: None, resumption: false };
        assert_eq!(security("https://127.0.0.1:1 --insecure"), Some(insecure));
        let trusting = Security { authorities: Some("ca.pem".into()), resumption: true };
        assert_eq!(security("tls://127.0.0.1:1 --tls-ca ca.pem --tls-resumption on"), Some(trusting));
        assert_eq!(
            (plan("http://127.0.0.1:1").unwrap().size, plan("ws://127.0.0.1:1").unwrap().size),
            (0, 64)
        );
    }

    #[test]
    fn one_core_is_not_many() {
        let check =
            |cores, line, sentence| assert_eq!(plan_on(cores, line).unwrap_err().to_string(), sentence);
        check(
            &[0, 1],
            "--threads 2 --cores 1",
            "--threads 2 and --cores disagree: 1 core is listed, and each thread has its own",
        );
        check(
            &[0, 1],
            "--threads 3 --cores 0,1",
            "--threads 3 and --cores disagree: 2 cores are listed, and each thread has its own",
        );
        check(&[4], "--threads 2", "--threads 2 are more than the one core that this process may use");
        check(&[4, 5], "--threads 3", "--threads 3 are more than the 2 cores that this process may use");
        check(&[0], "--warmup 1y", "--warmup is at most 7days");
    }

    #[test]
    fn shares_are_even_and_complete() {
        let plan = plan("--threads 3 -c 8 --count 10").unwrap();
        let connections: Vec<Range<u32>> = (0..3).map(|thread| plan.connections_of(thread)).collect();
        assert_eq!(connections, [0..3, 3..6, 6..8]);
        let counts: Vec<Option<u64>> = (0..3).map(|thread| plan.count_of(thread)).collect();
        assert_eq!(counts, [Some(4), Some(3), Some(3)]);
    }

    #[test]
    fn receive_buffers_grow_with_the_load_up_to_a_bound() {
        let capabilities = Capabilities::of_tier(RingTier::V6_17);
        let ring = |line| plan(line).unwrap().ring(0, capabilities);
        assert_eq!(ring("").stream_buffers, (128, 16_384));
        assert_eq!(ring("-c 512 -s 16KiB").stream_buffers, (512, 16_384));
        assert_eq!(ring("-c 5000 -s 1MiB").stream_buffers, (4096, 16_384));
        assert_eq!(ring("udp://[::1]:1 -s 100").datagram_buffers, Some((256, 384)));
        assert_eq!(ring("udp://[::1]:1 -c 1000 -s 100").datagram_buffers, Some((1024, 384)));
        assert_eq!(ring("udp://[::1]:1 -c 5000 -s 65507").datagram_buffers, Some((512, 65_792)));
    }
}
