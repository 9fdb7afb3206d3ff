//! Watching the hub: what operators see of it is what was done to it, number by number.

use std::collections::BTreeMap;
use std::net::{TcpStream, UdpSocket};

use serde_json::{Value, json};
use tungstenite::{Message, client};

use crate::support::http::{self, ADMIN, PAGES, fetch, figure, refused};
use crate::support::nats::{Client, NATS, nats, publish};
use crate::support::server::Server;
use crate::support::{Folder, eventually, streams, text};

/// The password of the only user that a server may have here.
const SECRET: &str = "open-sesame-0123456789";

/// A server of so many shards with these lines of limits, and these tables beside NATS, pages and figures.
fn serve(shards: u32, limits: &str, tables: &str) -> Server {
    let folder = Folder::new();
    let limits = format!("[limits]\nidle_timeout = \"5m\"\nlinger_timeout = \"5m\"\n{limits}\n");
    let toml = format!("[server]\nshards = {shards}\n\n{limits}\n{tables}\n{NATS}{PAGES}{ADMIN}");
    folder.write("alice", SECRET);
    let file = folder.write("watched.toml", &toml);
    Server::start(&["--config", text(&file)])
}

fn come(server: &Server, subject: Option<&str>) -> Client<TcpStream> {
    Client::open(streams::tcp(nats(server)), subject)
}

#[track_caller]
fn json(server: &Server, path: &str) -> Value {
    let answer = fetch(server.admin_address(), path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).expect("it is JSON")
}

/// What `/connz` says of what a client does in the hub.
#[track_caller]
fn interest(server: &Server, client: &Client<TcpStream>) -> Value {
    let address = client.stream().local_addr().expect("it is connected").to_string();
    let page = json(server, "/connz");
    let rows = page["connections"].as_array().expect("there is a list");
    let row = rows.iter().find(|row| row["address"] == address.as_str());
    row.unwrap_or_else(|| panic!("{address} is missing: {page:#}"))["hub"].clone()
}

// --- Who listens to what -------------------------------------------------------------------------------------------

/// Three listen to one filter, two are of one queue group, one of another, and one of them has a filter of its own: whichever
/// shard each of them is on.
#[test]
fn subscriptions_are_shown_as_they_are() {
    let server = serve(2, "", "");
    let mut clients: Vec<Client<TcpStream>> = (0..3).map(|_| come(&server, Some("news.>"))).collect();
    for (client, lines) in [
        (0, "SUB jobs blue 2\r\nSUB own 3\r\n"),
        (1, "SUB jobs blue 2\r\n"),
        (2, "SUB jobs red 2\r\nSUB gone 3\r\nUNSUB 3\r\n"),
    ] {
        clients[client].say(lines);
        clients[client].flush();
    }
    let page = json(&server, "/subsz");
    let listed = json!([
        { "filter": "jobs", "plain": 0, "queued": 3, "queues": { "blue": 2, "red": 1 } },
        { "filter": "news.>", "plain": 3, "queued": 0, "queues": {} },
        { "filter": "own", "plain": 1, "queued": 0, "queues": {} },
    ]);
    assert_eq!(page["listed"], listed);
    let figures = ["subscriptions", "clients", "offset", "limit", "count", "lent_bytes", "held_bytes"];
    assert_eq!(figures.map(|name| page[name].as_u64().expect("a number")), [7, 3, 0, 1024, 3, 0, 0]);

    // Page by page, each shard's own filters: their sums are the same.
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    let filters = page["filters"].as_u64().expect("a number");
    for offset in 0..filters {
        let page = json(&server, &format!("/subsz?limit=1&offset={offset}"));
        let [row] = &page["listed"].as_array().expect("a list")[..] else { panic!("one row: {page:#}") };
        let subscriptions =
            row["plain"].as_u64().expect("a number") + row["queued"].as_u64().expect("a number");
        *sums.entry(row["filter"].as_str().expect("a text").to_owned()).or_default() += subscriptions;
    }
    let expected = [("jobs", 3), ("news.>", 3), ("own", 1)];
    assert_eq!(sums, expected.map(|(filter, sum)| (filter.to_owned(), sum)).into());
    assert_eq!(json(&server, &format!("/subsz?offset={filters}"))["listed"], json!([]));
    for query in ["limit=0", "limit=1025", "offset=-1", "offset=x", "subs=1"] {
        assert_eq!(fetch(server.admin_address(), &format!("/subsz?{query}")).status, 400, "{query}");
    }

    drop(clients);
    eventually("nobody listens", || json(&server, "/subsz")["subscriptions"] == 0);
    let page = json(&server, "/subsz");
    assert_eq!((&page["filters"], &page["clients"], &page["listed"]), (&json!(0), &json!(0), &json!([])));
    server.stop_clean();
}

