//! The shards' threads, seen from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::plan::{AdminPlan, Plan, ShardPlan, ring_failed};
use super::switchboard::Switchboard;
use crate::error::StartError;
use crate::limits;
use crate::metrics::Snapshot;
use crate::ring::{Bell, Epoll, Host, RingError, Setup, Uring};
use crate::service::Service;
use crate::shard::mailbox::{Address, Contact, Mailbox, Message, mailbox};
use crate::shard::{DrainTimes, House, Options, Shard, Sockets, Terms};
use crate::sys::clock;
use crate::sys::cpu;
use crate::sys::signal::Waker;
use crate::sys::socket::SocketFile;
use crate::tier::Engine;

/// The shards' threads.
pub(super) struct Crew {
    /// The shards, and the one behind the admin listeners, if there are any, at the end.
    threads: Vec<Running>,
    /// How many shards there are.
    shards: usize,
    switchboard: Switchboard,
    /// One for each thread, which takes nothing from its sockets before a word comes through it: so nobody is let in whom a start
    /// that fails would lose.
    gates: Vec<SyncSender<()>>,
    /// Dropped, and so removed, when the shards have ended.
    files: Vec<SocketFile>,
}

struct Running {
    core: Option<usize>,
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Result<Snapshot, RingError>>,
}

impl Running {
    /// Whether the shard has ended, or is about to without another step.
    fn has_ended(&self) -> bool {
        // Acquire: pairs with the release in `WakeAtEnd`.
        self.ended.load(Ordering::Acquire)
    }
}

/// What a thread takes with it.
struct Kit {
    plan: ShardPlan,
    setup: Setup,
    options: Options,
    house: House,
    mailbox: Mailbox,
    gate: Receiver<()>,
}

/// What a thread says when it has started, or has not.
type Started = (usize, Result<Bell, StartError>);

impl Crew {
    /// Starts all shards, and waits until they could serve, which they do when the [gate opens](Self::open_gates).
    pub(super) fn start<S: Service>(
        plan: Plan,
        house: &House,
        make: impl Fn(usize) -> S + Clone + Send + 'static,
        waker: &Waker,
    ) -> Result<Self, StartError> {
        let count = plan.shards.len();
        let mut starting = Starting::new(plan.setup, waker);
        for (number, shard) in plan.shards.into_iter().enumerate() {
            let options = Options { number, ..plan.options };
            let make = make.clone();
            starting.spawn(shard, options, house, move |number| Ok(make(number)))?;
        }
        let Ready { threads, contacts, gates } = starting.wait()?;
        let all: Arc<[Contact]> = contacts.clone().into();
        let mut switchboard = Switchboard::new(plan.setup, contacts)?;
        switchboard.tell(count, || Message::Contacts(Arc::clone(&all)));
        Ok(Self { threads, shards: count, switchboard, gates, files: plan.files })
    }

    /// Starts one more thread, with a service that can ask the shards.
    pub(super) fn start_admin<S: Service>(
        &mut self,
        plan: AdminPlan,
        house: &House,
        make: impl FnOnce(Switchboard) -> S + Send + 'static,
        waker: &Waker,
    ) -> Result<(), StartError> {
        let contacts = self.switchboard.contacts().to_vec();
        let setup = plan.setup;
        let mut starting = Starting::new(plan.setup, waker);
        let options = Options { number: self.shards, ..plan.options };
        starting.spawn(plan.shard, options, house, move |_| Ok(make(Switchboard::new(setup, contacts)?)))?;
        let Ready { threads, contacts, gates } = starting.wait()?;
        self.threads.extend(threads);
        self.gates.extend(gates);
        contacts.into_iter().for_each(|contact| self.switchboard.add(contact));
        Ok(())
    }

    /// Lets all threads serve.
    pub(super) fn open_gates(&mut self) {
        for gate in self.gates.drain(..) {
            // One that has ended is seen by its end.
            let _ = gate.send(());
        }
    }

    /// The cores of the shards.
    pub(super) fn cores(&self) -> Vec<usize> {
        self.threads.iter().take(self.shards).filter_map(|shard| shard.core).collect()
    }

    /// Whether a shard has ended.
    pub(super) fn has_lost_one(&self) -> bool {
        self.threads.iter().any(Running::has_ended)
    }

    /// Whether all shards have ended.
    pub(super) fn is_over(&self) -> bool {
        self.threads.iter().all(Running::has_ended)
    }

    /// Leaves the files of Unix sockets to another process, as far as it has the sockets.
    pub(super) fn share_files(&mut self) {
        self.files.iter_mut().for_each(SocketFile::share);
    }

