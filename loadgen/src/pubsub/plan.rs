//! What follows from the flags of `loadgen pubsub`, and whether it can be.

use std::time::Duration;

use tidemill::ring::{Capabilities, Setup};

use super::endpoint::{Endpoint, Spoken};
use super::stamp::{PUBLISHERS_MAX, STAMP_BYTES};
use super::subjects::{Audience, Subjects};
use crate::cli::{Idle, PubsubFlags, Sids};
use crate::load::{Course, Shape};
use crate::plan::{End, TIME_MAX};
use crate::result::Arrivals;
use crate::server_side::Source;

/// Bytes of a payload, if not told: a stamp and nothing else.
pub const DEFAULT_SIZE: u64 = STAMP_BYTES as u64;
/// Most bytes of a payload.
const SIZE_MAX: u64 = 16 << 20;
/// Most connections, and most subjects.
const MANY_MAX: u64 = 100_000;
/// Most pairs of a subscription and a publisher: each is remembered in some 100 bytes.
const TRACKS_MAX: u64 = 16 << 20;
/// Most messages under way: each may be remembered in some 40 bytes.
const WINDOW_MAX: u64 = 1 << 22;
/// Deliveries under way that the usual window leads to, their bytes, and the bounds of the window in messages. With fewer a
/// server that fans out widely would write little to each connection at once, which costs it more.
const DELIVERIES_UNDER_WAY: u64 = 1 << 22;
const BYTES_UNDER_WAY: u64 = 256 << 20;
const WINDOW_USUAL: (u64, u64) = (256, 65_536);
/// What a delivery has around its payload, about.
const AROUND_BYTES: u64 = 32;
/// Of how many bits of a message's hash a saturated run wants zeros: one message in 64 is sampled.
const SKIPPED_BITS: u32 = 6;
/// Times that a requester's window may be answered while one request waits.
const OVERTAKING: u64 = 16;
/// Receive buffers: fewer and larger than a server's, since this end reads as much as it can.
const RECEIVE_BUFFERS: (u16, u32) = (128, 64 * 1024);

/// A run, as it will be.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where subscribers go.
    pub endpoint: Endpoint,
    /// Where publishers go.
    pub publish_to: Endpoint,
    /// Publishers, or requesters.
    pub publishers: u32,
    /// Subscribers, or responders.
    pub audience: Audience,
    /// Subscribers beside them that read nothing.
    pub stuck: u32,
    /// Number of subjects.
    pub subjects: usize,
    /// What their names begin with.
    pub prefix: String,
    /// Bytes of a payload.
    pub size: usize,
    /// When messages are due, in an open loop.
    pub rate: Option<f64>,
    /// The law of their times.
    pub arrivals: Arrivals,
    /// Messages that may be under way, over all publishers.
    pub window: u64,
    /// How subscriptions are named.
    pub sids: Sids,
    /// Whether messages are answered.
    pub is_request_reply: bool,
    /// What ends it.
    pub end: End,
    /// Load before anything is measured.
    pub warmup: Duration,
    /// What times follow from.
    pub seed: u64,
    /// The core of the generator.
    pub core: usize,
    /// How it waits.
    pub idle: Idle,
    /// What is watched.
    pub server: Option<Source>,
    /// Who publishers and subscribers are.
    pub user: Option<(String, String)>,
    /// A token instead.
    pub token: Option<String>,
}

