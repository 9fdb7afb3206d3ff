//! The one thread that is all publishers and all subscribers: its connections, and the loop that drives them.
//!
//! A turn is one system call: submit what the last turn produced, sleep until something came or is due, read the clock,
//! read what came, publish what may be. Publishers and subscribers share the thread, so one clock tells both ends.

mod greeting;
mod publishing;
mod run;
mod turn;

use std::collections::VecDeque;
use std::time::Duration;

use tidemill::ring::{Capabilities, Completion, RingError, Uring};
use tidemill::sys::clock::Time;

use super::connection::{Connection, Role};
use super::endpoint::Endpoint;
use super::flow::Flow;
use super::ledger::Ledger;
use super::listener::Listener;
use super::open::{OpenError, Opened, Room, open};
use super::outgoing::{Batch, Framing};
use super::plan::Plan;
use super::samples::Samples;
use super::stuck::Stuck;
use crate::link::Link;
use crate::load::Schedule;
use crate::random::Random;
use crate::traffic::client::slot;

pub use run::{Attendant, Done, Moment};

/// How often it is looked for signals, and for whatever else is not urgent.
const TICK: Duration = Duration::from_millis(50);

/// Why a run could not take place, or could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A connection could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The ring could not be made.
    #[error(
        "io_uring is not available: {0}. loadgen needs it; `tidemill` itself says what stands in the way"
    )]
    NoRing(RingError),
    /// The ring failed.
    #[error("the ring failed: {0}")]
    Ring(#[from] RingError),
    /// A socket could not be given to the ring.
    #[error("a connection could not be given to the ring: {0}")]
    Adopt(std::io::Error),
    /// The server refuses a connection, as this sentence says.
    #[error("{0}: {1}")]
    Refused(Endpoint, String),
    /// Subscriptions are not there.
    #[error("{endpoint}: {ready} of {wanted} connections were ready in time")]
    Unready {
        /// Where.
        endpoint: Endpoint,
        /// Those that were.
        ready: usize,
        /// All.
        wanted: usize,
    },
    /// A signal came first.
    #[error("interrupted before the subscriptions were there")]
    Interrupted,
}

/// One that publishes, or asks.
#[derive(Debug)]
struct Publisher {
    connection: usize,
    batch: Batch,
    /// Requests without an answer.
    in_flight: u64,
    /// Requests before this one are not waited for any more.
    forgiven: u64,
    is_ready: bool,
}

/// All connections, and what they do.
pub struct Engine<'a> {
    plan: &'a Plan,
    link: Link<Uring>,
    connections: Vec<Connection>,
    listeners: Vec<Listener>,
    publishers: Vec<Publisher>,
    stuck: Stuck,
    ledger: Ledger,
    flow: Flow,
    schedule: Option<Schedule>,
    /// Connections on which something waits to be sent.
    waiting: Vec<u32>,
    ready: VecDeque<Completion>,
    /// The publisher whose turn it is, in an open loop.
    turn_of: usize,
    /// When the load began, what of it is measured, and when it ends.
    started: Time,
    from: Time,
    until: Time,
    /// Messages that may still be published.
    left: u64,
    /// Messages that asked whether subscribers are there.
    probed: u64,
    /// How often what was under way was not waited for any more.
    stalls: u64,
    /// What a responder answers, on its way.
    replies: Vec<u8>,
}

