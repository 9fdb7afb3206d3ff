//! The course of a run: subscriptions are there, the load begins, it is measured, it ends, and what is under way arrives.

use std::time::Duration;

use tidemill::ring::{RingError, Wait};
use tidemill::sys::clock::Time;

use super::{Engine, EngineError, TICK};
use crate::cli::Idle;
use crate::plan::{CONNECT_TIMEOUT, End, GRACE, SILENCE};
use crate::pubsub::connection::Role;
use crate::pubsub::stuck::Fate;
use crate::pubsub::subjects::place;
use crate::record::processor::ProcessorTime;

/// How often it is asked whether subscriptions are there.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);
/// How long publishers wait for a subscriber that gets nothing.
const STALL: Duration = Duration::from_secs(2);
/// How long before something is due a hybrid thread wakes: somewhat more than a wake-up takes.
const SPIN_NANOS: u64 = 50_000;

/// What had happened at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    /// When.
    pub at: Time,
    /// Messages published until then.
    pub published: u64,
    /// Messages delivered until then.
    pub delivered: u64,
    /// What the generator had cost.
    pub cpu: ProcessorTime,
}

/// What came of the load, beside what the ledger has.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// Where the measured time began, and where it ended.
    pub measured: [Moment; 2],
    /// Deliveries that there should have been, over the whole run.
    pub expected: u64,
    /// Messages that were due and never sent.
    pub unsent: u64,
    /// How often what was under way was not waited for any more.
    pub stalls: u64,
    /// Subscribers whose connection was lost.
    pub disconnected: u64,
    /// What became of those that read nothing.
    pub stuck: Fate,
    /// Whether a signal ended it.
    pub is_interrupted: bool,
}

/// What is to be done between turns.
pub trait Attendant {
    /// Once in a while; returns whether the run is to end now.
    fn tick(&mut self, now: Time) -> bool;
    /// Where the measured time begins, and where it ends.
    fn mark(&mut self, now: Time);
}

