//! The lives of sessions' connections: opened, welcomed, parted from, failed, closed, and opened anew.

use tidemill::ring::{ConnectError, Kind, Op};

use super::Sessions;
use crate::link::Link;
use crate::plan::GRACE;
use crate::record::ErrorClass;
use crate::traffic::client::{Sockets, Turn, index, token};
use crate::traffic::session::Stage;
use crate::traffic::talk::{Fault, Talk};

impl<T: Talk> Sessions<T> {
    pub(super) fn connected<K: Sockets>(
        &mut self,
        slot: u32,
        result: Result<(), ConnectError>,
        turn: &mut Turn<'_, K>,
    ) {
        self.sessions[index(slot)].operations -= 1;
        if self.sessions[index(slot)].stage != Stage::Connecting {
            return self.closed(slot, turn);
        }
        match result {
            Ok(()) => {
                turn.recorder.connected(self.sessions[index(slot)].dialed, turn.now);
                self.welcome(slot, turn);
            }
            Err(error) => {
                let fault = Fault::new(ErrorClass::from(&error), format!("it could not be made: {error}"));
                self.fail(slot, &fault, turn);
            }
        }
    }

    /// Begins on a connection that is made.
    pub(super) fn welcome<K: Sockets>(&mut self, slot: u32, turn: &mut Turn<'_, K>) {
        self.arm(slot, true, turn.link);
        let filters = self.manner.filters.take();
        self.with(slot, turn, |session, common, _, turn| {
            session.connected(common, filters.as_ref(), turn.now)
        });
        self.manner.filters = filters;
    }

    /// Opens a connection for a session that has none.
    pub(super) fn dial<K: Sockets>(&mut self, slot: u32, turn: &mut Turn<'_, K>) {
        if self.is_ending {
            return;
        }
        let session = &mut self.sessions[index(slot)];
        let file = session.file;
        let dialed = self
            .manner
            .dialer
            .socket(session.number)
            .and_then(|socket| turn.link.adopt(socket, file.place()));
        if let Err(error) = dialed {
            return self.fail(slot, &Fault::new(ErrorClass::Other, format!("no socket: {error}")), turn);
        }
        turn.recorder.counts.dialed += 1;
        turn.recorder.counts.reconnects += u64::from(self.manner.requests.is_none());
        session.operations += 1;
        session.dialed = turn.now;
        self.set_stage(slot, Stage::Connecting);
        let address = Box::new(self.manner.dialer.address.clone());
        turn.link.push(Op::Connect { token: token(Kind::Connect, slot), file, address });
    }

    /// Says goodbye, and waits for the server's if there is one to come.
    pub(super) fn part<K: Sockets>(&mut self, slot: u32, turn: &mut Turn<'_, K>) {
        let session = &mut self.sessions[index(slot)];
        let waits = session.part(&mut self.common, &mut self.scratch);
        let life = session.life;
        self.flush(slot, turn.link);
        if !waits {
            return self.close_one(slot, turn.link);
        }
        self.set_stage(slot, Stage::Parting);
        self.partings.push_back((turn.now.saturating_add(GRACE), slot, life));
    }

    /// Counts what went wrong and gives the session up.
    pub(super) fn fail<K: Sockets>(&mut self, slot: u32, fault: &Fault, turn: &mut Turn<'_, K>) {
        let session = &mut self.sessions[index(slot)];
        let number = session.number;
        turn.recorder.counts.errors.count(fault.class, || format!("connection {number}: {}", fault.sentence));
        if session.has_failed {
            return;
        }
        session.has_failed = true;
        self.open -= 1;
        self.in_flight -= session.due.total();
        for (asked, count) in session.due.take_all() {
            turn.recorder.gone(asked, turn.now, count);
        }
        if session.stage == Stage::Idle {
            return self.set_stage(slot, Stage::Failed);
        }
        self.flush(slot, turn.link); // An alert or a close frame may be among it.
        self.close_one(slot, turn.link);
    }

    pub(super) fn close_one<K: Sockets>(&mut self, slot: u32, link: &mut Link<K>) {
        let session = &mut self.sessions[index(slot)];
        if matches!(session.stage, Stage::Idle | Stage::Closing | Stage::Failed) {
            return;
        }
        session.operations += 2;
        let file = session.file;
        self.set_stage(slot, Stage::Closing);
        link.push(Op::Close { token: token(Kind::Close, slot), file });
    }

    /// An operation of a closing session has answered; after the last one its place is free.
    pub(super) fn closed<K: Sockets>(&mut self, slot: u32, turn: &mut Turn<'_, K>) {
        let session = &mut self.sessions[index(slot)];
        if session.operations != 0 {
            return;
        }
        if session.has_failed {
            return self.set_stage(slot, Stage::Failed);
        }
        turn.recorder.counts.repeated += session.renew();
        self.set_stage(slot, Stage::Idle);
        self.change(slot);
    }
}
