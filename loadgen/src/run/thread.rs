//! What one thread of a run does, from its ring to its record.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender};

use tidemill::ring::{Capabilities, Uring};
use tidemill::sys::clock::Time;
use tidemill::sys::signal::Waker;
use tidemill::sys::{cpu, timer};

use super::RunError;
use crate::plan::{End, Plan};
use crate::record::Window;
use crate::record::part::Feed;
use crate::target::Protocol;
use crate::traffic::client::{Client, Opened};
use crate::traffic::datagram::Datagrams;
use crate::traffic::open::{Connected, Dialer, OpenError, open};
use crate::traffic::pattern::Pattern;
use crate::traffic::security::Filters;
use crate::traffic::sessions::{Manner, Sessions};
use crate::traffic::stream::Streams;
use crate::traffic::talk::{Echo, EchoCommon, Http, HttpCommon, WebSocket, WebSocketCommon};
use crate::worker::{Assignment, Ended, Unready, Worker};

/// When a load begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// The first intended time.
    pub(super) load: Time,
    /// What is measured of it.
    pub(super) window: Window,
}

/// What a thread needs from the run.
pub(super) struct Post<'a> {
    pub(super) thread: usize,
    pub(super) plan: &'a Plan,
    pub(super) capabilities: Capabilities,
    pub(super) pattern: Pattern,
    /// Where each second goes.
    pub(super) feed: Feed,
    pub(super) stop: &'a AtomicBool,
    /// Says that the connections are open.
    pub(super) opened: Sender<()>,
    /// Says when to begin; closed when there is nothing to begin.
    pub(super) begin: Receiver<Start>,
    pub(super) waker: Waker,
}

/// Wakes the main thread when a worker ends, however it ends.
struct Farewell(Waker);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// What a thread does. `None` when the run did not begin.
pub(super) fn work(post: Post<'_>) -> Result<Option<Ended>, RunError> {
    let _farewell = Farewell(post.waker.clone());
    let plan = post.plan;
    cpu::pin(plan.cores[post.thread])?;
    timer::wake_precisely();
    let mut ring = Uring::new(&plan.ring(post.thread, post.capabilities)).map_err(RunError::NoRing)?;
    let (connections, made) = open(&mut ring, plan, plan.connections_of(post.thread), post.stop)?;
    load(ring, (&connections, &made), post)
}

/// Loads the server with what its protocol asks for.
fn load(
    ring: Uring,
    (connections, made): (&[Opened], &[Connected]),
    post: Post<'_>,
) -> Result<Option<Ended>, RunError> {
    let plan = post.plan;
    let pattern = post.pattern.duplicate();
    let (depth, verify, timeout) = (plan.depth, plan.verify, plan.timeout);
    let Some(dialer) = Dialer::of(plan) else {
        return drive(ring, Datagrams::new(connections, pattern, depth, verify, timeout), made, post);
    };
    let comes_and_goes = plan.requests_per_connection.is_some();
    if plan.target.protocol() == Protocol::Echo && plan.security.is_none() && !comes_and_goes {
        return drive(ring, Streams::new(connections, pattern, depth, verify, timeout), made, post);
    }
    let filters = plan.security.as_ref().map(|security| Filters::new(security, &plan.target)).transpose()?;
    let requests = plan.requests_per_connection;
    let manner = Manner { depth: u64::from(depth), requests, timeout, dialer, filters };
    match plan.target.protocol() {
        Protocol::Echo => {
            let sessions = Sessions::<Echo>::new(connections, EchoCommon { pattern, verify }, manner);
            drive(ring, sessions, made, post)
        }
        Protocol::Http => {
            let content = plan.target.is_http_echo().then_some(pattern);
            let (path, host) = (&plan.target.path, plan.target.host());
            let common = HttpCommon::new(path, &host, content, verify, requests == Some(1))
                .expect("a target has a path and a host that can be sent");
            drive(ring, Sessions::<Http>::new(connections, common, manner), made, post)
        }
        Protocol::WebSocket => {
            let (path, host) = (plan.target.path.clone(), plan.target.host());
            let seed = plan.seed ^ (post.thread as u64) << 32;
            let common = WebSocketCommon::new(pattern, verify, path, host, seed);
            drive(ring, Sessions::<WebSocket>::new(connections, common, manner), made, post)
        }
    }
}

/// Prepares the connections, waits for all others, and runs.
fn drive(
    ring: Uring,
    client: impl Client,
    made: &[Connected],
    post: Post<'_>,
) -> Result<Option<Ended>, RunError> {
    let plan = post.plan;
    let mut worker = Worker::new(ring, client, post.feed, plan.idle, post.stop);
    made.iter().for_each(|connected| worker.recorder().connected(connected.begun, connected.made));
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
    let Ok(start) = post.begin.recv() else { return Ok(None) };
    let assignment = Assignment {
        window: start.window,
        demand: plan.demand(post.thread, start.load, start.window),
        counts: matches!(plan.end, End::Count(_)),
        drain: plan.drain(),
        core: plan.cores[post.thread],
    };
    worker.run(assignment).map(Some).map_err(RunError::RingFailed)
}
