//! A whole run: threads are started and pinned, connections opened, the load begun for all at one time, and what each
//! recorded is added up.
//!
//! The main thread watches meanwhile, for signals and for the terminal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;
use std::{io, panic};

use tidemill::limits::DESCRIPTORS_RESERVE;
use tidemill::ring::{Capabilities, RingError, Uring};
use tidemill::sys::clock;
use tidemill::sys::cpu::{self, PinError};
use tidemill::sys::descriptors::{self, DescriptorsError};
use tidemill::sys::signal::{Signals, Waker, Woken};
use tidemill::tier::RingTier;
use tidemill::tls::CredentialsError;

use crate::plan::{End, Plan};
use crate::record::{Record, Window};
use crate::report::Outcome;
use crate::report::live::{Exchange, Feed, Line};
use crate::target::Protocol;
use crate::traffic::client::{Client, Opened};
use crate::traffic::datagram::Datagrams;
use crate::traffic::open::{Dialer, OpenError, open};
use crate::traffic::pattern::Pattern;
use crate::traffic::security::Filters;
use crate::traffic::sessions::{Manner, Sessions};
use crate::traffic::stream::Streams;
use crate::traffic::talk::{Echo, EchoCommon, Http, HttpCommon, WebSocket, WebSocketCommon};
use crate::worker::{Ended, Schedule, Unready, Worker};

/// How often the line on the terminal is written.
const LINE_INTERVAL: Duration = Duration::from_secs(1);
/// How often signals are looked for while connections are opened.
const OPEN_INTERVAL: Duration = Duration::from_millis(50);

/// Why a run did not take place, or could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Connections could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The authorities to trust cannot be read.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A thread could not be pinned.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// There are fewer descriptors than connections.
    #[error(transparent)]
    Descriptors(#[from] DescriptorsError),
    /// No ring could be made.
    #[error(
        "io_uring is not available: {0}. loadgen needs it; `tidemill` itself says what stands in the way"
    )]
    NoRing(RingError),
    /// A ring failed during the run.
    #[error("the ring failed: {0}")]
    RingFailed(RingError),
    /// Signals could not be watched.
    #[error("signals cannot be watched: {}{}", .0, descriptors::remedy(.0))]
    Signals(io::Error),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(io::Error),
}

/// What a thread needs from the run.
struct Post<'a> {
    thread: usize,
    plan: &'a Plan,
    capabilities: Capabilities,
    pattern: Pattern,
    /// Where to leave what the terminal shows.
    exchange: Option<Exchange>,
    stop: &'a AtomicBool,
    /// Says that the connections are open.
    opened: Sender<()>,
    /// Says when to begin; closed when there is nothing to begin.
    begin: Receiver<Window>,
    waker: Waker,
}

