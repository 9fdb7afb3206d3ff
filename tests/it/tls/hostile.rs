//! Peers that are silent, slow, confused or malicious before and within TLS: each meets an end in time, and a count.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::ClientConfig;

use super::{Place, listeners};
use crate::support::http::{Client, get, post};
use crate::support::tls::{self, Authority, VERSIONS, connect};
use crate::support::web::{self, Pacer, serve};
use crate::support::{Folder, Random, streams};

// --- Silence -------------------------------------------------------------------------------------------------------

/// The first flight of a client.
fn hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut stream = tls::begin(io::empty(), config, "localhost");
    let mut hello = Vec::new();
    stream.conn.write_tls(&mut hello).expect("memory takes it");
    hello
}

/// Who says nothing, who stops within its first message and who stops behind it are ended after the handshake time-out,
/// and counted; one that came before them and is done stays.
#[test]
fn a_handshake_has_its_time() {
    let place = Place::with("handshake_timeout = \"200ms\"", "", &[]);
    let hello = hello(&place.client());
    let mut clients = [0, 1, 5, hello.len() / 2, hello.len() - 1, hello.len()].map(|length| {
        let mut client = streams::tcp(place.echo());
        client.write_all(&hello[..length]).expect("the server reads");
        client
    });
    clients.iter_mut().for_each(streams::check_ended);
    place.server.await_count("refused_opening_timeout", 6);
    drop(clients);
    place.server.stop_clean();
}

// --- The wrong language --------------------------------------------------------------------------------------------

/// A request without TLS is told so, in its own language.
#[test]
fn plain_http_is_told_that_this_is_tls() {
    let place = Place::new();
    for address in [place.https(), place.echo()] {
        let mut client = streams::tcp(address);
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the server reads");
        let (head, content) = web::read_answer(&mut client);
        assert_eq!((head.status, head.get("Connection").as_deref()), (400, Some("close")));
        assert!(content.starts_with(b"This port speaks TLS") && content.ends_with(b"."), "{content:?}");
        assert_eq!(client.read(&mut [0]).expect("an end, and no reset"), 0);
    }
    place.server.await_count("refused_tls_plain", 2);
    place.server.stop_clean();
}

/// TLS at a port without it is answered as any request that is none.
#[test]
fn tls_at_a_plain_port_is_refused() {
    let place = Place::new();
    let mut client = streams::tcp(place.server.http_address());
    client.write_all(&hello(&place.client())).expect("the server reads");
    assert_eq!(web::read_answer(&mut client).0.status, 400);
    assert_eq!(client.read(&mut [0]).expect("an end, and no reset"), 0);
    drop(client);
    place.server.await_count("refused_malformed", 1);
    place.server.stop_clean();
}

// --- Cuts and changes ----------------------------------------------------------------------------------------------

/// A socket whose writes are changed on their way.
struct Tampered<W> {
    socket: TcpStream,
    /// Sends these bytes, of which the first is so far from the beginning of the connection.
    write: W,
    at: usize,
}

impl<W: FnMut(&mut TcpStream, usize, &[u8]) -> io::Result<()>> Write for Tampered<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.write)(&mut self.socket, self.at, bytes)?;
        self.at += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W> Read for Tampered<W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }
}

/// A whole conversation over a socket whose writes are changed; returns how many bytes were written.
fn converse(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    write: impl FnMut(&mut TcpStream, usize, &[u8]) -> io::Result<()>,
) -> (io::Result<()>, usize, TcpStream) {
    let socket = Tampered { socket: streams::tcp(address), write, at: 0 };
    let mut stream = tls::begin(socket, config, "localhost");
    let talk = || {
        tls::shake(&mut stream)?;
        let mut answer = [0; 5];
        stream.write_all(b"Hello")?;
        stream.read_exact(&mut answer)?;
        stream.conn.send_close_notify();
        stream.flush()?;
        let rest = stream.read_to_end(&mut Vec::new())?;
        let is_same = answer == *b"Hello" && rest == 0;
        if is_same { Ok(()) } else { Err(io::Error::other("another message came back")) }
    };
    let mut talk = talk;
    let result = talk();
    let Tampered { socket, at, .. } = stream.sock;
    (result, at, socket)
}

