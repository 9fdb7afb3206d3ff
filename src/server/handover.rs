//! A new process takes over: it is started, listens at the same sockets, and when it serves this one drains and ends. One that
//! does not come to serve changes nothing.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Builder;
use std::time::Duration;

use crate::limits;
use crate::sys::bulletin::{Bulletin, Standing};
use crate::sys::clock::{self, Time};
use crate::sys::handover::has_said_ready;
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

/// One that was started, and has not said yet that it serves.
struct Going {
    successor: Successor,
    said: Receiver<bool>,
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
                tracing::info!("process {} is to take over", going.successor.pid());
                self.show(&Standing::Waits(going.successor.pid()));
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
            Ok(said) => {
                let deadline = clock::now().saturating_add(limits::HANDOVER_TIMEOUT);
                Ok(Going { successor, said, deadline })
            }
            Err(error) => {
                // Nobody would hear it say that it serves, and both would.
                launcher.dismiss(successor);
                Err(error)
            }
        }
    }

    /// Where it is said that a successor serves, or has ended without.
    fn listen_to(&self, successor: &Successor) -> io::Result<Receiver<bool>> {
        let (sender, said) = sync_channel(1);
        let (mut ready, waker) = (successor.ready()?, self.waker.clone());
        Builder::new().name("successor".to_owned()).spawn(move || {
            // Nobody hears it when the wait was given up.
            let _ = sender.send(has_said_ready(&mut ready));
            waker.wake();
        })?;
        Ok(said)
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

    /// The number of a process that serves now in the place of this one. One that does not come to it is ended, and that is
    /// said in the log.
    pub(super) fn outcome(&mut self) -> Option<u32> {
        let going = self.going.take()?;
        let is_late = going.deadline <= clock::now();
        match going.said.try_recv() {
            Ok(true) => {
                self.show(&Standing::HandedOver(going.successor.pid()));
                process::name_thread(DRAINING);
                return Some(going.successor.pid());
            }
            Err(_) if !is_late => self.going = Some(going),
            Ok(false) | Err(_) => {
                let (pid, end) = (going.successor.pid(), self.dismiss(going.successor));
                let why = if is_late { "was given up" } else { "did not come to serve" };
                tracing::error!("process {pid} {why} ({end}), and this one serves on");
                self.show(&Standing::Failed(format!("process {pid} {why} ({end})")));
            }
        }
        None
    }
}