/// Wakes the main thread when a worker ends, however it ends.
struct Farewell(Waker);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// Carries the plan out. With `watched`, the terminal shows how it goes.
///
/// # Errors
/// When the run could not take place.
pub fn run(plan: &Plan, watched: bool) -> Result<Outcome, RunError> {
    let signals = Signals::watch().map_err(RunError::Signals)?;
    let waker = Waker::new().map_err(RunError::Signals)?;
    descriptors::raise_limit(u64::from(plan.connections) + u64::from(DESCRIPTORS_RESERVE))?;
    let capabilities = Capabilities::probe(RingTier::V6_17).map_err(RunError::NoRing)?;
    let stop = AtomicBool::new(false);
    let pattern = Pattern::new(plan.seed, plan.size.max(1));
    let exchanges: Vec<Exchange> = plan.cores.iter().filter(|_| watched).map(|_| Exchange::new()).collect();
    let (opened, all_opened) = channel();
    thread::scope(|scope| {
        let mut begins = Vec::new();
        let mut threads = Vec::new();
        for thread in 0..plan.cores.len() {
            let (begin, begun) = channel();
            let post = Post {
                thread,
                plan,
                capabilities,
                pattern: pattern.duplicate(),
                exchange: exchanges.get(thread).cloned(),
                stop: &stop,
                opened: opened.clone(),
                begin: begun,
                waker: waker.clone(),
            };
            let named = thread::Builder::new().name(format!("loadgen-{thread}"));
            threads.push(named.spawn_scoped(scope, move || work(post)).map_err(RunError::Thread)?);
            begins.push(begin);
        }
        drop(opened);
        let is_ready = await_open(&all_opened, plan.cores.len(), (&signals, &waker), &stop)?;
        if is_ready {
            let window = window(plan);
            // A thread that does not hear it has ended, and says so below.
            for begin in &begins {
                let _ = begin.send(window);
            }
        }
        drop(begins);
        let line = (watched && is_ready).then(|| Line::new(exchanges));
        let is_over = || threads.iter().all(thread::ScopedJoinHandle::is_finished);
        let interrupted = watch(&signals, &waker, &stop, line, is_over).map_err(RunError::Signals)?;
        let ended = threads.into_iter().map(|thread| match thread.join() {
            Ok(ended) => ended,
            Err(cause) => panic::resume_unwind(cause),
        });
        collect(plan, capabilities, interrupted, ended.collect())
    })
}

/// Waits until all threads have opened their connections. Returns whether they have: else, one failed or a signal came.
fn await_open(
    opened: &Receiver<()>,
    threads: usize,
    (signals, waker): (&Signals, &Waker),
    stop: &AtomicBool,
) -> Result<bool, RunError> {
    let mut ready = 0;
    while ready < threads {
        match opened.recv_timeout(OPEN_INTERVAL) {
            Ok(()) => ready += 1,
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
            Err(RecvTimeoutError::Timeout) => {
                let woken = signals.wait(waker, Some(Duration::ZERO)).map_err(RunError::Signals)?;
                if matches!(woken, Woken::Stop(_)) {
                    stop.store(true, Ordering::Relaxed); // Pairs with nothing: it is only a wish.
                }
            }
        }
    }
    Ok(true)
}

/// Sleeps until all threads have ended, and writes the line meanwhile. Returns whether a signal asked to stop.
fn watch(
    signals: &Signals,
    waker: &Waker,
    stop: &AtomicBool,
    mut line: Option<Line>,
    is_over: impl Fn() -> bool,
) -> io::Result<bool> {
    let mut next_line = clock::now().saturating_add(LINE_INTERVAL);
    while !is_over() {
        let now = clock::now();
        if next_line <= now {
            next_line = next_line.saturating_add(LINE_INTERVAL);
            if let Some(line) = &mut line {
                line.write();
            }
        }
        match signals.wait(waker, Some(next_line.saturating_since(now)))? {
            Woken::Stop(_) => stop.store(true, Ordering::Relaxed), // Pairs with nothing: see `Worker`.
            Woken::Waker => thread::yield_now(),                   // It is about to end.
            // It ends by itself soon, whether its terminal is there or not.
            Woken::Reload | Woken::Report | Woken::TimedOut => {}
        }
    }
    if let Some(line) = &mut line {
        line.clear();
    }
    Ok(stop.load(Ordering::Relaxed))
}

/// Adds up what the threads recorded; the first failure is the run's.
fn collect(
    plan: &Plan,
    capabilities: Capabilities,
    interrupted: bool,
    ended: Vec<Result<Option<Ended>, RunError>>,
) -> Result<Outcome, RunError> {
    let mut outcome = Outcome {
        plan: plan.clone(),
        capabilities,
        record: Record::empty(),
        fell_silent: false,
        interrupted,
    };
    for ended in ended {
        match ended? {
            Some(Ended::Done(record, fell_silent)) => {
                outcome.record.add(*record);
                outcome.fell_silent |= fell_silent;
            }
            Some(Ended::Nobody) => return Err(OpenError::Refused(plan.target.clone()).into()),
            None => {} // It had nothing to do because another one failed.
        }
    }
    Ok(outcome)
}

