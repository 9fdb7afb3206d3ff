//! The shards' threads, seen from outside.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::plan::{Plan, ShardPlan, ring_failed};
use crate::error::StartError;
use crate::limits;
use crate::metrics::Snapshot;
use crate::ring::{
    Bell, Capabilities, Generation, Kernel, Kind, Op, Outcome, RingError, Setup, Token, Uring, Wait,
};
use crate::service::Service;
use crate::shard::mailbox::{Address, Contact, Delivered, Mailbox, Message, Undelivered, mailbox};
use crate::shard::{Admission, Options, Shard, Sockets};
use crate::sys::clock;
use crate::sys::cpu;
use crate::sys::signal::Waker;
use crate::sys::socket::SocketFile;

/// How long the kernel may take to ring a bell; it does so at once.
const BELL_TIMEOUT: Duration = Duration::from_millis(100);
/// How long a shard may take to send its counters.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);

/// The shards' threads.
pub(super) struct Crew {
    shards: Vec<Running>,
    /// For ringing the shards' bells from this thread.
    ring: Uring,
    /// Dropped, and so removed, when the shards have ended.
    _files: Vec<SocketFile>,
}

struct Running {
    core: usize,
    contact: Contact,
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
    admission: Arc<Admission>,
    mailbox: Mailbox,
}

/// What a thread says when it has started, or has not.
type Started = (usize, Result<Bell, StartError>);

impl Crew {
    /// Starts all shards, and waits until they serve.
    pub(super) fn start<S: Service>(
        plan: Plan,
        make: impl Fn(usize) -> S + Clone + Send + 'static,
        waker: &Waker,
    ) -> Result<Self, StartError> {
        let ring = Uring::new(&bell_ringer(plan.capabilities)).map_err(ring_failed)?;
        let count = plan.shards.len();
        let (started, starts) = sync_channel(count);
        let admission = Admission::new(plan.connections);
        let mut threads = Vec::with_capacity(count);
        for (number, shard) in plan.shards.into_iter().enumerate() {
            let (mailbox, address) = mailbox();
            let core = shard.core;
            let options = Options { number, ..plan.options };
            let admission = Arc::clone(&admission);
            let kit = Kit { plan: shard, setup: plan.setup, options, admission, mailbox };
            let ended = Arc::new(AtomicBool::new(false));
            let end = WakeAtEnd { waker: waker.clone(), ended: Arc::clone(&ended) };
            let thread = spawn(kit, make.clone(), started.clone(), end)?;
            threads.push((core, address, ended, thread));
        }
        drop(started);
        let bells = await_starts(&starts, count)?;
        let running = |((core, address, ended, thread), bell): ((usize, Address, _, _), _)| Running {
            core,
            contact: Contact { address, bell },
            ended,
            thread,
        };
        let shards = threads.into_iter().zip(bells).map(running).collect();
        Ok(Self { shards, ring, _files: plan.files })
    }

    pub(super) fn cores(&self) -> Vec<usize> {
        self.shards.iter().map(|shard| shard.core).collect()
    }

    /// Whether a shard has ended.
    pub(super) fn has_lost_one(&self) -> bool {
        self.shards.iter().any(Running::has_ended)
    }

    /// Whether all shards have ended.
    pub(super) fn is_over(&self) -> bool {
        self.shards.iter().all(Running::has_ended)
    }

    pub(super) fn stop(&mut self, timeout: Duration) {
        for index in 0..self.shards.len() {
            self.tell(index, Message::Stop(timeout));
        }
    }

    pub(super) fn report(&mut self) -> Vec<Snapshot> {
        let (sender, receiver) = sync_channel(self.shards.len());
        for index in 0..self.shards.len() {
            self.tell(index, Message::Report(sender.clone()));
        }
        drop(sender);
        let deadline = clock::now().saturating_add(REPORT_TIMEOUT);
        let mut reports = Vec::new();
        while let Ok(report) = receiver.recv_timeout(deadline.saturating_since(clock::now())) {
            reports.push(report);
        }
        reports.sort_by_key(|(number, _)| *number);
        reports.into_iter().map(|(_, snapshot)| snapshot).collect()
    }

