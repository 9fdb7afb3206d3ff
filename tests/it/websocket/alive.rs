//! Peers that are silent, and peers that read slowly: the silent are pinged and cut when they are gone, the slow are
//! waited for and lose nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::server::Server;
use crate::support::web::{self, BINARY, Frame, PING, PONG, frame, next_frame, serve_http};
use crate::support::{Random, eventually, streams};

/// Reads pings and answers them, so many times. Returns whether the server was content.
fn answer_pings(socket: &mut TcpStream, times: usize) -> bool {
    (0..times).all(|_| {
        let mut ping = [0; 2];
        let came = socket.read_exact(&mut ping).is_ok();
        assert!(!came || ping == [0x89, 0], "it is an empty ping: {ping:?}");
        came && socket.write_all(&frame(PONG, b"")).is_ok()
    })
}

/// Reads one ping, does not answer, and reads the end.
#[track_caller]
fn check_pinged_and_cut(socket: &mut TcpStream) {
    assert_eq!(next_frame(socket), Frame::new(PING, b""));
    let mut more = [0];
    match socket.read(&mut more) {
        Ok(0) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        Ok(_) => panic!("it is not cut, but told {more:?}"),
    }
}

/// A peer that says nothing is pinged. When it does not answer within as much time again it is cut, and counted. This
/// once went on for ever: the timer that sent the ping also passed for a sign of life.
#[test]
fn a_peer_that_is_gone_is_found_and_cut() {
    let server = serve_http("ping_interval = \"100ms\"", "");
    let mut socket = web::open(server.http_address());
    check_pinged_and_cut(&mut socket);
    server.await_count("refused_slow", 1);
    drop(socket);
    server.stop_clean();
}

/// The same for one that has begun a frame and not ended it.
#[test]
fn half_a_frame_is_no_sign_of_life() {
    let server = serve_http("ping_interval = \"100ms\"", "");
    let mut socket = web::open(server.http_address());
    socket.write_all(&frame(PING, b"half")[..5]).expect("the server reads");
    check_pinged_and_cut(&mut socket);
    server.await_count("refused_slow", 1);
    drop(socket);
    server.stop_clean();
}

/// A peer that answers pings stays. On a machine that is slow at the wrong moment a pong may be
/// late; then it is tried once more.
#[test]
fn a_peer_that_answers_pings_stays() {
    let server = serve_http("ping_interval = \"300ms\"", "");
    let stays = || answer_pings(&mut web::open(server.http_address()), 5);
    assert!((0..10).any(|_| stays()), "it was cut each time");
    server.stop_clean();
}

/// Messages of 64 KiB, 16 MiB in all.
fn messages(random: &mut Random) -> Vec<Vec<u8>> {
    (0..256).map(|_| random.bytes(64 << 10)).collect()
}

/// Connects with small buffers, so that little is on its way.
fn open_small(address: SocketAddr) -> TcpStream {
    web::open_with(streams::tcp_with_buffers(address, 32 * 1024), "").0
}

/// Reads all messages back.
#[track_caller]
fn check_echoes(reader: &mut TcpStream, messages: &[Vec<u8>]) {
    for (number, message) in messages.iter().enumerate() {
        let frame = loop {
            let frame = next_frame(reader);
            if frame.first != 0x89 {
                break frame;
            }
        };
        assert!(frame == Frame::new(BINARY, message), "message {number} came back as {frame:?}");
    }
}

/// Has a peer send 16 MiB and read nothing until it is not read from; then `meanwhile`; then it reads all its echoes.
#[track_caller]
fn check_slow_reader(server: Server, meanwhile: impl FnOnce(&Server)) {
    let messages = messages(&mut Random::new());
    let mut reader = open_small(server.http_address());
    let mut writer = reader.try_clone().expect("a descriptor is free");
    std::thread::scope(|scope| {
        let writing =
            scope.spawn(|| messages.iter().try_for_each(|message| writer.write_all(&frame(BINARY, message))));
        eventually("it is paused", || 0 < server.counters().total("receive_paused"));
        meanwhile(&server);
        check_echoes(&mut reader, &messages);
        writing.join().expect("the writer has not panicked").expect("the server reads");
    });
    drop((reader, writer));
    server.stop_clean();
}

/// Who sends 16 MiB and does not read is not read from; when it reads at last, every message is there.
#[test]
fn a_slow_reader_is_paused_and_loses_nothing() {
    check_slow_reader(serve_http("", ""), |server| {
        let waiting = server.counters().total("bytes_received");
        assert!(waiting < 8 << 20, "{waiting} bytes were taken of somebody who reads nothing");
    });
}

/// A slow reader that is not read from cannot be heard, so its silence does not count: it once was cut although it had
/// answered, because its pong lay unread behind its messages. For whoever never reads there is the stall time-out.
#[test]
fn a_slow_reader_is_not_taken_for_dead() {
    check_slow_reader(serve_http("ping_interval = \"200ms\"", ""), |server| {
        // Two peers that are pinged and cut one after the other: five intervals at least.
        for _ in 0..2 {
            check_pinged_and_cut(&mut web::open(server.http_address()));
        }
    });
}
