//! TLS on the wire, met by clients that share no code with the server's way to drive it: what is agreed, what is
//! refused, and how connections end.

mod clients;
mod ends;
mod hostile;
mod load;
mod nats;
mod reload;
mod start;
mod tool;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, version::TLS12, version::TLS13};

use crate::support::server::Server;
use crate::support::tls::{self, Authority, Issued, VERSIONS, connect, refusal};
use crate::support::web::{self, serve};
use crate::support::{Folder, eventually, streams};

/// A server of echo and of pages behind TLS, with a certificate for `localhost`, and what its clients need.
struct Place {
    folder: Folder,
    authority: Authority,
    issued: Issued,
    server: Server,
}

impl Place {
    fn new() -> Self {
        Self::with("", "", &["--shards", "1"])
    }

    /// With these limits, these keys of TLS more, and these flags.
    #[track_caller]
    fn with(limits: &str, keys: &str, flags: &[&str]) -> Self {
        let (folder, authority) = (Folder::new(), Authority::new("authority"));
        let issued = authority.issue(&["localhost"]);
        let tls = format!("tls = {{ {}{keys} }}\n", issued.keys(&folder, "server"));
        let server = serve(&folder, limits, &listeners(&tls), flags);
        Self { folder, authority, issued, server }
    }

    fn echo(&self) -> SocketAddr {
        self.server.addresses("tls://")[0]
    }

    fn https(&self) -> SocketAddr {
        self.server.https_address()
    }

    /// A client of any version.
    fn client(&self) -> Arc<ClientConfig> {
        Arc::new(self.authority.client(&VERSIONS))
    }

    /// One client of each version.
    fn clients(&self) -> [Arc<ClientConfig>; 2] {
        VERSIONS.map(|version| Arc::new(self.authority.client(&[version])))
    }
}

/// Two listeners behind the same TLS, and one without that tells time.
fn listeners(tls: &str) -> String {
    let listener =
        |service| format!("[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"{service}\"\n{tls}\n");
    let plain = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"http\"\n";
    format!("{}{}{plain}", listener("echo"), listener("http"))
}

// --- What is agreed ------------------------------------------------------------------------------------------------

#[test]
fn both_versions_are_spoken() {
    let place = Place::new();
    for (config, version) in place.clients().iter().zip([ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3])
    {
        let mut stream = connect(place.echo(), config);
        assert_eq!(stream.conn.protocol_version(), Some(version));
        assert!(place.issued.is_shown(&stream));
        streams::ping(&mut stream, b"Hello");
        assert_eq!(tls::close(&mut stream), b"");
    }
    place.server.await_count("tls_handshakes", 2);
    place.server.stop_clean();
}

#[test]
fn a_version_that_is_too_old_is_refused() {
    let place = Place::with("", ", min_version = \"1.3\"", &[]);
    let [old, new] = place.clients();
    assert!(refusal(place.echo(), &old).contains("ProtocolVersion"));
    streams::ping(&mut connect(place.echo(), &new), b"Hello");
    place.server.await_count("refused_tls_negotiation", 1);
    place.server.stop_clean();
}

/// Pages are HTTP/1.1, so that is what is agreed upon with whoever offers it among others; whoever offers only others is
/// refused (RFC 7301, 3.2). Echo has no protocol of its own.
#[test]
fn the_application_protocol_is_http_1_1() {
    let place = Place::new();
    let offering = |offers: &[&str]| {
        let mut config = place.authority.client(&VERSIONS);
        config.alpn_protocols = offers.iter().map(|offer| offer.as_bytes().to_vec()).collect();
        Arc::new(config)
    };
    let chosen = |address, offers: &[&str]| {
        let stream = connect(address, &offering(offers));
        stream.conn.alpn_protocol().map(|chosen| String::from_utf8_lossy(chosen).into_owned())
    };
    assert_eq!(chosen(place.https(), &["h2", "http/1.1"]).as_deref(), Some("http/1.1"));
    assert_eq!(chosen(place.https(), &["http/1.1"]).as_deref(), Some("http/1.1"));
    assert_eq!(chosen(place.https(), &[]), None);
    assert_eq!(chosen(place.echo(), &["h2"]), None);
    let words = refusal(place.https(), &offering(&["h2", "http/1.0"]));
    assert!(words.contains("NoApplicationProtocol"), "{words}");
    place.server.await_count("refused_tls_negotiation", 1);
    place.server.stop_clean();
}

