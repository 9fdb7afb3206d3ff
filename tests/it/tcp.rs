//! TCP as clients see it: many at once, half-closed ones, slow writers, both families.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::support::server::Server;
use crate::support::{Random, has_descriptors, has_ipv6, quiet_port, skip, streams};

/// 2,000 connections are open at once, spread over two shards, and each echoes three times in an order of chance;
/// afterwards the server holds no more descriptors and buffers than before, and its counters say so.
#[test]
fn two_thousand_connections_at_once_leave_nothing_behind() {
    const CLIENTS: usize = 2_000;
    if !has_descriptors(CLIENTS as u64) {
        return skip("2,000 connections need more descriptors than this process may have");
    }
    let server = Server::tcp(&["--shards", "2"]);
    let (before, descriptors) = (server.counters(), server.descriptors());
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| streams::tcp(server.tcp_address())).collect();
    let mut random = Random::new();
    for round in 0..3 {
        let messages: Vec<Vec<u8>> = clients.iter().map(|_| message(&mut random)).collect();
        for (client, message) in clients.iter_mut().zip(&messages) {
            client.write_all(message).expect("the server reads");
        }
        for (client, message) in clients.iter_mut().zip(&messages).rev() {
            let mut answer = vec![0; message.len()];
            client.read_exact(&mut answer).expect("the server answers");
            assert!(answer == *message, "round {round}: another message came back");
        }
    }
    let during = server.counters();
    assert_eq!((during.total("accepted"), during.total("connections_open")), (2_000, 2_000));
    // The kernel spreads by a hash of the ports: to get less than 20 of 100 once takes a thousand billion runs.
    assert!(during.shards("connections_open").iter().all(|&open| 400 < open), "{during:#?}");
    drop(clients);
    server.check_all_clean(&before, descriptors);
    assert_eq!(server.counters().total("closed"), 2_000);
    server.stop_clean();
}

fn message(random: &mut Random) -> Vec<u8> {
    let length = 1 + random.size(3_000);
    random.bytes(length)
}

/// A client that sends everything and ends its side at once, before it reads anything, gets the whole echo and then
/// an end. What it sends fits into what may wait on the way.
#[test]
fn a_half_closed_client_that_reads_late_gets_the_whole_echo() {
    let server = Server::tcp(&[]);
    for size in [0, 1, 1_000, 100_000, 300_000] {
        let sent = Random::new().bytes(size);
        let mut client = streams::tcp(server.tcp_address());
        client.write_all(&sent).expect("the server reads");
        client.shutdown(std::net::Shutdown::Write).expect("it is connected");
        assert_eq!(streams::read_back(&mut client, &sent), size);
    }
    server.stop_clean();
}

/// The same with megabytes, which a second thread reads meanwhile: the end comes after the last byte.
#[test]
fn a_half_closed_client_gets_megabytes_and_then_the_end() {
    let server = Server::tcp(&[]);
    let mut random = Random::new();
    let sent = random.bytes(5 << 20);
    streams::check_whole_echo(&streams::tcp(server.tcp_address()), &sent, &mut random);
    server.stop_clean();
}

/// A client that writes byte by byte, without waiting and then with waiting, gets each byte back in order.
#[test]
fn one_byte_at_a_time() {
    let server = Server::tcp(&[]);
    let mut client = streams::tcp(server.tcp_address());
    let sent = Random::new().bytes(3_000);
    for byte in &sent {
        client.write_all(std::slice::from_ref(byte)).expect("the server reads");
    }
    let mut received = vec![0; sent.len()];
    client.read_exact(&mut received).expect("the server answers");
    assert!(received == sent, "other bytes came back");
    for byte in &sent {
        streams::ping(&mut client, std::slice::from_ref(byte));
    }
    drop(client);
    server.stop_clean();
}

/// `[::]` takes both families, and what each sends comes back.
#[test]
fn the_dual_stack_serves_both_families() {
    if !has_ipv6() {
        return;
    }
    let server = Server::listen(&["tcp://[::]:0"], &[]);
    let port = server.tcp_address().port();
    for host in ["127.0.0.1", "::1"] {
        let client = TcpStream::connect((host, port)).expect("both families are served");
        let mut random = Random::new();
        let sent = random.bytes(100_000);
        streams::check_whole_echo(&client, &sent, &mut random);
    }
    server.stop_clean();
}

/// An IPv4 address is served, and nothing beside it: the same port of the other family's loopback is closed.
#[test]
fn an_ipv4_address_is_not_reachable_over_ipv6() {
    if !has_ipv6() {
        return;
    }
    let server = Server::listen(&[&format!("tcp://127.0.0.1:{}", quiet_port())], &[]);
    let port = server.tcp_address().port();
    streams::ping(&mut streams::tcp(server.tcp_address()), b"over IPv4");
    let refused = TcpStream::connect(("::1", port)).expect_err("nobody listens there");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    server.stop_clean();
}
