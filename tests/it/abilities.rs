//! What an engine can do at each tier, and what it does where it cannot: the same traffic for all of them, and figures that
//! show which way was taken.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};

use crate::support::server::Server;
use crate::support::{DEADLINE, Random, eventually, streams};

/// At this mark a peer is not read from any more.
const HIGH_WATER: u64 = 64 << 10;
/// Receives of one burst.
const BURST: u64 = 33;

/// What differs.
struct Tier {
    name: &'static str,
    /// What the banner says.
    abilities: &'static str,
    /// Receive buffers of a shard.
    buffers: u64,
    /// Bytes of one.
    buffer_bytes: u64,
    /// Receives that may come when the high water is reached: one that brings more than the credit, or a burst before the
    /// receive is cancelled.
    late_receives: u64,
}

const TIERS: [Tier; 4] = [
    Tier {
        name: "6.1",
        abilities: "whole buffers, cancel and re-arm",
        buffers: 1024,
        buffer_bytes: 2 << 10,
        late_receives: BURST,
    },
    Tier {
        name: "6.6",
        abilities: "whole buffers, cancel and re-arm",
        buffers: 1024,
        buffer_bytes: 2 << 10,
        late_receives: BURST,
    },
    Tier {
        name: "6.12",
        abilities: "incremental buffers, cancel and re-arm",
        buffers: 128,
        buffer_bytes: 16 << 10,
        late_receives: BURST,
    },
    Tier {
        name: "6.17",
        abilities: "incremental buffers, receive credit",
        buffers: 128,
        buffer_bytes: 16 << 10,
        late_receives: 1,
    },
];

#[track_caller]
fn check_all(engine: &str) {
    for tier in &TIERS {
        let listeners = ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"];
        let high_water = HIGH_WATER.to_string();
        let flags = [
            ["--engine", engine],
            ["--engine-max", tier.name],
            ["--shards", "1"],
            ["--high-water", &high_water],
            ["--low-water", "16KiB"],
            ["--stall-timeout", "5m"],
        ];
        let server = Server::listen(&listeners, flags.as_flattened());
        assert_eq!(server.counters().total("receive_buffers_free"), tier.buffers, "{engine} {}", tier.name);
        check_echo(&server, tier);
        check_small_messages(&server);
        check_datagrams(&server);
        check_back_pressure(&server, tier);
        check_drain(server, engine, tier);
    }
}

/// Every byte comes back, and no receive brings more than a buffer holds.
#[track_caller]
fn check_echo(server: &Server, tier: &Tier) {
    let mut random = Random::new();
    let bytes = random.bytes(1 << 20);
    streams::check_whole_echo(&streams::tcp(server.tcp_address()), &bytes, &mut random);
    let counters = server.counters();
    let (received, receives) = (counters.total("bytes_received"), counters.total("receives"));
    assert_eq!(received, 1 << 20);
    assert!(received <= receives * tier.buffer_bytes, "{receives} receives on tier {}", tier.name);
}

/// More small messages at once than there are whole buffers.
#[track_caller]
fn check_small_messages(server: &Server) {
    let mut clients: Vec<TcpStream> = (0..16).map(|_| streams::tcp(server.tcp_address())).collect();
    for round in 0..100_u8 {
        for client in &mut clients {
            for part in 0..20 {
                client.write_all(&[round, part]).expect("the server reads");
            }
        }
        for client in &mut clients {
            let mut answer = [0; 40];
            client.read_exact(&mut answer).expect("the server answers");
            assert!(answer.chunks(2).zip(0..).all(|(pair, part)| pair == [round, part]), "{answer:?}");
        }
    }
}

#[track_caller]
fn check_datagrams(server: &Server) {
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    client.connect(server.udp_address()).expect("it has an address");
    client.set_read_timeout(Some(DEADLINE)).expect("the deadline is not zero");
    let mut answer = vec![0; 70_000];
    // An empty one ends a receive, and the next is served all the same.
    for size in [1, 0, 1_000, 0, 0, 65_507] {
        client.send(&vec![7; size]).expect("the kernel takes it");
        assert_eq!(client.recv(&mut answer).expect("it comes back"), size);
    }
}

/// A peer that does not read costs the high water, and what comes before the kernel or the ring stops. Then it reads, and
/// gets every byte.
#[track_caller]
fn check_back_pressure(server: &Server, tier: &Tier) {
    let before = server.counters();
    let mut client = streams::tcp_with_buffers(server.tcp_address(), 32 * 1024);
    client.set_nonblocking(true).expect("a socket can be");
    let bytes = vec![0x55; 64 * 1024];
    let (mut written, mut last) = (0, 0);
    eventually("it is stuck", || {
        let more = streams::write_at_once(&mut client, &bytes);
        written += more;
        let counters = server.counters();
        let received = counters.total("bytes_received") - before.total("bytes_received");
        let paused = before.total("receive_paused") < counters.total("receive_paused");
        paused && more == 0 && received == std::mem::replace(&mut last, received)
    });
    let counters = server.counters();
    let gone = |name| counters.total(name) - before.total(name);
    let waiting = gone("bytes_received") - gone("bytes_sent");
    let most = HIGH_WATER + tier.late_receives * tier.buffer_bytes;
    assert!(waiting <= most, "{waiting} bytes wait on tier {}, and {most} may", tier.name);

    client.set_nonblocking(false).expect("a socket can be");
    let mut answer = vec![0; 64 * 1024];
    while written != 0 {
        let count = client.read(&mut answer).expect("the server goes on");
        assert!(count != 0 && answer[..count].iter().all(|byte| *byte == 0x55));
        written = written.checked_sub(count).expect("no more comes than was sent");
    }
    assert!(before.total("receive_resumed") < server.counters().total("receive_resumed"));
}

/// Stops it while a connection is open, which is ended in order, and reads what it has said of itself.
#[track_caller]
fn check_drain(server: Server, engine: &str, tier: &Tier) {
    let mut client = streams::tcp(server.tcp_address());
    streams::ping(&mut client, b"the last one");
    let stopping = std::thread::spawn(move || server.stop());
    streams::check_ended(&mut client);
    drop(client);
    let farewell = stopping.join().expect("it stops");
    assert_eq!(farewell.code, Some(0), "{farewell:#?}");
    let counters = farewell.counters();
    assert_eq!(counters.total("receive_buffers_free"), tier.buffers);
    assert_eq!((counters.total("stale_completions"), counters.total("unexpected_errors")), (0, 0));
    let banner = farewell.stderr.iter().find(|line| line.starts_with(&format!("  {engine} tier ")));
    let banner = banner.unwrap_or_else(|| panic!("the engine is named: {farewell:#?}"));
    assert!(banner.ends_with(tier.abilities), "{banner}");
}

#[test]
fn io_uring_does_at_each_tier_what_it_can() {
    check_all("uring");
}

#[test]
fn epoll_does_at_each_tier_what_it_can() {
    check_all("epoll");
}
