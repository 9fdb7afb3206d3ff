//! What is published when: as much as the window allows, or what is due.

use std::time::Duration;

use tidemill::sys::clock::Time;

use super::{Engine, Publisher};
use crate::plan::GRACE;
use crate::pubsub::connection::Role;
use crate::pubsub::samples::nanos_between;
use crate::pubsub::stamp::PROBE;

/// A publisher that may send less than this part of its window waits until it may send more: few large sends.
const LEAST_PART: u64 = 4;

impl Engine<'_> {
    /// Publishes what may be published now. Returns whether somebody was held up by the window.
    pub(super) fn publish(&mut self, now: Time) -> bool {
        if self.schedule.is_some() { self.publish_due(now) } else { self.publish_all(now) }
    }

    /// When the next message is due, in an open loop.
    pub(super) fn next_due(&self) -> Option<Time> {
        let due = self.schedule.as_ref().map(|schedule| self.moment(schedule.due()))?;
        (due < self.until && self.left != 0).then_some(due)
    }

    /// Messages that were due and never sent.
    pub(super) fn unsent(&mut self) -> u64 {
        let mut unsent = 0;
        while self.next_due().is_some() && unsent < self.left && unsent < u64::from(u32::MAX) {
            unsent += 1;
            self.schedule.iter_mut().for_each(crate::load::Schedule::advance);
        }
        unsent
    }

    /// Whether nothing more is to be published.
    pub(super) fn is_published(&self, now: Time) -> bool {
        let is_late = match self.next_due() {
            Some(_) => self.until.saturating_add(GRACE) <= now,
            None => self.schedule.is_some() || self.until <= now,
        };
        let is_anybody = |publisher: &Publisher| self.connections[publisher.connection].is_open;
        is_late || self.left == 0 || !self.publishers.iter().any(is_anybody)
    }

    /// Asks on all subjects, or on the next ones where they are many, whether their subscribers are there.
    pub(super) fn probe(&mut self) {
        let connection = self.publishers[0].connection;
        if !self.connections[connection].is_open || self.connections[connection].is_sending {
            return;
        }
        let batch = &mut self.publishers[0].batch;
        let count = (self.plan.subjects as u64).min(batch.frames_max());
        let slot = crate::traffic::client::slot(connection);
        self.connections[connection].send(slot, Some((batch, (PROBE, self.probed), count)), &mut self.link);
        self.probed += count;
    }

    /// What was under way is not waited for any more, since nothing has come for long.
    pub(super) fn give_up_waiting(&mut self) {
        self.stalls += 1;
        self.listeners.iter_mut().for_each(|listener| listener.forgive(&self.ledger.published));
        for (publisher, published) in self.publishers.iter_mut().zip(&self.ledger.published) {
            (publisher.in_flight, publisher.forgiven) = (0, *published);
        }
    }

    /// In a saturated run, everybody sends what the window allows.
    fn publish_all(&mut self, now: Time) -> bool {
        let mut is_held_up = false;
        for number in 0..self.publishers.len() {
            if !self.is_free(number) {
                continue;
            }
            let room = self.room(number);
            is_held_up |= room == 0;
            let count = room.min(self.publishers[number].batch.frames_max()).min(self.left);
            for message in 0..count {
                self.begin(number, message, now, now);
            }
            self.send(number, count);
        }
        is_held_up
    }

    /// In an open loop, whoever is free sends what is due.
    fn publish_due(&mut self, now: Time) -> bool {
        let mut is_held_up = false;
        for _ in 0..self.publishers.len() {
            if self.next_due().is_none_or(|due| now < due) {
                return is_held_up;
            }
            let number = self.turn_of;
            self.turn_of = (number + 1) % self.publishers.len();
            if !self.is_free(number) {
                continue;
            }
            let room = self.room(number);
            is_held_up |= room == 0;
            let most = room.min(self.publishers[number].batch.frames_max()).min(self.left);
            let mut count = 0;
            while count < most
                && let Some(due) = self.next_due().filter(|due| *due <= now)
            {
                self.begin(number, count, due, now);
                self.schedule.iter_mut().for_each(crate::load::Schedule::advance);
                count += 1;
            }
            self.send(number, count);
        }
        is_held_up
    }

    fn is_free(&self, number: usize) -> bool {
        let connection = &self.connections[self.publishers[number].connection];
        debug_assert_eq!(connection.role, Role::Publisher(number));
        connection.is_open && !connection.is_sending
    }

    /// Messages that a publisher may send now.
    fn room(&mut self, number: usize) -> u64 {
        let window = self.plan.window_of_each();
        if self.plan.is_request_reply {
            let Publisher { in_flight, forgiven, .. } = self.publishers[number];
            let (next, samples) = (self.ledger.published[number], &self.ledger.samples[number]);
            let has_room = |message: &u64| samples.has_room(*message, forgiven);
            let room = window.saturating_sub(in_flight);
            return (next..next + room).take_while(has_room).count() as u64;
        }
        let least = if self.schedule.is_some() {
            1
        } else {
            (window / LEAST_PART).clamp(1, self.publishers[number].batch.frames_max())
        };
        self.flow.room(number, self.ledger.published[number], least, &self.listeners)
    }

    /// Remembers a message that is about to leave, if it is sampled.
    #[inline]
    fn begin(&mut self, number: usize, offset: u64, intended: Time, now: Time) {
        let message = self.ledger.published[number] + offset;
        let samples = &mut self.ledger.samples[number];
        if !samples.takes(message) {
            return;
        }
        let is_measured = self.from <= intended && intended < self.until;
        let takers = self.ledger.fan_out[self.ledger.subjects.of(message)];
        samples.leaves(message, intended, takers, is_measured);
        if is_measured && self.schedule.is_some() {
            self.ledger.latencies.lag.saturating_record(nanos_between(intended, now));
        }
    }

    /// Sends so many messages, and what else waits there.
    fn send(&mut self, number: usize, count: u64) {
        if count == 0 {
            return;
        }
        let publisher = &mut self.publishers[number];
        let first = self.ledger.published[number];
        let id = u32::try_from(number).expect("publishers are counted in 16 bits");
        let slot = crate::traffic::client::slot(publisher.connection);
        let connection = &mut self.connections[publisher.connection];
        connection.send(slot, Some((&mut publisher.batch, (id, first), count)), &mut self.link);
        publisher.in_flight += count;
        self.ledger.published[number] += count;
        self.left -= count;
    }

    fn moment(&self, nanos: u64) -> Time {
        self.started.saturating_add(Duration::from_nanos(nanos))
    }
}