/// Of three certificates a client gets the one for the name that it asks for; for an unknown name, or none, the first.
#[test]
fn a_certificate_is_shown_by_its_name() {
    let (folder, authority) = (Folder::new(), Authority::new("authority"));
    let names: [&[&str]; 3] = [&["a.example", "127.0.0.1"], &["b.example", "c.example"], &["*.d.example"]];
    let issued = names.map(|names| authority.issue(names));
    let [first, second, third] = ["a", "b", "d"].map(|name| {
        let at = usize::from(name == "b") + 2 * usize::from(name == "d");
        issued[at].keys(&folder, name)
    });
    let keys = format!("tls = {{ {first}, certificates = [{{ {second} }}, {{ {third} }}] }}\n");
    let server = serve(&folder, "", &listeners(&keys), &[]);
    let address = server.https_address();
    let check = |name: &str, shown: usize| {
        for version in VERSIONS {
            let config = Arc::new(authority.client(&[version]));
            let mut stream = tls::begin(streams::tcp(address), &config, name);
            tls::shake(&mut stream).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(issued[shown].is_shown(&stream), "{name}");
        }
    };
    check("a.example", 0);
    check("127.0.0.1", 0);
    check("b.example", 1);
    check("c.example", 1);
    check("B.Example", 1);
    check("x.d.example", 2);
    let config = Arc::new(authority.client(&VERSIONS));
    let mut stream = tls::begin(streams::tcp(address), &config, "unknown.example");
    tls::shake(&mut stream).expect_err("the first certificate is not for this name");
    drop(stream);
    server.await_count("refused_tls_certificate", 1);
    server.stop_clean();
}

/// Clients come back with their sessions, whichever shard they meet: all but the first.
#[test]
fn sessions_are_resumed_on_every_shard() {
    for version in [&TLS12, &TLS13] {
        let place = Place::with("", "", &["--shards", "2"]);
        let config = Arc::new(place.authority.client(&[version]));
        let mut kinds = Vec::new();
        eventually("both shards have been met", || {
            let mut stream = connect(place.echo(), &config);
            kinds.push(stream.conn.handshake_kind());
            // Tickets of TLS 1.3 come with the first answer.
            streams::ping(&mut stream, b"Hello");
            tls::close(&mut stream);
            let counters = place.server.counters();
            10 < kinds.len() && counters.shards("tls_handshakes").iter().all(|count| 2 < *count)
        });
        let (first, later) = kinds.split_first().expect("some have come");
        assert_eq!(*first, Some(HandshakeKind::Full));
        assert!(later.iter().all(|kind| *kind == Some(HandshakeKind::Resumed)), "{kinds:?}");
        place.server.await_count("tls_resumed", later.len() as u64);
        place.server.stop_clean();
    }
}

// --- What is spoken behind it --------------------------------------------------------------------------------------

/// Requests follow each other on one connection, and in one write.
#[test]
fn pages_are_served_behind_tls() {
    let place = Place::new();
    for config in place.clients() {
        let mut stream = connect(place.https(), &config);
        let health = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for _ in 0..3 {
            stream.write_all(health).expect("the server reads");
            assert_eq!(web::read_answer(&mut stream).1, b"ok\n");
        }
        stream.write_all(&health.repeat(20)).expect("the server reads");
        for _ in 0..20 {
            assert_eq!(web::read_answer(&mut stream).1, b"ok\n");
        }
        let long = b"GET /bytes/300000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(long).expect("the server reads");
        assert_eq!(web::read_answer(&mut stream).1, vec![0; 300_000]);
        assert_eq!(stream.read(&mut [0]).expect("a close_notify"), 0);
    }
    place.server.stop_clean();
}

/// An independent WebSocket over an independent TLS.
#[test]
fn websockets_are_served_behind_tls() {
    use tungstenite::{Error, Message};
    let place = Place::new();
    for config in place.clients() {
        let stream = connect(place.https(), &config);
        let (mut socket, _) = tungstenite::client("ws://localhost/ws", stream).expect("the server agrees");
        for length in [0, 125, 126, 65_535, 65_536, 1 << 20] {
            let message = Message::text("x".repeat(length));
            socket.send(message.clone()).expect("the server reads");
            assert!(socket.read().expect("an answer") == message);
        }
        socket.close(None).expect("the server reads");
        assert!(matches!(socket.read(), Ok(Message::Close(None))));
        assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
    }
    place.server.stop_clean();
}
