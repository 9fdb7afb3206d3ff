//! What the engine itself costs, without a kernel: a turn of a shard on the simulated kernel, per message; and the
//! smallest operations, on tokens, buffers and timers.
//!
//! The simulation's own share is in the turns' figures: compare them with one another, not with a clock.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tidemill::access::meter::Rates;
use tidemill::connection::Bounds;
use tidemill::connection::Outbox;
use tidemill::connection::timers::Timers;
use tidemill::ring::sim::{Faults, PeerId, Sim, SimSetup};
use tidemill::ring::{Capabilities, Generation, Kind, Setup, Token};
use tidemill::service::Echo;
use tidemill::shard::mailbox::{Address, mailbox};
use tidemill::shard::{House, Options, Shard, Sockets};
use tidemill::sys::clock::Time;
use tidemill::tier::RingTier;

/// A shard with so many connections, each of them served once.
fn shard(connections: u32) -> (Shard<Sim, Echo>, Vec<PeerId>, Address) {
    let slots = Options::slots_for(connections, 1);
    let setup = Setup::shard(Capabilities::of_tier(RingTier::V6_17), slots + 1, false);
    let mut sim = Sim::new(&SimSetup::like(&setup, 1, Faults::none()));
    let listener = sim.listen();
    let peers = (0..connections).map(|_| sim.connect(listener, None)).collect();
    let sockets = Sockets { listeners: vec![listener], ..Sockets::default() };
    let options = Options {
        number: 0,
        slots,
        bounds: Bounds::default(),
        outbox_bytes: u64::MAX,
        rates: Rates::default(),
    };
    let (mailbox, address) = mailbox();
    let mut shard = Shard::new(sim, Echo, options, House::open(connections), mailbox, &sockets);
    while !shard.kernel_mut().is_idle() || shard.snapshot().counters.accepted < u64::from(connections) {
        shard.turn().expect("a simulated ring does not fail");
    }
    (shard, peers, address)
}

/// Every peer sends 64 bytes and gets them back.
fn exchange(shard: &mut Shard<Sim, Echo>, peers: &[PeerId]) {
    for peer in peers {
        shard.kernel_mut().write(*peer, &[7; 64]);
    }
    let mut echoed = 0;
    while echoed < peers.len() {
        shard.turn().expect("a simulated ring does not fail");
        echoed = peers.iter().filter(|peer| shard.kernel_mut().peek(**peer).len() == 64).count();
    }
    for peer in peers {
        shard.kernel_mut().skip(*peer, 64);
    }
}

fn turns(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("turn");
    for connections in [1, 64, 512] {
        let (mut shard, peers, _address) = shard(connections);
        group.throughput(Throughput::Elements(u64::from(connections)));
        group.bench_function(format!("echo of 64 bytes on {connections} connections"), |bencher| {
            bencher.iter(|| exchange(&mut shard, &peers));
        });
    }
    // What of the above is the simulation's: the same bytes written and read, and turns without any.
    let (mut shard, peers, _address) = shard(1);
    group.throughput(Throughput::Elements(1));
    group.bench_function("an idle turn", |bencher| {
        bencher.iter(|| shard.turn().expect("a simulated ring does not fail"));
    });
    black_box(peers);
    group.finish();
}

fn operations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("operation");
    group.bench_function("token there and back", |bencher| {
        bencher.iter(|| {
            let token = Token::new(black_box(Kind::Send), black_box(77), Generation::new(black_box(5)));
            Token::from_bits(black_box(token.bits()))
                .map(|token| (token.kind(), token.slot(), token.generation()))
        });
    });
    group.bench_function("outbox write of 64 bytes", |bencher| {
        let fresh = || (Outbox::default(), [7; 64]);
        bencher.iter_batched_ref(fresh, |(outbox, bytes)| outbox.write(bytes), BatchSize::SmallInput);
    });
    group.bench_function("timer set and moved", |bencher| {
        let mut timers = Timers::new(Time::ZERO);
        let mut now = Time::ZERO;
        bencher.iter(|| {
            now = now.saturating_add(Duration::from_millis(9));
            timers.schedule(black_box(3), now.saturating_add(Duration::from_secs(30)));
        });
    });
    group.finish();
}

criterion_group!(benches, turns, operations);
criterion_main!(benches);
