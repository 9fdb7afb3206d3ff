//! A whole run: threads are started and pinned, connections opened, the load begun for all at one time, and what each
//! recorded is added up.
//!
//! The main thread watches meanwhile, for signals and for those who want to know how it goes.

mod error;
mod gathering;
mod outcome;
mod problems;
mod series;
mod thread;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use std::{panic, thread as threads};

use tidemill::limits::DESCRIPTORS_RESERVE;
use tidemill::ring::Capabilities;
use tidemill::sys::clock;
use tidemill::sys::descriptors;
use tidemill::sys::signal::{Signals, Waker, Woken};
use tidemill::tier::RingTier;

pub use error::RunError;
pub use series::Watch;

use self::gathering::Gathering;
use self::outcome::Facts;
use self::thread::{Post, Start, work};
use crate::plan::{End, Plan};
use crate::record::Window;
use crate::record::part::feed;
use crate::result::RunResult;
use crate::server_side::Sampler;
use crate::traffic::open::OpenError;
use crate::traffic::pattern::Pattern;
use crate::worker::{Done, Ended};

/// How often signals are looked for while connections are opened.
const OPEN_INTERVAL: Duration = Duration::from_millis(50);

/// Carries the plan out, and tells the one who watches how it goes.
///
/// # Errors
/// When the run could not take place.
pub fn run(plan: &Plan, watch: &mut dyn Watch) -> Result<RunResult, RunError> {
    let signals = Signals::watch().map_err(RunError::Signals)?;
    let waker = Waker::new().map_err(RunError::Signals)?;
    descriptors::raise_limit(u64::from(plan.connections) + u64::from(DESCRIPTORS_RESERVE))?;
    let capabilities = Capabilities::probe(RingTier::V6_17).map_err(RunError::NoRing)?;
    let mut facts = Facts::before(plan, capabilities);
    let sampler = plan.server.clone().map(|source| Sampler::start(source, clock::now())).transpose()?;
    let stop = AtomicBool::new(false);
    let pattern = Pattern::new(plan.seed, plan.size.max(1));
    let (opened, all_opened) = channel();
    threads::scope(|scope| {
        let (mut begins, mut running, mut feeders) = (Vec::new(), Vec::new(), Vec::new());
        for thread in 0..plan.cores.len() {
            let (begin, begun) = channel();
            let (feed, feeder) = feed();
            let post = Post {
                thread,
                plan,
                capabilities,
                pattern: pattern.duplicate(),
                feed,
                stop: &stop,
                opened: opened.clone(),
                begin: begun,
                waker: waker.clone(),
            };
            let named = threads::Builder::new().name(format!("loadgen-{thread}"));
            running.push(named.spawn_scoped(scope, move || work(post)).map_err(RunError::Thread)?);
            begins.push(begin);
            feeders.push(feeder);
        }
        drop(opened);
        let mut gathering = Gathering::new(plan, feeders, sampler);
        if await_open(&all_opened, plan.cores.len(), (&signals, &waker), &stop)? {
            let start = start(plan);
            facts.begin(start.window);
            gathering.begin(start);
            // A thread that does not hear it has ended, and says so below.
            for begin in &begins {
                let _ = begin.send(start);
            }
        }
        drop(begins);
        let is_over = || running.iter().all(threads::ScopedJoinHandle::is_finished);
        facts.interrupted =
            gathering.attend((&signals, &waker), &stop, watch, is_over).map_err(RunError::Signals)?;
        let ended = running.into_iter().map(|thread| match thread.join() {
            Ok(ended) => ended,
            Err(cause) => panic::resume_unwind(cause),
        });
        let done = collect(plan, ended.collect())?;
        let measured = done.iter().map(|done| done.record.measured).max().unwrap_or_default();
        let watched = gathering.finish(&done, measured, watch);
        Ok(facts.conclude(plan, done, measured, watched))
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

/// When the load begins, and what of it is measured.
fn start(plan: &Plan) -> Start {
    let load = clock::now();
    let from = load.saturating_add(plan.warmup);
    let until = match plan.end {
        End::After(time) => Some(from.saturating_add(time)),
        End::Count(_) => None,
    };
    Start { load, window: Window { from, until } }
}

/// What the threads ended with; the first failure is the run's.
fn collect(plan: &Plan, ended: Vec<Result<Option<Ended>, RunError>>) -> Result<Vec<Done>, RunError> {
    let mut all = Vec::with_capacity(ended.len());
    for ended in ended {
        match ended? {
            Some(Ended::Done(done)) => all.push(*done),
            Some(Ended::Nobody) => return Err(OpenError::Refused(plan.target.clone()).into()),
            None => {} // It had nothing to do because another one failed.
        }
    }
    Ok(all)
}
