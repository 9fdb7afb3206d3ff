//! A new process takes over: it is started, gets the same sockets, and asks for this one's place when all of it stands. Then it
//! serves, and this one drains and ends. One that does not come to ask changes nothing.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Builder;
use std::time::Duration;

use crate::limits;
use crate::sys::bulletin::{Bulletin, Standing};
use crate::sys::clock::{self, Time};
use crate::sys::handover::is_asked_for;
use crate::sys::launcher::{Launcher, Successor};
use crate::sys::process;
use crate::sys::signal::Waker;

/// What the process is called in ps(1) while it drains.
const DRAINING: &std::ffi::CStr = c"tidemill-drain";

/// What there is to know of successors.
pub(super) struct HandOver {
    launcher: io::Result<Launcher>,
    waker: Waker,
    going: Option<Going>,
    /// For `tidemill upgrade`, if there was a descriptor for it.
    bulletin: Option<Bulletin>,
}

/// One that was started, and has not asked yet.
struct Going {
    successor: Successor,
    asked: Receiver<bool>,
    deadline: Time,
}

impl HandOver {
    /// Successors are started by `launcher`. `waker` wakes whoever is to [look](Self::outcome).
    pub(super) fn new(launcher: io::Result<Launcher>, waker: Waker) -> Self {
        let bulletin = Bulletin::hang_out();
        if let Err(error) = &bulletin {
            tracing::warn!("tidemill upgrade will not find this process: {error}");
        }
        Self { launcher, waker, going: None, bulletin: bulletin.ok() }
    }

    /// Starts a successor with these sockets. What keeps it from that is said in the log.
    pub(super) fn begin(&mut self, sockets: &[OwnedFd]) {
        if let Some(Going { successor, .. }) = &self.going {
            return tracing::warn!("process {} is taking over already", successor.pid());
        }
        match self.start(sockets) {
            Ok(going) => {
                // First, so that whoever reads the log finds it there.
                self.show(&Standing::Waits(going.successor.pid()));
                tracing::info!("process {} is to take over", going.successor.pid());
                self.going = Some(going);
            }
            Err(error) => {
                tracing::error!("no process can be started to take over, and this one serves on: {error}");
                self.show(&Standing::Failed(format!("no process can be started ({error})")));
            }
        }
    }

    fn start(&self, sockets: &[OwnedFd]) -> io::Result<Going> {
        if std::process::id() == 1 {
            return Err(io::Error::other(
                "it is PID 1 of its container, which would end with it. Try: another container",
            ));
        }
        let launcher = self.launcher.as_ref().map_err(|error| io::Error::other(error.to_string()))?;
        let sockets: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
        let successor = launcher.succeed(&sockets)?;
        match self.listen_to(&successor) {
            Ok(asked) => {
                let deadline = clock::now().saturating_add(limits::HANDOVER_TIMEOUT);
                Ok(Going { successor, asked, deadline })
            }
            Err(error) => {
                // Nobody would hear it ask.
                launcher.dismiss(successor);
                Err(error)
            }
        }
    }

    /// Where it is said that a successor asks for this process's place, or has ended without.
    fn listen_to(&self, successor: &Successor) -> io::Result<Receiver<bool>> {
        let (sender, asked) = sync_channel(1);
        let (mut question, waker) = (successor.question()?, self.waker.clone());
        Builder::new().name("successor".to_owned()).spawn(move || {
            // Nobody hears it when the wait was given up.
            let _ = sender.send(is_asked_for(&mut question));
            waker.wake();
        })?;
        Ok(asked)
    }

    /// The service is to stop, and not to go on in another process: ends one that has not come to serve.
    pub(super) fn give_up(&mut self) {
        if let Some(Going { successor, .. }) = self.going.take() {
            tracing::warn!("process {} does not take over, since a stop was asked for", successor.pid());
            self.dismiss(successor);
        }
        self.show(&Standing::Stops);
        process::name_thread(DRAINING);
    }

    fn show(&mut self, standing: &Standing) {
        if let Some(bulletin) = &mut self.bulletin
            && let Err(error) = bulletin.show(standing)
        {
            tracing::warn!("tidemill upgrade does not see how this process stands: {error}");
        }
    }

    /// Ends one, and says how it ended.
    fn dismiss(&self, successor: Successor) -> String {
        match &self.launcher {
            Ok(launcher) => launcher.dismiss(successor),
            Err(error) => error.to_string(),
        }
    }

    /// The number of one that was started, and has not said yet that it serves.
    pub(super) fn successor(&self) -> Option<u32> {
        self.going.as_ref().map(|going| going.successor.pid())
    }

    /// How long to wait for the one that is going on.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.going.as_ref().map(|going| going.deadline.saturating_since(clock::now()))
    }

    /// One that asks for the place of this process, if it is there. One that does not come to it is ended, and that is said in the
    /// log.
    pub(super) fn applicant(&mut self) -> Option<Successor> {
        let going = self.going.take()?;
        let is_late = going.deadline <= clock::now();
        match going.asked.try_recv() {
            Ok(true) => return Some(going.successor),
            Err(_) if !is_late => self.going = Some(going),
            Ok(false) | Err(_) if is_late => self.part_with(going.successor, "was given up"),
            Ok(false) | Err(_) => self.part_with(going.successor, "did not come to serve"),
        }
        None
    }

    /// Ends one that does not serve, and says why and how.
    fn part_with(&mut self, successor: Successor, why: &str) {
        let (pid, end) = (successor.pid(), self.dismiss(successor));
        tracing::error!("process {pid} {why} ({end}), and this one serves on");
        self.show(&Standing::Failed(format!("process {pid} {why} ({end})")));
    }

    /// Lets it serve, and nobody else from now on. Returns whether it does: one that does not listen any more is as one that never
    /// asked.
    pub(super) fn yield_to(&mut self, mut successor: Successor) -> bool {
        let pid = successor.pid();
        if successor.let_serve().is_err() {
            self.part_with(successor, "did not wait for the answer");
            return false;
        }
        self.show(&Standing::HandedOver(pid));
        process::name_thread(DRAINING);
        // Its end is nobody's business here any more: whoever looks after the service hears of it.
        self.launcher = Err(io::Error::other(format!("process {pid} has taken over")));
        true
    }
}
