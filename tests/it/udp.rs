//! Datagrams: whole, to the right sender, of every size, in bursts.

use std::net::{SocketAddr, UdpSocket};

use crate::support::server::Server;
use crate::support::{DEADLINE, Random, has_ipv6};

/// A client that hears nobody but the server.
#[track_caller]
fn client(to: SocketAddr) -> UdpSocket {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).expect("a port is free");
    socket.connect(to).expect("it is an address");
    socket.set_read_timeout(Some(DEADLINE)).expect("the deadline is not zero");
    socket
}

/// Sends a datagram of this size from each of 32 sockets, as many at once as the socket's buffer surely holds, and
/// checks that each gets its own back, whole.
#[track_caller]
fn check_size(to: SocketAddr, size: usize) {
    let clients: Vec<UdpSocket> = (0..32).map(|_| client(to)).collect();
    let at_once = (100_000 / (size + 1_000)).clamp(1, 32);
    let mut random = Random::new();
    let mut buffer = vec![0; 70_000];
    for clients in clients.chunks(at_once) {
        let sent: Vec<Vec<u8>> = clients.iter().map(|_| random.bytes(size)).collect();
        for (client, datagram) in clients.iter().zip(&sent) {
            assert_eq!(client.send(datagram).expect("the kernel takes it"), size);
        }
        for (client, datagram) in clients.iter().zip(&sent) {
            let received = client.recv(&mut buffer).expect("an answer of that size comes");
            assert!(buffer[..received] == **datagram, "{size} bytes were sent, and {received} others came");
        }
    }
}

/// Empty ones, small ones, those of an Ethernet and of a jumbo frame, and the largest that IPv4 allows.
#[test]
fn every_size_comes_back_over_ipv4() {
    let server = Server::listen(&["udp://127.0.0.1:0"], &[]);
    for size in [0, 1, 1_472, 9_000, 65_507] {
        check_size(server.udp_address(), size);
    }
    let counters = server.counters();
    assert_eq!((counters.total("datagrams_received"), counters.total("datagrams_sent")), (160, 160));
    assert_eq!((counters.total("datagrams_truncated"), counters.total("datagrams_dropped")), (0, 0));
    server.stop_clean();
}

/// The same over IPv6, up to the largest that it allows, which is larger.
#[test]
fn every_size_comes_back_over_ipv6() {
    if !has_ipv6() {
        return;
    }
    let server = Server::listen(&["udp://[::1]:0"], &[]);
    for size in [0, 1, 1_452, 9_000, 65_507, 65_527] {
        check_size(server.udp_address(), size);
    }
    assert_eq!(server.counters().total("datagrams_truncated"), 0);
    server.stop_clean();
}

/// `[::]` answers senders of both families; those of IPv4 from the IPv4 address that they wrote to.
#[test]
fn the_dual_stack_answers_both_families() {
    if !has_ipv6() {
        return;
    }
    let server = Server::listen(&["udp://[::]:0"], &[]);
    let port = server.udp_address().port();
    for size in [0, 1, 1_472, 65_507] {
        check_size(SocketAddr::from(([127, 0, 0, 1], port)), size);
        check_size(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port)), size);
    }
    server.stop_clean();
}

/// At every tier, datagrams of all sizes come back.
#[test]
fn datagrams_come_back_on_every_tier() {
    for tier in ["6.1", "6.6", "6.12", "6.17"] {
        let server = Server::listen(&["udp://127.0.0.1:0"], &["--engine-max", tier]);
        for size in [0, 1, 1_472, 65_507] {
            check_size(server.udp_address(), size);
        }
        server.stop_clean();
    }
}

/// 10,000 datagrams, at most 16 on their way from each of four sockets: all come back, and each once.
#[test]
fn a_burst_with_a_small_window_loses_nothing() {
    const EACH: u64 = 2_500;
    const WINDOW: u64 = 16;
    let server = Server::listen(&["udp://127.0.0.1:0"], &[]);
    let to = server.udp_address();
    std::thread::scope(|scope| {
        for number in 0..4_u64 {
            scope.spawn(move || {
                let client = client(to);
                let mut seen = vec![false; usize::try_from(EACH).expect("it is small")];
                for next in 0..EACH + WINDOW {
                    if next < EACH {
                        let datagram = [number.to_ne_bytes(), next.to_ne_bytes()].concat();
                        client.send(&datagram).expect("the kernel takes it");
                    }
                    if WINDOW <= next {
                        receive_one(&client, number, &mut seen);
                    }
                }
                assert!(seen.iter().all(|&seen| seen), "each came back");
            });
        }
    });
    let counters = server.counters();
    assert_eq!((counters.total("datagrams_received"), counters.total("datagrams_sent")), (10_000, 10_000));
    server.stop_clean();
}

fn receive_one(client: &UdpSocket, number: u64, seen: &mut [bool]) {
    let mut buffer = [0; 64];
    assert_eq!(client.recv(&mut buffer).expect("none is lost"), 16);
    assert_eq!(buffer[..8], number.to_ne_bytes(), "it is this socket's own");
    let next = u64::from_ne_bytes(buffer[8..16].try_into().expect("it is 8 bytes"));
    let seen = &mut seen[usize::try_from(next).expect("it is small")];
    assert!(!std::mem::replace(seen, true), "{next} came twice");
}

/// Clients that ask and go away, so that the answers find nobody (ICMP says so), do no harm to others.
#[test]
fn senders_that_have_gone_do_no_harm() {
    let server = Server::listen(&["udp://127.0.0.1:0"], &["--shards", "1"]);
    for round in 0..200_u32 {
        client(server.udp_address()).send(&round.to_ne_bytes()).expect("the kernel takes it");
    }
    server.await_count("datagrams_received", 200);
    check_size(server.udp_address(), 100);
    let counters = server.counters();
    assert_eq!(counters.total("unexpected_errors"), 0, "{counters:#?}");
    server.stop_clean();
}
