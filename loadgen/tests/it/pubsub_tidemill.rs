//! Whole runs of `loadgen pubsub` against Tidemill itself, by each of its doors: whatever is published is delivered to each
//! subscriber once, in order and whole. What the figures are worth is shown against hubs whose faults are counted.

use std::sync::Arc;

use serde_json::Value;
use tidemill::config::{Config, Listener, ServiceName};
use tidemill::metrics::board::Board;
use tidemill::server::Server;
use tidemill::service::house::{Behind, House};
use tidemill::service::http::Settings;
use tidemill::sys::address::Listen;

use super::{number, pubsub};

/// A hub of two shards, so that what is published may have to cross. It ends when it is dropped.
struct Hub {
    _server: Server,
    nats: String,
    http: String,
}

impl Hub {
    fn start() -> Self {
        let listener = |service| Listener::new("tcp://127.0.0.1:0".parse().unwrap(), service);
        let listeners = vec![listener(ServiceName::Nats), listener(ServiceName::Http)];
        let config = Config { listeners, shards: Some(2), ..Config::default() };
        let behind = [Behind::Nats, Behind::Http(Arc::new(Settings::default()))];
        let board = Arc::new(Board::new(2));
        let make = move |_| House::new(&behind, &[], Arc::clone(&board));
        let server = Server::start(&config, make).unwrap();
        let [nats, http] = [0, 1].map(|place| match server.addresses()[place] {
            Listen::Tcp(address) => address.to_string(),
            ref other => panic!("it listens on TCP, and not at {other}"),
        });
        Self { _server: server, nats, http }
    }

    /// Each door by which one can publish and subscribe, and that of those who only listen, with another to publish to.
    fn doors(&self) -> [String; 4] {
        let Self { nats, http, .. } = self;
        [
            format!("nats://{nats}"),
            format!("nats+ws://{http}/nats"),
            format!("ws://{http}"),
            format!("sse://{http} --publish-to nats://{nats}"),
        ]
    }
}

/// Everybody is delivered everything: published × subscribers, and nothing else.
fn check(door: &str, line: &str, published: u64, deliveries: u64) -> Value {
    let json = pubsub::check(door, line, 0, [published, deliveries, deliveries, 0, 0, 0, 0]);
    assert_eq!(number(&json, "counts.disconnected"), 0, "{door} {line}: {json}");
    json
}

#[test]
fn tidemill_delivers_everything_once_and_in_order_by_each_door() {
    let hub = Hub::start();
    for door in hub.doors() {
        check(&door, "--count 20000 -s 10", 20_000, 200_000);
        check(&door, "--count 3000 -s 3 -p 2 --size 5000 --window 500", 3000, 9000);
        check(&door, "--rate 2000 --count 500 -s 4", 500, 2000);
    }
}

/// Over several subjects, where each subscriber hears its share of them. A plain WebSocket publishes on one.
#[test]
fn tidemill_delivers_the_subjects_that_are_listened_to() {
    let hub = Hub::start();
    let [nats, framed, plain, events] = hub.doors();
    for door in [&nats, &framed, &format!("{plain} --publish-to {nats}"), &events] {
        check(door, "--count 6000 --subjects 3 -s 6", 6000, 12_000);
    }
    let door = &nats;
    let line = "--count 10000 --subjects 100 -s 20 --wildcards 50% --sids distinct";
    check(door, line, 10_000, 20_000);
    check(door, "--request-reply --count 2000 -p 4 -s 2", 2000, 2000);
}

/// Subscribers by one door hear what is published by another.
#[test]
fn tidemill_delivers_from_each_door_to_each() {
    let hub = Hub::start();
    let [nats, framed, plain, _] = hub.doors();
    for listener in [&nats, &framed, &plain, &format!("sse://{}", hub.http)] {
        for publisher in [&nats, &framed, &plain] {
            check(&format!("{listener} --publish-to {publisher}"), "--count 2000 -s 5", 2000, 10_000);
        }
    }
}
