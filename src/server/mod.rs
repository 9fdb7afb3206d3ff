//! Start, watch, drain, join.
//!
//! The thread that starts the server opens the listeners and probes the ring, starts one thread per shard, and then
//! only waits: for signals, and for a shard that ends. It reaches the shards through their mailboxes.

mod banner;
mod common;
mod crew;
mod doors;
mod ending;
mod groups;
mod handover;
mod inspect;
mod needs;
mod news;
mod plan;
mod reload;
mod sandbox;
mod services;
mod switchboard;
mod users;
mod watchdog;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use self::common::{Access, Common};
use self::crew::Crew;
use self::doors::Doors;
use self::handover::HandOver;
use self::inspect::Inspector;
pub use self::needs::{Needs, RingSizes};
use self::news::News;
use self::plan::{AdminPlan, LateStep};
pub use self::reload::Reloaded;
use self::reload::Running;
use self::sandbox::Sandbox;
use self::services::Kit;
pub use self::services::http_settings;
use self::users::UserBook;
use self::watchdog::Watchdog;
use crate::access::users::Users;
use crate::config::{Config, Endpoint, Listener, Source};
use crate::error::{StartError, exit};
use crate::log::{self, Log};
use crate::metrics::Snapshot;
use crate::metrics::board::Board;
use crate::ring::Capabilities;
use crate::service::Service;
use crate::service::house::{House, Wiring};
use crate::service::http::{Admin, Http};
use crate::shard::DrainTimes;
use crate::sys::address::Listen;
use crate::sys::clock;
use crate::sys::handover::Predecessor;
use crate::sys::launcher::Launcher;
use crate::sys::signal::{Signals, StopSignal, Waker, Woken};
use crate::sys::supervisor::{Inherited, Supervisor};
use crate::tls::Tickets;

/// Serves the configured services until a signal asks to stop, and returns the exit code. `source` is where the configuration
/// came from, and comes from again on SIGHUP.
///
/// Call it before the process starts other threads: else it does not shut itself in as far, and nobody can take over from it.
///
/// # Errors
/// When it cannot start, or a shard fails while it runs.
pub fn run(config: &Config, source: &Source) -> Result<u8, StartError> {
    let signals = Signals::watch().map_err(StartError::Signals)?;
    // At once: before other threads, and before its file is replaced.
    let launcher = Launcher::split_off();
    let supervisor = Supervisor::find();
    let sandbox = Sandbox::begin(config, source);
    let log = log::init(config.log_format, config.log_level).map_err(StartError::NoLog)?;
    if let Err(error) = &launcher {
        tracing::warn!("no other process can take over from this one: {error}");
    }
    let ended = start_and_serve(config, source, &log, (signals, launcher, supervisor, sandbox));
    match ended {
        // Where programs read, it is an event as all others; else whoever called says it as a sentence.
        Err(error) if log.is_for_programs() => {
            tracing::error!("{error}");
            Ok(error.exit_code())
        }
        ended => ended,
    }
}

fn start_and_serve(
    config: &Config,
    source: &Source,
    log: &Log,
    (signals, launcher, supervisor, sandbox): (Signals, io::Result<Launcher>, Supervisor, Sandbox),
) -> Result<u8, StartError> {
    let kit = Kit::new(config)?;
    let (predecessor, inherited) = match Predecessor::find()? {
        Some((predecessor, inherited)) => (Some(predecessor), inherited),
        None => (None, Inherited::take_all()?),
    };
    let begun = Server::begin(config, inherited, |listeners, datagrams, users, board| {
        let Wiring { behind, nats, ingest } = kit.wiring(config, (listeners, datagrams), users);
        let board = Arc::clone(board);
        move |_| House::new(&behind, &nats, Arc::clone(&board)).with_ingest(ingest.clone())
    });
    let mut server = match begun {
        Ok(server) => server,
        Err(error) => {
            predecessor.into_iter().for_each(Predecessor::keep_waiting);
            return Err(error);
        }
    };
    server.running.kit = Some(kit);
    // Before anybody hears that it serves, and asks it to hand over; and before it makes no files any more.
    let hand_over = HandOver::new(launcher, server.waker.clone());
    if let Some(predecessor) = predecessor {
        // Else both would stop, though nobody has asked the other one to.
        if let Some(signal) = signals.pending_stop() {
            tracing::warn!("asked to stop before it served");
            predecessor.keep_waiting();
            return Ok(signal.exit_code());
        }
        if !predecessor.ask_for_its_place() {
            return Err(StartError::NotWanted);
        }
        server.crew.own_files();
    }
    server.finish_sockets();
    let sandbox = sandbox.complete(&server);
    server.crew.open_gates();
    log.say(&banner::text(&server, config, &sandbox));
    supervisor.ready(&server.status());
    if let Some(signal) = serve(&mut server, &supervisor, hand_over, &signals, source, &sandbox, log)? {
        return Ok(signal.exit_code());
    }
    let snapshots = server.join()?;
    log.say(&table(&snapshots));
    let cut: u64 = snapshots.iter().map(|snapshot| snapshot.counters.cut_drain).sum();
    Ok(if cut == 0 { exit::CLEAN } else { exit::DRAIN_CUT })
}