/// What a thread does. `None` when the run did not begin.
fn work(post: Post<'_>) -> Result<Option<Ended>, RunError> {
    let _farewell = Farewell(post.waker.clone());
    let plan = post.plan;
    cpu::pin(plan.cores[post.thread])?;
    let mut ring = Uring::new(&plan.ring(post.thread, post.capabilities)).map_err(RunError::NoRing)?;
    let connections = open(&mut ring, plan, plan.connections_of(post.thread), post.stop)?;
    load(ring, &connections, post)
}

/// Loads the server with what its protocol asks for.
fn load(ring: Uring, connections: &[Opened], post: Post<'_>) -> Result<Option<Ended>, RunError> {
    let plan = post.plan;
    let pattern = post.pattern.duplicate();
    let Some(dialer) = Dialer::of(plan) else {
        return drive(ring, Datagrams::new(connections, pattern, plan.depth, plan.verify), post);
    };
    let verify = plan.verify;
    if plan.target.protocol() == Protocol::Echo && plan.security.is_none() && !plan.reconnect {
        return drive(ring, Streams::new(connections, pattern, plan.depth, verify), post);
    }
    let filters = plan.security.as_ref().map(|security| Filters::new(security, &plan.target)).transpose()?;
    let manner = Manner { depth: u64::from(plan.depth), reconnect: plan.reconnect, dialer, filters };
    match plan.target.protocol() {
        Protocol::Echo => {
            let sessions = Sessions::<Echo>::new(connections, EchoCommon { pattern, verify }, manner);
            drive(ring, sessions, post)
        }
        Protocol::Http => {
            let content = plan.target.is_http_echo().then_some(pattern);
            let (path, host) = (&plan.target.path, plan.target.host());
            let common = HttpCommon::new(path, &host, content, verify, plan.reconnect)
                .expect("a target has a path and a host that can be sent");
            drive(ring, Sessions::<Http>::new(connections, common, manner), post)
        }
        Protocol::WebSocket => {
            let (path, host) = (plan.target.path.clone(), plan.target.host());
            let seed = plan.seed ^ (post.thread as u64) << 32;
            let common = WebSocketCommon::new(pattern, verify, path, host, seed);
            drive(ring, Sessions::<WebSocket>::new(connections, common, manner), post)
        }
    }
}

/// Prepares the connections, waits for all others, and runs.
fn drive(ring: Uring, client: impl Client, post: Post<'_>) -> Result<Option<Ended>, RunError> {
    let plan = post.plan;
    let feed = post.exchange.map(|exchange| Feed::new(exchange, clock::now()));
    let mut worker = Worker::new(ring, client, feed, post.stop);
    let target = plan.target.clone();
    let wanted = plan.connections_of(post.thread).len();
    worker.prepare().map_err(|unready| match unready {
        Unready::Failed(sentence) => OpenError::Handshake { target, sentence }.into(),
        Unready::TimedOut(made) => OpenError::TimedOut { target, made, wanted }.into(),
        Unready::Interrupted => OpenError::Interrupted.into(),
        Unready::Ring(error) => RunError::RingFailed(error),
    })?;
    // Nobody hears it when another thread has failed; then nothing begins.
    let _ = post.opened.send(());
    drop(post.opened);
    let Ok(window) = post.begin.recv() else { return Ok(None) };
    let schedule = Schedule { window, count: plan.count_of(post.thread) };
    worker.run(schedule).map(Some).map_err(RunError::RingFailed)
}

fn window(plan: &Plan) -> Window {
    let from = clock::now().saturating_add(plan.warmup);
    let until = match plan.end {
        End::After(time) => Some(from.saturating_add(time)),
        End::Count(_) => None,
    };
    Window { from, until }
}
