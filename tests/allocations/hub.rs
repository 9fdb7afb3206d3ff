//! What is published: one message at a time and many, to each kind of subscriber, on one shard and over two.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tidemill::config::{Config, Listener, ServiceName};
use tidemill::limits;
use tidemill::metrics::board::Board;
use tidemill::server::Server;
use tidemill::service::house::{Behind, House};
use tidemill::service::http::{SUBPROTOCOL, Settings};
use tidemill::sys::address::Listen;

use crate::clients::{Client, PAYLOAD};
use crate::{alone, count};

/// Turns that are watched.
const TURNS: usize = 1_000;
/// Bytes that a receive buffer takes: the message at its end is cut, and its parts are joined in memory of their own,
/// which grows at most once for messages as short as these.
const BUFFER_BYTES: usize = limits::RECEIVE_BUFFER_BYTES as usize;
/// Allocations of the process beside its messages in that time: figures are noted once a second, and a turn that has
/// more to do than any before makes room for it.
const BESIDE: u64 = TURNS as u64 / 20;

/// A server of NATS and HTTP, and where it listens.
fn serve(shards: usize) -> (Server, [SocketAddr; 2]) {
    let listener = |name| Listener::new("tcp://127.0.0.1:0".parse().expect("an address"), name);
    let listeners = [ServiceName::Nats, ServiceName::Http].map(listener).into();
    let config = Config { listeners, shards: Some(shards), ..Config::default() };
    let mut settings = Settings::default();
    settings.websocket.policy.subprotocols = vec![SUBPROTOCOL.to_owned()];
    let behind = [Behind::Nats, Behind::Http(Arc::new(settings))];
    let board = Arc::new(Board::new(shards));
    let make = move |_| House::new(&behind, &[Arc::default(), Arc::default()], Arc::clone(&board));
    let server = Server::start(&config, make).expect("the server starts");
    let addresses = [0, 1].map(|place| {
        let Listen::Tcp(address) = server.addresses()[place] else { panic!("it listens on TCP") };
        address
    });
    (server, addresses)
}

/// Publications of the payload as a NATS client writes them, about so many subjects in turn.
fn publications(count: usize, subjects: usize) -> String {
    let payload = std::str::from_utf8(PAYLOAD).expect("it is text");
    (0..count).map(|number| format!("PUB a.{} 5\r\n{payload}\r\n", number % subjects)).collect()
}

/// Watches turns in which a NATS client publishes and these hear it.
#[track_caller]
fn check(name: &str, publisher: &mut Client, subscribers: &mut [Client], subjects: usize) {
    for burst in [1, 10, 100] {
        let said = publications(burst, subjects);
        let asked = count(TURNS, |_| {
            publisher.say(said.as_bytes());
            subscribers.iter_mut().for_each(|subscriber| subscriber.hear(burst));
        });
        let cut = (2 * TURNS * said.len() / BUFFER_BYTES) as u64;
        assert!(
            asked <= cut + BESIDE,
            "{name}: {asked} allocations in {TURNS} turns of {burst} messages to {}",
            subscribers.len()
        );
    }
}

/// Two hear by the same name, which they share bytes for, and two by names of their own.
#[test]
fn steady_publications_to_nats_clients_allocate_nothing() {
    let _alone = alone();
    for shards in [1, 2] {
        let (mut server, [address, _]) = serve(shards);
        let mut publisher = Client::nats(address, "");
        let names = ["1", "1", "2", "3", "1", "1", "4", "5"];
        let mut subscribers = names.map(|sid| Client::nats(address, &format!("SUB a.* {sid}\r\n")));
        for subjects in [1, 10] {
            check(&format!("{shards} shards"), &mut publisher, &mut subscribers, subjects);
        }
        server.stop(Duration::from_secs(5));
        drop((publisher, subscribers));
        server.join().expect("it ends in order");
    }
}

/// Plain WebSockets, JSON in WebSockets, events in each of their forms, and NATS in WebSockets.
#[test]
fn steady_publications_to_browsers_allocate_nothing() {
    let _alone = alone();
    for shards in [1, 2] {
        let (mut server, [nats, http]) = serve(shards);
        let mut publisher = Client::nats(nats, "");
        let mut subscribers = Vec::new();
        for _ in 0..3 {
            subscribers.push(Client::websocket(http, "/ws/a.0", None));
            subscribers.push(Client::websocket(http, "/ws/a.0", Some(SUBPROTOCOL)));
            for form in ["", "&event=subject", "&format=json"] {
                subscribers.push(Client::events(http, &format!("/sse?subject=a.0{form}")));
            }
        }
        check(&format!("{shards} shards"), &mut publisher, &mut subscribers, 1);
        server.stop(Duration::from_secs(5));
        drop((publisher, subscribers));
        server.join().expect("it ends in order");
    }
}

/// One who speaks in a WebSocket is heard by all who are there, and by itself.
#[test]
fn steady_messages_of_a_websocket_allocate_nothing() {
    let _alone = alone();
    let (mut server, [_, http]) = serve(1);
    let mut clients: Vec<_> = (0..4).map(|_| Client::websocket(http, "/ws/a.0", None)).collect();
    // A binary message, final and masked by zeros (RFC 6455, section 5.2).
    let mut frame = vec![0x82, 0x80 | 5, 0, 0, 0, 0];
    frame.extend(PAYLOAD);
    for burst in [1, 100] {
        let said = frame.repeat(burst);
        let asked = count(TURNS, |turn| {
            let speaker = turn % clients.len();
            clients[speaker].say(&said);
            clients.iter_mut().for_each(|client| client.hear(burst));
        });
        let cut = (2 * TURNS * said.len() / BUFFER_BYTES) as u64;
        assert!(asked <= cut + BESIDE, "{asked} allocations in {TURNS} turns of {burst} messages");
    }
    server.stop(Duration::from_secs(5));
    drop(clients);
    server.join().expect("it ends in order");
}
