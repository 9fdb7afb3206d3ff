//! How connections behind TLS end, and long transfers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rustix::process::Signal;

use super::Place;
use crate::support::tls::{self, Stream, connect};
use crate::support::web::{self, Frame};
use crate::support::{Random, eventually, streams};

/// A client that says that it sends nothing more gets what waits for it, then the same from the server, then the end.
#[test]
fn an_end_within_tls_is_answered() {
    let place = Place::new();
    for config in place.clients() {
        let mut stream = connect(place.echo(), &config);
        stream.conn.set_buffer_limit(None);
        stream.conn.writer().write_all(&[7; 100_000]).expect("memory takes it");
        // All of it and the close_notify, with our side of TCP still open: nothing but the close_notify ends it.
        assert_eq!(tls::close(&mut stream), [7; 100_000]);
        assert_eq!(stream.sock.read(&mut [0]).expect("an end, and no reset"), 0);
    }
    place.server.await_count("cut_linger", 0);
    place.server.stop_clean();
}

/// A client that is cut off without a close_notify, in order or by a reset, in the midst of a record or between two,
/// leaves nothing behind; one that only half-closes gets its answers.
#[test]
fn an_end_without_tls_does_no_harm() {
    let place = Place::new();
    let (before, descriptors) = (place.server.counters(), place.server.descriptors());
    for config in place.clients() {
        for resets in [false, true] {
            let mut stream = connect(place.echo(), &config);
            streams::ping(&mut stream, b"Hello");
            stream.sock.write_all(&[23, 3, 3, 0, 50, 1, 2, 3]).expect("the server reads");
            if resets {
                streams::reset_at_close(&stream.sock);
            }
        }
        let mut stream = connect(place.echo(), &config);
        stream.write_all(b"answer me").expect("the server reads");
        stream.sock.shutdown(Shutdown::Write).expect("it is connected");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("a close_notify, and not only an end");
        assert_eq!(rest, b"answer me");
    }
    place.server.check_all_clean(&before, descriptors);
    place.server.stop_clean();
}

/// A stop ends connections behind TLS with a close_notify; WebSockets are said goodbye to before that.
#[test]
fn a_stop_ends_connections_within_tls() {
    let place = Place::new();
    let mut echo = connect(place.echo(), &place.client());
    streams::ping(&mut echo, b"Hello");
    let (mut socket, _) = web::open_with(connect(place.https(), &place.client()), "");
    let mut page = connect(place.https(), &place.client());
    page.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").expect("the server reads");
    web::read_answer(&mut page);
    place.server.signal(Signal::TERM);
    for stream in [&mut echo, &mut page] {
        assert_eq!(stream.read(&mut [0]).expect("a close_notify"), 0);
    }
    let goodbye = web::next_frame(&mut socket);
    assert_eq!(goodbye.code(), Some(1001));
    socket.write_all(&web::close(1001, "")).expect("the server reads");
    assert_eq!(web::read_frame(&mut socket), None::<Frame>);
    drop((echo, socket, page));
    let farewell = place.server.wait();
    assert_eq!(farewell.code, Some(0), "{farewell:#?}");
}

// --- Long transfers ------------------------------------------------------------------------------------------------

/// 8 MiB go through echo to a client that reads nothing until nothing more is taken: the server stops to read from it,
/// and every byte comes back in order.
#[test]
fn a_slow_reader_behind_tls_gets_every_byte() {
    let place = Place::new();
    let sent = Random::new().bytes(8 << 20);
    for config in place.clients() {
        let socket = streams::tcp_with_buffers(place.echo(), 32 * 1024);
        let mut stream = tls::begin(socket, &config, "localhost");
        tls::shake(&mut stream).expect("the server agrees");
        stream.conn.set_buffer_limit(None);
        stream.conn.writer().write_all(&sent).expect("memory takes it");
        stream.conn.send_close_notify();
        stream.sock.set_nonblocking(true).expect("a socket can be");
        let paused = place.server.counters().total("receive_paused");
        eventually("it is paused", || {
            write_some(&mut stream);
            paused < place.server.counters().total("receive_paused")
        });
        read_all(&mut stream, &sent);
    }
    place.server.stop_clean();
}

/// Writes what the kernel takes now.
fn write_some(stream: &mut Stream) {
    while stream.conn.wants_write() {
        match stream.conn.write_tls(&mut stream.sock) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("the server has gone: {error}"),
        }
    }
}

/// Writes and reads until the server's end, and compares.
#[track_caller]
fn read_all(stream: &mut Stream, sent: &[u8]) {
    let mut received = 0;
    let mut buffer = vec![0; 64 << 10];
    eventually("all has come back", || {
        write_some(stream);
        let _ = wait_readable(&stream.sock);
        match stream.conn.read_tls(&mut stream.sock) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("the server has gone: {error}"),
        }
        stream.conn.process_new_packets().expect("the server speaks TLS");
        loop {
            match stream.conn.reader().read(&mut buffer) {
                Ok(0) => return true,
                Ok(count) => {
                    assert!(buffer[..count] == sent[received..received + count], "bytes differ");
                    received += count;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => panic!("no close_notify: {error}"),
            }
        }
    });
    assert_eq!(received, sent.len());
}

/// Waits a moment for bytes, so that the processor is left to the server meanwhile.
fn wait_readable(socket: &TcpStream) -> std::io::Result<usize> {
    socket.set_nonblocking(false)?;
    let before = socket.read_timeout()?;
    socket.set_read_timeout(Some(Duration::from_millis(1)))?;
    let peeked = socket.peek(&mut [0]);
    socket.set_read_timeout(before)?;
    socket.set_nonblocking(true)?;
    peeked
}
