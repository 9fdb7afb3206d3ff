//! TLS of NATS listeners: after the greeting, before it, and whichever the client begins with.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::support::server::Server;
use crate::support::tls::{Authority, VERSIONS, begin, shake};
use crate::support::web::serve;
use crate::support::{Folder, streams};

const HELLO: &[u8] = b"CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n";
const HEARD: &str = "MSG a 1 2\r\nhi\r\nPONG\r\n";

struct Place {
    server: Server,
    config: Arc<ClientConfig>,
    _folder: Folder,
}

fn place(mode: &str) -> Place {
    let (folder, authority) = (Folder::new(), Authority::new("authority"));
    let keys = authority.issue(&["localhost"]).keys(&folder, "server");
    let listener = format!(
        "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"nats\"\ntls_mode = \"{mode}\"\ntls = {{ {keys} }}\n"
    );
    let server = serve(&folder, "", &listener, &["--shards", "1"]);
    Place { server, config: Arc::new(authority.client(&VERSIONS)), _folder: folder }
}

/// Reads to the end of a text, byte by byte.
#[track_caller]
fn read_to(stream: &mut impl Read, end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        let mut byte = [0];
        stream
            .read_exact(&mut byte)
            .unwrap_or_else(|error| panic!("{error} behind {}", bytes.escape_ascii()));
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).expect("it is text")
}

/// Goes on behind TLS; the greeting comes there, or has come.
#[track_caller]
fn go_on(place: &Place, socket: TcpStream, greets: bool) {
    let mut stream = begin(socket, &place.config, "localhost");
    shake(&mut stream).expect("the server agrees");
    if greets {
        let info = read_to(&mut stream, " \r\n");
        assert!(info.starts_with("INFO {"), "{info}");
    }
    stream.write_all(HELLO).expect("the server reads");
    assert_eq!(read_to(&mut stream, "PONG\r\n"), HEARD);
}

#[track_caller]
fn read_greeting(socket: &mut TcpStream) {
    let info = read_to(socket, " \r\n");
    assert!(info.starts_with("INFO {") && info.contains(r#""tls_required":true"#), "{info}");
}

/// As all NATS clients do by default: they read INFO, begin TLS when it says so, and send CONNECT within.
#[test]
fn tls_begins_after_the_greeting() {
    let place = place("upgrade");
    let mut socket = streams::tcp(place.server.addresses("nats+tls://")[0]);
    read_greeting(&mut socket);
    go_on(&place, socket, false);
    let mut plain = streams::tcp(place.server.addresses("nats+tls://")[0]);
    read_greeting(&mut plain);
    plain.write_all(HELLO).expect("it is read");
    let mut rest = Vec::new();
    // It ends, perhaps with an alert of TLS; an answer there is not.
    let _ = plain.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"MSG"), "{}", rest.escape_ascii());
    drop(plain);
    place.server.stop_clean();
}

#[test]
fn tls_begins_before_the_greeting() {
    let place = place("first");
    go_on(&place, streams::tcp(place.server.addresses("nats+tls://")[0]), true);
    place.server.stop_clean();
}

/// Who begins TLS gets the greeting within; who waits gets it in the clear, and begins then.
#[test]
fn tls_begins_as_the_client_has_it() {
    let place = place("auto");
    let address = place.server.addresses("nats+tls://")[0];
    go_on(&place, streams::tcp(address), true);
    let mut patient = streams::tcp(address);
    read_greeting(&mut patient);
    go_on(&place, patient, false);
    place.server.stop_clean();
}
