//! Connections behind a proxy, which begin with who the peer is (`proxy-protocol.txt`, 2.1 and 2.2). The headers here are
//! made by hand, from that text.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::{check_counted, check_logged};
use crate::support::http::{ADMIN, Client, PAGES, configured, fetch, get};
use crate::support::server::Server;
use crate::support::streams;

/// A listener behind a proxy, with these further settings of its own.
fn behind_proxy(more: &str) -> String {
    format!("{PAGES}proxy_protocol = true\n{more}")
}

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2: version and command, family and transport, and what follows the length.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("it is short").to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

fn v2_ipv4(source: Ipv4Addr, port: u16) -> Vec<u8> {
    let ports = [port.to_be_bytes(), 443_u16.to_be_bytes()].concat();
    v2(0x21, 0x11, &[&source.octets()[..], &[192, 0, 2, 1], &ports].concat())
}

fn v2_ipv6(source: Ipv6Addr, port: u16) -> Vec<u8> {
    let ports = [port.to_be_bytes(), 443_u16.to_be_bytes()].concat();
    v2(0x21, 0x21, &[&source.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &ports].concat())
}

/// The addresses of all connections, as operators see them.
#[track_caller]
fn addresses(server: &Server) -> Vec<String> {
    let page: Value =
        serde_json::from_slice(&fetch(server.admin_address(), "/connz").body).expect("it is JSON");
    let rows = page["connections"].as_array().expect("there is a list");
    rows.iter().map(|row| row["address"].as_str().expect("it is text").to_owned()).collect()
}

/// A connection that begins with these bytes, and is served.
#[track_caller]
fn welcome(server: &Server, header: &[u8]) -> Client {
    let mut client = Client::to(server.http_address());
    client.send([header, get("/healthz").as_bytes()].concat());
    assert_eq!(client.answer().status, 200, "{}", header.escape_ascii());
    client
}