    /// Waits for all shards; a second time there is nobody to wait for.
    pub(super) fn join(&mut self) -> Result<Vec<Snapshot>, StartError> {
        let mut snapshots = Vec::with_capacity(self.shards.len());
        let mut failure = None;
        for (shard, running) in self.shards.drain(..).enumerate() {
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
        failure.map_or(Ok(snapshots), Err)
    }

    /// Rings a bell, and returns whether it was heard.
    fn ring_at(&mut self, bell: Bell) -> bool {
        let token = Token::new(Kind::DoorbellSent, 0, Generation::default());
        let mut answers = VecDeque::new();
        let pushed = self.ring.push(Op::Ring { token, bell }).is_ok();
        let deadline = clock::now().saturating_add(BELL_TIMEOUT);
        let entered = pushed && self.ring.submit_and_wait(Wait::Until(Some(deadline))).is_ok();
        self.ring.collect(&mut answers, BELL_TRIES);
        entered && answers.iter().any(|answer| matches!(answer.outcome, Outcome::DoorbellSent(Ok(()))))
    }

    /// Puts a message into a shard's mailbox, and rings if it sleeps.
    fn tell(&mut self, index: usize, message: Message) {
        let Contact { address, bell } = &self.shards[index].contact;
        match address.post(message) {
            Ok(Delivered::Awake) => {}
            Ok(Delivered::Asleep) => {
                let bell = *bell;
                let rung = (0..BELL_TRIES).any(|_| self.ring_at(bell));
                if !rung && !self.shards[index].thread.is_finished() {
                    tracing::error!("shard {index} cannot be woken");
                }
            }
            Err(Undelivered::Gone(_)) => {}
            Err(Undelivered::Full(_)) => tracing::error!("shard {index} does not read its mailbox"),
        }
    }
}

/// How often a bell is rung until it is heard: the kernel may lack memory for a moment.
const BELL_TRIES: usize = 3;

/// A ring that only rings bells.
fn bell_ringer(capabilities: Capabilities) -> Setup {
    Setup {
        submissions: 8,
        completions: 16,
        files: 1,
        stream_buffers: (1, 64),
        datagram_buffers: None,
        capabilities,
    }
}

fn spawn<S: Service>(
    kit: Kit,
    make: impl Fn(usize) -> S + Send + 'static,
    started: SyncSender<Started>,
    end: WakeAtEnd,
) -> Result<JoinHandle<Result<Snapshot, RingError>>, StartError> {
    let number = kit.options.number;
    let failed = |cause| StartError::NoThread { shard: number, cause };
    let name = format!("shard {number}");
    let body = move || {
        let _said_at_the_end = end;
        let mut shard = match begin(kit, make) {
            Ok(shard) => shard,
            Err(error) => {
                // Nobody listens when the start was given up.
                let _ = started.send((number, Err(error)));
                return Ok(Snapshot::default());
            }
        };
        let _ = started.send((number, Ok(shard.kernel_mut().bell())));
        drop(started);
        shard.run()?;
        Ok(shard.snapshot())
    };
    Builder::new().name(name).spawn(body).map_err(failed)
}

/// Pins the thread, makes its ring, and takes its sockets into it.
fn begin<S: Service>(kit: Kit, make: impl Fn(usize) -> S) -> Result<Shard<Uring, S>, StartError> {
    cpu::pin(kit.plan.core)?;
    let mut ring = Uring::new(&kit.setup).map_err(ring_failed)?;
    let mut sockets = Sockets::default();
    for (place, listener) in (0..).zip(kit.plan.listeners) {
        sockets.listeners.push(ring.adopt(listener, place).map_err(StartError::RingUnexpected)?);
    }
    let after = u32::try_from(sockets.listeners.len()).expect("listeners are few");
    for (place, datagram) in (after..).zip(kit.plan.datagrams) {
        sockets.datagrams.push(ring.adopt(datagram, place).map_err(StartError::RingUnexpected)?);
    }
    let service = make(kit.options.number);
    Ok(Shard::new(ring, service, kit.options, kit.admission, kit.mailbox, &sockets))
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
