//! Requests of sessions: begun where there is room, written, and given up when they are not answered in time.

use std::ops::Range;
use std::time::Duration;

use tidemill::sys::clock::Time;

use super::Sessions;
use crate::record::ErrorClass;
use crate::traffic::client::{Sockets, Turn, index, slot};
use crate::traffic::session::Stage;
use crate::traffic::talk::Talk;

impl<T: Talk> Sessions<T> {
    /// Lets a session go on with what it owes, after something has happened to it.
    pub(super) fn attend_one<K: Sockets>(&mut self, slot: u32, turn: &mut Turn<'_, K>) {
        let session = &mut self.sessions[index(slot)];
        session.is_changed = false;
        match session.stage {
            // Connections that come and go are opened when they are needed.
            Stage::Idle
                if 0 < session.owed || self.manner.requests.is_none() && !turn.demand.is_spent(turn.now) =>
            {
                self.dial(slot, turn);
            }
            Stage::Open if !session.is_sending && !session.is_deaf && 0 < session.owed => {
                self.ask(slot, turn);
            }
            _ => {}
        }
        let room = self.room(slot);
        let session = &mut self.sessions[index(slot)];
        if room != 0 && !session.is_listed {
            session.is_listed = true;
            self.free.push_back(slot);
        }
    }

    /// How many requests a session may begin now.
    pub(super) fn room(&self, slot: u32) -> u64 {
        let session = &self.sessions[index(slot)];
        let may_begin = match session.stage {
            _ if self.is_ending => false,
            Stage::Idle => self.manner.requests.is_some(),
            Stage::Open => !session.is_sending && !session.is_deaf && !session.is_over(),
            Stage::Connecting | Stage::Opening | Stage::Parting | Stage::Closing | Stage::Failed => false,
        };
        if !may_begin {
            return 0;
        }
        let left = self.manner.requests.map_or(u64::MAX, |most| most.saturating_sub(session.begun));
        let in_send = T::requests_per_send(&self.common).saturating_sub(session.owed);
        (self.manner.depth - session.due.total()).min(in_send).min(left)
    }

    /// Begins requests on one session, as many as it has room for and `share` allows. Returns whether it began any.
    pub(super) fn begin<K: Sockets>(&mut self, slot: u32, share: u64, turn: &mut Turn<'_, K>) -> bool {
        let mut left = self.room(slot).min(share);
        let session = &mut self.sessions[index(slot)];
        session.is_listed = false;
        let begun = session.begun;
        while let Some(batch) = turn.demand.take(left, turn.now) {
            session.begin(batch, turn.now);
            turn.recorder.sent(batch, turn.now);
            left -= batch.count;
        }
        let count = session.begun - begun;
        if count == 0 {
            return false;
        }
        self.in_flight += count;
        if session.stage == Stage::Idle {
            self.dial(slot, turn)
        } else {
            self.ask(slot, turn)
        }
        true
    }

    /// Writes what a session owes, and sends it.
    pub(super) fn ask<K: Sockets>(&mut self, slot: u32, turn: &mut Turn<'_, K>) {
        match self.sessions[index(slot)].ask(&mut self.common, &mut self.scratch) {
            Ok(()) => self.flush(slot, turn.link),
            Err(fault) => self.fail(slot, &fault, turn),
        }
    }

    /// Gives up requests whose answer has not come in time, and their connections: what is behind them cannot come
    /// either, and is asked again on the next one.
    pub(super) fn sweep<K: Sockets>(&mut self, sessions: Range<usize>, turn: &mut Turn<'_, K>) {
        let Some(late) = turn.now.as_nanos().checked_sub(nanos(self.manner.timeout)) else { return };
        for at in sessions {
            let session = &mut self.sessions[at];
            let due = session.due.total();
            while let Some((asked, count)) = session.due.take_older(Time::from_nanos(late)) {
                turn.recorder.given_up(asked, turn.now, count);
            }
            let given_up = due - session.due.total();
            if given_up == 0 {
                continue;
            }
            self.in_flight -= given_up;
            session.owed = session.owed.min(session.due.total());
            let number = session.number;
            let sentence = || format!("connection {number}: no answer in time");
            turn.recorder.counts.errors.count(ErrorClass::TimedOut, sentence);
            self.close_one(slot(at), turn.link);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
