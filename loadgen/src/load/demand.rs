//! What is due to be sent, and since when.

use std::collections::{BTreeMap, VecDeque};

use hdrhistogram::Histogram;
use tidemill::sys::clock::Time;

use super::Schedule;
use crate::record::Window;

/// When a request was to be sent, and when it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The intended time.
    pub intended: Time,
    /// When it left, as far as we are concerned: the moment before its submission.
    pub sent: Time,
}

/// Requests that are due together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Their intended time.
    pub intended: Time,
    /// When this thread saw that they are due; until then, the generator was late, and afterwards no connection free.
    pub noticed: Time,
    /// How many.
    pub count: u64,
}

/// What a worker may send.
#[derive(Debug)]
pub struct Demand {
    source: Source,
    /// The end of the load, if time ends it.
    until: Option<Time>,
    /// Requests that may still be sent after the warm-up; `None` is without end.
    left: Option<u64>,
    /// The end of the warm-up, during which requests cost nothing.
    free_until: Time,
    /// Requests of the measured time that became due.
    scheduled: u64,
    /// Whether nothing new becomes due.
    is_over: bool,
    /// Whether nothing is sent any more, whether it is due or not.
    is_held: bool,
}

#[derive(Debug)]
enum Source {
    /// As much as connections take.
    Closed,
    /// What the schedule says.
    Open(Box<Backlog>),
}

#[derive(Debug)]
struct Backlog {
    schedule: Schedule,
    /// The moment from which the schedule counts.
    start: Time,
    /// Requests that are due and wait for a connection, the oldest first.
    waiting: VecDeque<Batch>,
    /// Most of them.
    most: usize,
    /// Requests that found the queue full, by the second that they were intended for.
    refused: BTreeMap<u64, u64>,
    /// Of all that were refused, the ones of the measured time.
    refused_measured: u64,
}

impl Demand {
    /// As much as connections take, until the window ends or so many requests were sent after the warm-up.
    pub fn closed(window: Window, left: Option<u64>) -> Self {
        let Window { from, until } = window;
        Self {
            source: Source::Closed,
            until,
            left,
            free_until: from,
            scheduled: 0,
            is_over: false,
            is_held: false,
        }
    }

    /// Nothing at all.
    pub fn none() -> Self {
        Self { is_over: true, ..Self::closed(Window::ALWAYS, Some(0)) }
    }

    /// What this schedule says from `start` on, until the window ends or so many requests were due after the warm-up.
    /// At most `most` may wait for a connection.
    pub fn open(schedule: Schedule, start: Time, window: Window, left: Option<u64>, most: u64) -> Self {
        let backlog = Backlog {
            schedule,
            start,
            waiting: VecDeque::new(),
            most: usize::try_from(most).unwrap_or(usize::MAX),
            refused: BTreeMap::new(),
            refused_measured: 0,
        };
        Self { source: Source::Open(Box::new(backlog)), ..Self::closed(window, left) }
    }

    /// Whether requests are sent by a schedule.
    pub fn is_open(&self) -> bool {
        matches!(self.source, Source::Open(_))
    }

    /// Takes notice of what has become due by `now`, up to `room` waiting requests and a bounded number at a time; the
    /// others are noticed later.
    pub fn notice(&mut self, now: Time, room: usize) {
        self.notice_some(now, room, NOTICED_TOGETHER);
    }

    /// Takes notice of all that has become due by `now`. Returns whether it is all.
    pub fn notice_all(&mut self, now: Time) -> bool {
        self.notice_some(now, usize::MAX, REST_MAX);
        self.next_due().is_none_or(|due| now < due)
    }

