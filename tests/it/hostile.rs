//! Clients that do not behave: they never read, never write, never stop, come and go, or are too many. The server
//! bounds what each can take, says in its counters what it did, and goes on serving the others.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::counters::Counters;
use crate::support::server::Server;
use crate::support::{Random, eventually, has_descriptors, say, skip, soon, streams};

/// Connects so many clients that never read: each writes until nothing more is taken, neither by the kernel nor by
/// the server, which has then received at least `least` bytes from all of them.
#[track_caller]
fn stuff(server: &Server, count: usize, least: u64) -> Vec<TcpStream> {
    let connect = |_| {
        let client = streams::tcp_with_buffers(server.tcp_address(), 32 * 1024);
        client.set_nonblocking(true).expect("a socket can be");
        client
    };
    let mut clients: Vec<TcpStream> = (0..count).map(connect).collect();
    let bytes = vec![0x55; 64 * 1024];
    let mut last = 0;
    eventually("they are stuck", || {
        let written: usize = clients.iter_mut().map(|client| streams::write_at_once(client, &bytes)).sum();
        let received = server.counters().total("bytes_received");
        let is_stuck = written == 0 && received == last && least <= received;
        last = received;
        is_stuck
    });
    clients
}

#[track_caller]
fn ping_pong(address: SocketAddr, times: usize) {
    let mut client = streams::tcp(address);
    let mut random = Random::new();
    for _ in 0..times {
        streams::ping(&mut client, &random.bytes(100));
    }
}

/// 200 clients that write and never read cost the server at most the high-water mark and one receive buffer each,
/// beside the buffers that it has anyway; another connection is served meanwhile, at every tier.
#[test]
fn slow_readers_cost_no_more_than_the_bound() {
    const CLIENTS: u64 = 200;
    const HIGH_WATER: u64 = 256 << 10;
    const BUFFER: u64 = 16 << 10;
    // What the allocator and the tables add; and all receive buffers of two shards, in use for the first time.
    const MARGIN: u64 = CLIENTS * (HIGH_WATER + BUFFER) / 4 + 2 * (128 * BUFFER) + (4 << 20);
    for tier in ["6.1", "6.6", "6.12", "6.17"] {
        let server = Server::tcp(&["--engine-max", tier, "--shards", "2"]);
        ping_pong(server.tcp_address(), 10);
        let before = server.resident_bytes();
        let clients = stuff(&server, 200, CLIENTS * HIGH_WATER / 4);
        let growth = server.resident_bytes().saturating_sub(before);
        say(&format!("tier {tier}: {} KiB for each slow reader", growth / CLIENTS / 1024));
        assert!(growth < CLIENTS * (HIGH_WATER + BUFFER) + MARGIN, "{growth} bytes on tier {tier}");
        ping_pong(server.tcp_address(), 100);
        let counters = server.counters();
        assert_eq!(counters.total("connections_open"), CLIENTS + 1 - left(&counters), "nobody was cut");
        drop(clients);
        eventually("all are gone", || server.counters().total("connections_open") == 0);
    }
}

/// The two clients that pinged have gone, or are about to be.
fn left(counters: &Counters) -> u64 {
    let left = counters.total("closed");
    assert!((1..=2).contains(&left), "{counters:#?}");
    left - 1
}

/// Clients that do not read are cut after the stall time-out, their connections end, and the counters say why.
#[test]
fn who_never_reads_is_cut() {
    let server = Server::tcp(&["--stall-timeout", "300ms"]);
    let (before, descriptors) = (server.counters(), server.descriptors());
    let bytes = vec![0x55; 64 * 1024];
    let mut clients: Vec<TcpStream> =
        (0..20).map(|_| streams::tcp_with_buffers(server.tcp_address(), 32 * 1024)).collect();
    std::thread::scope(|scope| {
        for client in &mut clients {
            // Until the server cuts it.
            scope.spawn(|| while client.write_all(&bytes).is_ok() {});
        }
    });
    server.await_count("cut_stalled", 20);
    ping_pong(server.tcp_address(), 10);
    server.check_all_clean(&before, descriptors);
    server.stop_clean();
}

/// A client that begins to read only when nothing more can be written gets every byte, in order.
#[test]
fn who_reads_late_gets_every_byte() {
    let server = Server::tcp(&["--stall-timeout", "5m"]);
    let mut random = Random::new();
    let sent = random.bytes(16 << 20);
    for _ in 0..4 {
        let mut client = streams::tcp_with_buffers(server.tcp_address(), 32 * 1024);
        let written = write_until_stuck(&server, &mut client, &sent);
        assert!((256 << 10) < written && written < sent.len(), "{written} bytes were taken");
        client.set_nonblocking(false).expect("a socket can be");
        let mut reader = client.try_clone().expect("a descriptor is free");
        let received = std::thread::scope(|scope| {
            let reading = scope.spawn(|| streams::read_back(&mut reader, &sent));
            client.write_all(&sent[written..]).expect("the server reads again");
            streams::Stream::finish(&client);
            reading.join().expect("the reader has not panicked")
        });
        assert_eq!(received, sent.len());
    }
    server.stop_clean();
}

fn write_until_stuck(server: &Server, client: &mut TcpStream, bytes: &[u8]) -> usize {
    client.set_nonblocking(true).expect("a socket can be");
    let mut written = 0;
    let mut last = 0;
    eventually("it is stuck", || {
        let more = streams::write_at_once(client, &bytes[written..]);
        written += more;
        let received = server.counters().total("bytes_received");
        let is_stuck = more == 0 && received == last;
        last = received;
        is_stuck && (256 << 10) < written
    });
    written
}

