//! What the kernel can do, found out by doing it.
//!
//! Versions lie: vendors port features back, and forget to port their repairs. So each ability that the ring uses
//! when offered is tried once at the start, over a socket pair, on a ring of a few entries. A tier forces abilities
//! down, so that one machine can test every path.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::completion::{Completion, Errno, Outcome, Received};
use super::leases::{Gather, Part};
use super::op::{Op, SendMode};
use super::token::{Generation, Kind, Token};
use super::uring::{Setup, Uring};
use super::{Kernel, RingError, Wait};
use crate::sys::clock;
use crate::tier::{Engine, RingTier};

/// With which flags rings are made, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupFlags {
    /// One thread submits, task work is deferred to its `enter`, submissions need no indirection array (6.6).
    DeferredNoArray,
    /// One thread submits, task work is deferred to its `enter` (6.1).
    Deferred,
    /// Task work runs at any system call of the thread: for kernels that refuse the better ones.
    Cooperative,
}

/// What a ring may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Which engine it is; the flags and the registered index below are those of io_uring.
    pub engine: Engine,
    /// The flags that the kernel takes.
    pub setup_flags: SetupFlags,
    /// Receives take only as much of a buffer as they fill (6.12).
    pub incremental_buffers: bool,
    /// A multishot receive ends by itself when it has brought so many bytes (6.17); the last receive may bring some
    /// more, by less than one buffer.
    pub receive_credit: bool,
    /// A ring is entered by its registered index (5.18).
    pub registered_ring: bool,
    /// A send that is no news when it succeeds answers when it was short.
    pub quiet_sends: bool,
}

impl Capabilities {
    /// All that kernels of this tier offer.
    pub fn of_tier(tier: RingTier) -> Self {
        let no_array = RingTier::V6_6 <= tier;
        Self {
            engine: Engine::Uring,
            setup_flags: if no_array { SetupFlags::DeferredNoArray } else { SetupFlags::Deferred },
            incremental_buffers: RingTier::V6_12 <= tier,
            receive_credit: RingTier::V6_17 <= tier,
            registered_ring: true,
            quiet_sends: true,
        }
    }

    /// All that the twin by readiness offers, which any kernel can do; forced down as io_uring is.
    pub fn of_epoll(tier: RingTier) -> Self {
        Self {
            engine: Engine::Epoll,
            setup_flags: SetupFlags::Cooperative,
            registered_ring: false,
            ..Self::of_tier(tier)
        }
    }

    /// Tries what this kernel's io_uring offers, up to `tier`.
    ///
    /// # Errors
    /// When the kernel offers no ring, or lacks what we cannot do without.
    pub fn probe(tier: RingTier) -> Result<Self, RingError> {
        let mut capabilities = Self::of_tier(tier);
        capabilities.setup_flags = probe_flags(capabilities)?;
        if capabilities.incremental_buffers {
            capabilities.incremental_buffers = fills_incrementally(capabilities);
        }
        if capabilities.receive_credit {
            capabilities.receive_credit = keeps_credit(capabilities);
        }
        capabilities.quiet_sends = says_short_sends(capabilities);
        if !receives(capabilities)? {
            return Err(RingError::Missing("multishot receive into provided buffers"));
        }
        Ok(capabilities)
    }

    /// The highest tier whose abilities are all there.
    pub fn tier(&self) -> RingTier {
        match self {
            Self { receive_credit: true, .. } => RingTier::V6_17,
            Self { incremental_buffers: true, .. } => RingTier::V6_12,
            Self { setup_flags: SetupFlags::DeferredNoArray, .. } => RingTier::V6_6,
            Self { .. } => RingTier::V6_1,
        }
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buffers = if self.incremental_buffers { "incremental buffers" } else { "whole buffers" };
        let credit = if self.receive_credit { "receive credit" } else { "cancel and re-arm" };
        if self.engine == Engine::Epoll {
            return write!(f, "{buffers}, {credit}");
        }
        let flags = match self.setup_flags {
            SetupFlags::DeferredNoArray => "deferred task work, no submission array",
            SetupFlags::Deferred => "deferred task work",
            SetupFlags::Cooperative => "cooperative task work",
        };
        write!(f, "{flags}, {buffers}, {credit}")
    }
}

/// A small ring with one buffer of 64 bytes.
/// Whether a ring of this kernel can be [sealed](super::Host::seal). What has no ring has none to seal.
pub fn can_seal(capabilities: Capabilities) -> bool {
    capabilities.engine == Engine::Uring
        && Uring::new(&Setup { sealed: true, ..small(capabilities) })
            .is_ok_and(|mut ring| ring.seal().is_ok())
}

fn small(capabilities: Capabilities) -> Setup {
    Setup {
        submissions: 4,
        completions: 16,
        files: 2,
        stream_buffers: (1, 64),
        datagram_buffers: None,
        capabilities,
        sealed: false,
    }
}

fn probe_flags(mut capabilities: Capabilities) -> Result<SetupFlags, RingError> {
    let from_best = [SetupFlags::DeferredNoArray, SetupFlags::Deferred, SetupFlags::Cooperative];
    let allowed = from_best.into_iter().skip_while(|flags| *flags != capabilities.setup_flags);
    let mut refusal = RingError::Missing("io_uring");
    capabilities.incremental_buffers = false;
    for flags in allowed {
        match Uring::new(&small(Capabilities { setup_flags: flags, ..capabilities })) {
            Ok(_) => return Ok(flags),
            Err(RingError::Setup(Errno(libc::EINVAL))) => refusal = RingError::Setup(Errno(libc::EINVAL)),
            Err(error) => return Err(error),
        }
    }
    Err(refusal)
}