/// Why flags make no run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A number is none.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// A number is out of its bounds.
    #[error("{what} is at most {max}")]
    TooMany {
        /// The flag.
        what: &'static str,
        /// The bound.
        max: u64,
    },
    /// A payload has no room for its stamp.
    #[error("--size is at least 16: each message says which one it is")]
    TooSmall,
    /// All publishers and all subscriptions are too many together.
    #[error("--publishers times subscriptions are at most {TRACKS_MAX}: each pair is remembered")]
    TooManyTracks,
    /// Events go one way.
    #[error("nobody publishes over sse://. Try: --publish-to nats://127.0.0.1:4222")]
    NoPublishing,
    /// A path has one subject.
    #[error(
        "over ws:// a publisher has the one subject of its path. \
         Try: --subjects 1, or --publish-to nats://127.0.0.1:4222"
    )]
    OneSubject,
    /// A path has one subject here as well.
    #[error("over ws:// and sse:// a subscriber has one subject. Try: as many --subscribers as --subjects")]
    SubjectsWithout,
    /// There is nothing to match.
    #[error("--wildcards need several --subjects to match")]
    NothingToMatch,
    /// All would be wildcards.
    #[error("--wildcards leave no subscriber for {0} subjects. Try: fewer, or more --subscribers")]
    OnlyWildcards(usize),
    /// Nobody would read.
    #[error("--stuck leaves no subscriber that reads. Try: fewer, or more --subscribers")]
    OnlyStuck,
    /// Requests would be lost.
    #[error("--stuck and --request-reply do not go together: who is stuck answers nothing")]
    StuckResponders,
    /// Requests are NATS's.
    #[error("--request-reply needs nats:// or nats+ws://, one subject and no wildcards")]
    NoRequests,
    /// A subject cannot be sent.
    #[error("{0:?} is no subject: it takes words of visible characters between points, without * and >")]
    Subject(String),
    /// A time is none, or too long.
    #[error("{0} is more than no time, and at most {days} days", days = TIME_MAX.as_secs() / 86_400)]
    Time(&'static str),
    /// The core is not ours.
    #[error("core {0} is not among those that this process may use")]
    Core(usize),
    /// The password is missing, or the user.
    #[error("--user and --password go together")]
    HalfUser,
}

impl Plan {
    /// What these flags mean on these cores.
    ///
    /// # Errors
    /// When they contradict each other, or ask for what cannot be.
    pub fn new(flags: &PubsubFlags, allowed: &[usize]) -> Result<Self, PlanError> {
        check_numbers(flags)?;
        let publish_to = flags.publish_to.clone().unwrap_or_else(|| flags.endpoint.clone());
        let core = flags.core.or(allowed.last().copied()).unwrap_or_default();
        if !allowed.contains(&core) {
            return Err(PlanError::Core(core));
        }
        let subjects = usize::try_from(flags.subjects).expect("it was checked to be small");
        let stuck = flags.stuck.of(flags.subscribers);
        let readers = flags.subscribers.checked_sub(stuck).filter(|readers| *readers != 0);
        let audience = audience(readers.ok_or(PlanError::OnlyStuck)?, flags);
        let end = flags
            .count
            .map_or(End::After(flags.duration.unwrap_or(crate::cli::DEFAULT_DURATION)), End::Count);
        let usual = if flags.count.is_some() { Duration::ZERO } else { crate::cli::DEFAULT_WARMUP };
        let user = match (&flags.user, &flags.password) {
            (Some(user), Some(password)) => Some((user.clone(), password.clone())),
            (None, None) => None,
            _ => return Err(PlanError::HalfUser),
        };
        let plan = Self {
            endpoint: flags.endpoint.clone(),
            publish_to,
            publishers: flags.publishers,
            audience,
            stuck,
            subjects,
            prefix: flags.subject.clone(),
            size: usize::try_from(flags.size).expect("it was checked to be small"),
            rate: flags.rate,
            arrivals: flags.arrivals.unwrap_or_default(),
            window: flags.window.unwrap_or_else(|| usual_window(flags)),
            sids: flags.sids,
            is_request_reply: flags.request_reply,
            end,
            warmup: flags.warmup.unwrap_or(usual),
            seed: flags.seed,
            core,
            idle: flags.idle.unwrap_or_default(),
            server: flags.server_pid.map(Source::Pid).or(flags.server_metrics.clone().map(Source::Metrics)),
            user,
            token: flags.token.clone(),
        };
        plan.check()?;
        Ok(plan)
    }

    /// All subjects.
    pub fn all_subjects(&self) -> Subjects {
        Subjects::new(&self.prefix, self.subjects)
    }

    /// Messages that each publisher may have under way.
    pub fn window_of_each(&self) -> u64 {
        self.window.div_ceil(u64::from(self.publishers)).max(1)
    }

    /// Messages of each publisher that may be remembered: of requests many times those in flight, since one that is slow
    /// is overtaken by others.
    pub fn remembered(&self) -> u64 {
        if self.is_request_reply { self.window_of_each() * OVERTAKING } else { self.window_of_each() }
    }

    /// Of how many bits of its hash a sampled message has zeros.
    pub fn skipped_bits(&self) -> u32 {
        if self.rate.is_some() || self.is_request_reply { 0 } else { SKIPPED_BITS }
    }

