//! Slow consumers of a real server, over plain TCP with the NATS client protocol: what they cost, that nobody else feels
//! them, and what they find when they read again.
//!
//! `TIDEMILL_SUBSCRIBERS=1000` makes more of them.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use tidemill::sys::clock::{self, Time};

use crate::support::http::{ADMIN, figure, row, rows};
use crate::support::nats::{Client, NATS, nats, number, payload, publish};
use crate::support::server::Server;
use crate::support::{Folder, eventually, has_descriptors, skip, streams, text};

/// Limits that no slow machine meets, but for those that a test is about.
const PATIENT: &str = "idle_timeout = \"5m\"\nlinger_timeout = \"5m\"\n";
/// Few enough that a stuck client's share of the kernel's memory is soon full.
const KERNEL_BYTES: usize = 16 * 1024;
const MIB: u64 = 1 << 20;
/// How long one who reads nothing is waited for, where that is measured; and how much later the server may come to it.
const PATIENCE: Duration = Duration::from_secs(3);
const SLACK: Duration = Duration::from_secs(10);

/// A server of so many shards with these tables.
fn serve(shards: u32, limits: &str, tables: &str) -> Server {
    let folder = Folder::new();
    let toml =
        format!("[server]\nshards = {shards}\n\n[limits]\n{PATIENT}{limits}\n\n{tables}\n{NATS}{ADMIN}");
    let file = folder.write("slow.toml", &toml);
    Server::start(&["--config", text(&file)])
}

fn address(client: &Client<TcpStream>) -> SocketAddr {
    client.stream().local_addr().expect("it is connected")
}

fn dropped(server: &Server, client: &Client<TcpStream>) -> u64 {
    let row = row(server, address(client));
    row["hub"]["messages_dropped"].as_u64().unwrap_or_else(|| panic!("no messages_dropped: {row:#}"))
}

// --- Cut -----------------------------------------------------------------------------------------------------------

/// What is under way at any time fits into the memory that the kernel has for each who reads.
const WINDOW: usize = 4;
const LENGTH: usize = 8 * 1024;

/// Subscribers to one subject, one in ten of whom never reads, and who publishes to them.
struct Crowd {
    reading: Vec<Client<TcpStream>>,
    stuck: Vec<Client<TcpStream>>,
    publisher: Client<TcpStream>,
    /// How many messages were said.
    said: usize,
}

impl Crowd {
    fn join(server: &Server, count: usize) -> Self {
        let stuck = count.div_ceil(10);
        let stalls = || Client::open(streams::tcp_with_buffers(nats(server), KERNEL_BYTES), Some("s"));
        Self {
            stuck: (0..stuck).map(|_| stalls()).collect(),
            reading: (stuck..count).map(|_| Client::open(streams::tcp(nats(server)), Some("s"))).collect(),
            publisher: Client::open(streams::tcp(nats(server)), None),
            said: 0,
        }
    }

    /// Says some messages, which all who read hear, in order.
    fn say_window(&mut self) {
        let window = self.said..self.said + WINDOW;
        self.said = window.end;
        let payloads: Vec<String> = window.map(|number| payload(number, LENGTH)).collect();
        self.publisher.say(&payloads.iter().map(|payload| publish("s", payload)).collect::<String>());
        for client in &mut self.reading {
            for expected in &payloads {
                let (subject, payload) = client.message().expect("who reads is not cut");
                assert!(subject == "s" && payload == *expected, "everybody hears everything, in order");
            }
        }
    }

    /// Whoever reads is still there, and hears what is said next.
    fn check_last(&mut self) {
        self.publisher.say(&publish("s", "last"));
        for client in &mut self.reading {
            assert_eq!(client.message(), Ok(("s".to_owned(), "last".to_owned())));
        }
    }