impl Engine<'_> {
    /// Waits until everybody is there: over NATS a `PONG` says so, elsewhere a message that arrives.
    ///
    /// # Errors
    /// When somebody is not there in time.
    pub fn prepare(&mut self, attendant: &mut impl Attendant) -> Result<(), EngineError> {
        let deadline = self.link.now().saturating_add(CONNECT_TIMEOUT);
        let is_probed = !self.plan.endpoint.spoken.is_nats();
        let mut next_probe = Time::ZERO;
        loop {
            if let Some(sentence) = self.ledger.first_error.take() {
                return Err(EngineError::Refused(self.plan.endpoint.clone(), sentence));
            }
            let wanted = self.publishers.len() + self.listeners.len();
            let publishers = self.publishers.iter().filter(|publisher| publisher.is_ready).count();
            let ready = publishers + self.listeners.iter().filter(|listener| listener.is_ready).count();
            if ready == wanted
                && !self.publishers.iter().any(|one| self.connections[one.connection].is_sending)
            {
                return Ok(());
            }
            let now = self.link.now();
            if deadline <= now {
                return Err(EngineError::Unready { endpoint: self.plan.endpoint.clone(), ready, wanted });
            }
            if is_probed && publishers == self.publishers.len() && ready < wanted && next_probe <= now {
                self.probe();
                next_probe = now.saturating_add(PROBE_INTERVAL);
            }
            if attendant.tick(now) {
                return Err(EngineError::Interrupted);
            }
            self.turn(Wait::Until(Some(now.saturating_add(TICK))))?;
        }
    }

    /// Loads the hub until the time or the messages are used up, and waits for what is under way.
    ///
    /// # Errors
    /// When the ring fails.
    pub fn run(&mut self, attendant: &mut impl Attendant) -> Result<Done, RingError> {
        let mut now = self.link.now();
        self.begin_load(now);
        let (mut first, mut last) = (None, None);
        let (mut next_tick, mut ended, mut over) = (now, None, None);
        let mut is_interrupted = false;
        loop {
            if first.is_none() && self.from <= now {
                first = Some(self.mark(now, attendant));
            }
            if first.is_some() && last.is_none() && self.until <= now {
                last = Some(self.mark(now, attendant));
            }
            if next_tick <= now {
                is_interrupted |= attendant.tick(now);
                self.stuck.look(now);
                next_tick = now.saturating_add(TICK);
            }
            if ended.is_none() && (is_interrupted || self.is_published(now)) {
                ended = Some(now);
            }
            let is_held_up = ended.is_none() && self.publish(self.link.now());
            if is_held_up && STALL <= now.saturating_since(self.ledger.last_arrival.max(self.started)) {
                self.give_up_waiting();
                self.ledger.last_arrival = now;
            }
            if ended.is_some_and(|ended| over.is_some() || self.is_over(ended, now, is_interrupted)) {
                let over = *over.get_or_insert_with(|| self.stuck.look_at_all(now));
                last = Some(last.unwrap_or_else(|| self.mark(now, attendant)));
                if self.stuck.is_settled() || is_interrupted || GRACE <= now.saturating_since(over) {
                    break;
                }
            }
            now = self.turn(self.wait(now, next_tick, ended.is_some()))?;
        }
        let last = last.unwrap_or_else(|| self.mark(now, attendant));
        Ok(self.done([first.unwrap_or(last), last], is_interrupted))
    }

    fn begin_load(&mut self, now: Time) {
        self.started = now;
        self.from = now.saturating_add(self.plan.warmup);
        match self.plan.end {
            End::After(time) => self.until = self.from.saturating_add(time),
            End::Count(count) => self.left = count,
        }
        self.ledger.last_arrival = now;
    }

    /// Until when to sleep.
    fn wait(&self, now: Time, next_tick: Time, is_ended: bool) -> Wait {
        // What is due and finds nobody free leaves when somebody is, which ends a wait by itself.
        let is_waited_for = !is_ended && self.is_anybody_free();
        let due = self.next_due().filter(|_| is_waited_for);
        let mark = [self.from, self.until].into_iter().find(|mark| now < *mark);
        let until = [due, mark].into_iter().flatten().fold(next_tick, Time::min);
        let early = Time::from_nanos(until.as_nanos().saturating_sub(SPIN_NANOS));
        match self.plan.idle {
            Idle::Spin => Wait::No,
            Idle::Hybrid if early <= now => Wait::No,
            Idle::Hybrid => Wait::Until(Some(early)),
            Idle::Sleep if until <= now => Wait::No,
            Idle::Sleep => Wait::Until(Some(until)),
        }
    }

    fn is_anybody_free(&self) -> bool {
        self.publishers.iter().any(|one| !self.connections[one.connection].is_sending)
    }

    fn mark(&mut self, now: Time, attendant: &mut impl Attendant) -> Moment {
        attendant.mark(now);
        Moment {
            at: now,
            published: self.ledger.published_total(),
            delivered: self.ledger.tally.delivered,
            cpu: ProcessorTime::of_this_thread(),
        }
    }

    /// Whether everything has come, or nothing more does.
    fn is_over(&self, ended: Time, now: Time, is_interrupted: bool) -> bool {
        let is_sent = || !self.publishers.iter().any(|one| self.connections[one.connection].is_sending);
        if self.ledger.tally.delivered == self.expected() && is_sent() {
            return true;
        }
        let patience = match self.plan.end {
            _ if is_interrupted => GRACE,
            End::After(_) => STALL,
            // A run that counts messages gives a slow server more time.
            End::Count(_) => SILENCE,
        };
        patience <= now.saturating_since(self.ledger.last_arrival.max(ended))
    }

    /// Deliveries of all that was published.
    fn expected(&self) -> u64 {
        let subjects = self.ledger.fan_out.len() as u64;
        let whole: u64 = self.ledger.fan_out.iter().map(|takers| u64::from(*takers)).sum();
        let of = |published: &u64| {
            let rest = &self.ledger.fan_out[..place(published % subjects)];
            published / subjects * whole + rest.iter().map(|takers| u64::from(*takers)).sum::<u64>()
        };
        self.ledger.published.iter().map(of).sum()
    }

    fn done(&mut self, measured: [Moment; 2], is_interrupted: bool) -> Done {
        let expected = self.expected();
        let tally = &mut self.ledger.tally;
        if self.plan.is_request_reply {
            tally.lost = expected.saturating_sub(tally.delivered);
        } else {
            let published = &self.ledger.published;
            tally.lost += self.listeners.iter().map(|listener| listener.tail(published)).sum::<u64>();
        }
        let is_lost = |connection: &&super::Connection| {
            !connection.is_open && !matches!(connection.role, Role::Publisher(_))
        };
        Done {
            measured,
            expected,
            unsent: if is_interrupted { 0 } else { self.unsent() },
            stalls: self.stalls,
            disconnected: self.connections.iter().filter(is_lost).count() as u64,
            stuck: self.stuck.fate(self.started),
            is_interrupted,
        }
    }
}