    /// When messages are due, in an open loop.
    pub fn schedule(&self) -> Option<Shape> {
        let rate = self.rate?;
        let course = Course { from: rate, to: rate, warmup_s: self.warmup.as_secs_f64(), change_s: 0.0 };
        Some(Shape { arrivals: self.arrivals, course, workers: 1, seed: self.seed })
    }

    /// Connections that the ring drives.
    pub fn connections(&self) -> u32 {
        self.publishers + self.audience.subscribers
    }

    /// Descriptors that connections of all kinds take.
    pub fn descriptors(&self) -> u64 {
        u64::from(self.connections()) + u64::from(self.stuck)
    }

    /// The ring.
    pub fn ring(&self, capabilities: Capabilities) -> Setup {
        let mut setup = Setup::shard(capabilities, self.connections(), false);
        if capabilities.incremental_buffers {
            setup.stream_buffers = RECEIVE_BUFFERS;
        }
        setup
    }

    fn check(&self) -> Result<(), PlanError> {
        let (endpoint, publish_to) = (self.endpoint.spoken, self.publish_to.spoken);
        let exact = self.audience.subscribers - self.audience.wildcards;
        if publish_to == Spoken::Events {
            return Err(PlanError::NoPublishing);
        }
        if publish_to == Spoken::WebSocket && self.subjects != 1 {
            return Err(PlanError::OneSubject);
        }
        if !endpoint.is_nats() && (exact as usize) < self.subjects {
            return Err(PlanError::SubjectsWithout);
        }
        if self.audience.wildcards != 0 && self.subjects == 1 {
            return Err(PlanError::NothingToMatch);
        }
        if exact == 0 {
            return Err(PlanError::OnlyWildcards(self.subjects));
        }
        let is_spoken = endpoint.is_nats() && publish_to.is_nats() && self.subjects == 1;
        if self.is_request_reply && !is_spoken {
            return Err(PlanError::NoRequests);
        }
        if self.is_request_reply && self.stuck != 0 {
            return Err(PlanError::StuckResponders);
        }
        let subscriptions = u64::from(self.audience.subscribers).max(self.subjects as u64);
        if TRACKS_MAX < subscriptions * u64::from(self.publishers) {
            return Err(PlanError::TooManyTracks);
        }
        let is_letter = |letter: char| letter.is_ascii_graphic() && !matches!(letter, '*' | '>');
        let is_token = |token: &str| !token.is_empty() && token.chars().all(is_letter);
        if !self.prefix.split('.').all(is_token) {
            return Err(PlanError::Subject(self.prefix.clone()));
        }
        Ok(())
    }
}

