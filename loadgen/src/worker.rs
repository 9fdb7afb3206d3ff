//! One thread of the generator: one ring, its share of the connections, and the loop that drives them.
//!
//! A turn is one system call: submit what the last turn produced, sleep until something came or is due, read the clock,
//! act on what came, read the clock again, send what is due. The worker decides when the load begins and ends; what is
//! sent is the [client](crate::traffic::client)'s business, and when, the [demand](crate::load::Demand)'s.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidemill::ring::{Completion, RingError, Wait};
use tidemill::sys::clock::Time;

use crate::cli::Idle;
use crate::link::Link;
use crate::load::Demand;
use crate::plan::{CONNECT_TIMEOUT, GRACE, SILENCE};
use crate::record::part::Feed;
use crate::record::{Record, Recorder, Window};
use crate::traffic::client::{Client, Sockets, TICK, Turn};

/// How long before something is due a hybrid thread wakes: somewhat more than a wake-up takes.
const SPIN: Duration = Duration::from_micros(50);

/// When a worker starts and ends.
#[derive(Debug)]
pub struct Assignment {
    /// The part that is measured.
    pub window: Window,
    /// What is to be sent.
    pub demand: Demand,
    /// Whether the end is a number of requests.
    pub counts: bool,
    /// How long answers are waited for after the end.
    pub drain: Duration,
    /// The core, for the record.
    pub core: usize,
}

/// How a worker ended.
#[derive(Debug)]
pub enum Ended {
    /// As it should.
    Done(Box<Done>),
    /// Nobody listens: known only now, as with datagrams.
    Nobody,
}

/// What is known at the end.
#[derive(Debug)]
pub struct Done {
    /// What was recorded.
    pub record: Record,
    /// Whether the server fell silent while answers were due.
    pub fell_silent: bool,
    /// A hash of the intended times, if the schedule was followed to its end.
    pub schedule_hash: Option<u64>,
    /// Connections that were open when the load ended.
    pub connections: usize,
}

/// Why a worker's connections did not get to where requests may be sent.
#[derive(Debug)]
pub enum Unready {
    /// One of them failed, as this sentence says.
    Failed(String),
    /// Only so many were ready in time.
    TimedOut(usize),
    /// A signal came first.
    Interrupted,
    /// The ring failed.
    Ring(RingError),
}

/// A thread's loop.
#[derive(Debug)]
pub struct Worker<'a, K, C> {
    link: Link<K>,
    client: C,
    recorder: Recorder,
    demand: Demand,
    idle: Idle,
    /// Set when the run is to end early.
    stop: &'a AtomicBool,
    /// When the load ended, once it has.
    ended: Option<Time>,
    /// When it was seen that the run is to end early.
    stopped: Option<Time>,
    /// Whether it ended before its time: by a signal, or for want of connections.
    is_cut: bool,
    next_tick: Time,
    started: Time,
    /// When the last turn's work was done.
    rested: Time,
    ready: VecDeque<Completion>,
}

impl<'a, K: Sockets, C: Client> Worker<'a, K, C> {
    /// A worker for this client, whose connections are made.
    pub fn new(kernel: K, client: C, feed: Feed, idle: Idle, stop: &'a AtomicBool) -> Self {
        let started = kernel.now();
        Self {
            link: Link::new(kernel),
            client,
            recorder: Recorder::new(feed),
            demand: Demand::none(), // Nothing may be sent before `run`.
            idle,
            stop,
            ended: None,
            stopped: None,
            is_cut: false,
            next_tick: Time::ZERO,
            started,
            rested: started,
            ready: VecDeque::new(),
        }
    }

    /// What happened so far may be written here.
    pub fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    /// Brings the connections to where requests may be sent.
    ///
    /// # Errors
    /// When one of them does not get there.
    pub fn prepare(&mut self) -> Result<(), Unready> {
        let mut now = self.link.now();
        let deadline = now.saturating_add(CONNECT_TIMEOUT);
        let (client, mut turn) = self.turn_at(now);
        client.start(&mut turn);
        loop {
            if let Some(first) = self.recorder.counts.errors.first.take() {
                return Err(Unready::Failed(first));
            }
            if self.client.is_ready() {
                return Ok(());
            }
            // Relaxed: the flag carries nothing else.
            if self.stop.load(Ordering::Relaxed) {
                return Err(Unready::Interrupted);
            }
            if deadline <= now {
                return Err(Unready::TimedOut(self.client.ready()));
            }
            now = self
                .link
                .turn(Wait::Until(Some(now.saturating_add(TICK))), &mut self.ready)
                .map_err(Unready::Ring)?;
            self.handle_ready(now);
        }
    }