/// A connection is shown with what it listens to, and with the messages that it was sent.
#[test]
fn a_connection_is_shown_with_what_it_hears() {
    let server = serve(1, "", "");
    let mut listener = come(&server, Some("a.*"));
    listener.say("SUB jobs blue 2\r\n");
    listener.flush();
    let mut publisher = come(&server, None);
    for number in 0..7 {
        publisher.say(&publish("a.b", &number.to_string()));
        publisher.say(&publish("for.nobody", "x"));
    }
    publisher.flush();
    for number in 0..7 {
        assert_eq!(listener.message(), Ok(("a.b".to_owned(), number.to_string())));
    }
    let expected = json!({
        "subscriptions": 2,
        "filters": [{ "filter": "a.*" }, { "filter": "jobs", "queue": "blue" }],
        "messages_sent": 7,
        "messages_dropped": 0,
        "held_bytes": 0,
    });
    assert_eq!(interest(&server, &listener), expected);
    let silent = interest(&server, &publisher);
    assert_eq!((&silent["subscriptions"], &silent["messages_sent"]), (&json!(0), &json!(0)));
    drop((listener, publisher));
    server.stop_clean();
}

// --- Subscribers that do not keep up -------------------------------------------------------------------------------

/// A client that reads nothing, and whose share of the kernel's memory is soon full.
fn stuck(server: &Server) -> Client<TcpStream> {
    Client::open(streams::tcp_with_buffers(nats(server), 16 * 1024), Some(">"))
}

/// Of what was said to somebody who does not read one message is held back, with its bytes; the others went to the socket or
/// were left out, and no message counts as two of these.
#[test]
fn what_is_held_back_is_shown_and_not_counted_as_sent() {
    const LENGTH: usize = 8192;
    let rule = "[[hub.slow]]\nsubjects = [\"latest.>\"]\npolicy = \"keep-latest\"\n";
    let server = serve(1, "stall_timeout = \"5m\"", rule);
    let stuck = stuck(&server);
    let mut publisher = come(&server, None);
    let mut said = 0;
    while interest(&server, &stuck)["messages_dropped"] == 0 {
        assert!(said < 20_000, "some are left out at last");
        for _ in 0..16 {
            publisher.say(&publish("latest.a", &"x".repeat(LENGTH)));
            said += 1;
        }
        publisher.flush();
    }
    let shown = interest(&server, &stuck);
    let held = format!("MSG latest.a 1 {LENGTH}\r\n").len() + LENGTH + "\r\n".len();
    assert_eq!(shown["held_bytes"], held);
    let number = |name: &str| shown[name].as_u64().expect("a number");
    assert_eq!(number("messages_sent") + number("messages_dropped") + 1, said, "{shown:#}");
    assert_eq!(figure(&server, "tidemill_hub_held_bytes"), held as u64);
    assert_eq!(figure(&server, "tidemill_hub_published_total"), said);
    assert_eq!(figure(&server, "tidemill_hub_delivered_total"), number("messages_sent"));
    assert_eq!(figure(&server, "tidemill_hub_delivery_seconds_count"), number("messages_sent"));
    let dropped =
        |reason: &str| figure(&server, &format!("tidemill_hub_dropped_total{{reason=\"{reason}\"}}"));
    assert_eq!(["replaced", "oldest", "cut"].map(dropped), [number("messages_dropped"), 0, 0]);
    drop((stuck, publisher));
    server.stop_clean();
}