fn check_numbers(flags: &PubsubFlags) -> Result<(), PlanError> {
    let bounds = [
        ("--publishers", u64::from(flags.publishers), u64::from(PUBLISHERS_MAX)),
        ("--subscribers", u64::from(flags.subscribers), MANY_MAX),
        ("--subjects", flags.subjects, MANY_MAX),
        ("--window", flags.window.unwrap_or(1), WINDOW_MAX),
        ("--count", flags.count.unwrap_or(1), u64::from(u32::MAX)),
        ("--size", flags.size, SIZE_MAX),
    ];
    for (what, value, max) in bounds {
        match value {
            0 => return Err(PlanError::Zero(what)),
            value if max < value => return Err(PlanError::TooMany { what, max }),
            _ => {}
        }
    }
    if flags.size < STAMP_BYTES as u64 {
        return Err(PlanError::TooSmall);
    }
    let is_time = |time: Option<Duration>| time.is_none_or(|time| !time.is_zero() && time <= TIME_MAX);
    match (is_time(flags.duration), flags.warmup.is_none_or(|time| time <= TIME_MAX)) {
        (false, _) => Err(PlanError::Time("--duration")),
        (_, false) => Err(PlanError::Time("--warmup")),
        (true, true) => Ok(()),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a number of 32 bits")]
fn audience(subscribers: u32, flags: &PubsubFlags) -> Audience {
    let wildcards = (f64::from(subscribers) * flags.wildcards.0).round() as u32;
    Audience { subscribers, wildcards: wildcards.min(subscribers) }
}

/// Enough to keep a server busy, and so few that what waits for a thousand subscribers does not fill its memory.
fn usual_window(flags: &PubsubFlags) -> u64 {
    if flags.request_reply {
        return u64::from(flags.publishers);
    }
    let takers = (u64::from(flags.subscribers) / flags.subjects).max(1);
    let (least, most) = WINDOW_USUAL;
    let deliveries = DELIVERIES_UNDER_WAY.min(BYTES_UNDER_WAY / (flags.size + AROUND_BYTES));
    (deliveries / takers).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::{Cli, Command};

    fn plan(line: &str) -> Result<Plan, PlanError> {
        let words = ["loadgen", "pubsub"].into_iter().chain(line.split_whitespace());
        let cli = Cli::read(words.map(OsString::from)).unwrap_or_else(|error| panic!("{error}"));
        let Command::Pubsub(flags) = cli.into_command() else { panic!("it is pubsub") };
        Plan::new(&flags, &[0, 3])
    }

    #[test]
    fn without_flags_it_is_what_the_help_says() {
        let plan = plan("").unwrap();
        assert_eq!(plan.endpoint.to_string(), "nats://127.0.0.1:4222");
        assert_eq!((plan.publishers, plan.audience.subscribers, plan.subjects, plan.size), (1, 1, 1, 16));
        assert_eq!((plan.core, plan.window, plan.skipped_bits()), (3, 65_536, 6));
        assert_eq!((plan.warmup, plan.end), (Duration::from_secs(1), End::After(Duration::from_secs(5))));
    }

    #[test]
    fn a_window_is_as_large_as_what_waits_may_be() {
        assert_eq!(plan("--subscribers 100").unwrap().window, 41_943);
        assert_eq!(plan("--subscribers 1000").unwrap().window, 4194);
        assert_eq!(plan("--subscribers 1000 --size 128").unwrap().window, 1677);
        assert_eq!(plan("--subscribers 100 --subjects 10").unwrap().window, 65_536);
        assert_eq!(plan("--subscribers 50000").unwrap().window, 256);
        let requests = plan("--request-reply --publishers 8").unwrap();
        assert_eq!((requests.window, requests.window_of_each(), requests.skipped_bits()), (8, 1, 0));
        assert_eq!(plan("--window 10 --publishers 3 --rate 5").unwrap().window_of_each(), 4);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let check = |line, error| assert_eq!(plan(line).unwrap_err(), error, "{line}");
        check("--publishers 0", PlanError::Zero("--publishers"));
        check("--subjects 100001", PlanError::TooMany { what: "--subjects", max: 100_000 });
        check("--size 15", PlanError::TooSmall);
        check("--duration 0s", PlanError::Time("--duration"));
        check("--core 1", PlanError::Core(1));
        check("sse://127.0.0.1:1", PlanError::NoPublishing);
        check("ws://127.0.0.1:1 --subjects 2 --subscribers 2", PlanError::OneSubject);
        check("ws://127.0.0.1:1 --publish-to nats://127.0.0.1:2 --subjects 2", PlanError::SubjectsWithout);
        check("--wildcards 50% --subscribers 2", PlanError::NothingToMatch);
        check("--wildcards 100% --subjects 4", PlanError::OnlyWildcards(4));
        check("ws://127.0.0.1:1 --request-reply", PlanError::NoRequests);
        check("--subject a..b", PlanError::Subject("a..b".to_owned()));
        check("--subject a.>", PlanError::Subject("a.>".to_owned()));
        check("--publishers 65535 --subscribers 1000", PlanError::TooManyTracks);
        check("--user a", PlanError::HalfUser);
        check("--stuck 1", PlanError::OnlyStuck);
        check("--stuck 5 --subscribers 4", PlanError::OnlyStuck);
        check("--stuck 100% --subscribers 4", PlanError::OnlyStuck);
        check("--stuck 1 --subscribers 4 --request-reply", PlanError::StuckResponders);
    }

    #[test]
    fn who_is_stuck_is_nobody_who_is_waited_for() {
        let plan = plan("--subscribers 1000 --stuck 10% --publishers 2").unwrap();
        assert_eq!((plan.audience.subscribers, plan.stuck), (900, 100));
        assert_eq!((plan.connections(), plan.descriptors()), (902, 1002));
    }
}