/// A client of one version that always says as many bytes.
fn small(authority: &Authority, version: &'static rustls::SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut config = authority.small_client(&[version]);
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

/// What a client says may come in two pieces, cut at any byte, or byte by byte.
#[test]
fn records_may_be_cut_at_every_byte() {
    let place = Place::new();
    let mut pacer = Pacer::new(place.server.http_address());
    for version in VERSIONS {
        let config = small(&place.authority, version);
        let (result, length, _) = converse(place.echo(), &config, |socket, _, bytes| socket.write_all(bytes));
        result.expect("nothing was changed");
        for cut in 1..length {
            let (result, _, _) = converse(place.echo(), &config, |socket, at, bytes| {
                let Some((head, tail)) = cut.checked_sub(at).and_then(|cut| bytes.split_at_checked(cut))
                else {
                    return socket.write_all(bytes);
                };
                socket.write_all(head)?;
                pacer.pace();
                socket.write_all(tail)
            });
            result.unwrap_or_else(|error| panic!("{version:?} cut at {cut}: {error}"));
        }
        let (result, _, _) = converse(place.echo(), &config, |socket, _, bytes| {
            bytes.iter().try_for_each(|byte| {
                socket.write_all(&[*byte])?;
                pacer.pace();
                Ok(())
            })
        });
        result.unwrap_or_else(|error| panic!("{version:?} byte by byte: {error}"));
    }
    drop(pacer);
    place.server.stop_clean();
}

/// A bit that is changed anywhere ends the connection in time, if it is not one that says nothing: never is another
/// message taken for the one that was sent, and never does either side wait for ever.
#[test]
fn a_changed_bit_ends_the_connection() {
    let limits = "handshake_timeout = \"100ms\"\nidle_timeout = \"100ms\"";
    let place = Place::with(limits, "", &["--shards", "1"]);
    let mut random = Random::new();
    for version in VERSIONS {
        let config = small(&place.authority, version);
        let mut changed = 0;
        for position in 0..400_usize {
            let bit = 1 << random.below(8);
            let (result, _, mut socket) = converse(place.echo(), &config, |socket, at, bytes| {
                let mut bytes = bytes.to_vec();
                if let Some(byte) = position.checked_sub(at).and_then(|position| bytes.get_mut(position)) {
                    *byte ^= bit;
                    changed += 1;
                }
                socket.write_all(&bytes)
            });
            let is_late = |error: &io::Error| {
                matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Other
                )
            };
            assert!(!result.as_ref().is_err_and(is_late), "{version:?} {position} {bit:#x}: {result:?}");
            // Whoever has told us of its failure has ended the connection, too.
            let _ = socket.shutdown(Shutdown::Write);
            tls::drain(&mut socket);
        }
        assert!(200 < changed, "{changed}");
    }
    assert_eq!(place.server.counters().total("unexpected_errors"), 0);
    place.server.stop_clean();
}

/// Random bytes instead of a first message, and behind a good one.
#[test]
fn garbage_ends_in_a_close() {
    let place = Place::with("handshake_timeout = \"100ms\"", "", &["--shards", "1"]);
    let hello = hello(&place.client());
    let (before, descriptors) = (place.server.counters(), place.server.descriptors());
    let mut random = Random::new();
    for round in 0..200 {
        let mut client = streams::tcp(place.echo());
        let mut bytes = if round % 2 == 0 { hello.clone() } else { Vec::new() };
        let length = 1 + random.size(3_000);
        bytes.extend(random.bytes(length));
        // The server may have ended it before all is written.
        let _ = client.write_all(&bytes);
        tls::drain(&mut client);
    }
    place.server.check_all_clean(&before, descriptors);
    place.server.stop_clean();
}

