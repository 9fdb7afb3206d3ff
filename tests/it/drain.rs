//! Stopping: everybody gets what was answered and an orderly end, in a bounded time, and the exit code says how it
//! went.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;

use crate::support::server::Server;
use crate::support::{Folder, Random, eventually, quiet_port, soon, streams};

/// So long that no slow machine reaches it.
const LONG: &[&str] = &["--drain-timeout", "5m", "--linger-timeout", "5m", "--stall-timeout", "5m"];

/// Writes a message and reads its echo, again and again, until the server ends; counts itself in after the
/// first. What came is a prefix of what was sent, and then an end, not a reset. Whole messages are answered whole.
#[track_caller]
fn ask_until_the_end(address: SocketAddr, begun: &AtomicUsize) {
    let mut client = streams::tcp(address);
    let message = Random::new().bytes(5_000);
    let mut received = vec![0; message.len()];
    streams::ping(&mut client, &message);
    begun.fetch_add(1, Ordering::Relaxed); // Only the number is looked at.
    loop {
        if client.write_all(&message).is_err() {
            // The end was crossed by this message; it is still there to be read.
            break;
        }
        match read_some(&mut client, &mut received) {
            0 => break,
            count => assert!(received[..count] == message[..count], "another message came back"),
        }
    }
    assert_eq!(client.read(&mut received).expect("an end, and no reset"), 0);
}

/// Reads until the buffer is full or the other side has ended.
#[track_caller]
fn read_some(client: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < buffer.len() {
        match client.read(&mut buffer[filled..]).expect("an end, and no reset") {
            0 => break,
            count => filled += count,
        }
    }
    filled
}

/// SIGTERM while 20 clients ask and are answered: each sees a prefix of its echo, then an end; the exit code is 0.
#[test]
fn a_stop_under_load_ends_every_connection_in_order() {
    let server = Server::tcp(LONG);
    let address = server.tcp_address();
    let begun = AtomicUsize::new(0);
    let all_begun = std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| ask_until_the_end(address, &begun));
        }
        let all_begun = soon(|| begun.load(Ordering::Relaxed) == 20);
        server.signal(Signal::TERM);
        all_begun
    });
    assert!(all_begun);
    let farewell = server.wait();
    assert_eq!(farewell.code, Some(0), "{farewell:#?}");
    let counters = farewell.counters();
    assert_eq!(counters.total("accepted"), 20);
    assert_eq!((counters.total("cut_drain"), counters.total("cut_linger")), (0, 0), "{counters:#?}");
}

/// SIGTERM while clients stream as fast as they can: each sees a prefix of what it sent, then an end, not a reset,
/// although it still writes; then it stops. The exit code is 0. They are never all caught up, so that this takes half
/// of the drain time-out: the stop once waited for a lucky moment, and else cut them.
#[test]
fn a_stop_under_a_flood_ends_every_connection_in_order() {
    let server = Server::tcp(&[&LONG[2..], &["--drain-timeout", "20s"]].concat());
    let address = server.tcp_address();
    let sent = Random::new().bytes(1 << 20);
    let flows = std::thread::scope(|scope| {
        let clients: Vec<TcpStream> = (0..4).map(|_| streams::tcp(address)).collect();
        for client in clients {
            let reader = client.try_clone().expect("a descriptor is free");
            let sent = &sent;
            scope.spawn(move || while (&client).write_all(sent).is_ok() {});
            scope.spawn(move || read_rounds(&reader, sent));
        }
        let flows = soon(|| (8 << 20) < server.counters().total("bytes_sent"));
        server.signal(Signal::TERM);
        flows
    });
    assert!(flows);
    let farewell = server.wait();
    assert_eq!(farewell.code, Some(0), "{farewell:#?}");
}

/// Reads what is sent over and over, until the end; then tells the writer by closing.
#[track_caller]
fn read_rounds(mut reader: &TcpStream, sent: &[u8]) {
    let mut buffer = vec![0; 64 * 1024];
    let mut at = 0;
    loop {
        let most = buffer.len().min(sent.len() - at);
        let count = reader.read(&mut buffer[..most]).expect("an end, and no reset");
        assert!(buffer[..count] == sent[at..at + count], "bytes differ");
        at = (at + count) % sent.len();
        if count == 0 {
            break;
        }
    }
    // The server may have gone meanwhile.
    let _ = reader.shutdown(Shutdown::Both);
}

