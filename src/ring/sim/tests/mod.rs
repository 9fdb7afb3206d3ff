//! The rules of the simulated kernel, one by one; then all faults together.

mod accepting;
mod datagrams;
mod order;
mod receiving;
mod sending;
mod together;
mod tripwires;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Faults, Random, Sim, SimSetup};
use crate::ring::{
    AcceptError, Accepted, Bell, Capabilities, Completion, ConnectError, Descriptor, Gather, Generation,
    Kernel, Kind, Op, Outcome, Part, ReceiveError, Received, SendError, SendMode, Token, Wait,
};
use crate::sys::clock::Time;
use crate::tier::RingTier;

fn sim(seed: u64, tier: RingTier, faults: Faults) -> Sim {
    Sim::new(&SimSetup {
        seed,
        files: 4,
        capabilities: Capabilities::of_tier(tier),
        stream_buffers: (4, 256),
        datagram_buffers: Some((2, 2048)),
        completions: 64,
        faults,
    })
}

fn calm() -> Sim {
    sim(1, RingTier::V6_17, Faults::none())
}

/// A kernel where this fault always happens.
fn with(fault: impl FnOnce(&mut Faults)) -> Sim {
    let mut faults = Faults::none();
    fault(&mut faults);
    sim(1, RingTier::V6_17, faults)
}

fn tcp() -> Option<SocketAddr> {
    Some("192.0.2.1:4000".parse().unwrap())
}

fn token(kind: Kind) -> Token {
    Token::new(kind, 0, Generation::new(5))
}

fn accept(listener: Descriptor) -> Op {
    Op::Accept { token: token(Kind::Accept), listener }
}

fn receive(file: Descriptor) -> Op {
    Op::Receive { token: token(Kind::Receive), file, credit: 1 << 20, wait_first: false }
}

fn send(file: Descriptor, bytes: &[u8], wait: bool) -> Op {
    let gather = Gather::one(Part::Copied(bytes.into()));
    let mode = if wait { SendMode::Wait } else { SendMode::Now };
    Op::Send { token: token(Kind::Send), file, gather, mode }
}

fn cancel(target: Kind) -> Op {
    Op::Cancel { token: token(Kind::Cancel), target: token(target) }
}

fn close(file: Descriptor) -> Op {
    Op::Close { token: token(Kind::Close), file }
}

/// Pushes these, takes one turn without waiting, and collects everything.
fn turn(sim: &mut Sim, ops: impl IntoIterator<Item = Op>) -> Vec<Completion> {
    ops.into_iter().for_each(|op| sim.push(op).unwrap());
    sim.submit_and_wait(Wait::No).unwrap();
    let mut ready = VecDeque::new();
    sim.collect(&mut ready, 1000);
    ready.into()
}

fn outcomes(sim: &mut Sim, ops: impl IntoIterator<Item = Op>) -> Vec<String> {
    turn(sim, ops).iter().map(|completion| format!("{:?}", completion.outcome)).collect()
}

fn accepted(completions: &[Completion]) -> &Result<Accepted, AcceptError> {
    match completions {
        [Completion { outcome: Outcome::Accepted(result), .. }] => result,
        other => panic!("{other:?}"),
    }
}

/// Turns until nothing more comes.
fn all(sim: &mut Sim) -> Vec<Completion> {
    let mut ready = VecDeque::new();
    while !sim.is_idle() {
        sim.submit_and_wait(Wait::Until(None)).unwrap();
        sim.collect(&mut ready, 1000);
    }
    ready.into()
}