/// Does what signals ask for until the server has drained. A second one to stop ends the wait, and is returned.
fn serve(
    server: &mut Server,
    supervisor: &Supervisor,
    mut hand_over: HandOver,
    signals: &Signals,
    source: &Source,
    sandbox: &Sandbox,
    log: &Log,
) -> Result<Option<StopSignal>, StartError> {
    let mut watchdog = Watchdog::new(supervisor);
    loop {
        let wait = watchdog.wait().into_iter().chain(hand_over.wait()).min();
        match signals.wait(&server.waker, wait).map_err(StartError::Signals)? {
            Woken::Report => log.say(&table(&server.report())),
            Woken::Reload => reload::from_source(server, source, log, supervisor, &hand_over, sandbox),
            Woken::Upgrade => hand_over.begin(&server.handles),
            Woken::Waker if server.crew.has_lost_one() => return Err(server.fail()),
            Woken::Waker | Woken::TimedOut => {}
            Woken::Stop(_) => {
                hand_over.give_up();
                let times = ending::by_stop(server.config());
                supervisor.stopping(ending::patience(times));
                return ending::drain(server, signals, times, None);
            }
        }
        if let Some(successor) = hand_over.applicant() {
            let pid = successor.pid();
            // Before that one says anything: a supervisor may listen to the main process only.
            supervisor.handed_over(pid);
            if !hand_over.yield_to(successor) {
                supervisor.handed_over(std::process::id());
                continue;
            }
            tracing::info!("handed over to process {pid}");
            server.crew.share_files();
            let (times, when_asked) =
                (ending::by_hand_over(server.config()), ending::by_stop(server.config()));
            return ending::drain(server, signals, times, Some(when_asked));
        }
        watchdog.feed(&mut server.crew);
    }
}

/// Reads the files that a start would read, and opens nothing. Returns what is odd about those that can be used, a sentence
/// each.
///
/// # Errors
/// Says in one sentence which certificate, key or token file cannot be used.
pub fn check(config: &Config) -> Result<Vec<String>, StartError> {
    let tickets = Tickets::new().map_err(|error| StartError::Credentials(error.to_string()))?;
    let mut warnings = Doors::load(&config.listeners, &tickets)?.warnings();
    warnings.extend(UserBook::load(&config.hub)?.warnings());
    warnings.extend(users::open_to_all(config));
    Ok(warnings)
}

