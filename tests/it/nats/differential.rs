//! The same bytes, cut at the same points, to the server under test and to a real nats-server: both say the same.
//!
//! A script is said step by step; after each step every connection is asked for a sign of life, so that what comes back
//! is certain. What is chance in nats-server is taken out before the comparison ([`Stage::normal`]). A script that shows a
//! difference is made shorter as long as it shows one, and printed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::peer::{Hub, Permission, Settings, User};
use super::raw::{Delivery, Raw, Said};
use super::script::{Author, CONNECTIONS, SPACE, Servers, Step};
use super::seeds;
use crate::support::{eventually, say};

/// Unless the environment says otherwise.
const SEEDS: u64 = 200;
/// A server that has not answered then does not, or the difference does not show a second time.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came back after a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answer {
    /// To each connection, and whether it was ended.
    heard: BTreeMap<usize, (Vec<Vec<u8>>, bool)>,
    /// To groups: the group's name, the subject and the payload.
    shared: Vec<(String, Vec<u8>, Vec<u8>)>,
}

/// A server that listens to a script.
struct Stage {
    address: SocketAddr,
    /// In the place of [`SPACE`].
    space: String,
    connections: BTreeMap<usize, Raw>,
    /// Sees who has gone, and has things done one after the other.
    usher: Raw,
}

impl Stage {
    fn new(address: SocketAddr, credentials: &str) -> Self {
        let mut usher = Raw::open(address);
        usher.send(format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true{credentials}}}\r\n"
        ));
        let space = seeds::unique('t');
        assert_eq!(space.len(), SPACE.len(), "or sizes would not be right any more");
        usher.send(format!("SUB {space}x.usher 1\r\n"));
        Self { address, space, connections: BTreeMap::new(), usher }
    }

    /// Says a whole script.
    fn play(mut self, script: &[Step]) -> Vec<Answer> {
        script.iter().map(|step| self.say(step)).collect()
    }

    fn say(&mut self, step: &Step) -> Answer {
        if step.opens {
            if let Some(old) = self.connections.remove(&step.connection) {
                old.finish();
                self.await_gone(step.connection);
            }
            let new = Raw::open(self.address);
            new.set_patience(PATIENCE);
            self.connections.insert(step.connection, new);
        }
        let mut answer = Answer::default();
        let Some(speaker) = self.connections.get_mut(&step.connection) else { return answer };
        let bytes = replace(&step.bytes, SPACE, &self.space);
        let mut start = 0;
        for &cut in &step.cuts {
            speaker.send(&bytes[start..cut]);
            start = cut;
            // Meanwhile the server has probably read it.
            self.usher.send("PING\r\n");
            self.usher.until("PONG\r\n");
        }
        speaker.send(&bytes[start..]);
        self.listen(step.connection, step.pings, &mut answer);
        for other in (0..CONNECTIONS).filter(|other| *other != step.connection) {
            self.listen(other, 0, &mut answer);
        }
        answer.shared.sort();
        answer
    }

    /// Hears what a connection was told.
    fn listen(&mut self, number: usize, pings: usize, answer: &mut Answer) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.send("PING\r\n");
        let mut said = Vec::new();
        for left in (0..=pings).rev() {
            said.extend(connection.until("PONG\r\n"));
            if connection.is_over {
                break;
            }
            if left != 0 {
                said.push(Said::Line(b"PONG\r\n".to_vec()));
            }
        }
        let is_over = connection.is_over;
        let heard = self.normal(said, answer);
        answer.heard.insert(number, (heard, is_over));
        if is_over {
            self.connections.remove(&number);
            self.await_gone(number);
        }
    }

    /// Waits until the interest of a connection that was ended is gone, too: a group might still choose it.
    fn await_gone(&mut self, number: usize) {
        let space = self.space.clone();
        eventually("it is gone", || {
            self.usher.send(format!("PUB {space}x.alive.{number} {space}x.usher 0\r\n\r\nPING\r\n"));
            let said = self.usher.until("PONG\r\n");
            assert!(!self.usher.is_over, "{said:?}");
            said.iter().any(|said| matches!(said, Said::Delivery(delivery) if is_refusal(delivery)))
        });
    }

    /// Without what is chance in nats-server: the order of the subscriptions of one connection that match a message, which
    /// member of a group gets it, which of several inboxes is told that there are no responders, and whether an invalid
    /// subject is mentioned once or twice (twice if the line was in one read and the payload in the next).
    fn normal(&self, said: Vec<Said>, answer: &mut Answer) -> Vec<Vec<u8>> {
        let mut heard: Vec<Said> = Vec::new();
        for said in said {
            match said {
                Said::Delivery(delivery) if delivery.sid.starts_with('q') => {
                    let group = delivery.sid.trim_end_matches(|letter: char| letter.is_ascii_digit());
                    let subject = replace(delivery.subject.as_bytes(), &self.space, SPACE);
                    answer.shared.push((group.to_owned(), subject, delivery.payload));
                }
                Said::Delivery(delivery) if is_refusal(&delivery) => {
                    let line = format!("HMSG {} (any) {}", delivery.subject, delivery.headers.escape_ascii());
                    heard.push(Said::Line(line.into_bytes()));
                }
                said if said.is(INVALID) && heard.last().is_some_and(|last| last.is(INVALID)) => {}
                other => heard.push(other),
            }
        }
        for same in heard.chunk_by_mut(is_same_message) {
            same.sort();
        }
        heard.iter().map(|said| replace(said.bytes(), &self.space, SPACE)).collect()
    }
}