    /// Takes the files of Unix sockets over from a process that goes.
    pub(super) fn own_files(&mut self) {
        self.files.iter_mut().for_each(SocketFile::own);
    }

    pub(super) fn stop(&mut self, times: DrainTimes) {
        // Who waits at one that goes has nothing to stop, and ends.
        self.gates.clear();
        self.switchboard.tell(self.threads.len(), || Message::Stop(times));
    }

    /// Gives the shards new terms; those of the thread behind the admin listeners are its own. Returns when all of them hold,
    /// or the first of those where that is not known after a second.
    pub(super) fn change_terms(&mut self, terms: &Arc<Terms>, admin_terms: Option<Terms>) -> Option<usize> {
        for shard in 0..self.shards {
            self.switchboard.tell_patiently(shard, Message::Terms(Arc::clone(terms)));
        }
        if let Some(terms) = admin_terms.filter(|_| self.shards < self.threads.len()) {
            self.switchboard.tell_patiently(self.shards, Message::Terms(Arc::new(terms)));
        }
        // A mailbox is read in its order, so who answers has taken over what was told before.
        self.switchboard.first_silent(self.threads.len())
    }

    /// The first shard that does not answer within a second.
    pub(super) fn first_silent(&mut self) -> Option<usize> {
        self.switchboard.first_silent(self.shards)
    }

    pub(super) fn report(&mut self) -> Vec<Snapshot> {
        self.switchboard.report(self.shards).into_iter().map(|(_, snapshot)| snapshot).collect()
    }

    /// Waits for all threads, and returns the shards' counters; a second time there is nobody to wait for.
    pub(super) fn join(&mut self) -> Result<Vec<Snapshot>, StartError> {
        self.gates.clear();
        let mut snapshots = Vec::with_capacity(self.threads.len());
        let mut failure = None;
        for (shard, running) in self.threads.drain(..).enumerate() {
            match running.thread.join() {
                Ok(Ok(snapshot)) => snapshots.push(snapshot),
                Ok(Err(error)) => {
                    failure.get_or_insert(StartError::ShardFailed { shard, cause: error.to_string() });
                }
                Err(_) => {
                    let cause = "it panicked, as said above".to_owned();
                    failure.get_or_insert(StartError::ShardFailed { shard, cause });
                }
            }
        }
        snapshots.truncate(self.shards);
        failure.map_or(Ok(snapshots), Err)
    }
}

/// Threads that were started and have not all said yet that they could serve. When this is dropped they end.
struct Starting<'a> {
    setup: Setup,
    waker: &'a Waker,
    started: SyncSender<Started>,
    starts: Receiver<Started>,
    threads: Vec<(Running, Address)>,
    gates: Vec<SyncSender<()>>,
}

/// Threads that could serve.
struct Ready {
    threads: Vec<Running>,
    contacts: Vec<Contact>,
    gates: Vec<SyncSender<()>>,
}

impl<'a> Starting<'a> {
    fn new(setup: Setup, waker: &'a Waker) -> Self {
        let (started, starts) = sync_channel(limits::SHARDS_MAX);
        Self { setup, waker, started, starts, threads: Vec::new(), gates: Vec::new() }
    }

    fn spawn<S: Service>(
        &mut self,
        plan: ShardPlan,
        options: Options,
        house: &House,
        make: impl FnOnce(usize) -> Result<S, StartError> + Send + 'static,
    ) -> Result<(), StartError> {
        let (mailbox, address) = mailbox();
        let (open, gate) = sync_channel(1);
        let core = plan.core;
        let kit = Kit { plan, setup: self.setup, options, house: house.clone(), mailbox, gate };
        let ended = Arc::new(AtomicBool::new(false));
        let end = WakeAtEnd { waker: self.waker.clone(), ended: Arc::clone(&ended) };
        let place = self.threads.len();
        let thread = spawn(place, kit, make, self.started.clone(), end)?;
        self.threads.push((Running { core, ended, thread }, address));
        self.gates.push(open);
        Ok(())
    }

    /// Waits until all of them could serve.
    fn wait(self) -> Result<Ready, StartError> {
        drop(self.started);
        let bells = await_starts(&self.starts, self.threads.len())?;
        let contact =
            |((running, address), bell): ((Running, Address), Bell)| (running, Contact { address, bell });
        let (threads, contacts) = self.threads.into_iter().zip(bells).map(contact).unzip();
        Ok(Ready { threads, contacts, gates: self.gates })
    }
}

