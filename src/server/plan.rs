//! What is to be started: cores, sizes, sockets. All that can be found wrong is found here, before the first thread.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::groups::Groups;
use crate::access::meter::Rates;
use crate::config::{Config, ServiceName};
use crate::connection::Bounds;
use crate::error::{StartError, ring_unavailable};
use crate::limits;
use crate::ring::{self, Capabilities, Errno, RingError, Setup};
use crate::shard::Options;
use crate::sys::address::Listen;
use crate::sys::adopt::{self, Giver, Late};
use crate::sys::socket::{self, BindError, Bound, SocketFile, SocketOptions};
use crate::sys::supervisor::Inherited;
use crate::sys::{clock, cpu, descriptors};
use crate::tier::{Engine, RingTier};

/// What every shard gets.
pub(super) struct Plan {
    pub(super) capabilities: Capabilities,
    pub(super) setup: Setup,
    pub(super) options: Options,
    pub(super) shards: Vec<ShardPlan>,
    /// Which listeners were opened.
    pub(super) groups: Groups,
    /// For the admin listeners, if there are any.
    pub(super) admin: Option<AdminPlan>,
    /// Unix sockets' files, removed at the end.
    pub(super) files: Vec<SocketFile>,
    /// A second handle of each socket, for a successor.
    pub(super) handles: Vec<OwnedFd>,
    /// What is to be done with some of them when all of it stands.
    pub(super) late: Vec<LateStep>,
}

/// What is to be done with a socket that was passed to this process, or joins such a one, when it serves.
pub(super) struct LateStep {
    /// The place of its handle.
    handle: usize,
    listen: Listen,
    step: Late,
}

impl LateStep {
    /// Does it. That it cannot be done is said in the log: the other sockets serve all the same.
    pub(super) fn take_place(&self, handles: &[OwnedFd]) {
        if let Err(error) = self.step.take_place(&handles[self.handle], &self.listen) {
            tracing::error!("a socket that was passed on is not as it should be: {error}");
        }
    }
}

/// What the thread behind the admin listeners gets: a small shard of its own, that may wait for the others.
pub(super) struct AdminPlan {
    pub(super) setup: Setup,
    pub(super) options: Options,
    pub(super) shard: ShardPlan,
}

/// What one shard gets.
#[derive(Default)]
pub(super) struct ShardPlan {
    /// The core it is pinned to, if it is.
    pub(super) core: Option<usize>,
    /// Each with the number of its listener: there may be several of one.
    pub(super) listeners: Vec<(OwnedFd, u16)>,
    pub(super) datagrams: Vec<(OwnedFd, u16)>,
}

/// Makes the plan and opens its listeners.
///
/// A listener whose socket was passed to this process has that one.
pub(super) fn draw(config: &Config, inherited: Inherited) -> Result<Plan, StartError> {
    let mut shards = shards_on(config);
    let capabilities = choose_engine(config)?;
    let sockets = SocketCounts::with(config, &inherited, shards.len());
    if limits::SOCKETS_PER_SHARD_MAX < sockets.all {
        return Err(StartError::TooManySockets { sockets: sockets.all });
    }
    let (options, files) = sizes(config, sockets);
    let needed = descriptors_for(config, capabilities.engine, shards.len(), sockets, files);
    descriptors::raise_limit(needed + inherited.len() as u64)?;
    let mut groups = Groups::default();
    let mut sockets_files = Vec::new();
    let (mut handles, mut late) = (Vec::new(), Vec::new());
    let mut admin = ShardPlan::default();
    for (place, bound) in open(config, inherited, shards.len())? {
        let listener = &config.listeners[place];
        let first = handles.len();
        late.extend(bound.late.into_iter().map(|(socket, step)| {
            let listen = bound.address.clone();
            LateStep { handle: first + socket, listen, step }
        }));
        for socket in &bound.sockets {
            handles.push(socket.try_clone().map_err(StartError::NoHandle)?);
        }
        let own = std::slice::from_mut(&mut admin);
        let takers = if listener.service == ServiceName::Admin { own } else { &mut shards[..] };
        let number = groups.add(place, listener, &bound.address);
        hand_out(&bound.address, bound.sockets, number, takers);
        sockets_files.extend(bound.file);
    }
    let sealed = config.sandbox && ring::can_seal(capabilities);
    let setup = Setup { sealed, ..Setup::shard(capabilities, files, !groups.datagrams.is_empty()) };
    let setup = fit(setup, descriptors::memlock_limit(), shards.len() as u64 + 1);
    let admin = (!groups.admins.is_empty()).then(|| admin_plan(config, &setup, admin));
    Ok(Plan { capabilities, setup, options, shards, groups, admin, files: sockets_files, handles, late })
}