    /// Waits until the connections of the stuck ones are over, and checks that each had the time that it has, and not much
    /// more.
    fn check_stuck_go(&self, server: &Server, begun: Time) {
        let stuck: Vec<String> = self.stuck.iter().map(|client| address(client).to_string()).collect();
        // Those who read, and the publisher.
        let others = self.reading.len() as u64 + 1;
        // How long each had been silent when it was seen last, by the server's own clock: that of a test is late when others
        // have the processor.
        let mut silent: BTreeMap<String, f64> = BTreeMap::new();
        eventually("the stuck ones are gone", || {
            let there = silences(server, &stuck);
            // Whoever is to go has left the hub before its connection ends.
            let is_gone = there.is_empty() && figure(server, "tidemill_hub_clients") == others;
            silent.extend(there);
            is_gone
        });
        let took = clock::now().saturating_since(begun);
        assert!(PATIENCE <= took, "they had their time: {took:?}");
        // Each may have been silent for as long as it may before it was slow, and then for as long again.
        let most = (2 * PATIENCE + SLACK).as_secs_f64();
        let late: Vec<_> = silent.iter().filter(|(_, seconds)| most < **seconds).collect();
        assert!(late.is_empty(), "{most} s are the most: {late:?}");
        // It is the server's deadline that ended them, and not the kernel's, which has twice that time.
        let counters = server.counters();
        let ends = (counters.total("cut_stalled"), counters.total("reset_by_peer"));
        assert_eq!(ends, (stuck.len() as u64, 0));
    }
}

/// For how many seconds each of these connections has been silent, if it is there.
fn silences(server: &Server, addresses: &[String]) -> BTreeMap<String, f64> {
    let rows = rows(server);
    let silence = |row: &Value| {
        let address = row["address"].as_str().filter(|one| addresses.iter().any(|other| other == one))?;
        Some((address.to_owned(), row["idle_seconds"].as_f64().expect("it is a number")))
    };
    rows.iter().filter_map(silence).collect()
}

/// One in ten never reads. The others hear everything, in order; the stuck ones are counted, cut, and gone when they have
/// read nothing for the time that they have; and all this takes no more memory than is promised.
fn check_stuck(shards: u32) {
    let asked = std::env::var("TIDEMILL_SUBSCRIBERS").ok().and_then(|count| count.parse().ok());
    let count: usize = asked.unwrap_or(200);
    if !has_descriptors(2 * count as u64) {
        return skip("so many subscribers need more descriptors than this process may have");
    }
    let limits = format!("stall_timeout = \"{}s\"\noutbox_per_shard = \"8MiB\"", PATIENCE.as_secs());
    let tables = "[hub]\npending_bytes_max = \"256KiB\"\nshared_bytes_per_shard = \"4MiB\"\n";
    let server = serve(shards, &limits, tables);
    let mut crowd = Crowd::join(&server, count);
    let stuck = crowd.stuck.len() as u64;
    let (before, begun) = (server.peak_bytes(), clock::now());

    let slow = || figure(&server, "tidemill_hub_slow_consumers_total");
    while crowd.said < 200 || slow() < stuck {
        assert!(crowd.said < 20_000, "{} of {stuck} stuck ones are cut after {}", slow(), crowd.said);
        crowd.say_window();
    }
    assert_eq!(slow(), stuck, "nobody else is slow");
    // The formula of the hub: what is borrowed, what a stuck one may have waiting beyond that, what is copied, what is kept;
    // and a turn's worth for each stage that a message goes through, with what the allocator does not give back.
    let waiting = stuck * 256 * 1024;
    let bound = before + u64::from(shards) * ((4 + 8 + 16) * MIB + waiting + 8 * MIB);
    let peak = server.peak_bytes();
    assert!(peak <= bound, "{peak} bytes were in use at most, {bound} are promised");

    crowd.check_stuck_go(&server, begun);
    assert_eq!(slow(), stuck);
    crowd.check_last();
    drop(crowd);
    eventually("all that was borrowed is home", || figure(&server, "tidemill_hub_lent_bytes") == 0);
}

#[test]
fn one_stuck_subscriber_in_ten_harms_nobody_on_one_shard() {
    check_stuck(1);
}

#[test]
fn one_stuck_subscriber_in_ten_harms_nobody_on_two_shards() {
    check_stuck(2);
}

/// Who was cut and reads after all finds whole messages without a gap, and then why.
#[test]
fn who_was_too_slow_is_told_so_behind_whole_messages() {
    let server = serve(1, "stall_timeout = \"5m\"", "[hub]\npending_bytes_max = \"256KiB\"\n");
    let mut stuck = Client::open(streams::tcp_with_buffers(nats(&server), KERNEL_BYTES), Some("s"));
    let mut publisher = Client::open(streams::tcp(nats(&server)), None);
    let mut said = 0;
    while figure(&server, "tidemill_hub_slow_consumers_total") == 0 {
        assert!(said < 20_000, "it is cut at last");
        publisher.say(&publish("s", &payload(said, 20_000)));
        publisher.flush();
        said += 1;
    }
    stuck.check_cut(said);
    drop((stuck, publisher));
    server.stop_clean();
}