impl<'a> Engine<'a> {
    /// Opens all connections, and says what each has to say first.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub fn open(plan: &'a Plan, capabilities: Capabilities) -> Result<Self, EngineError> {
        let subjects = plan.all_subjects();
        let fan_out = if plan.is_request_reply { vec![1] } else { subjects.fan_out(plan.audience) };
        let samples = Samples::new(plan.remembered(), plan.skipped_bits());
        let samples = vec![samples; plan.publishers as usize];
        let ring = Uring::new(&plan.ring(capabilities)).map_err(EngineError::NoRing)?;
        let mut engine = Self {
            plan,
            link: Link::new(ring),
            connections: Vec::new(),
            listeners: Vec::new(),
            publishers: Vec::new(),
            stuck: Stuck::new(plan.endpoint.spoken).map_err(EngineError::Adopt)?,
            ledger: Ledger::new(subjects, fan_out, plan.size, samples),
            flow: Flow::new(plan.window_of_each(), plan.publishers),
            schedule: plan.schedule().map(|shape| Schedule::new(shape, 0)),
            waiting: Vec::new(),
            ready: VecDeque::new(),
            turn_of: 0,
            started: Time::ZERO,
            from: Time::from_nanos(u64::MAX),
            until: Time::from_nanos(u64::MAX),
            left: u64::MAX,
            probed: 0,
            stalls: 0,
            replies: Vec::new(),
        };
        let mut random = Random::new(plan.seed);
        for subscriber in 0..plan.audience.subscribers as usize {
            engine.open_subscriber(subscriber, &mut random)?;
            engine.open_stuck(subscriber + 1, &mut random)?;
        }
        for publisher in 0..plan.publishers as usize {
            engine.open_publisher(publisher, &mut random)?;
        }
        Ok(engine)
    }

    /// What was published, and what came.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn open_subscriber(&mut self, number: usize, random: &mut Random) -> Result<(), EngineError> {
        let plan = self.plan;
        let interests = greeting::interests(plan, &self.ledger.subjects, number);
        let path = interests.first().map_or("", |interest| interest.subject.as_str());
        let opened = open(&plan.endpoint, slot(self.connections.len()), path, Room::Usual, random)?;
        let first_sid = greeting::first_sid(plan, &self.listeners);
        let role = if plan.is_request_reply { Role::Responder(number) } else { Role::Subscriber(number) };
        let words = if plan.endpoint.spoken.is_nats() {
            greeting::subscriber(plan, &interests, first_sid)
        } else {
            Vec::new()
        };
        let listener = greeting::listener(plan, &self.ledger, &interests, first_sid);
        self.listeners.push(listener);
        self.adopt(role, opened, words)
    }

    /// Opens as many of those that read nothing as there should be beside so many others: they are spread among them. Each
    /// listens to what one of the others does, in turns.
    fn open_stuck(&mut self, readers: usize, random: &mut Random) -> Result<(), EngineError> {
        let plan = self.plan;
        let all = plan.audience.subscribers as usize;
        while self.stuck.count() < readers * plan.stuck as usize / all {
            let number = self.stuck.count();
            let interests = greeting::interests(plan, &self.ledger.subjects, number % all);
            let path = interests.first().map_or("", |interest| interest.subject.as_str());
            let nth = slot(self.connections.len() + number);
            let opened = open(&plan.endpoint, nth, path, Room::Little, random)?;
            let words = if plan.endpoint.spoken.is_nats() {
                greeting::subscriber(plan, &interests, 1)
            } else {
                Vec::new()
            };
            self.stuck.enter(opened.socket, nth, &words, &plan.endpoint)?;
        }
        Ok(())
    }

    fn open_publisher(&mut self, number: usize, random: &mut Random) -> Result<(), EngineError> {
        let plan = self.plan;
        let opened = open(&plan.publish_to, slot(self.connections.len()), &plan.prefix, Room::Usual, random)?;
        let is_nats = plan.publish_to.spoken.is_nats();
        let inbox = plan.is_request_reply.then(|| greeting::inbox(number));
        let framing = if is_nats { Framing::Nats(inbox.clone()) } else { Framing::WebSocket };
        let batch = Batch::new(&self.ledger.subjects, &framing, &self.ledger.fill)
            .expect("the plan has checked the names of subjects");
        let words = if is_nats { greeting::publisher(plan, inbox.as_deref()) } else { Vec::new() };
        let connection = self.connections.len();
        self.publishers.push(Publisher { connection, batch, in_flight: 0, forgiven: 0, is_ready: !is_nats });
        self.adopt(Role::Publisher(number), opened, words)
    }

    /// Gives a connection to the ring, reads what has come behind its handshake, and says what it has to say first.
    fn adopt(&mut self, role: Role, opened: Opened, words: Vec<u8>) -> Result<(), EngineError> {
        let Opened { socket, input, mut rest } = opened;
        let place = slot(self.connections.len());
        let file = self.link.adopt(socket, place).map_err(EngineError::Adopt)?;
        let mut connection = Connection::new(role, input, file);
        connection.out.words = words;
        connection.receive(place, true, &mut self.link);
        self.connections.push(connection);
        let now = self.link.now();
        self.read(place, &mut rest, now);
        self.wait_to_send(place);
        Ok(())
    }

    /// Has what waits on a connection be sent at the end of the turn.
    fn wait_to_send(&mut self, slot: u32) {
        if !self.connections[slot as usize].out.is_empty() {
            self.waiting.push(slot);
        }
    }
}