/// The engine that serves; when it is not the one that is better, and nobody asked for it, a warning says why.
fn choose_engine(config: &Config) -> Result<Capabilities, StartError> {
    let (capabilities, refusal) = find_engine(config)?;
    if let Some(refusal) = refusal {
        tracing::warn!("serving by epoll, which costs more: {refusal}");
    }
    Ok(capabilities)
}

/// The engine that was asked for; or, when none was, io_uring where the host allows it, and its twin elsewhere, with the
/// reason.
pub(super) fn find_engine(config: &Config) -> Result<(Capabilities, Option<StartError>), StartError> {
    let tier = config.engine_max.unwrap_or(RingTier::V6_17);
    if config.engine == Some(Engine::Epoll) {
        return Ok((Capabilities::of_epoll(tier), None));
    }
    match Capabilities::probe(tier).map_err(ring_failed) {
        Ok(capabilities) => Ok((capabilities, None)),
        Err(error) if config.engine == Some(Engine::Uring) || !error.is_refusal() => Err(error),
        Err(error) => Ok((Capabilities::of_epoll(tier), Some(error))),
    }
}

/// A small shard: few operators come at once.
fn admin_plan(config: &Config, shards: &Setup, shard: ShardPlan) -> AdminPlan {
    let options = admin_options(config, shard.listeners.len());
    let sockets = u32::try_from(shard.listeners.len()).expect("SOCKETS_PER_SHARD_MAX is small");
    let setup = Setup::shard(shards.capabilities, options.slots + sockets, false);
    let (submissions, completions) = (SMALLEST_QUEUE, 8 * SMALLEST_QUEUE);
    let setup = Setup { submissions, completions, sealed: shards.sealed, ..setup };
    AdminPlan { setup, options, shard }
}

/// The bounds of the shard behind so many sockets for operators.
pub(super) fn admin_options(config: &Config, sockets: usize) -> Options {
    let slots = Options::slots_for(limits::ADMIN_CONNECTIONS, sockets);
    Options { slots, rates: Rates::default(), ..options(config) }
}

/// The bounds of a shard; where sockets were passed to it, there are more slots.
pub(super) fn options(config: &Config) -> Options {
    sizes(config, SocketCounts::of(config)).0
}

/// One shard per core, or as many as asked for; more than cores share them in turn.
fn shards_on(config: &Config) -> Vec<ShardPlan> {
    let in_turn = cores_of_shards(config).into_iter();
    in_turn.map(|core| ShardPlan { core: Some(core), ..ShardPlan::default() }).collect()
}

/// The core of each shard.
pub(super) fn cores_of_shards(config: &Config) -> Vec<usize> {
    cores_for(config).into_iter().cycle().take(count_shards(config)).collect()
}

/// How many shards there will be.
pub(super) fn count_shards(config: &Config) -> usize {
    config.shards.unwrap_or_else(|| cores_for(config).len())
}

fn cores_for(config: &Config) -> Vec<usize> {
    config.cores.clone().unwrap_or_else(cpu::allowed_cores)
}

/// How many sockets a shard takes from: one of each listener, or more where more were passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SocketCounts {
    /// Those that accept.
    streams: usize,
    /// All of them.
    all: usize,
}

impl SocketCounts {
    /// Of listeners that are opened anew.
    fn of(config: &Config) -> Self {
        Self::with(config, &Inherited::nothing(), 1)
    }

    fn with(config: &Config, inherited: &Inherited, shards: usize) -> Self {
        let mut counts = Self { streams: 0, all: 0 };
        for listener in &config.listeners {
            let takers = if listener.service == ServiceName::Admin { 1 } else { shards };
            let sockets = inherited.count(&listener.listen).div_ceil(takers).max(1);
            counts.all += sockets;
            counts.streams += if listener.listen.is_stream() { sockets } else { 0 };
        }
        counts
    }
}