    /// Takes notice of what has become due by `now`, up to `room` waiting requests, and of at most so many.
    fn notice_some(&mut self, now: Time, room: usize, mut most: u64) {
        let Source::Open(backlog) = &mut self.source else { return };
        while !self.is_over && backlog.waiting.len() < room && most != 0 {
            most -= 1;
            let intended = backlog.next();
            // Nothing is waited for when the last one that counts was due, however long the next gap is.
            if self.free_until <= intended && self.left == Some(0) {
                self.is_over = true;
                return;
            }
            if now < intended {
                return;
            }
            if self.until.is_some_and(|until| until <= intended) {
                self.is_over = true;
                return;
            }
            if self.free_until <= intended {
                self.left = self.left.map(|left| left - 1);
                self.scheduled += 1;
            }
            backlog.schedule.advance();
            backlog.push(Batch { intended, noticed: now, count: 1 }, self.free_until);
        }
    }

    /// Takes notice of all that would still have become due: nobody is left to send it, and who meant to come comes all
    /// the same. Returns whether that is the whole schedule; it is not when it counts requests, or when there are too
    /// many.
    pub fn notice_rest(&mut self) -> bool {
        let Some(until) = self.until.filter(|_| self.is_open()) else { return false };
        self.notice_some(until, usize::MAX, REST_MAX);
        self.next_due().is_none()
    }

    /// Whether there is something to send now.
    pub fn is_due(&self, now: Time) -> bool {
        match &self.source {
            Source::Open(backlog) => !self.is_held && !backlog.waiting.is_empty(),
            Source::Closed => !self.is_spent(now),
        }
    }

    /// How many requests one of so many free connections should take now.
    pub fn share(&self, connections: usize) -> u64 {
        match &self.source {
            Source::Open(backlog) => backlog.waiting.len().div_ceil(connections.max(1)) as u64,
            Source::Closed => u64::MAX,
        }
    }

    /// Takes requests with one intended time, at most `wanted`; `None` when nothing is due. In a closed loop, they are
    /// intended for `now`, when there was room for them.
    pub fn take(&mut self, wanted: u64, now: Time) -> Option<Batch> {
        match &mut self.source {
            Source::Open(backlog) if wanted != 0 && !self.is_held => backlog.waiting.pop_front(),
            Source::Open(_) => None,
            Source::Closed => {
                let is_late = self.until.is_some_and(|until| until <= now);
                let count = match &mut self.left {
                    _ if self.is_over || is_late => 0,
                    Some(left) if self.free_until <= now => {
                        let taken = wanted.min(*left);
                        *left -= taken;
                        taken
                    }
                    Some(_) | None => wanted,
                };
                self.scheduled += if self.free_until <= now { count } else { 0 };
                (count != 0).then_some(Batch { intended: now, noticed: now, count })
            }
        }
    }

    /// Gives back a request that was taken and not sent; since when it waits for a connection stays.
    pub fn give_back(&mut self, batch: Batch) {
        match &mut self.source {
            Source::Open(backlog) => backlog.waiting.push_front(batch),
            Source::Closed if self.free_until <= batch.intended => {
                self.scheduled -= 1;
                self.left = self.left.map(|left| left + 1);
            }
            Source::Closed => {}
        }
    }

    /// Requests of the measured time that have become due; in a closed loop, that were taken.
    pub fn scheduled(&self) -> u64 {
        self.scheduled
    }

    /// When the next request becomes due; `None` in a closed loop, or when none does.
    pub fn next_due(&self) -> Option<Time> {
        match &self.source {
            Source::Open(backlog) if !self.is_over => {
                let due = backlog.next();
                self.until.is_none_or(|until| due < until).then_some(due)
            }
            Source::Open(_) | Source::Closed => None,
        }
    }

    /// Lets nothing new become due.
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// Lets nothing leave any more. What waits was due and is never sent; see [`abandon`](Self::abandon).
    pub fn hold(&mut self) {
        (self.is_over, self.is_held) = (true, true);
    }

    /// Whether nothing will be sent any more.
    pub fn is_spent(&self, now: Time) -> bool {
        match &self.source {
            Source::Open(backlog) => self.is_over && (self.is_held || backlog.waiting.is_empty()),
            Source::Closed => {
                let is_late = self.until.is_some_and(|until| until <= now);
                self.is_over || is_late || self.left == Some(0) && self.free_until <= now
            }
        }
    }