fn spawn<S: Service>(
    place: usize,
    kit: Kit,
    make: impl FnOnce(usize) -> Result<S, StartError> + Send + 'static,
    started: SyncSender<Started>,
    end: WakeAtEnd,
) -> Result<JoinHandle<Result<Snapshot, RingError>>, StartError> {
    let number = kit.options.number;
    let failed = |cause| StartError::NoThread { shard: number, cause };
    let name = format!("shard {number}");
    let body = move || {
        let _said_at_the_end = end;
        // The one place that knows which engine runs: below it is a type, so that no message asks for it.
        match kit.setup.capabilities.engine {
            Engine::Uring => serve::<Uring, S>(place, kit, make, started),
            Engine::Epoll => serve::<Epoll, S>(place, kit, make, started),
        }
    };
    Builder::new().name(name).spawn(body).map_err(failed)
}

/// A shard's life.
fn serve<K: Host, S: Service>(
    place: usize,
    kit: Kit,
    make: impl FnOnce(usize) -> Result<S, StartError>,
    started: SyncSender<Started>,
) -> Result<Snapshot, RingError> {
    let prepared = match begin::<K, S>(kit, make) {
        Ok(prepared) => prepared,
        Err(error) => {
            // Nobody listens when the start was given up.
            let _ = started.send((place, Err(error)));
            return Ok(Snapshot::default());
        }
    };
    let _ = started.send((place, Ok(prepared.ring.bell())));
    drop(started);
    if prepared.gate.recv().is_err() {
        return Ok(Snapshot::default());
    }
    let mut shard = prepared.into_shard();
    shard.run()?;
    Ok(shard.snapshot())
}

/// All that a shard needs, before it takes anything from its sockets.
struct Prepared<K, S> {
    ring: K,
    service: S,
    options: Options,
    house: House,
    mailbox: Mailbox,
    sockets: Sockets,
    gate: Receiver<()>,
}

impl<K: Host, S: Service> Prepared<K, S> {
    fn into_shard(self) -> Shard<K, S> {
        Shard::new(self.ring, self.service, self.options, self.house, self.mailbox, &self.sockets)
    }
}

/// Pins the thread, makes its ring, and takes its sockets into it.
fn begin<K: Host, S: Service>(
    kit: Kit,
    make: impl FnOnce(usize) -> Result<S, StartError>,
) -> Result<Prepared<K, S>, StartError> {
    let Kit { plan, setup, options, house, mailbox, gate } = kit;
    if let Some(core) = plan.core {
        cpu::pin(core)?;
    }
    let mut ring = K::make(&setup).map_err(ring_failed)?;
    let mut sockets = Sockets::default();
    for (place, (listener, number)) in (0..).zip(plan.listeners) {
        sockets.listeners.push(ring.adopt(listener, place).map_err(StartError::RingUnexpected)?);
        sockets.listener_numbers.push(number);
    }
    let after = u32::try_from(sockets.listeners.len()).expect("listeners are few");
    for (place, (datagram, number)) in (after..).zip(plan.datagrams) {
        sockets.datagrams.push(ring.adopt(datagram, place).map_err(StartError::RingUnexpected)?);
        sockets.datagram_numbers.push(number);
    }
    ring.seal().map_err(ring_failed)?;
    let service = make(options.number)?;
    Ok(Prepared { ring, service, options, house, mailbox, sockets, gate })
}

fn await_starts(starts: &Receiver<Started>, count: usize) -> Result<Vec<Bell>, StartError> {
    let deadline = clock::now().saturating_add(limits::START_TIMEOUT);
    let mut bells = vec![None; count];
    while let Some(missing) = bells.iter().position(Option::is_none) {
        let left = deadline.saturating_since(clock::now());
        match starts.recv_timeout(left) {
            Ok((number, bell)) => bells[number] = Some(bell?),
            Err(RecvTimeoutError::Timeout) => {
                let waiting_for = format!("shard {missing}");
                return Err(StartError::TimedOut { after: limits::START_TIMEOUT, waiting_for });
            }
            Err(RecvTimeoutError::Disconnected) => {
                let cause = "it ended while it started".to_owned();
                return Err(StartError::ShardFailed { shard: missing, cause });
            }
        }
    }
    Ok(bells.into_iter().flatten().collect())
}

/// Tells the waiting thread that this one has ended, however it ended.
///
/// It says so by a flag of its own: `JoinHandle::is_finished` becomes true only after the thread's last words, so a
/// waiting thread that was woken by those, and asked it, could find the shard running and sleep for ever.
struct WakeAtEnd {
    waker: Waker,
    ended: Arc<AtomicBool>,
}

impl Drop for WakeAtEnd {
    fn drop(&mut self) {
        // Release: pairs with the acquire in `Running::has_ended`; what is woken finds the flag set.
        self.ended.store(true, Ordering::Release);
        self.waker.wake();
    }
}
