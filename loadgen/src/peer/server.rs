//! The peer's loop: one thread and one ring.
//!
//! A turn is one system call: submit what the last turn produced, wait, read the clock once, act on what came, and hand
//! over the answers that are due. All messages that came in one turn have arrived at its time, so turns are kept short:
//! the wait before a departure sleeps, and ends awake.

use std::collections::VecDeque;
use std::time::Duration;

use tidemill::ring::{Completion, Kernel, ReceiveError, RingError, Wait};
use tidemill::sys::clock::Time;

use super::desk::Desk;
use crate::cli::Idle;
use crate::link::Link;

/// Most answers that may wait for their time. A connection that brings more is cut, a datagram more is ignored, and
/// either is counted.
pub const WAITING_MAX: usize = 1 << 20;
/// Most bytes of answers that wait, and of connections that do not read; by the same policy.
pub const WAITING_BYTES_MAX: usize = 512 << 20;
/// How often signals are looked for, and connections whose time is up.
const TICK: Duration = Duration::from_millis(10);
/// The last moment before a departure, which is spent awake: a sleep may end as late as this. It is the kernel's slack
/// for timers, 50 µs, and some time for a processor to wake up.
const AWAKE: Duration = Duration::from_micros(80);

/// One kind of peer. Completions go in with the time of the turn; operations come out.
pub trait Server {
    /// Asks for what there is to be had before anybody has come.
    fn start<K: Kernel>(&mut self, turn: &mut Turn<'_, K>);

    /// Takes one completion.
    fn handle<K: Kernel>(&mut self, completion: Completion, turn: &mut Turn<'_, K>);

    /// When the next answer is due.
    fn next(&self) -> Option<Time>;

    /// Hands over what is due, and does what connections need.
    fn release<K: Kernel>(&mut self, turn: &mut Turn<'_, K>);

    /// Does what is due now and then.
    fn tick<K: Kernel>(&mut self, turn: &mut Turn<'_, K>);

    /// Gives up the answers that still wait, and returns how many they are.
    fn waiting(&mut self) -> u64;
}

/// What a server works with during one turn.
#[derive(Debug)]
pub struct Turn<'a, K> {
    /// The time of the turn.
    pub now: Time,
    /// Where operations go.
    pub link: &'a mut Link<K>,
    /// Where messages are dealt with.
    pub desk: &'a mut Desk,
    /// Why nothing can be received any more.
    pub failure: &'a mut Option<ReceiveError>,
}

/// Serves until `is_over`, which is asked every now and then, or until nothing can be received any more; then it says
/// why.
///
/// # Errors
/// When the ring fails.
pub fn drive<K: Kernel>(
    kernel: K,
    server: &mut impl Server,
    desk: &mut Desk,
    idle: Idle,
    mut is_over: impl FnMut(&Desk) -> bool,
) -> Result<Option<ReceiveError>, RingError> {
    let mut link = Link::new(kernel);
    let mut ready = VecDeque::new();
    let mut failure = None;
    let mut now = link.now();
    let mut next_tick = now;
    server.start(&mut Turn { now, link: &mut link, desk, failure: &mut failure });
    while failure.is_none() {
        let wait = wait(idle, now, server.next(), next_tick, desk.is_leaving());
        now = link.turn(wait, &mut ready)?;
        desk.left(now);
        let mut turn = Turn { now, link: &mut link, desk, failure: &mut failure };
        while let Some(completion) = ready.pop_front() {
            server.handle(completion, &mut turn);
        }
        server.release(&mut turn);
        if next_tick <= now {
            next_tick = now.saturating_add(TICK);
            server.tick(&mut turn);
            if is_over(desk) {
                break;
            }
        }
    }
    desk.counts.unsent += server.waiting();
    Ok(failure)
}

/// How to wait, when the next answer is due then, and the next tick.
fn wait(idle: Idle, now: Time, next: Option<Time>, tick: Time, is_leaving: bool) -> Wait {
    // What is leaving has left when the kernel has taken it, which is to be known before anything is waited for.
    if is_leaving {
        return Wait::No;
    }
    let until = match (idle, next) {
        (Idle::Spin, _) => return Wait::No,
        (Idle::Sleep, Some(next)) => next.min(tick),
        (Idle::Hybrid, Some(next)) if next.saturating_since(now) <= AWAKE => return Wait::No,
        (Idle::Hybrid, Some(next)) => now.saturating_add(next.saturating_since(now) - AWAKE).min(tick),
        (Idle::Sleep | Idle::Hybrid, None) => tick,
    };
    Wait::Until(Some(until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_moment_before_a_departure_is_spent_awake() {
        let micros = |micros: u64| Time::from_nanos(micros * 1000);
        let check = |idle, next: Option<u64>, expected: Option<u64>| {
            let found = wait(idle, micros(1000), next.map(micros), micros(9000), false);
            let expected = expected.map_or(Wait::No, |until| Wait::Until(Some(micros(until))));
            assert_eq!(found, expected, "{idle:?} {next:?}");
        };
        check(Idle::Hybrid, None, Some(9000));
        check(Idle::Hybrid, Some(20_000), Some(9000));
        check(Idle::Hybrid, Some(2000), Some(1920));
        check(Idle::Hybrid, Some(1080), None);
        check(Idle::Hybrid, Some(900), None);
        check(Idle::Sleep, Some(1080), Some(1080));
        check(Idle::Sleep, Some(20_000), Some(9000));
        check(Idle::Sleep, None, Some(9000));
        check(Idle::Spin, None, None);
        assert_eq!(wait(Idle::Sleep, micros(1), None, micros(9), true), Wait::No);
    }
}