    /// Loads the server until the time, the messages or the connections are used up; then closes everything.
    ///
    /// # Errors
    /// When the ring fails.
    pub fn run(mut self, assignment: Assignment) -> Result<Ended, RingError> {
        let mut now = self.link.now();
        self.demand = assignment.demand;
        self.recorder.begin(assignment.window, now);
        (self.started, self.rested, self.next_tick) = (now, now, now);
        let end = End { window: assignment.window, counts: assignment.counts, drain: assignment.drain };
        while !self.is_done(end, now) {
            now = self.turn()?;
            if self.client.found_nobody() {
                return Ok(Ended::Nobody);
            }
            self.look_for_the_end(end, now);
        }
        let ended = self.ended.unwrap_or(now);
        let fell_silent = self.fell_silent(end, ended, now);
        let connections = self.client.open();
        let schedule_hash = self.demand.hash().filter(|_| !self.is_cut);
        self.close(now)?;
        let demand = &mut self.demand;
        // What was noticed for want of connections would have waited at least until the end.
        let over = end.window.until.filter(|_| !self.is_cut).map_or(now, |until| until.max(now));
        self.recorder.demanded(demand.scheduled(), |ages| demand.abandon(over, ages));
        let record = self.recorder.finish(ended, assignment.core);
        Ok(Ended::Done(Box::new(Done { record, fell_silent, schedule_hash, connections })))
    }

    /// One turn. What it produced is submitted by the next one.
    fn turn(&mut self) -> Result<Time, RingError> {
        let wake = self.wake();
        let before = self.client.in_flight();
        let slept_from = self.rested;
        let wait = wake.map_or(Wait::No, |wake| Wait::Until(Some(wake)));
        let more_is_due = !self.demand.is_open() || self.demand.is_due(self.rested);
        if !self.client.follows_sends(more_is_due) {
            self.link.outlast_sends();
        }
        let now = self.link.turn(wait, &mut self.ready)?;
        if let Some(wake) = wake {
            self.recorder.vigil.woke(wake, now);
        }
        self.recorder.vigil.in_flight(before, slept_from, now);
        self.recorder.turn(now, before);
        self.handle_ready(now);
        if self.next_tick <= now {
            // After a pause of our own, answers that came meanwhile are read before any is missed.
            let is_paused = TICK <= now.saturating_since(self.next_tick);
            self.next_tick = now.saturating_add(TICK);
            if !is_paused {
                let (client, mut turn) = self.turn_at(now);
                client.tick(&mut turn);
            }
        }
        let sending = self.link.now();
        self.recorder.vigil.in_flight(self.client.in_flight(), now, sending);
        let (client, mut turn) = self.turn_at(sending);
        client.fill(&mut turn);
        self.rested = sending;
        self.recorder.vigil.worked(now, self.link.now());
        Ok(now)
    }

    /// Until when to sleep; `None` is not at all, since there is something to do.
    fn wake(&mut self) -> Option<Time> {
        let until = self.demand.next_due().map_or(self.next_tick, |due| due.min(self.next_tick));
        // More was due than one turn sends.
        let is_behind =
            self.demand.is_open() && self.demand.is_due(self.rested) && !self.client.free().is_empty();
        if is_behind || until <= self.rested {
            return None;
        }
        match self.idle {
            Idle::Sleep => Some(until),
            Idle::Spin => None,
            Idle::Hybrid => {
                let early = Time::from_nanos(until.as_nanos().saturating_sub(nanos(SPIN)));
                (self.rested < early).then_some(early)
            }
        }
    }

    /// What the client works with at this time.
    fn turn_at(&mut self, now: Time) -> (&mut C, Turn<'_, K>) {
        let (demand, link, recorder) = (&mut self.demand, &mut self.link, &mut self.recorder);
        (&mut self.client, Turn { now, demand, link, recorder })
    }