const INVALID: &str = "-ERR 'Invalid Publish Subject'\r\n";

/// Whether this is the server's word that there are no responders.
fn is_refusal(delivery: &Delivery) -> bool {
    delivery.headers.starts_with(b"NATS/1.0 503\r\nNats-Subject: ")
}

/// Whether both deliver one message: no two payloads of a script are alike.
fn is_same_message(one: &Said, other: &Said) -> bool {
    match (one, other) {
        (Said::Delivery(one), Said::Delivery(other)) => {
            (&one.subject, &one.payload, &one.headers) == (&other.subject, &other.payload, &other.headers)
        }
        _ => false,
    }
}

fn replace(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while at + old.len() <= bytes.len() {
        if bytes[at..].starts_with(old.as_bytes()) {
            bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
        }
        at += 1;
    }
    bytes
}

/// Two servers, and how to come in.
struct Pair<'a> {
    tested: SocketAddr,
    other: SocketAddr,
    credentials: &'a str,
}

impl Pair<'_> {
    /// The first step after which they differ, and what both answered.
    fn difference(&self, script: &[Step]) -> Option<(usize, Answer, Answer)> {
        let tested = Stage::new(self.tested, self.credentials).play(script);
        let other = Stage::new(self.other, self.credentials).play(script);
        let both = tested.into_iter().zip(other).enumerate();
        both.map(|(step, (tested, other))| (step, tested, other)).find(|(_, tested, other)| tested != other)
    }

    /// Whether they differ, and do so again.
    fn differ(&self, script: &[Step]) -> Option<usize> {
        let (step, ..) = self.difference(script)?;
        let (again, ..) = self.difference(script)?;
        (step == again).then_some(step)
    }

    /// A difference in as short a script as can be found.
    fn shortest(&self, script: &[Step]) -> Option<Vec<Step>> {
        let last = self.differ(script)?;
        let mut script = script[..=last].to_vec();
        for at in (0..script.len()).rev() {
            let mut without = script.clone();
            without.remove(at);
            if self.differ(&without).is_some() {
                script = without;
            }
        }
        for at in 0..script.len() {
            let mut whole = script.clone();
            whole[at].cuts.clear();
            if self.differ(&whole).is_some() {
                script = whole;
            }
        }
        Some(script)
    }

    /// Tells a difference, so that it can be understood without this file.
    fn tell(&self, script: &[Step]) -> String {
        let mut text = script.iter().map(|step| format!("  {step}\n")).collect::<String>();
        let Some((step, tested, other)) = self.difference(script) else {
            return text + "  which does not differ any more\n";
        };
        for (name, answer) in [("the server under test", tested), ("nats-server", other)] {
            text += &format!("  after step {}, {name} says\n", step + 1);
            for (number, (heard, is_over)) in &answer.heard {
                let heard: Vec<String> = heard.iter().map(|said| said.escape_ascii().to_string()).collect();
                let name = char::from(b'a' + u8::try_from(*number).expect("there are three"));
                let end = if *is_over { " (closed)" } else { "" };
                text += &format!("    {name}< {}{end}\n", heard.concat());
            }
            for (group, subject, payload) in &answer.shared {
                let (subject, payload) = (subject.escape_ascii(), payload.escape_ascii());
                text += &format!("    one of {group}< {subject}: {payload}\n");
            }
        }
        text
    }
}