/// Who is cut is counted once, under the bound that it met: the bytes that may wait for it, or the time.
#[test]
fn slow_consumers_are_counted_by_reason() {
    const REASONS: [&str; 5] = ["pending_bytes", "shared_bytes", "outbox", "stalled", "replies"];
    let check = |limits: &str, hub: &str, expected: [u64; 5]| {
        let server = serve(1, limits, hub);
        let slow = |reason: &str| {
            figure(&server, &format!("tidemill_hub_slow_consumers_total{{reason=\"{reason}\"}}"))
        };
        let stuck = stuck(&server);
        let mut publisher = come(&server, None);
        let mut said = 0;
        while figure(&server, "tidemill_hub_slow_consumers_total") == 0 {
            // Some 16 MiB are more than a kernel holds; then it is time that is waited for.
            if said < 2000 {
                publisher.say(&publish("s", &"x".repeat(8192)));
                publisher.flush();
                said += 1;
            } else {
                eventually("it is cut", || figure(&server, "tidemill_hub_slow_consumers_total") != 0);
            }
        }
        assert_eq!(REASONS.map(slow), expected);
        eventually("it is gone", || figure(&server, "tidemill_connections_open") == 1);
        assert_eq!(REASONS.map(slow), expected, "nor is it counted again when it goes");
        drop((stuck, publisher));
        server.stop_clean();
    };
    check("stall_timeout = \"2s\"", "[hub]\npending_bytes_max = \"64KiB\"\n", [1, 0, 0, 0, 0]);
    check("stall_timeout = \"2s\"", "[hub]\npending_bytes_max = \"1GiB\"\n", [0, 0, 0, 1, 0]);
}

// --- Figures -------------------------------------------------------------------------------------------------------

/// Each of 4 subscribers is sent each of 25 messages: the histogram has as many deliveries, and its buckets add up to them.
#[test]
fn the_histogram_has_each_delivery_once() {
    let server = serve(2, "", "");
    let mut listeners: Vec<Client<TcpStream>> = (0..4).map(|_| come(&server, Some("s"))).collect();
    let mut publisher = come(&server, None);
    for number in 0..25 {
        publisher.say(&publish("s", &number.to_string()));
    }
    for listener in &mut listeners {
        for number in 0..25 {
            assert_eq!(listener.message(), Ok(("s".to_owned(), number.to_string())));
        }
    }
    let page = fetch(server.admin_address(), "/metrics");
    let buckets: Vec<(&str, u64)> = page
        .text()
        .lines()
        .filter_map(|line| {
            line.strip_prefix("tidemill_hub_delivery_seconds_bucket{le=\"")?.split_once("\"} ")
        })
        .map(|(bound, count)| (bound, count.parse().expect("a count")))
        .collect();
    assert!(buckets.is_sorted_by_key(|(_, count)| *count), "each holds those below it: {buckets:?}");
    assert_eq!(buckets.last(), Some(&("+Inf", 100)), "{buckets:?}");
    assert_eq!(figure(&server, "tidemill_hub_delivery_seconds_count"), 100);
    assert_eq!(figure(&server, "tidemill_hub_delivered_total"), 100);
    drop((listeners, publisher));
    server.stop_clean();
}

/// What came through each door is counted there, and through no other: together that is all that was published.
#[test]
fn doors_add_up_to_all_that_was_published() {
    let datagrams = "[[listener]]\naddress = \"udp://127.0.0.1:0\"\nservice = \"publish\"\nsubject = \"s\"\n";
    let server = serve(2, "", datagrams);
    // Alike, so that they are taken together; with a place for answers; and about something else.
    let mut by_nats = come(&server, None);
    by_nats.say(&publish("s", "x").repeat(3));
    by_nats.say("PUB s inbox 1\r\nx\r\nPUB s inbox 1\r\ny\r\nPUB t 0\r\n\r\n");
    by_nats.flush();
    let url = format!("ws://{}/ws/s", server.http_address());
    let stream: TcpStream = streams::tcp(server.http_address());
    let (mut socket, _) = client(url, stream).expect("it is a WebSocket");
    for _ in 0..4 {
        socket.send(Message::text("x")).expect("it is taken");
        assert_eq!(socket.read().expect("it hears itself"), Message::text("x"));
    }
    let mut by_http = http::Client::to(server.http_address());
    for _ in 0..2 {
        by_http.send(http::post("/publish/s", b"x"));
        assert_eq!(by_http.answer().status, 200);
    }
    let by_datagram = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    by_datagram.send_to(b"x", server.addresses("publish://")[0]).expect("the kernel takes it");
    eventually("all is published", || figure(&server, "tidemill_hub_published_total") == 13);
    let door = |door| figure(&server, &format!("tidemill_hub_published_by_door_total{{door=\"{door}\"}}"));
    assert_eq!(["nats", "websocket", "http", "datagram"].map(door), [6, 4, 2, 1]);
    assert_eq!(figure(&server, "tidemill_hub_published_by_door_total"), 13);
    drop((by_nats, socket, by_http));
    server.stop_clean();
}

