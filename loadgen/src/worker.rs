//! One thread of the generator: one ring, its share of the connections, and the loop that drives them.
//!
//! A turn is one system call: submit what the last turn produced, sleep until something came, read the clock once, act
//! on what came, send anew. The worker decides when the load begins and ends; what is sent is the
//! [client](crate::traffic::client)'s business.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use tidemill::ring::{Completion, RingError};
use tidemill::sys::clock::Time;

use crate::plan::{CONNECT_TIMEOUT, GRACE, SILENCE};
use crate::record::{Record, Recorder, Window};
use crate::report::live::Feed;
use crate::traffic::client::{Budget, Client, Sockets, TICK, Turn};
use crate::traffic::link::Link;

/// When a worker starts and ends.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The part that is measured.
    pub window: Window,
    /// Messages after the warm-up, if they are counted.
    pub count: Option<u64>,
}

/// How a worker ended.
#[derive(Debug)]
pub enum Ended {
    /// As it should, with what was recorded, and whether the server fell silent while answers were due.
    Done(Box<Record>, bool),
    /// Nobody listens: known only now, as with datagrams.
    Nobody,
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
    budget: Budget,
    schedule: Schedule,
    /// Set when the run is to end early.
    stop: &'a AtomicBool,
    /// When the load ended, once it has.
    ended: Option<Time>,
    next_tick: Time,
    started: Time,
    ready: VecDeque<Completion>,
}

impl<'a, K: Sockets, C: Client> Worker<'a, K, C> {
    /// A worker for this client, whose connections are made.
    pub fn new(kernel: K, client: C, feed: Option<Feed>, stop: &'a AtomicBool) -> Self {
        let started = kernel.now();
        let window = Window { from: Time::ZERO, until: None };
        Self {
            link: Link::new(kernel),
            client,
            recorder: Recorder::new(window, feed),
            budget: Budget::new(Some(0), Time::ZERO), // Nothing may be sent before `run`.
            schedule: Schedule { window, count: None },
            stop,
            ended: None,
            next_tick: Time::ZERO,
            started,
            ready: VecDeque::new(),
        }
    }

    /// Brings the connections to where requests may be sent.
    ///
    /// # Errors
    /// When one of them does not get there.
    pub fn prepare(&mut self) -> Result<(), Unready> {
        let mut now = self.link.now();
        let deadline = now.saturating_add(CONNECT_TIMEOUT);
        let (budget, link, recorder) = (&mut self.budget, &mut self.link, &mut self.recorder);
        self.client.start(&mut Turn { now, budget, link, recorder });
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
            now = self.link.turn(now.saturating_add(TICK), &mut self.ready).map_err(Unready::Ring)?;
            self.handle_ready(now);
        }
    }

    /// Loads the server until the time, the messages or the connections are used up; then closes everything.
    ///
    /// # Errors
    /// When the ring fails.
    pub fn run(mut self, schedule: Schedule) -> Result<Ended, RingError> {
        let mut now = self.link.now();
        self.schedule = schedule;
        self.budget = Budget::new(schedule.count, schedule.window.from);
        self.recorder.begin(schedule.window);
        self.started = now;
        while !self.is_done(now) {
            now = self.turn()?;
            if self.client.found_nobody() {
                return Ok(Ended::Nobody);
            }
            if self.ended.is_none() && self.is_load_over(now) {
                self.ended = Some(now);
                self.budget.end();
            }
        }
        let ended = self.ended.unwrap_or(now);
        let fell_silent = self.fell_silent(ended, now);
        self.close(now)?;
        Ok(Ended::Done(Box::new(self.recorder.finish(ended)), fell_silent))
    }

    /// Lets the client act on what came.
    fn handle_ready(&mut self, now: Time) {
        let (budget, link, recorder) = (&mut self.budget, &mut self.link, &mut self.recorder);
        let mut turn = Turn { now, budget, link, recorder };
        while let Some(completion) = self.ready.pop_front() {
            self.client.handle(completion, &mut turn);
        }
    }

    /// One turn. What it produced is submitted by the next one.
    fn turn(&mut self) -> Result<Time, RingError> {
        let now = self.link.turn(self.next_tick, &mut self.ready)?;
        let (budget, link, recorder) = (&mut self.budget, &mut self.link, &mut self.recorder);
        let mut turn = Turn { now, budget, link, recorder };
        while let Some(completion) = self.ready.pop_front() {
            self.client.handle(completion, &mut turn);
        }
        if self.next_tick <= now {
            self.client.tick(&mut turn);
            turn.recorder.tick(now);
            self.next_tick = now.saturating_add(TICK);
        }
        self.client.fill(&mut turn);
        Ok(now)
    }

    /// Whether nothing new is to be sent.
    fn is_load_over(&self, now: Time) -> bool {
        let is_late = self.schedule.window.until.is_some_and(|until| until <= now);
        // Relaxed: the flag carries nothing else, and being seen a turn later is early enough.
        let is_stopped = self.stop.load(Ordering::Relaxed);
        is_late || is_stopped || self.budget.is_spent(now) || self.client.open() == 0
    }

    /// Whether nothing is to be waited for.
    fn is_done(&self, now: Time) -> bool {
        let is_quiet = || SILENCE <= now.saturating_since(self.last_sign());
        match self.ended {
            Some(_) if self.client.in_flight() == 0 => true,
            // A run that counts messages gives a slow server time as long as it answers at all.
            Some(_) if self.schedule.count.is_some() && !self.stop.load(Ordering::Relaxed) => is_quiet(),
            Some(ended) => GRACE <= now.saturating_since(ended),
            None => self.schedule.count.is_some() && is_quiet(),
        }
    }

    /// Whether answers were due and none came, for as long as is waited for one.
    fn fell_silent(&self, ended: Time, now: Time) -> bool {
        let last = self.last_sign();
        match self.schedule.count {
            Some(_) => SILENCE <= now.saturating_since(last),
            // An answer within the grace would be later than the end.
            None => GRACE <= ended.saturating_since(last),
        }
    }

    /// When there was the last sign of life.
    fn last_sign(&self) -> Time {
        self.recorder.last_answer().unwrap_or(self.started)
    }

    /// Gives up what is late and closes all connections, within a bound.
    fn close(&mut self, now: Time) -> Result<(), RingError> {
        let (budget, link, recorder) = (&mut self.budget, &mut self.link, &mut self.recorder);
        let mut turn = Turn { now, budget, link, recorder };
        self.client.give_up(&mut turn);
        self.client.close(&mut turn);
        let deadline = now.saturating_add(GRACE);
        let mut now = now;
        while self.client.closing() != 0 && now < deadline {
            now = self.link.turn(deadline, &mut self.ready)?;
            self.handle_ready(now);
        }
        self.client.overdue(&mut self.recorder);
        Ok(())
    }
}