/// Servers with low limits, and for whom scripts are then.
fn low() -> (Settings, Servers) {
    let settings = Settings {
        max_payload: Some(300),
        max_control_line: Some(512),
        max_subscriptions: Some(10),
        ..Settings::default()
    };
    (settings, Servers { credentials: &[""], max_payload: 300, max_control_line: 512 })
}

/// Plays the scripts of all seeds on both.
#[track_caller]
fn check(settings: &Settings, servers: Servers, usher: &str) {
    let (Some(tested), Some(other)) = (Hub::start(settings), Hub::nats_server(settings)) else { return };
    let pair = Pair { tested: tested.address(), other: other.address(), credentials: usher };
    let mut steps = 0;
    seeds::each(SEEDS, |dice| {
        let script = Author::new(dice, servers).script();
        steps += script.len();
        if let Some(script) = pair.shortest(&script) {
            panic!("the servers differ:\n{}", pair.tell(&script));
        }
    });
    say(&format!("{steps} steps were answered alike"));
}

/// As the servers are if nobody says otherwise.
#[test]
fn seeds_of_bytes_are_answered_as_by_nats_server() {
    let servers = Servers { credentials: &[""], max_payload: 1 << 20, max_control_line: 4096 };
    check(&Settings::default(), servers, "");
}

/// With limits that are reached.
#[test]
fn seeds_of_bytes_with_low_limits_are_answered_as_by_nats_server() {
    let (settings, servers) = low();
    check(&settings, servers, "");
}

/// With permissions.
#[test]
fn seeds_of_bytes_of_users_are_answered_as_by_nats_server() {
    let users = vec![
        User { name: "usher", password: "light", ..User::default() },
        User { name: "all", password: "1", ..User::default() },
        User {
            name: "some",
            password: "2",
            publish: Permission { allow: &[], deny: &["*.a", "*.a.>"] },
            subscribe: Permission { allow: &["*.a", "*.b", "*.*.b", "*.alive.*", "*.a.>"], deny: &["*.b"] },
            ..User::default()
        },
        User {
            name: "few",
            password: "3",
            publish: Permission { allow: &["*.b"], deny: &[] },
            subscribe: Permission { allow: &[">"], deny: &["*.a.*"] },
            allow_responses: true,
            ..User::default()
        },
    ];
    let credentials: &'static [&'static str] = &[
        "\"user\":\"all\",\"pass\":\"1\"",
        "\"user\":\"some\",\"pass\":\"2\"",
        "\"user\":\"few\",\"pass\":\"3\"",
        "\"user\":\"some\",\"pass\":\"3\"",
    ];
    let (settings, servers) = low();
    check(
        &Settings { users, ..settings },
        Servers { credentials, ..servers },
        ",\"user\":\"usher\",\"pass\":\"light\"",
    );
}

/// Two servers of which one takes larger messages differ, and the script that shows it is short.
#[test]
fn a_difference_is_found_and_made_short() {
    let (settings, servers) = low();
    let more = Settings { max_payload: Some(600), ..settings.clone() };
    let (Some(one), Some(two)) = (Hub::nats_server(&settings), Hub::nats_server(&more)) else { return };
    let pair = Pair { tested: one.address(), other: two.address(), credentials: "" };
    let mut dice = seeds::Dice::new(1);
    let shortest = (0..100).find_map(|_| pair.shortest(&Author::new(&mut dice, servers).script()));
    let shortest = shortest.expect("of a hundred scripts, one has a message that is too large");
    let told = pair.tell(&shortest);
    assert!(shortest.len() <= 2 && told.contains("Maximum Payload Violation"), "{told}");
}