/// A server that runs: for programs that embed it.
///
/// It stops when it is told to and when it is dropped.
pub struct Server {
    crew: Crew,
    waker: Waker,
    endpoints: Vec<Endpoint>,
    addresses: Vec<Listen>,
    capabilities: Capabilities,
    /// Whether its rings do what a server asks of them, and nothing else.
    sealed: bool,
    /// What holds while it runs.
    running: Running,
    news: Arc<News>,
    /// A second handle of each socket that listens, until the server stops.
    handles: Vec<OwnedFd>,
    /// What is left to do with them before it serves.
    late: Vec<LateStep>,
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
        let mut server = Self::begin(config, Inherited::nothing(), |_, _, _, _| make)?;
        server.crew.open_gates();
        Ok(server)
    }

    /// As [`start`](Self::start), with a service that is made when it is known which listeners were opened; and nobody is let in yet.
    fn begin<S: Service, F: Fn(usize) -> S + Clone + Send + 'static>(
        config: &Config,
        inherited: Inherited,
        prepare: impl FnOnce(&[Listener], &[Listener], &Users, &Arc<Board>) -> F,
    ) -> Result<Self, StartError> {
        config.validate()?;
        let waker = Waker::new().map_err(StartError::Signals)?;
        let mut plan = plan::draw(config, inherited)?;
        let common = Common::new(config, std::mem::take(&mut plan.groups), plan.shards.len())?;
        let access = Access::load(config, &common)?;
        access.warn(config);
        let (listeners, datagrams) =
            (common.groups.streams.listeners(config), common.groups.datagrams.listeners(config));
        let make = prepare(&listeners, &datagrams, access.users.users(), &common.board);
        let endpoints = common.groups.endpoints(config);
        let (capabilities, sealed) = (plan.capabilities, plan.setup.sealed);
        let (handles, late) = (std::mem::take(&mut plan.handles), std::mem::take(&mut plan.late));
        let news = Arc::new(News::new(&endpoints));
        let admin = plan.admin.take();
        let mut crew = Crew::start(plan, &common.house(config, &access)?, make, &waker)?;
        if let Some(plan) = admin {
            start_admin(&mut crew, config, plan, (&common, &access), &news, &waker)?;
        }
        let addresses = endpoints.iter().map(|endpoint| endpoint.listen.clone()).collect();
        let running = Running { start: config.clone(), config: config.clone(), common, access, kit: None };
        Ok(Self { crew, waker, endpoints, addresses, capabilities, sealed, running, news, handles, late })
    }

    /// Does what was left to do with sockets that others have opened, now that nothing fails any more.
    fn finish_sockets(&mut self) {
        self.late.drain(..).for_each(|step| step.take_place(&self.handles));
    }

    /// Where it listens, with the ports that the system chose.
    pub fn addresses(&self) -> &[Listen] {
        &self.addresses
    }

    /// What it serves where, in the order of the configuration.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Listeners whose certificate nobody has signed, each with the certificate's SHA-256 fingerprint.
    pub fn fingerprints(&self) -> Vec<(&str, &str)> {
        let Access { doors, admin_doors, .. } = &self.running.access;
        doors.fingerprints().into_iter().chain(admin_doors.fingerprints()).collect()
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
    pub fn stop(&mut self, times: impl Into<DrainTimes>) {
        // The last handle of a socket closes it.
        self.handles.clear();
        self.crew.stop(times.into());
    }

    /// Waits until every shard has ended, and returns their last counters. Ask it to [stop](Self::stop) first.
    ///
    /// # Errors
    /// When a shard failed.
    pub fn join(mut self) -> Result<Vec<Snapshot>, StartError> {
        self.crew.join()
    }

    /// What a supervisor shows of it.
    fn status(&self) -> String {
        let (places, shards) = (self.endpoints.len(), self.crew.cores().len());
        let stale = if self.news.reloads().last_succeeded { "" } else { "; the last reload changed nothing" };
        format!("serves at {places} addresses, {shards} shards, {}{stale}", said_engine(self.capabilities))
    }

    /// Stops the shards that are left after one has failed, and says why it failed.
    fn fail(&mut self) -> StartError {
        self.stop(Duration::ZERO);
        match self.crew.join() {
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

/// Starts the thread behind the operators' pages.
fn start_admin(
    crew: &mut Crew,
    config: &Config,
    plan: AdminPlan,
    (common, access): (&Common, &Access),
    news: &Arc<News>,
    waker: &Waker,
) -> Result<(), StartError> {
    let house = common.admin_house(access);
    let listeners = common.groups.admins.listeners(config);
    let settings = listeners.iter().map(|listener| http_settings(config, listener)).collect();
    let (since, shards, news) = (clock::now(), crew.cores().len(), Arc::clone(news));
    let engine = said_engine(plan.setup.capabilities);
    let make = move |switchboard| {
        let inspector = Inspector { switchboard, shards, since, news, engine };
        Http::new(Admin::new(inspector), settings)
    };
    crew.start_admin(plan, &house, make, waker)
}

/// The engine and its tier, in two words.
fn said_engine(capabilities: Capabilities) -> String {
    format!("{} {}", capabilities.engine, capabilities.tier())
}

/// The shards' counters, and their sums.
fn table(shards: &[Snapshot]) -> String {
    let mut total = Snapshot::default();
    for shard in shards {
        total.add(shard);
    }
    total.to_text(shards)
}