/// Clients that wait in the backlog when the stop is asked for are let in and answered, far more than can be accepted
/// at once, and then see an end. To have them wait, the process is held by SIGSTOP.
#[test]
fn who_waits_in_the_backlog_is_served_and_not_reset() {
    const CLIENTS: usize = 500;
    let folder = Folder::new();
    let path = folder.path("t.sock");
    let unix = crate::support::server::unix(&path);
    let flags = [LONG, &["--shards", "2"]].concat();
    let server = Server::listen(&["tcp://127.0.0.1:0", &unix], &flags);
    server.hold();
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| streams::tcp(server.tcp_address())).collect();
    let mut neighbours: Vec<_> = (0..100).map(|_| streams::unix(&path)).collect();
    for client in &mut clients {
        client.write_all(b"before the stop").expect("the kernel takes it");
    }
    for client in &mut neighbours {
        client.write_all(b"before the stop").expect("the kernel takes it");
    }
    server.signal(Signal::TERM);
    server.signal(Signal::CONT);
    for client in &mut clients {
        check_answered_and_ended(client);
    }
    for client in &mut neighbours {
        check_answered_and_ended(client);
    }
    drop((clients, neighbours));
    let farewell = server.wait();
    assert_eq!(farewell.code, Some(0), "{farewell:#?}");
    assert_eq!(farewell.counters().total("accepted"), 600);
}

#[track_caller]
fn check_answered_and_ended(client: &mut impl Read) {
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("an end, and no reset");
    assert_eq!(answer, b"before the stop");
}

/// Whoever had connected and asked before the stop is answered, while others keep connecting during it.
#[test]
fn a_stop_amid_connects_answers_who_asked_before() {
    let server = Server::tcp(LONG);
    let address = server.tcp_address();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || connect_until_refused(address));
        }
        soon(|| 100 < server.counters().total("accepted"));
        let mut asked: Vec<TcpStream> = (0..50).map(|_| streams::tcp(address)).collect();
        for client in &mut asked {
            client.write_all(b"before the stop").expect("the kernel takes it");
        }
        server.signal(Signal::TERM);
        asked.iter_mut().for_each(|client| check_answered_and_ended(client));
    });
    let farewell = server.wait();
    assert_eq!(farewell.code, Some(0), "{farewell:#?}");
}

/// Connects, asks and leaves, until nobody listens any more. Who comes in that very moment may be reset by the kernel.
fn connect_until_refused(address: SocketAddr) {
    while let Ok(mut client) = TcpStream::connect(address) {
        let mut answer = [0; 5];
        let asked = client.write_all(b"hello").and_then(|()| client.read_exact(&mut answer));
        match asked {
            Ok(()) => assert_eq!(&answer, b"hello"),
            Err(_) => break,
        }
    }
}

/// Idle connections end at once when a stop is asked for: nobody waits for them.
#[test]
fn idle_connections_do_not_hold_a_stop_up() {
    let server = Server::tcp(LONG);
    let mut clients: Vec<TcpStream> = (0..100).map(|_| streams::tcp(server.tcp_address())).collect();
    clients.iter_mut().for_each(|client| streams::ping(client, b"hello"));
    server.signal(Signal::TERM);
    for client in &mut clients {
        assert_eq!(client.read(&mut [0; 8]).expect("an end, and no reset"), 0);
    }
    drop(clients);
    assert_eq!(server.wait().code, Some(0));
}

/// A client that writes much and never reads.
#[track_caller]
fn stubborn(server: &Server) -> TcpStream {
    let mut client = streams::tcp_with_buffers(server.tcp_address(), 32 * 1024);
    client.set_nonblocking(true).expect("a socket can be");
    let bytes = vec![0x55; 64 * 1024];
    // More waits for it than the kernel takes: so the server has stopped to read from it.
    eventually("it is stuck", || {
        let written = streams::write_at_once(&mut client, &bytes);
        let counters = server.counters();
        written == 0 && counters.total("receive_resumed") < counters.total("receive_paused")
    });
    client
}

/// A client that never reads holds a stop up until the drain time-out, and no longer; then the exit code says that
/// something was cut.
#[test]
fn who_never_reads_is_cut_at_the_drain_deadline() {
    let server = Server::tcp(&[&LONG[2..], &["--drain-timeout", "300ms"]].concat());
    let client = stubborn(&server);
    let farewell = server.stop();
    assert_eq!(farewell.code, Some(4), "{farewell:#?}");
    assert_eq!(farewell.counters().total("cut_drain"), 1);
    drop(client);
}