    /// Gives up what still waits: it is never sent. Each of the measured time is recorded with its age, which is the
    /// least that it would have taken. Returns how many these are.
    pub fn abandon(&mut self, now: Time, ages: &mut Histogram<u64>) -> u64 {
        let Source::Open(backlog) = &mut self.source else { return 0 };
        let mut abandoned = backlog.refused_measured;
        let age = |intended: Time| now.as_nanos().saturating_sub(intended.as_nanos());
        for batch in backlog.waiting.drain(..).filter(|batch| self.free_until <= batch.intended) {
            ages.saturating_record_n(age(batch.intended), batch.count);
            abandoned += batch.count;
        }
        for (second, count) in std::mem::take(&mut backlog.refused) {
            ages.saturating_record_n(age(Time::from_nanos(second.saturating_add(1) * SECOND)), count);
        }
        backlog.refused_measured = 0;
        abandoned
    }

    /// A hash of all intended times until now, if there is a schedule.
    pub fn hash(&self) -> Option<u64> {
        match &self.source {
            Source::Open(backlog) => Some(backlog.schedule.hash()),
            Source::Closed => None,
        }
    }
}

impl Backlog {
    fn next(&self) -> Time {
        Time::from_nanos(self.start.as_nanos().saturating_add(self.schedule.due()))
    }

    fn push(&mut self, batch: Batch, measured_from: Time) {
        if self.waiting.len() < self.most {
            self.waiting.push_back(batch);
        } else if measured_from <= batch.intended {
            self.refused_measured += 1;
            *self.refused.entry(batch.intended.as_nanos() / SECOND).or_default() += 1;
        }
    }
}

