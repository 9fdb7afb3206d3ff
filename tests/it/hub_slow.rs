//! Slow consumers of a real server, over plain TCP with the NATS client protocol: what they cost, that nobody else feels
//! them, and what they find when they read again.
//!
//! `TIDEMILL_SUBSCRIBERS=1000` makes more of them.

use std::io::Read;

use serde_json::Value;

use crate::support::http::{ADMIN, fetch, figure};
use crate::support::nats::{Client, NATS, nats, publish};
use crate::support::server::Server;
use crate::support::{Folder, eventually, has_descriptors, skip, streams, text};

/// Limits that no slow machine meets, but for those that a test is about.
const PATIENT: &str = "idle_timeout = \"5m\"\nlinger_timeout = \"5m\"\n";
/// Few enough that a stuck client's share of the kernel's memory is soon full.
const KERNEL_BYTES: usize = 16 * 1024;
const MIB: u64 = 1 << 20;

/// A server of so many shards with these tables.
fn serve(shards: u32, limits: &str, tables: &str) -> Server {
    let folder = Folder::new();
    let toml =
        format!("[server]\nshards = {shards}\n\n[limits]\n{PATIENT}{limits}\n\n{tables}\n{NATS}{ADMIN}");
    let file = folder.write("slow.toml", &toml);
    Server::start(&["--config", text(&file)])
}

/// A payload of this length that begins with its number.
fn payload(number: usize, length: usize) -> String {
    format!("{number:<length$}")
}

fn number(payload: &str) -> usize {
    payload.trim_end().parse().expect("a payload begins with its number")
}

/// What `/connz` says of a client.
#[track_caller]
fn row(server: &Server, client: &Client) -> Value {
    let address = client.stream.local_addr().expect("it is connected").to_string();
    let page = fetch(server.admin_address(), "/connz?limit=1000");
    let page: Value = serde_json::from_slice(&page.body).expect("it is JSON");
    let rows = page["connections"].as_array().expect("there is a list").clone();
    let found = rows.into_iter().find(|row| row["address"] == address.as_str());
    found.unwrap_or_else(|| panic!("{address} is missing: {page:#}"))
}

fn dropped(server: &Server, client: &Client) -> u64 {
    let row = row(server, client);
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
    let limits = "stall_timeout = \"3s\"\noutbox_per_shard = \"8MiB\"";
    let tables = "[hub]\npending_bytes_max = \"256KiB\"\nshared_bytes_per_shard = \"4MiB\"\n";
    let server = serve(shards, limits, tables);
    let join = |place: usize| match place % 10 {
        0 => Client::open(streams::tcp_with_buffers(nats(&server), KERNEL_BYTES), Some("s")),
        _ => Client::open(streams::tcp(nats(&server)), Some("s")),
    };
    let mut clients: Vec<Client> = (0..count).map(join).collect();
    let stuck = clients.iter().step_by(10).count();
    let mut publisher = Client::open(streams::tcp(nats(&server)), None);
    let before = server.peak_bytes();

    let slow = || figure(&server, "tidemill_hub_slow_consumers_total");
    let mut next = 0;
    // What is under way at any time fits into the memory that the kernel has for each who reads.
    const WINDOW: usize = 4;
    const LENGTH: usize = 8 * 1024;
    while next < 200 || slow() < stuck as u64 {
        assert!(next < 20_000, "{} of {stuck} stuck ones are cut after {next} messages", slow());
        let numbers = next..next + WINDOW;
        next = numbers.end;
        let said: String = numbers.clone().map(|number| publish("s", &payload(number, LENGTH))).collect();
        publisher.say(&said);
        let expected: String =
            numbers.map(|number| format!("MSG s 1 {LENGTH}\r\n{}\r\n", payload(number, LENGTH))).collect();
        let mut read = vec![0; expected.len()];
        for (place, client) in clients.iter_mut().enumerate().filter(|(place, _)| place % 10 != 0) {
            client.stream.read_exact(&mut read).expect("who reads is not cut");
            assert!(read == expected.as_bytes(), "subscriber {place} hears everything, in order");
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
    eventually("the stuck ones are gone", || figure(&server, "tidemill_hub_clients") == all);
    assert_eq!(slow(), stuck as u64);
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
fn stall(server: &Server, fill: &str) -> (Client, Client, usize) {
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
fn read_to_end(client: &mut Client) -> Vec<(String, usize)> {
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