/// The bounds of a shard, and the places of its table of descriptors.
fn sizes(config: &Config, sockets: SocketCounts) -> (Options, u32) {
    // The kernel spreads connections by a hash, so one shard may get them all.
    let connections = config.connections.min(limits::CONNECTIONS_PER_SHARD_MAX);
    let slots = Options::slots_for(connections, sockets.streams);
    let bounds = Bounds {
        high_water_bytes: config.outbox_high_water_bytes as usize,
        low_water_bytes: config.outbox_low_water_bytes as usize,
        opening_timeout: config.handshake_timeout,
        idle_timeout: config.idle_timeout,
        stall_timeout: config.stall_timeout,
        linger_timeout: config.linger_timeout,
    };
    let rates =
        Rates { requests: config.request_rate, messages: config.message_rate, bytes: config.byte_rate };
    let options = Options { number: 0, slots, bounds, outbox_bytes: config.outbox_bytes_per_shard, rates };
    let sockets = u32::try_from(sockets.all).expect("SOCKETS_PER_SHARD_MAX is small");
    (options, slots + sockets)
}

/// Descriptors that the process needs, whatever the engine will be when there is none.
pub(super) fn descriptors_wanted(config: &Config, engine: Option<&Capabilities>, shards: usize) -> u64 {
    let engine = engine.map_or(Engine::Uring, |capabilities| capabilities.engine);
    let sockets = SocketCounts::of(config);
    descriptors_for(config, engine, shards, sockets, sizes(config, sockets).1)
}

/// Descriptors that the process needs. A ring's table may not be larger than its limit, and while it starts it has a
/// socket per listener and shard with a second handle of it, and a ring per shard; connections themselves take none but in the
/// table. The twin by readiness has them among the process's own, those of each shard that come at once and are refused included.
fn descriptors_for(config: &Config, engine: Engine, shards: usize, counts: SocketCounts, files: u32) -> u64 {
    let sockets = (counts.all * shards) as u64;
    // Each socket has a second handle.
    let own = 2 * sockets + 2 * shards as u64;
    let accepting = counts.all * shards * limits::ACCEPTS_IN_FLIGHT as usize;
    let needed = match engine {
        Engine::Uring => own.max(u64::from(files)),
        Engine::Epoll => own + u64::from(config.connections) + accepting as u64,
    };
    needed + u64::from(limits::DESCRIPTORS_RESERVE)
}

/// Opens the listeners; each is told by its place in the configuration.
fn open(config: &Config, mut inherited: Inherited, shards: usize) -> Result<Vec<(usize, Bound)>, StartError> {
    let mut opened = Vec::new();
    for (place, listener) in config.listeners.iter().enumerate() {
        let options = SocketOptions {
            congestion_control: config.congestion.clone(),
            mode: listener.mode,
            user_timeout: Some(kernel_patience(config)),
        };
        let shards = if listener.service == ServiceName::Admin { 1 } else { shards };
        let bound = match inherited.take(&listener.listen) {
            None => bind_patiently(&listener.listen, shards, &options),
            Some((passed, giver)) => {
                let adopted = adopt::adopt(&listener.listen, passed, shards, &options, giver);
                adopted.map(|bound| with_file(bound, giver))
            }
        };
        match bound {
            Ok(bound) => opened.push((place, bound)),
            Err(error @ BindError::Ipv6Missing { .. }) if listener.optional => {
                tracing::warn!("{} is left out: {error}", listener.listen);
            }
            Err(error) => return Err(error.into()),
        }
    }
    match inherited.left() {
        None => Ok(opened),
        Some(listen) => Err(StartError::NobodyListens(listen.clone())),
    }
}

/// How long the kernel keeps what a peer does not take: longer than we wait ourselves, so that the reason is ours to tell; then
/// it lets go, too.
pub(super) fn kernel_patience(config: &Config) -> Duration {
    config.stall_timeout * 2
}

/// A successor removes the file of a Unix socket, as its predecessor would have: one that has made it.
fn with_file(bound: Bound, giver: Giver) -> Bound {
    match &bound.address {
        Listen::Unix(path) if giver == Giver::Predecessor => {
            let file = SocketFile::inherit(path).inspect_err(|error| {
                tracing::warn!("nobody finds unix:{}: its file cannot be seen: {error}", path.display());
            });
            Bound { file: file.ok(), ..bound }
        }
        _ => bound,
    }
}