// --- Dropped -------------------------------------------------------------------------------------------------------

/// A client that does not read, and somebody who says so much that messages are left out for it. Returns them with how
/// many were said about `fill`.
fn stall(server: &Server, fill: &str) -> (Client<TcpStream>, Client<TcpStream>, usize) {
    let stalled = Client::open(streams::tcp_with_buffers(nats(server), KERNEL_BYTES), Some(">"));
    let mut publisher = Client::open(streams::tcp(nats(server)), None);
    let mut said = 0;
    while dropped(server, &stalled) == 0 {
        assert!(said < 20_000, "some are left out at last");
        for _ in 0..16 {
            publisher.say(&publish(fill, &payload(said, 8 * 1024)));
            said += 1;
        }
        publisher.flush();
    }
    (stalled, publisher, said)
}

/// All that it hears up to the message about `end`.
fn read_to_end(client: &mut Client<TcpStream>) -> Vec<(String, usize)> {
    let mut all = Vec::new();
    loop {
        let (subject, payload) = client.message().expect("nobody is cut");
        if subject == "end" {
            return all;
        }
        all.push((subject, number(&payload)));
    }
}

/// The latest of each subject is kept, in the place of the first that was held back.
#[test]
fn who_reads_again_finds_the_latest_of_each_subject() {
    let rule = "[[hub.slow]]\nsubjects = [\"latest.>\"]\npolicy = \"keep-latest\"\n";
    let server = serve(1, "stall_timeout = \"5m\"", rule);
    let (mut stalled, mut publisher, fills) = stall(&server, "latest.fill");
    let said = [("c", 1), ("a", 1), ("b", 1), ("a", 2), ("c", 2), ("a", 3)];
    for (subject, number) in said {
        publisher.say(&publish(&format!("latest.{subject}"), &payload(number, 100)));
        // One by one, so that each is held back by itself.
        publisher.flush();
    }
    publisher.say(&publish("end", ""));
    publisher.flush();
    let dropped = dropped(&server, &stalled);
    let heard = read_to_end(&mut stalled);
    let (fill, rest): (Vec<_>, Vec<_>) = heard.into_iter().partition(|(subject, _)| subject == "latest.fill");
    let latest = [("latest.c", 2), ("latest.a", 3), ("latest.b", 1)];
    let latest: Vec<_> = latest.iter().map(|(subject, number)| ((*subject).to_owned(), *number)).collect();
    assert_eq!(rest, latest, "each subject in its place, with its latest");
    assert!(fill.is_sorted_by(|one, next| one.1 < next.1), "never backwards: {fill:?}");
    assert_eq!(fill.last().map(|last| last.1), Some(fills - 1), "the latest is there");
    assert_eq!(
        dropped,
        (fills - fill.len() + said.len() - latest.len()) as u64,
        "each that is missing is counted"
    );
    assert_eq!(figure(&server, "tidemill_hub_slow_consumers_total"), 0);
    drop((stalled, publisher));
    server.stop_clean();
}

/// The oldest give way: what is heard has one gap, behind what was under way, and ends with the last.
#[test]
fn who_reads_again_misses_the_oldest_only() {
    let rule = "[[hub.slow]]\nsubjects = [\"oldest.>\"]\npolicy = \"drop-oldest\"\n";
    let server = serve(1, "stall_timeout = \"5m\"", rule);
    let (mut stalled, mut publisher, said) = stall(&server, "oldest.fill");
    publisher.say(&publish("end", ""));
    publisher.flush();
    let dropped = dropped(&server, &stalled);
    let heard: Vec<usize> = read_to_end(&mut stalled).into_iter().map(|(_, number)| number).collect();
    assert_eq!(dropped, (said - heard.len()) as u64, "each that is missing is counted");
    let gaps = heard.windows(2).filter(|two| two[1] != two[0] + 1).count();
    assert_eq!((heard.first(), heard.last(), gaps), (Some(&0), Some(&(said - 1)), 1), "{heard:?}");
    assert!(heard.is_sorted());
    drop((stalled, publisher));
    server.stop_clean();
}
