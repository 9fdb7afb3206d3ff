//! Start, watch, drain, join.
//!
//! The thread that starts the server opens the listeners and probes the ring, starts one thread per shard, and then
//! only waits: for signals, and for a shard that ends. It reaches the shards through their mailboxes.

mod banner;
mod crew;
mod plan;

use std::time::Duration;

use self::crew::Crew;
use crate::config::Config;
use crate::error::{StartError, exit};
use crate::log;
use crate::metrics::Snapshot;
use crate::ring::Capabilities;
use crate::service::{Echo, Service};
use crate::sys::address::Listen;
use crate::sys::signal::{Signals, StopSignal, Waker, Woken};

/// Serves the configured services until a signal asks to stop, and returns the exit code.
///
/// # Errors
/// When it cannot start, or a shard fails while it runs.
pub fn run(config: &Config) -> Result<u8, StartError> {
    let signals = Signals::watch().map_err(StartError::Signals)?;
    let log = log::init(config.log_format, config.log_level);
    let mut server = Server::start(config, |_| Echo)?;
    log.say(&banner::text(&server, config));
    let code = loop {
        match signals.wait(&server.waker, None).map_err(StartError::Signals)? {
            Woken::Report => log.say(&table(&server.report())),
            Woken::Waker if server.crew.has_lost_one() => return Err(server.fail()),
            Woken::Waker | Woken::TimedOut => {}
            Woken::Stop(_) => match drain(&mut server, &signals, config)? {
                Some(signal) => return Ok(signal.exit_code()),
                None => break server.join(),
            },
        }
    };
    let snapshots = code?;
    log.say(&table(&snapshots));
    let cut: u64 = snapshots.iter().map(|snapshot| snapshot.counters.cut_drain).sum();
    Ok(if cut == 0 { exit::CLEAN } else { exit::DRAIN_CUT })
}

/// Stops in order. A second signal ends the wait, and is returned.
fn drain(server: &mut Server, signals: &Signals, config: &Config) -> Result<Option<StopSignal>, StartError> {
    server.stop(config.drain_timeout);
    tracing::info!("stopping: answers have {} to finish", humantime::format_duration(config.drain_timeout));
    while !server.crew.is_over() {
        // The shards end by themselves after the deadline; this wait has no other bound.
        if let Woken::Stop(signal) = signals.wait(&server.waker, None).map_err(StartError::Signals)? {
            tracing::warn!("stopping at once: connections are cut");
            return Ok(Some(signal));
        }
    }
    Ok(None)
}

/// A server that runs: for programs that embed it.
///
/// It stops when it is told to and when it is dropped.
pub struct Server {
    crew: Crew,
    waker: Waker,
    addresses: Vec<Listen>,
    capabilities: Capabilities,
}

impl Server {
    /// Opens the configured listeners and starts the shards, each with the service that `make` returns for its number.
    ///
    /// # Errors
    /// Says in one sentence why it could not start, and what to do about it.
    pub fn start<S: Service>(
        config: &Config,
        make: impl Fn(usize) -> S + Clone + Send + 'static,
    ) -> Result<Self, StartError> {
        config.validate()?;
        let waker = Waker::new().map_err(StartError::Signals)?;
        let (plan, addresses) = plan::draw(config)?;
        let capabilities = plan.capabilities;
        let crew = Crew::start(plan, make, &waker)?;
        Ok(Self { crew, waker, addresses, capabilities })
    }

    /// Where it listens, with the ports that the system chose.
    pub fn addresses(&self) -> &[Listen] {
        &self.addresses
    }

    /// What its rings can do.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The cores of its shards.
    pub fn cores(&self) -> Vec<usize> {
        self.crew.cores()
    }

    /// The counters of each shard. A shard that does not answer within a second is left out.
    pub fn report(&mut self) -> Vec<Snapshot> {
        self.crew.report()
    }

    /// Begins to stop: nothing more is accepted, answers have this long to finish.
    pub fn stop(&mut self, timeout: Duration) {
        self.crew.stop(timeout);
    }

    /// Waits until every shard has ended, and returns their last counters. Ask it to [stop](Self::stop) first.
    ///
    /// # Errors
    /// When a shard failed.
    pub fn join(mut self) -> Result<Vec<Snapshot>, StartError> {
        self.crew.join()
    }

    /// Stops the shards that are left after one has failed, and says why it failed.
    fn fail(mut self) -> StartError {
        self.stop(Duration::ZERO);
        match self.join() {
            Err(error) => error,
            Ok(_) => {
                StartError::ShardFailed { shard: 0, cause: "it ended without being asked to".to_owned() }
            }
        }
    }
}

impl Drop for Server {
    /// Stops at once, and waits for it.
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
        // Nobody is left to be told of a failure.
        let _ = self.crew.join();
    }
}

/// The shards' counters, and their sums.
fn table(shards: &[Snapshot]) -> String {
    let mut total = Snapshot::default();
    for shard in shards {
        total.add(shard);
    }
    total.to_text(shards)
}
