//! Slow consumers of a real server, over plain TCP with the NATS client protocol: what they cost, that nobody else feels
//! them, and what they find when they read again.
//!
//! `TIDEMILL_SUBSCRIBERS=1000` makes more of them.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tidemill::sys::clock;

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
    let join = |place: usize| match place % 10 {
        0 => Client::open(streams::tcp_with_buffers(nats(&server), KERNEL_BYTES), Some("s")),
        _ => Client::open(streams::tcp(nats(&server)), Some("s")),
    };
    let mut clients: Vec<Client<TcpStream>> = (0..count).map(join).collect();
    let stuck = clients.iter().step_by(10).count();
    let mut publisher = Client::open(streams::tcp(nats(&server)), None);
    let before = server.peak_bytes();
    let begun = clock::now();

    let slow = || figure(&server, "tidemill_hub_slow_consumers_total");
    let mut next = 0;
    // What is under way at any time fits into the memory that the kernel has for each who reads.
    const WINDOW: usize = 4;
    const LENGTH: usize = 8 * 1024;
    while next < 200 || slow() < stuck as u64 {
        assert!(next < 20_000, "{} of {stuck} stuck ones are cut after {next} messages", slow());
        let payloads: Vec<String> = (next..next + WINDOW).map(|number| payload(number, LENGTH)).collect();
        next += WINDOW;
        publisher.say(&payloads.iter().map(|payload| publish("s", payload)).collect::<String>());
        for (place, client) in clients.iter_mut().enumerate().filter(|(place, _)| place % 10 != 0) {
            for expected in &payloads {
                let (subject, payload) = client.message().expect("who reads is not cut");
                assert!(
                    subject == "s" && payload == *expected,
                    "subscriber {place} hears everything, in order"
                );
            }
        }
    }
    assert_eq!(slow(), stuck as u64, "nobody else is slow");
    // The formula of the hub: what is borrowed, what a stuck one may have waiting beyond that, what is copied, what is kept;
    // and a turn's worth for each stage that a message goes through, with what the allocator does not give back.
    let waiting = stuck as u64 * 256 * 1024;
    let bound = before + u64::from(shards) * ((4 + 8 + 16) * MIB + waiting + 8 * MIB);
    let peak = server.peak_bytes();
    assert!(peak <= bound, "{peak} bytes were in use at most, {bound} are promised");

    let all = u64::try_from(count - stuck + 1).expect("few");
    // How long each had been silent when it was seen last, by the server's own clock: that of a test is late when others have
    // the processor. Each may have been silent for as long as it may before it was slow, and then for as long again.
    let addresses: Vec<String> =
        clients.iter().step_by(10).map(|client| address(client).to_string()).collect();
    let mut silent: BTreeMap<String, f64> = BTreeMap::new();
    eventually("the stuck ones are gone", || {
        let rows = rows(&server);
        let there = rows.iter().filter_map(|row| {
            let address = row["address"].as_str().filter(|one| addresses.iter().any(|stuck| stuck == one))?;
            Some((address.to_owned(), row["idle_seconds"].as_f64().expect("it is a number")))
        });
        let there: BTreeMap<String, f64> = there.collect();
        // Whoever is to go has left the hub before its connection ends.
        let is_gone = there.is_empty() && figure(&server, "tidemill_hub_clients") == all;
        silent.extend(there);
        is_gone
    });
    let took = clock::now().saturating_since(begun);
    assert!(PATIENCE <= took, "they had their time: {took:?}");
    let most = (2 * PATIENCE + SLACK).as_secs_f64();
    let late: Vec<_> = silent.iter().filter(|(_, seconds)| most < **seconds).collect();
    assert!(late.is_empty(), "{most} s are the most: {late:?}");
    assert_eq!(slow(), stuck as u64);
    // It is the server's deadline that ended them, and not the kernel's, which has twice that time.
    let counters = server.counters();
    assert_eq!((counters.total("cut_stalled"), counters.total("reset_by_peer")), (stuck as u64, 0));
    // Whoever read is still there, and hears what is said next.
    publisher.say(&publish("s", "last"));
    for client in
        clients.iter_mut().enumerate().filter(|(place, _)| place % 10 != 0).map(|(_, client)| client)
    {
        assert_eq!(client.message(), Ok(("s".to_owned(), "last".to_owned())));
    }
    drop(clients);
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
    let mut heard = 0;
    let last = loop {
        match stuck.message() {
            Ok((_, payload)) => assert_eq!(number(&payload), heard, "without a gap"),
            Err(line) => break line,
        }
        heard += 1;
    };
    assert_eq!(last, "-ERR 'Slow Consumer'\r\n");
    assert!(0 < heard && heard < said, "{heard} of {said}");
    assert_eq!(stuck.line(), "", "and nothing comes behind that");
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