    /// Lets the client act on what came.
    fn handle_ready(&mut self, now: Time) {
        let (demand, link, recorder) = (&mut self.demand, &mut self.link, &mut self.recorder);
        let mut turn = Turn { now, demand, link, recorder };
        while let Some(completion) = self.ready.pop_front() {
            self.client.handle(completion, &mut turn);
        }
    }

    /// Ends the load when it is time: nothing new becomes due. What is due and waits for a connection is still sent
    /// for a while, since it was intended.
    fn look_for_the_end(&mut self, end: End, now: Time) {
        if self.ended.is_none() && self.is_load_over(end, now) {
            self.ended = Some(now);
            let is_late = end.window.until.is_some_and(|until| until <= now);
            let is_whole = is_late || self.demand.is_spent(now);
            let is_noticed = self.demand.notice_all(now);
            let is_stopped = self.stop.load(Ordering::Relaxed); // As below.
            self.is_cut = !is_noticed || !is_whole && (is_stopped || !self.demand.notice_rest());
            self.demand.end();
        }
        // Relaxed: the flag carries nothing else.
        if self.stopped.is_none() && self.stop.load(Ordering::Relaxed) {
            self.stopped = Some(now);
        }
        let is_over = |ended| self.stopped.is_some() || GRACE <= now.saturating_since(ended);
        if self.ended.is_some_and(is_over) {
            self.demand.hold();
        }
    }

    /// Whether nothing new is to become due.
    fn is_load_over(&self, end: End, now: Time) -> bool {
        let is_late = end.window.until.is_some_and(|until| until <= now);
        // Relaxed: the flag carries nothing else, and being seen a turn later is early enough.
        let is_stopped = self.stop.load(Ordering::Relaxed);
        is_late || is_stopped || self.demand.is_spent(now) || self.client.open() == 0
    }

    /// Whether nothing is to be waited for.
    fn is_done(&self, end: End, now: Time) -> bool {
        let last = self.last_sign().max(self.recorder.last_sent().unwrap_or(self.started));
        let is_quiet = || SILENCE <= now.saturating_since(last);
        let is_answered =
            || self.client.in_flight() == 0 && (self.demand.is_spent(now) || self.client.open() == 0);
        match self.ended {
            Some(_) if is_answered() => true,
            Some(_) if self.stopped.is_some_and(|stopped| GRACE <= now.saturating_since(stopped)) => true,
            // A run that counts messages gives a slow server time as long as it answers at all.
            Some(_) if end.counts && !self.stop.load(Ordering::Relaxed) => is_quiet(),
            Some(ended) => end.drain <= now.saturating_since(ended),
            None => end.counts && !self.demand.is_open() && is_quiet(),
        }
    }

    /// Whether answers were due at the end and none had come for as long as is waited for one.
    fn fell_silent(&self, end: End, ended: Time, now: Time) -> bool {
        let last = self.last_sign();
        // An answer within the grace would be later than the end.
        let silence = if end.counts { now.saturating_since(last) } else { ended.saturating_since(last) };
        let is_due = self.recorder.last_sent().is_some_and(|sent| last < sent);
        is_due && if end.counts { SILENCE <= silence } else { GRACE <= silence }
    }

    /// When there was the last sign of life.
    fn last_sign(&self) -> Time {
        self.recorder.last_answer().unwrap_or(self.started)
    }

    /// Gives up what is late and closes all connections, within a bound.
    fn close(&mut self, now: Time) -> Result<(), RingError> {
        let (client, mut turn) = self.turn_at(now);
        client.give_up(&mut turn);
        client.close(&mut turn);
        let deadline = now.saturating_add(GRACE);
        let mut now = now;
        while self.client.closing() != 0 && now < deadline {
            now = self.link.turn(Wait::Until(Some(deadline)), &mut self.ready)?;
            self.handle_ready(now);
        }
        self.client.overdue(&mut self.recorder);
        Ok(())
    }
}

/// What ends a worker's run.
#[derive(Clone, Copy, Debug)]
struct End {
    window: Window,
    counts: bool,
    drain: Duration,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