/// 5,000 clients connect and go at once: some in order, some by a reset, some with an echo unread. Nothing is left
/// of them, and the next one is served.
#[test]
fn a_storm_of_clients_that_come_and_go_leaves_nothing_behind() {
    let server = Server::tcp(&["--shards", "2"]);
    let (before, descriptors) = (server.counters(), server.descriptors());
    let address = server.tcp_address();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..2_500).for_each(|number| come_and_go(address, number)));
        }
    });
    ping_pong(address, 10);
    eventually("all have been accepted", || server.counters().total("accepted") == 5_001);
    server.check_all_clean(&before, descriptors);
    server.stop_clean();
}

fn come_and_go(address: SocketAddr, number: u32) {
    let mut client = streams::tcp(address);
    if number.is_multiple_of(2) {
        // Refused when the server is quicker than this line, and that is part of the storm.
        let _ = client.write_all(&[0x55; 1_000]);
    }
    if number.is_multiple_of(3) {
        streams::reset_at_close(&client);
    }
}

/// Clients that never write are cut after the idle time-out, see an end, and are counted; one that speaks stays.
#[test]
fn who_never_writes_is_cut() {
    let server = Server::tcp(&["--idle-timeout", "200ms"]);
    let (before, descriptors) = (server.counters(), server.descriptors());
    let mut clients: Vec<TcpStream> = (0..50).map(|_| streams::tcp(server.tcp_address())).collect();
    clients.iter_mut().for_each(streams::check_ended);
    server.await_count("cut_idle", 50);
    server.check_all_clean(&before, descriptors);
    server.stop_clean();
}

/// 10,000 idle connections, or 1,000 where descriptors are few, leave others alone: one that speaks is served as if
/// it were alone, and afterwards nothing is left of any.
#[test]
fn idle_connections_leave_others_alone() {
    let count = if has_descriptors(10_000) { 10_000 } else { 1_000 };
    if !has_descriptors(count) {
        return skip("1,000 connections need more descriptors than this process may have");
    }
    let server = Server::tcp(&["--shards", "2", "--connections-per-address", "16384"]);
    let (before, descriptors) = (server.counters(), server.descriptors());
    let idle: Vec<TcpStream> = (0..count).map(|_| streams::tcp(server.tcp_address())).collect();
    ping_pong(server.tcp_address(), 1_000);
    server.await_count("accepted", count + 1);
    say(&format!("{count} idle connections, {} KiB resident", server.resident_bytes() / 1024));
    drop(idle);
    server.check_all_clean(&before, descriptors);
    server.stop_clean();
}

/// With place for ten, the eleventh is accepted and ended at once, and counted; when one of the ten has left, a new
/// one is served. The count holds over all shards.
#[test]
fn one_connection_too_many_is_refused_until_another_leaves() {
    let server = Server::tcp(&["--connections", "10", "--shards", "2"]);
    let mut clients: Vec<TcpStream> = (0..10).map(|_| streams::tcp(server.tcp_address())).collect();
    clients.iter_mut().for_each(|client| streams::ping(client, b"one of ten"));
    streams::check_ended(&mut streams::tcp(server.tcp_address()));
    server.await_count("refused_full", 1);
    clients.iter_mut().for_each(|client| streams::ping(client, b"still served"));
    clients.pop();
    server.await_count("closed", 1);
    ping_pong(server.tcp_address(), 10);
    assert_eq!((server.counters().total("accepted"), server.counters().total("refused_full")), (11, 1));
    drop(clients);
    server.stop_clean();
}

/// Many refusals leave nothing behind: places and descriptors come back.
#[test]
fn refusals_leave_nothing_behind() {
    let server = Server::tcp(&["--connections", "1", "--shards", "1"]);
    let (before, descriptors) = (server.counters(), server.descriptors());
    let mut only = streams::tcp(server.tcp_address());
    streams::ping(&mut only, b"the only one");
    for _ in 0..1_000 {
        streams::check_ended(&mut streams::tcp(server.tcp_address()));
    }
    streams::ping(&mut only, b"still the only one");
    drop(only);
    server.check_all_clean(&before, descriptors);
    assert_eq!(server.counters().total("refused_full"), 1_000);
    server.stop_clean();
}

/// On one shard, four connections that write and read as fast as they can do not keep a quiet one from being served.
#[test]
fn a_flood_leaves_a_quiet_connection_its_turn() {
    let server = Server::tcp(&["--shards", "1"]);
    let address = server.tcp_address();
    let floods: Vec<TcpStream> = (0..4).map(|_| streams::tcp(address)).collect();
    let flows = std::thread::scope(|scope| {
        for flood in &floods {
            scope.spawn(move || {
                let bytes = [0x55; 64 * 1024];
                while (&mut &*flood).write_all(&bytes).is_ok() {}
            });
            scope.spawn(move || {
                let mut buffer = vec![0; 64 * 1024];
                while (&mut &*flood).read(&mut buffer).is_ok_and(|count| 0 < count) {}
            });
        }
        let flows = soon(|| (1 << 20) < server.counters().total("bytes_sent"));
        let pinged = scope.spawn(move || ping_pong(address, 100)).join();
        for flood in &floods {
            flood.shutdown(std::net::Shutdown::Both).expect("it is connected");
        }
        flows && pinged.is_ok()
    });
    assert!(flows);
    server.stop_clean();
}
