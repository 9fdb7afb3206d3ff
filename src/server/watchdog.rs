//! Telling a supervisor that all is well, as long as it is.

use std::time::Duration;

use super::crew::Crew;
use crate::sys::clock::{self, Time};
use crate::sys::supervisor::Supervisor;

/// Feeds a supervisor's watchdog while every shard answers. One that hangs is a reason to restart the process, though all
/// others, and this thread, go on.
pub(super) struct Watchdog<'a> {
    supervisor: &'a Supervisor,
    /// How often it is fed; `None`, there is none.
    pause: Option<Duration>,
    next: Time,
    /// The shard that did not answer the last time.
    silent: Option<usize>,
}

impl<'a> Watchdog<'a> {
    pub(super) fn new(supervisor: &'a Supervisor) -> Self {
        Self { supervisor, pause: supervisor.pause(), next: clock::now(), silent: None }
    }

    /// How long until it is to be fed.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.pause.map(|_| self.next.saturating_since(clock::now()))
    }

    /// Feeds it when it is time, if all shards answer.
    pub(super) fn feed(&mut self, crew: &mut Crew) {
        let Some(pause) = self.pause else { return };
        if clock::now() < self.next {
            return;
        }
        self.next = clock::now().saturating_add(pause);
        let silent = crew.first_silent();
        if silent.is_none() {
            self.supervisor.alive();
        }
        // Once, and not as often as it is looked.
        match (silent, self.silent) {
            (Some(shard), before) if before != silent => {
                tracing::error!("shard {shard} does not answer: the supervisor is not told that all is well");
            }
            (None, Some(shard)) => tracing::info!("shard {shard} answers again: all is well"),
            _ => {}
        }
        self.silent = silent;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;
    use std::sync::mpsc::{Receiver, sync_channel};
    use std::sync::{Arc, Mutex};

    use super::super::Server;
    use crate::config::{Config, Listener};
    use crate::connection::Inbox;
    use crate::service::{Context, Service};
    use crate::sys::address::Listen;

    /// Hangs as soon as it is told something, until the other end is gone.
    struct Hangs(Arc<Mutex<Receiver<()>>>);

    impl Service for Hangs {
        type Session = ();

        fn open(&mut self, _: &mut Context<'_>) {}

        fn receive(&mut self, _: &mut (), inbox: &mut Inbox<'_>, _: &mut Context<'_>) {
            inbox.consume(inbox.bytes().len());
            let _ = self.0.lock().unwrap().recv();
        }
    }

    /// One of two shards hangs, and is found; when it goes on, all is well again.
    #[test]
    fn a_shard_that_hangs_is_found() {
        let (release, held) = sync_channel::<()>(1);
        let held = Arc::new(Mutex::new(held));
        let listeners = vec![Listener::echo("tcp://127.0.0.1:0".parse().unwrap())];
        let config = Config { listeners, shards: Some(2), ..Config::default() };
        let mut server = Server::start(&config, move |_| Hangs(Arc::clone(&held))).unwrap();
        assert_eq!(server.crew.first_silent(), None);
        let Listen::Tcp(address) = server.addresses()[0] else { panic!("it listens") };
        TcpStream::connect(address).unwrap().write_all(b"hang").unwrap();
        // Until it has read that.
        while server.crew.first_silent().is_none() {}
        drop(release);
        while server.crew.first_silent().is_some() {}
    }
}