const SECOND: u64 = 1_000_000_000;
/// Most requests that are still noticed when the load is over.
const REST_MAX: u64 = 100_000_000;
/// Most requests that are noticed in one turn: a bounded part of a millisecond.
const NOTICED_TOGETHER: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::super::{Course, Shape};
    use super::*;
    use crate::record::new_histogram;
    use crate::result::Arrivals;

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    /// One request each millisecond from 1 s on, measured from 1.1 s on.
    fn demand(until: Option<Time>, left: Option<u64>, most: u64) -> Demand {
        let course = Course { from: 1000.0, to: 1000.0, warmup_s: 0.1, change_s: 1.0 };
        let shape = Shape { arrivals: Arrivals::Constant, course, workers: 1, seed: 0 };
        Demand::open(Schedule::new(shape, 0), at(1000), Window { from: at(1100), until }, left, most)
    }

    fn take_all(demand: &mut Demand, now: Time) -> Vec<(Time, Time)> {
        std::iter::from_fn(|| demand.take(1, now).map(|batch| (batch.intended, batch.noticed))).collect()
    }

    #[test]
    fn what_is_due_is_noticed_when_the_thread_looks() {
        let mut demand = demand(None, None, 100);
        demand.notice(at(999), usize::MAX);
        assert!(!demand.is_due(at(999)));
        assert_eq!(demand.next_due(), Some(at(1000)));
        demand.notice(at(1002), usize::MAX);
        let expected = [at(1000), at(1001), at(1002)].map(|intended| (intended, at(1002)));
        assert_eq!(take_all(&mut demand, at(1002)), expected);
        assert_eq!(demand.next_due(), Some(at(1003)));
    }

    #[test]
    fn what_is_not_noticed_now_is_noticed_later() {
        let mut demand = demand(None, None, 100);
        demand.notice(at(1004), 2);
        assert_eq!(demand.share(1), 2);
        assert_eq!(take_all(&mut demand, at(1004)).len(), 2);
        demand.notice(at(1005), usize::MAX);
        assert_eq!(take_all(&mut demand, at(1005))[0], (at(1002), at(1005)));
    }

    #[test]
    fn the_end_is_a_time_or_a_number() {
        let mut timed = demand(Some(at(1103)), None, 1000);
        timed.notice(at(2000), usize::MAX);
        assert_eq!(take_all(&mut timed, at(2000)).len(), 103);
        assert!(timed.is_spent(at(2000)) && timed.next_due().is_none());
        let mut counted = demand(None, Some(5), 1000);
        counted.notice(at(2000), usize::MAX);
        assert_eq!(take_all(&mut counted, at(2000)).len(), 100 + 5, "the warm-up costs nothing");
        assert!(counted.is_spent(at(2000)));
    }

    /// At one request in 100 s, a run of one is over with it.
    #[test]
    fn a_number_is_reached_with_its_last_request() {
        let course = Course { from: 0.01, to: 0.01, warmup_s: 0.0, change_s: 1.0 };
        let shape = Shape { arrivals: Arrivals::Constant, course, workers: 1, seed: 0 };
        let window = Window { from: at(1000), until: None };
        let mut demand = Demand::open(Schedule::new(shape, 0), at(1000), window, Some(1), 10);
        demand.notice(at(1000), usize::MAX);
        assert_eq!((take_all(&mut demand, at(1000)).len(), demand.next_due()), (1, None));
        assert!(demand.is_spent(at(1000)));
    }

    #[test]
    fn what_is_never_sent_is_remembered_with_its_age() {
        let mut demand = demand(Some(at(1200)), None, 120);
        demand.notice(at(1300), usize::MAX);
        assert_eq!(demand.share(1), 120);
        let mut ages = new_histogram();
        // 200 requests: 100 of the warm-up wait and are not measured, 20 wait, 80 found the queue full.
        assert_eq!((demand.scheduled(), demand.abandon(at(3000), &mut ages)), (100, 100));
        assert_eq!(ages.len(), 100);
        let least = ages.min() as f64 / 1e9;
        assert!(
            (0.99..=1.01).contains(&least),
            "{least}: those of second 1 are at least a second old at 3 s"
        );
        assert!((1.89..=1.91).contains(&(ages.max() as f64 / 1e9)));
    }

    #[test]
    fn who_meant_to_come_comes_although_nobody_is_left() {
        let mut demand = demand(Some(at(1200)), None, 50);
        demand.notice(at(1150), 10);
        assert!(demand.notice_rest());
        let mut ages = new_histogram();
        assert_eq!((demand.scheduled(), demand.abandon(at(1200), &mut ages)), (100, 100));
        assert_eq!(ages.len(), 100);
        // The last one need not be due right at the end, where the next would not count.
        let end = Time::from_nanos(at(1200).as_nanos() - 1);
        let mut odd = self::demand(Some(end), None, 50);
        assert!(odd.notice_rest());
        assert_eq!(odd.scheduled(), 100);
        let mut counted = self::demand(None, Some(5), 50);
        assert!(!counted.notice_rest(), "when the rest would have come is not known");
    }

    #[test]
    fn a_closed_loop_gives_what_is_asked_until_it_is_spent() {
        let mut demand = Demand::closed(Window { from: at(100), until: None }, Some(5));
        let mut take = |wanted, now| demand.take(wanted, now).map_or(0, |batch| batch.count);
        assert_eq!(take(50, at(99)), 50, "the warm-up costs nothing");
        assert_eq!(take(3, at(100)), 3);
        demand.give_back(Batch { intended: at(99), noticed: at(99), count: 1 });
        demand.give_back(Batch { intended: at(100), noticed: at(100), count: 1 });
        assert!(!demand.is_spent(at(101)));
        assert_eq!(demand.take(5, at(101)).map(|batch| (batch.count, batch.intended)), Some((3, at(101))));
        assert!(demand.is_spent(at(101)) && demand.take(1, at(102)).is_none());
    }

    #[test]
    fn an_endless_closed_loop_ends_when_it_is_told() {
        let mut demand = Demand::closed(Window { from: at(100), until: Some(at(300)) }, None);
        assert_eq!(demand.take(1 << 40, at(200)).unwrap().count, 1 << 40);
        assert!(!demand.is_spent(at(200)));
        assert!(demand.take(1, at(300)).is_none() && demand.is_spent(at(300)), "the end is not within");
        demand.end();
        assert!(demand.take(1, at(201)).is_none() && demand.is_spent(at(1)));
    }
}
