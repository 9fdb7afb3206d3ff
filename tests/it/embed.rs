//! The server inside another program: it lives and ends with its `Server`, and serves what that program wrote.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidemill::config::{Config, Listener, ServiceName};
use tidemill::connection::Inbox;
use tidemill::protocol::http1::Request;
use tidemill::server::{Server, http_settings};
use tidemill::service::http::{Answer, Ask, Content, Http, Page, Site};
use tidemill::service::{Context, Echo, Service};
use tidemill::sys::address::Listen;

use crate::support::{quiet_port, streams};

fn config() -> Config {
    let listener = Listener::echo("tcp://127.0.0.1:0".parse().expect("an address"));
    Config { listeners: vec![listener], shards: Some(2), ..Config::default() }
}

fn address(server: &Server) -> SocketAddr {
    let Listen::Tcp(address) = server.addresses()[0] else { panic!("it listens on TCP") };
    address
}

/// A site of one page.
struct One(fn() -> Page);

impl Site for One {
    type Route = ();
    type Seat = ();

    fn route(&mut self, _: &Request<'_>, _: Option<&str>) {}

    fn content(&self, (): &()) -> Content {
        Content::Discard
    }

    fn is_open(&self, (): &()) -> bool {
        true
    }

    fn answer(&mut self, (): (), _: Ask) -> Answer<()> {
        Answer::Page((self.0)())
    }
}

fn hello() -> Page {
    Page::ok("text/plain", &b"hello"[..])
}

/// Puts what nobody may put into a header field.
fn careless() -> Page {
    Page { field: Some(("X-Name", "a\r\nSet-Cookie: b".into())), ..hello() }
}

/// Pages are served at a listener for which no settings were given, by the default ones.
#[test]
fn a_listener_without_settings_of_its_own_is_served() {
    let listener = || Listener::new("tcp://127.0.0.1:0".parse().expect("an address"), ServiceName::Http);
    let config = Config { listeners: vec![listener(), listener()], shards: Some(1), ..Config::default() };
    let settings = vec![http_settings(&config, &config.listeners[0])];
    let server = Server::start(&config, move |_| Http::new(One(hello), settings.clone())).expect("it starts");
    for address in server.addresses() {
        let Listen::Tcp(address) = address else { panic!("it listens on TCP") };
        let mut client = streams::tcp(*address);
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("it is taken");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("it ends with a close");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello"), "{answer}");
    }
}

/// A server that is dropped serves no more, and its connections have ended.
#[test]
fn a_dropped_server_is_gone() {
    // Nobody else is given this port, as might be one that the system chose.
    let listener = Listener::echo(format!("tcp://127.0.0.1:{}", quiet_port()).parse().expect("an address"));
    let config = Config { listeners: vec![listener], ..config() };
    let server = Server::start(&config, |_| Echo).expect("it starts");
    let address = address(&server);
    let mut client = streams::tcp(address);
    streams::ping(&mut client, b"hello");
    drop(server);
    assert!(matches!(client.read(&mut [0; 8]), Ok(0) | Err(_)), "the connection has ended");
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}

/// Says goodbye when the server stops, and lets the deadline end the connection.
struct Polite(Arc<AtomicUsize>);

impl Service for Polite {
    type Session = ();

    fn open(&mut self, _: &mut Context<'_>) {}

    fn receive(&mut self, _: &mut (), inbox: &mut Inbox<'_>, _: &mut Context<'_>) {
        // Half a frame stays, as of a peer that is in the midst of a sentence.
        inbox.consume(inbox.bytes().len() / 2);
    }

    fn drain(&mut self, _: &mut (), context: &mut Context<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        context.outbox.write(b"goodbye");
    }
}

/// A service is told of a stop once for each connection, though it does not end it, and though a frame is unfinished.
#[test]
fn a_service_says_goodbye_once() {
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    let mut server = Server::start(&config(), move |_| Polite(Arc::clone(&count))).expect("it starts");
    let mut client = streams::tcp(address(&server));
    client.write_all(b"half a frame").expect("the kernel takes it");
    while server.report().iter().all(|shard| shard.counters.bytes_received == 0) {}
    server.stop(Duration::from_millis(400));
    let mut said = Vec::new();
    let _ = client.read_to_end(&mut said);
    assert_eq!(said, b"goodbye");
    server.join().expect("it ends");
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

/// A field that would end its line is never sent: the peer is told that the answer failed, and nothing is injected.
#[test]
fn a_field_that_ends_its_line_is_not_sent() {
    let config = Config {
        listeners: vec![Listener::new("tcp://127.0.0.1:0".parse().expect("it is one"), ServiceName::Http)],
        ..config()
    };
    let server = Server::start(&config, |_| Http::new(One(careless), Vec::new())).expect("it starts");
    let mut client = streams::tcp(address(&server));
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("the server reads");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("it answers, and ends the connection");
    assert!(answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{answer}");
    assert!(!answer.contains("Set-Cookie") && !answer.contains("X-Name"), "{answer}");
}
