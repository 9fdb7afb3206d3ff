//! Rates of NATS clients over TCP: of messages and of bytes; of one connection, of a user, of an address. Nothing is lost, it
//! only comes later.

use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use tidemill::sys::clock;

use crate::support::http::{ADMIN, figure, from};
use crate::support::nats::{Client, publish};
use crate::support::server::Server;
use crate::support::web::serve;
use crate::support::{Folder, eventually};

const ALICE: &str = "alice-alice-alice-alice-alice-1";
const BOB: &str = "bob-bob-bob-bob-bob-bob-bob-1";

/// Whom a rate binds together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Connection,
    User,
    Address,
}

const ALL: [Whose; 3] = [Whose::Connection, Whose::User, Whose::Address];

/// A server with this rate, which is called `message_rate` or `byte_rate`.
#[track_caller]
fn start(whose: Whose, name: &str, rate: &str) -> Server {
    let folder = Folder::new();
    let line = format!(" = \"{rate}\"\n");
    let (limits, bounds) = match whose {
        Whose::Connection => (format!("{name}{line}"), String::new()),
        Whose::Address => (format!("{name}_per_address{line}"), String::new()),
        Whose::User => (String::new(), format!("{name}{line}")),
    };
    let (alice, bob) = (folder.write("alice.token", ALICE), folder.write("bob.token", BOB));
    let tables = format!(
        "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"nats\"\n{ADMIN}\
         [[hub.user]]\nname = \"alice\"\ntoken_file = {alice:?}\n{bounds}\n\
         [[hub.user]]\nname = \"bob\"\ntoken_file = {bob:?}\n"
    );
    serve(&folder, &limits, &tables, &["--shards", "2"])
}

/// A client of this user from this address of the loopback.
#[track_caller]
fn come(server: &Server, host: u8, token: &str, subject: Option<&str>) -> Client<TcpStream> {
    let stream = from(Ipv4Addr::new(127, 0, 0, host).into(), server.addresses("nats://")[0]);
    Client::open_as(stream, &format!(",\"auth_token\":\"{token}\""), subject)
}

fn throttled(server: &Server) -> u64 {
    figure(server, "tidemill_throttled_total")
}

/// So many messages of so many bytes, which begin with their number.
fn messages(count: usize, bytes: usize) -> String {
    (0..count).map(|number| publish("a", &crate::support::nats::payload(number, bytes))).collect()
}

/// Who has sent too much is read from only when its time has come, and is heard in order and whole.
#[track_caller]
fn check_slowed(name: &str, rate: &str, count: usize, bytes: usize) {
    for whose in ALL {
        let server = start(whose, name, rate);
        let mut listener = come(&server, 3, BOB, Some("a"));
        let mut speaker = come(&server, 2, ALICE, None);
        let begun = clock::now();
        // What has come is dealt with; what follows waits.
        speaker.say(&messages(count, bytes));
        speaker.flush();
        speaker.flush();
        let took = clock::now().saturating_since(begun);
        assert!(Duration::from_millis(95) <= took, "{whose:?}: {took:?}");
        for expected in 0..count {
            let (_, payload) = listener.message().expect("nobody is cut");
            assert_eq!(
                (crate::support::nats::number(&payload), payload.len()),
                (expected, bytes),
                "{whose:?}"
            );
        }
        assert!(0 < throttled(&server), "{whose:?}");
        drop((listener, speaker));
        server.stop_clean();
    }
}

/// Of 20 messages, 10 are in debt, at 100 in a second.
#[test]
fn who_publishes_too_many_messages_by_nats_is_slowed() {
    check_slowed("message_rate", "100/s burst 10", 20, 5);
}

/// Of a little more than 20 KiB, 10 KiB are in debt, at 100 KiB in a second.
#[test]
fn who_publishes_too_many_bytes_by_nats_is_slowed() {
    check_slowed("byte_rate", "100KiB/s burst 10KiB", 20, 1024);
}

/// Who goes beyond a rate slows those whose rate it is, and nobody else.
#[track_caller]
fn check_shared(name: &str, rate: &str, count: usize, bytes: usize) {
    for whose in ALL {
        let server = start(whose, name, rate);
        let mut one = come(&server, 2, ALICE, None);
        // The same user from elsewhere, or another user from there.
        let (host, token) = if whose == Whose::User { (3, ALICE) } else { (2, BOB) };
        let mut other = come(&server, host, token, None);
        let mut stranger = come(&server, 4, BOB, None);
        one.say(&messages(count, bytes));
        eventually("it has sent too much", || throttled(&server) == 1);
        stranger.say(&messages(1, 1));
        stranger.flush();
        assert_eq!(throttled(&server), 1, "{whose:?}: others are not slowed");
        other.say(&messages(1, 1));
        match whose {
            Whose::Connection => {
                other.flush();
                assert_eq!(throttled(&server), 1, "another connection is not slowed");
            }
            Whose::User | Whose::Address => {
                eventually("the other is slowed with it", || throttled(&server) == 2);
            }
        }
        // Who is not read from for an hour would hold up an orderly stop.
        drop((one, other, stranger, server));
    }
}

#[test]
fn a_rate_of_messages_by_nats_binds_those_whose_it_is() {
    check_shared("message_rate", "10/h burst 10", 11, 1);
}

/// What came before the burst, the greetings, is less than half of it; then 3 KiB come together.
#[test]
fn a_rate_of_bytes_by_nats_binds_those_whose_it_is() {
    check_shared("byte_rate", "2KiB/h burst 2KiB", 1, 3 * 1024);
}