/// The address that the proxy names is the one that operators see; where it names none, it is the proxy's own.
#[test]
fn the_peer_is_whom_the_proxy_names() {
    let server = configured("", &[&behind_proxy(""), ADMIN]);
    let with_extension = [&v2_ipv4(Ipv4Addr::new(192, 0, 2, 8), 9)[16..], b"\x04\0\x01x"].concat();
    let ipv6: Ipv6Addr = "2001:db8::7".parse().expect("it is one");
    for (header, expected) in [
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n".to_vec(), "192.0.2.7:4711"),
        (b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n".to_vec(), "[2001:db8::7]:4711"),
        (b"PROXY UNKNOWN\r\n".to_vec(), ""),
        (b"PROXY UNKNOWN ffff::1 ffff::1 1 1\r\n".to_vec(), ""),
        (v2_ipv4(Ipv4Addr::new(192, 0, 2, 7), 4711), "192.0.2.7:4711"),
        (v2_ipv6(ipv6, 4711), "[2001:db8::7]:4711"),
        (v2(0x21, 0x11, &with_extension), "192.0.2.8:9"),
        (v2(0x20, 0x00, b""), ""),
        (v2(0x20, 0x11, &with_extension), ""),
    ] {
        let client = welcome(&server, &header);
        let own = client.stream.local_addr().expect("it is connected").to_string();
        let expected = if expected.is_empty() { own } else { expected.to_owned() };
        assert!(addresses(&server).contains(&expected), "{expected}: {:?}", addresses(&server));
        drop(client);
        crate::support::eventually("it is gone", || addresses(&server).is_empty());
    }
    server.stop_clean();
}

/// A header and the request behind it are understood in two pieces cut at every byte, and byte by byte.
#[test]
fn headers_are_understood_however_they_are_cut() {
    let server = configured("", &[&behind_proxy(""), ADMIN]);
    for header in
        [b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n".to_vec(), v2_ipv4(Ipv4Addr::new(192, 0, 2, 7), 4711)]
    {
        let all = [&header[..], get("/healthz").as_bytes()].concat();
        let begin = |cut| {
            let mut client = Client::to(server.http_address());
            client.send(&all[..cut]);
            client
        };
        let mut clients: Vec<Client> = (0..=header.len() + 3).map(begin).collect();
        welcome(&server, &header);
        for (cut, client) in clients.iter_mut().enumerate() {
            client.send(&all[cut..]);
            assert_eq!(client.answer().status, 200, "cut at {cut}");
        }
        let mut client = Client::to(server.http_address());
        all.iter().for_each(|byte| client.send([*byte]));
        assert_eq!(client.answer().status, 200);
    }
    server.stop_clean();
}

/// Who does not begin with a header, or with a wrong one, is ended without a word, counted, and named by its own address.
#[test]
fn who_has_no_header_is_turned_away() {
    let server = configured("", &[&behind_proxy(""), ADMIN]);
    let wrong: [&[u8]; 14] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01",
        b"proxy TCP4 192.0.2.7 192.0.2.1 1 1\r\n",
        b"PROXY TCP5 192.0.2.7 192.0.2.1 1 1\r\n",
        b"PROXY TCP4 192.0.2.256 192.0.2.1 1 1\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1 65536\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1 1\n",
        b"PROXY TCP4 2001:db8::7 ::1 1 1\r\n",
        &[b'P'; 200],
        b"\r\n\r\n\0\r\nQUIX",
        &v2(0x31, 0x11, &[0; 12]),
        &v2(0x21, 0x11, &[0; 11]),
        &v2(0x21, 0x41, &[0; 12]),
    ];
    for (number, bytes) in (1..).zip(wrong) {
        let mut client = Client::to(server.http_address());
        client.try_send(bytes);
        let peer = client.stream.local_addr().expect("it is connected").to_string();
        client.check_end();
        if number == 1 {
            check_logged(&server, "proxy_header", &peer);
        }
        check_counted(&server, "proxy_header", number);
    }
    server.stop_clean();
}

/// A header that does not come to its end in time is awaited no longer, wherever it stops; whoever leaves before is not
/// counted.
#[test]
fn a_header_that_does_not_end_is_not_awaited_for_ever() {
    let server = configured("handshake_timeout = \"150ms\"", &[&behind_proxy(""), ADMIN]);
    let header = v2_ipv4(Ipv4Addr::new(192, 0, 2, 7), 4711);
    let line = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n";
    let all = [&header[..], line];
    let begin = |bytes: &[u8]| {
        let mut client = Client::to(server.http_address());
        client.send(bytes);
        client
    };
    let cuts = all.iter().flat_map(|bytes| (0..bytes.len()).map(|cut| &bytes[..cut]));
    let mut clients: Vec<Client> = cuts.map(begin).collect();
    clients.iter_mut().for_each(Client::check_end);
    check_counted(&server, "opening_timeout", clients.len() as u64);
    let mut gone = begin(&line[..20]);
    gone.finish();
    gone.check_end();
    check_counted(&server, "proxy_header", 0);
    server.stop_clean();
}

/// What is allowed, and how many may come, counts for the address that the proxy names, not for its own; of IPv6, 64 bits
/// are one address.
#[test]
fn limits_count_for_whom_the_proxy_names() {
    let lists = behind_proxy("deny = [\"192.0.2.66\", \"127.0.0.1\"]\n");
    let server = configured("connections_per_address = 1", &[&lists, ADMIN]);
    let ipv6 = |text: &str| v2_ipv6(text.parse().expect("it is one"), 1);
    let one = welcome(&server, &v2_ipv4(Ipv4Addr::new(192, 0, 2, 7), 1));
    let another = welcome(&server, &v2_ipv4(Ipv4Addr::new(192, 0, 2, 8), 1));
    let far = welcome(&server, &ipv6("2001:db8::1"));
    let further = welcome(&server, &ipv6("2001:db8:0:1::1"));
    let turned_away = |header: &[u8]| {
        let mut client = Client::to(server.http_address());
        client.send(header);
        streams::check_ended(&mut client.stream);
    };
    turned_away(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n");
    check_logged(&server, "address_connections", "192.0.2.7:4711");
    turned_away(&ipv6("2001:db8::ffff:1"));
    check_counted(&server, "address_connections", 2);
    turned_away(&v2_ipv4(Ipv4Addr::new(192, 0, 2, 66), 2));
    check_logged(&server, "network", "192.0.2.66:2");
    // Nobody named: then it is the proxy itself, which may not come.
    turned_away(b"PROXY UNKNOWN\r\n");
    check_counted(&server, "network", 2);
    drop((one, another, far, further));
    server.stop_clean();
}

/// A listener that asks for no header takes one for a wrong request.
#[test]
fn a_header_that_nobody_asked_for_is_refused() {
    let server = configured("", &[PAGES, ADMIN]);
    for header in
        [b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n".to_vec(), v2_ipv4(Ipv4Addr::new(192, 0, 2, 7), 4711)]
    {
        let mut client = Client::to(server.http_address());
        client.send([&header[..], get("/").as_bytes()].concat());
        let answer = client.answer();
        assert_eq!((answer.status, answer.closes()), (400, true));
        client.check_end();
    }
    check_counted(&server, "malformed", 2);
    server.stop_clean();
}