/// What is shown shard by shard adds up to what happened, and `/varz` says the same as `/metrics`.
#[test]
fn figures_of_shards_add_up() {
    let server = serve(3, "", "");
    let mut clients: Vec<Client<TcpStream>> = (0..9).map(|_| come(&server, Some("s"))).collect();
    clients[0].say(&publish("s", "x").repeat(5));
    for client in &mut clients {
        (0..5).for_each(|_| assert_eq!(client.message(), Ok(("s".to_owned(), "x".to_owned()))));
    }
    let varz = json(&server, "/varz");
    let shards = varz["shards"].as_array().expect("there is a list");
    let numbers: Vec<u64> = shards.iter().filter_map(|shard| shard["shard"].as_u64()).collect();
    assert_eq!(numbers, [0, 1, 2]);
    for (name, series, expected) in [
        ("accepted", "tidemill_connections_accepted_total", 9),
        ("connections_open", "tidemill_connections_open", 9),
        ("hub_clients", "tidemill_hub_clients", 9),
        ("hub_subscriptions", "tidemill_hub_subscriptions", 9),
        ("hub_published", "tidemill_hub_published_total", 5),
        ("hub_delivered", "tidemill_hub_delivered_total", 45),
    ] {
        let by_shard: Vec<u64> = shards.iter().map(|shard| shard[name].as_u64().expect(name)).collect();
        let series = |shard| figure(&server, &format!("{series}{{shard=\"{shard}\"}}"));
        assert_eq!([0, 1, 2].map(series), *by_shard, "{name}");
        assert_eq!(by_shard.iter().sum::<u64>(), expected, "{name}");
        assert_eq!(varz["counters"][name], expected, "{name}");
    }
    drop(clients);
    server.stop_clean();
}

/// Who may not come, and who may not do what it asks, is counted by reason, by NATS as by HTTP.
#[test]
fn refused_access_is_counted_by_reason() {
    let users = "[[hub.user]]\nname = \"alice\"\npassword_file = \"alice\"\npublish_allow = [\"a\"]\n\
                 subscribe_allow = [\"b\"]\n";
    let server = serve(1, "", users);
    let enter = |password: &str| {
        let mut client = Client::greeted(streams::tcp(nats(&server)));
        client.say(&format!(
            "CONNECT {{\"verbose\":false,\"user\":\"alice\",\"pass\":\"{password}\"}}\r\nPING\r\n"
        ));
        client
    };
    let mut stranger = enter("not-hers");
    assert_eq!(stranger.line(), "-ERR 'Authorization Violation'\r\n");
    let mut alice = enter(SECRET);
    assert_eq!(alice.line(), "PONG\r\n");
    alice.say("PUB c 0\r\n\r\nSUB d 1\r\nSUB e 2\r\n");
    for _ in 0..3 {
        assert!(alice.line().starts_with("-ERR 'Permissions Violation for "));
    }
    alice.flush();
    let reasons = ["credential_missing", "credential_bad", "permission", "subscriptions"];
    assert_eq!(reasons.map(|reason| refused(&server, reason)), [0, 1, 3, 0]);
    assert_eq!(figure(&server, "tidemill_hub_published_total"), 0);
    drop((stranger, alice));
    server.stop_clean();
}