/// A good record with a bad one right behind it: the peer is told by an alert what is wrong, and it is no error of the
/// server's own. The answer to the good one once could not be sent any more, which passed for such an error, and cut the
/// alert off.
#[test]
fn a_bad_record_behind_a_good_one_is_told() {
    let place = Place::new();
    for config in place.clients() {
        let mut stream = connect(place.echo(), &config);
        streams::ping(&mut stream, b"Hello");
        stream.conn.writer().write_all(b"good").expect("memory takes it");
        let mut bytes = Vec::new();
        stream.conn.write_tls(&mut bytes).expect("memory takes it");
        bytes.extend([&[23, 3, 3, 0, 40][..], &[0x55; 40]].concat());
        stream.sock.write_all(&bytes).expect("the server reads");
        let error = stream.read_to_end(&mut Vec::new()).expect_err("an alert comes").to_string();
        // RFC 8446, 5.2: bad_record_mac.
        assert!(error.contains("BadRecordMac"), "{error}");
        drop(stream);
    }
    place.server.await_count("refused_tls_malformed", 2);
    assert_eq!(place.server.counters().total("unexpected_errors"), 0);
    place.server.stop_clean();
}

// --- Behind a proxy ------------------------------------------------------------------------------------------------

/// A PROXY header comes before TLS: in the same segment, in its own, or cut at any byte. Without it nothing is served.
#[test]
fn a_proxy_header_comes_before_tls() {
    let (folder, authority) = (Folder::new(), Authority::new("authority"));
    let keys = authority.issue(&["localhost"]).keys(&folder, "server");
    let tls = format!("tls = {{ {keys} }}\nproxy_protocol = true\ndeny = [\"192.0.2.66\"]\n");
    let server = serve(&folder, "", &listeners(&tls), &["--shards", "1"]);
    let address = server.addresses("tls://")[0];
    let config = small(&authority, VERSIONS[1]);
    let header = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n";
    let mut pacer = Pacer::new(server.http_address());
    for cut in 0..=header.len() {
        let (result, _, _) = converse(address, &config, |socket, at, bytes| {
            if at != 0 {
                return socket.write_all(bytes);
            }
            socket.write_all(&header[..cut])?;
            pacer.pace();
            socket.write_all(&[&header[cut..], bytes].concat())
        });
        result.unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
    }
    let (result, _, _) = converse(address, &config, |socket, _, bytes| socket.write_all(bytes));
    result.expect_err("there was no header");
    server.await_count("refused_proxy_header", 1);
    let denied = b"PROXY TCP4 192.0.2.66 192.0.2.2 56324 443\r\n";
    let (result, _, _) = converse(address, &config, |socket, at, bytes| {
        if at == 0 { socket.write_all(&[denied, bytes].concat()) } else { socket.write_all(bytes) }
    });
    result.expect_err("this one may not come");
    server.await_count("refused_network", 1);
    drop(pacer);
    server.stop_clean();
}

/// Whoever comes from an address that has sent too many bytes can still go through its handshake, and is served when its
/// turn has come. It was once cut, because the handshake was not read in the time that it may take.
#[test]
fn a_handshake_does_not_wait_for_the_rate_of_its_address() {
    let limits = "byte_rate_per_address = \"16KiB/s burst 16KiB\"\nhandshake_timeout = \"1s\"";
    let place = Place::with(limits, "", &["--shards", "1"]);
    let mut greedy = Client::to(place.server.http_address());
    // 48 KiB of debt, which take three seconds.
    let bytes = Random::new().bytes(64 << 10);
    greedy.send(post("/echo", &bytes));
    assert!(greedy.answer().body == bytes);
    for config in place.clients() {
        let mut stream = connect(place.https(), &config);
        stream.write_all(get("/healthz").as_bytes()).expect("the server reads");
        assert_eq!(web::read_answer(&mut stream).0.status, 200);
        assert_eq!(tls::close(&mut stream), b"");
    }
    drop(greedy);
    place.server.stop_clean();
}