#[track_caller]
fn check_second(signals: [Signal; 2], code: i32) {
    let server = Server::tcp(LONG);
    let _client = stubborn(&server);
    server.signal(signals[0]);
    server.await_line("stopping: ");
    server.signal(signals[1]);
    let farewell = server.wait();
    assert_eq!(farewell.code, Some(code), "{farewell:#?}");
}

/// A second SIGTERM ends at once, although the drain could take minutes, with the code of that signal.
#[test]
fn a_second_term_ends_at_once() {
    check_second([Signal::TERM, Signal::TERM], 143);
}

/// Ctrl-C twice likewise, with its own code.
#[test]
fn a_second_interrupt_ends_at_once() {
    check_second([Signal::INT, Signal::INT], 130);
}

/// The second signal decides the code.
#[test]
fn the_last_signal_decides_the_code() {
    check_second([Signal::TERM, Signal::INT], 130);
}

/// Who was told everything and does not end has time for it; the log says when it is the stop that has none left. (It said that
/// the peer had not ended in its own time, which it still had.)
#[test]
fn a_second_signal_says_why_it_cuts_those_that_linger() {
    let server = Server::tcp(LONG);
    let mut client = streams::tcp(server.tcp_address());
    streams::ping(&mut client, b"hello");
    server.signal(Signal::TERM);
    assert_eq!(client.read(&mut [0]).expect("an end, and no reset"), 0);
    server.signal(Signal::TERM);
    let farewell = server.wait();
    let cuts: Vec<&String> =
        farewell.stderr.iter().filter(|line| line.contains("cut a connection")).collect();
    assert_eq!(cuts.len(), 1, "{farewell:#?}");
    assert!(cuts[0].contains("because the stop had no more time for it to close after we had"), "{cuts:?}");
    drop(client);
}

/// Ctrl-C once is a stop in order, like SIGTERM.
#[test]
fn an_interrupt_stops_in_order() {
    let server = Server::tcp(&[]);
    server.signal(Signal::INT);
    assert_eq!(server.wait().code, Some(0));
}

/// A server that starts while connections of the last one sit in TIME_WAIT gets its port at once.
#[test]
fn a_restart_gets_its_port_back_at_once() {
    let listener = format!("tcp://127.0.0.1:{}", quiet_port());
    for _ in 0..3 {
        let server = Server::listen(&[&listener], LONG);
        let mut clients: Vec<TcpStream> = (0..20).map(|_| streams::tcp(server.tcp_address())).collect();
        clients.iter_mut().for_each(|client| streams::ping(client, b"hello"));
        server.signal(Signal::TERM);
        // The server ends first, so that it is its side that waits.
        for client in &mut clients {
            assert_eq!(client.read(&mut [0; 8]).expect("an end, and no reset"), 0);
        }
        drop(clients);
        assert_eq!(server.wait().code, Some(0));
    }
}

/// So does a start after the predecessor was killed, though the kernel lets go of its sockets only a moment later.
#[test]
fn a_restart_after_a_kill_gets_its_port_back_too() {
    let listeners = ["tcp", "udp"].map(|scheme| format!("{scheme}://127.0.0.1:{}", quiet_port()));
    let listeners = listeners.each_ref().map(String::as_str);
    for _ in 0..5 {
        let server = Server::listen(&listeners, LONG);
        streams::ping(&mut streams::tcp(server.tcp_address()), b"hello");
        server.signal(Signal::KILL);
        assert_eq!(server.wait().code, None, "a signal ended it");
    }
}

/// Many stops, one after the other, with and without connections: none hangs. A stop did so when the last shard ended
/// between two looks of the thread that waits for it.
#[test]
fn no_stop_hangs() {
    for round in 0..50 {
        let server = Server::listen(&["tcp://127.0.0.1:0", "udp://127.0.0.1:0"], LONG);
        if round % 2 == 0 {
            streams::ping(&mut streams::tcp(server.tcp_address()), b"hello");
        }
        server.stop_clean();
    }
}

/// After a stop the port is closed.
#[test]
fn a_stopped_server_is_not_reachable() {
    let listener = format!("tcp://127.0.0.1:{}", quiet_port());
    let server = Server::listen(&[&listener], &[]);
    let address = server.tcp_address();
    server.stop_clean();
    let refused = TcpStream::connect(address).expect_err("nobody listens there");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}