/// Receives 10 and then 10 more bytes, with credit for `credit`, and returns the lengths as they came.
fn try_receive(capabilities: Capabilities, credit: u32) -> Result<Vec<(usize, bool)>, RingError> {
    let mut ring = Uring::new(&small(capabilities))?;
    let (mut near, far) = UnixStream::pair().map_err(|_| RingError::Missing("Unix sockets"))?;
    let file = ring.adopt(far.into(), 0).map_err(|_| RingError::Missing("direct descriptors"))?;
    let token = Token::new(Kind::Receive, 0, Generation::new(0));
    let op = Op::Receive { token, file, credit, wait_first: false };
    ring.push(op).map_err(|_| RingError::Missing("room for one submission"))?;
    let mut lengths = Vec::new();
    let mut ready = VecDeque::new();
    for _ in 0..2 {
        near.write_all(&[7; 10]).map_err(|_| RingError::Missing("Unix sockets"))?;
        let deadline = clock::now().saturating_add(Duration::from_millis(100));
        ring.submit_and_wait(Wait::Until(Some(deadline)))?;
        while 0 < ring.collect(&mut ready, 4) {}
        lengths.extend(ready.drain(..).filter_map(|completion| length_of(&completion)));
        if lengths.last().is_some_and(|(_, more)| !more) {
            // It has ended: waiting for more would only cost every start a tenth of a second.
            break;
        }
    }
    Ok(lengths)
}

fn length_of(completion: &Completion) -> Option<(usize, bool)> {
    match &completion.outcome {
        Outcome::Received(Ok(Received::Bytes(bytes))) => Some((bytes.len(), completion.more)),
        _ => None,
    }
}

/// Whether receives work at all.
fn receives(capabilities: Capabilities) -> Result<bool, RingError> {
    let first = try_receive(capabilities, 64)?.first().copied();
    Ok(first.is_some_and(|(bytes, _)| bytes == 10))
}

/// Whether a second receive goes on in the one buffer that there is.
fn fills_incrementally(capabilities: Capabilities) -> bool {
    let capabilities = Capabilities { receive_credit: false, ..capabilities };
    try_receive(capabilities, 0).is_ok_and(|lengths| lengths == [(10, true), (10, true)])
}

/// Whether a receive with credit for 4 bytes ends after them.
fn keeps_credit(capabilities: Capabilities) -> bool {
    try_receive(capabilities, 4).is_ok_and(|lengths| lengths == [(4, false)])
}

/// Whether a quiet send that finds no room for all of its bytes answers with as much as was taken.
fn says_short_sends(capabilities: Capabilities) -> bool {
    let taken = || -> Option<usize> {
        let mut ring = Uring::new(&small(capabilities)).ok()?;
        let (_near, far) = UnixStream::pair().ok()?;
        let far = socket2::Socket::from(OwnedFd::from(far));
        far.set_send_buffer_size(4096).ok()?;
        let file = ring.adopt(far.into(), 0).ok()?;
        let token = Token::new(Kind::Send, 0, Generation::new(0));
        let gather = Gather::new(vec![Part::Copied(vec![7; MORE_THAN_A_SOCKET_TAKES].into())]);
        ring.push(Op::Send { token, file, gather, mode: SendMode::Quiet }).ok()?;
        ring.submit_and_wait(Wait::No).ok()?;
        let mut ready = VecDeque::new();
        ring.collect(&mut ready, 4);
        match ready.pop_front()?.outcome {
            Outcome::Sent { result, .. } => result.ok(),
            _ => None,
        }
    };
    taken().is_some_and(|taken| taken < MORE_THAN_A_SOCKET_TAKES)
}

/// Bytes that a socket with the smallest buffer has no room for.
const MORE_THAN_A_SOCKET_TAKES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_offers_what_its_kernel_brought() {
        let offered = |tier| {
            let offered = Capabilities::of_tier(tier);
            (offered.setup_flags, offered.incremental_buffers, offered.receive_credit)
        };
        assert_eq!(offered(RingTier::V6_1), (SetupFlags::Deferred, false, false));
        assert_eq!(offered(RingTier::V6_6), (SetupFlags::DeferredNoArray, false, false));
        assert_eq!(offered(RingTier::V6_12), (SetupFlags::DeferredNoArray, true, false));
        assert_eq!(offered(RingTier::V6_17), (SetupFlags::DeferredNoArray, true, true));
    }

    #[test]
    fn the_twin_is_forced_down_as_io_uring_is() {
        for tier in RingTier::ALL {
            let (twin, ring) = (Capabilities::of_epoll(tier), Capabilities::of_tier(tier));
            assert_eq!((twin.engine, ring.engine), (Engine::Epoll, Engine::Uring));
            assert_eq!(twin.incremental_buffers, ring.incremental_buffers);
            assert_eq!(twin.receive_credit, ring.receive_credit);
        }
        let newest = Capabilities::of_epoll(RingTier::V6_17);
        assert_eq!(newest.to_string(), "incremental buffers, receive credit");
        assert_eq!(Capabilities::of_epoll(RingTier::V6_1).to_string(), "whole buffers, cancel and re-arm");
    }

    #[test]
    fn probing_finds_no_more_than_the_tier_allows() {
        for tier in [RingTier::V6_1, RingTier::V6_6, RingTier::V6_12, RingTier::V6_17] {
            let found = Capabilities::probe(tier).unwrap();
            assert!(found.tier() <= tier, "{tier:?}: {found}");
        }
    }
}