/// Binds, and tries again for a moment when the place is taken: by a predecessor that was killed, perhaps.
fn bind_patiently(listen: &Listen, shards: usize, options: &SocketOptions) -> Result<Bound, BindError> {
    let deadline = clock::now().saturating_add(limits::BIND_PATIENCE);
    loop {
        match socket::bind(listen, shards, options) {
            Err(BindError::Taken { .. } | BindError::InUse(_)) if clock::now() < deadline => {
                std::thread::sleep(BIND_PAUSE);
            }
            result => return result,
        }
    }
}

/// Between two tries to bind.
const BIND_PAUSE: Duration = Duration::from_millis(20);

/// Gives each shard its sockets of a listener, in turn.
fn hand_out(address: &Listen, sockets: Vec<OwnedFd>, number: u16, shards: &mut [ShardPlan]) {
    for (place, socket) in sockets.into_iter().enumerate() {
        let shard = &mut shards[place % shards.len()];
        match address {
            Listen::Tcp(_) | Listen::Unix(_) => shard.listeners.push((socket, number)),
            Listen::Udp(_) => shard.datagrams.push((socket, number)),
        }
    }
}

/// Makes the rings smaller when all of them together would not fit into the memory that may be locked: a host with
/// many cores and the usual 8 MiB must still start. Linux charges 64 bytes per submission and 16 per completion.
pub(super) fn fit(mut setup: Setup, memlock: Option<u64>, shards: u64) -> Setup {
    let Some(memlock) = memlock else { return setup };
    let budget = memlock / 2 / shards.max(1);
    while budget < ring_bytes(&setup) && SMALLEST_QUEUE < setup.submissions {
        setup.submissions /= 2;
        setup.completions /= 2;
    }
    setup
}

/// Below this a ring is of no use, and the lack of memory is better said.
const SMALLEST_QUEUE: u32 = 128;

pub(super) fn ring_bytes(setup: &Setup) -> u64 {
    u64::from(setup.submissions) * 64 + u64::from(setup.completions) * 16
}

/// What a ring's error means for those who start a server.
pub(super) fn ring_failed(error: RingError) -> StartError {
    let errno = match error {
        RingError::Setup(errno) | RingError::Register { errno, .. } | RingError::Enter(errno) => errno,
        RingError::Epoll { what, errno } => return StartError::EpollFailed { what, cause: errno.into() },
        RingError::Missing(_) => Errno(libc::EINVAL),
    };
    ring_unavailable(errno.0, descriptors::io_uring_disabled(), descriptors::memlock_limit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The full size takes 1024 * 64 + 8192 * 16 = 196,608 bytes; half of 8 MiB holds 21 of them.
    #[test]
    fn rings_shrink_with_the_memory_that_may_be_locked() {
        let full = Setup::shard(Capabilities::of_tier(RingTier::V6_17), 64, false);
        let fitted = |memlock, shards| {
            let fitted = fit(full, memlock, shards);
            (fitted.submissions, fitted.completions)
        };
        assert_eq!(fitted(None, 1000), (1024, 8192));
        assert_eq!(fitted(Some(8 << 20), 21), (1024, 8192));
        assert_eq!(fitted(Some(8 << 20), 22), (512, 4096));
        assert_eq!(fitted(Some(8 << 20), 128), (128, 1024));
        assert_eq!(fitted(Some(64 << 10), 2), (128, 1024), "too little is said, not hidden");
    }

    #[test]
    fn more_shards_than_cores_share_them_in_turn() {
        let cores = cpu::allowed_cores();
        let config = Config { shards: Some(2 * cores.len() + 1), ..Config::default() };
        let shards: Vec<_> = shards_on(&config).iter().filter_map(|shard| shard.core).collect();
        assert_eq!(shards, [&cores[..], &cores[..], &cores[..1]].concat());
    }

    /// Ten listeners on 64 shards are 640 sockets, each with two handles, and 128 for the rings.
    #[test]
    fn descriptors_are_enough_for_the_table_and_for_the_start() {
        let config = Config::default();
        assert_eq!(config.listeners.len(), 10);
        let one = SocketCounts::of(&config);
        assert_eq!(descriptors_for(&config, Engine::Uring, 64, one, 100), 2 * 640 + 128 + 64);
        assert_eq!(descriptors_for(&config, Engine::Uring, 64, one, 2000), 2000 + 64);
        let config = Config { connections: 5000, ..config };
        assert_eq!(descriptors_for(&config, Engine::Epoll, 2, one, 1000), 20 + 4 + 20 + 5000 + 20 * 32 + 64);
    }
}
