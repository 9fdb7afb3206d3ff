//! Sessions on the simulated kernel, against what was recorded from a real server.

mod elsewhere;
mod recorded;

use std::sync::Arc;
use std::time::Duration;

use self::recorded::Recorded;
use super::{Identity, Nats, Session, Settings};
use crate::access::meter::Rates;
use crate::access::users::{Judge, Lists, Responses, Rules, UserLimits, UserSetting, UserSettings, Users};
use crate::connection::Bounds;
use crate::limits;
use crate::ring::sim::{Faults, PeerId, Sim, SimSetup};
use crate::ring::{Capabilities, Descriptor, Setup};
use crate::shard::mailbox::{Address, Message, mailbox};
use crate::shard::{Door, DrainTimes, House, Options, Shard, Sockets};
use crate::tier::RingTier;

/// One shard that speaks NATS.
struct World {
    shard: Shard<Sim, Nats>,
    listener: Descriptor,
    address: Address,
    judge: Option<Arc<Judge>>,
}

impl World {
    fn new(settings: Settings) -> Self {
        Self::behind(settings, Door::default())
    }

    /// The same behind a door that asks who comes.
    fn behind(settings: Settings, door: Door) -> Self {
        Self::of(settings, House { doors: [door].into(), ..House::open(64) })
    }

    /// One of so many shards; of the others nothing is heard.
    fn among(shards: u16, settings: Settings) -> Self {
        Self::of(settings, House { shards, ..House::open(64) })
    }

    fn of(settings: Settings, house: House) -> Self {
        let slots = Options::slots_for(64, 1);
        let setup = Setup::shard(Capabilities::of_tier(RingTier::V6_17), slots + 1, false);
        let mut sim = Sim::new(&SimSetup::like(&setup, 1, Faults::none()));
        sim.set_window(4 << 20);
        let listener = sim.listen();
        let sockets = Sockets { listeners: vec![listener], ..Sockets::default() };
        let options = Options {
            number: 0,
            slots,
            bounds: Bounds::default(),
            outbox_bytes: u64::MAX,
            rates: Rates::default(),
        };
        let (mailbox, address) = mailbox();
        let judge = settings.judge.clone();
        let nats = Nats::new(vec![Arc::new(settings)]);
        let shard = Shard::new(sim, nats, options, house, mailbox, &sockets);
        Self { shard, listener, address, judge }
    }

    /// Turns, until nothing is left to be done now.
    fn settle(&mut self) {
        for _ in 0..10 {
            self.shard.kernel_mut().ring();
            self.shard.turn().expect("a simulated ring does not fail");
        }
    }

    /// A client, with the greeting that it was sent.
    fn connect(&mut self) -> (PeerId, String) {
        let listener = self.listener;
        let peer =
            self.shard.kernel_mut().connect(listener, Some("192.0.2.7:1234".parse().expect("an address")));
        self.settle();
        let greeting = self.read(peer);
        (peer, String::from_utf8(greeting).expect("JSON is text"))
    }

    fn write(&mut self, peer: PeerId, bytes: &[u8]) {
        self.shard.kernel_mut().write(peer, bytes);
        self.settle();
    }

    fn read(&mut self, peer: PeerId) -> Vec<u8> {
        self.shard.kernel_mut().read(peer, usize::MAX)
    }

    /// What comes back when the time has come.
    fn wait(&mut self, peer: PeerId, time: Duration) -> String {
        self.shard.kernel_mut().advance(time);
        self.settle();
        String::from_utf8_lossy(&self.read(peer)).into_owned()
    }

    /// Sends this, and waits for what comes of it: a password is checked on another thread.
    fn log_in(&mut self, peer: PeerId, bytes: &[u8]) -> String {
        self.write(peer, bytes);
        let answer = self.wait(peer, Duration::ZERO);
        if !answer.is_empty() {
            return answer;
        }
        self.judge.as_ref().expect("somebody checks it").await_quiet();
        self.wait(peer, limits::PASSWORD_PAUSE_MAX)
    }

    fn has_ended(&mut self, peer: PeerId) -> bool {
        let state = self.shard.kernel_mut().peer_state(peer);
        state.saw_end || state.saw_reset
    }

    fn check(&mut self, (input, expected, ends): &Recorded, size: usize) {
        let (peer, _) = self.connect();
        for piece in input.chunks(size) {
            self.shard.kernel_mut().write(peer, piece);
            self.shard.turn().expect("a simulated ring does not fail");
        }
        self.settle();
        let answer = without_info(&self.read(peer));
        let words = input.escape_ascii();
        assert_eq!(answer, expected.escape_ascii().to_string(), "{words} by {size}");
        assert_eq!(self.has_ended(peer), *ends, "{words} by {size}");
        self.shard.kernel_mut().close_peer(peer);
        self.settle();
        assert_eq!(self.shard.snapshot().counters.nats_open, 0);
    }
}

/// The answer as it was recorded: what an INFO says is left out.
fn without_info(answer: &[u8]) -> String {
    let mut text = answer.escape_ascii().to_string();
    while let Some(from) = text.find("INFO {") {
        let to = text[from..].find(r"} \r\n").expect("it ends") + from;
        text.replace_range(from + 4..to + 2, "..");
    }
    text
}

#[test]
fn sessions_answer_as_nats_server_does() {
    let mut world = World::new(Settings::default());
    for recorded in recorded::RECORDED {
        world.check(recorded, usize::MAX);
        world.check(recorded, 1);
        world.check(recorded, 7);
    }
}

#[test]
fn a_client_has_the_subscriptions_it_may_have() {
    let mut world = World::new(Settings { subscriptions: 2, ..Settings::default() });
    for recorded in recorded::RECORDED_WITH_TWO_SUBSCRIPTIONS {
        world.check(recorded, usize::MAX);
    }
    assert!(0 < world.shard.snapshot().counters.nats_errors_subscriptions);
}

/// The same words where it is the shard that has all that it may have.
#[test]
fn a_shard_has_the_subscriptions_it_may_have() {
    for recorded in recorded::RECORDED_WITH_TWO_SUBSCRIPTIONS {
        let house = House { subscriptions: 2, doors: [Door::default()].into(), ..House::open(64) };
        World::of(Settings::default(), house).check(recorded, usize::MAX);
    }
}

/// What clients read in the greeting, as the protocol's documents name it.
#[test]
fn the_greeting_says_who_the_server_is() {
    let identity = Arc::new(Identity::new("SERVER".to_owned()));
    let mut world = World::new(Settings { identity, ..Settings::default() });
    let (_, greeting) = world.connect();
    let json = greeting.strip_prefix("INFO ").and_then(|rest| rest.strip_suffix(" \r\n")).expect("one line");
    let info: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let expected = serde_json::json!({
        "server_id": "SERVER", "server_name": "tidemill", "version": "2.10.0", "proto": 1, "host": "127.0.0.1",
        "port": 4222, "headers": true, "max_payload": 1_048_576, "client_id": 1, "client_ip": "192.0.2.7",
    });
    assert_eq!(info, expected);
    let (other, greeting) = world.connect();
    assert!(greeting.contains(r#""client_id":2"#), "{greeting}");
    world.write(other, b"CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n");
    let answer = String::from_utf8(world.read(other)).expect("text");
    assert!(answer.starts_with("PONG\r\nINFO {") && answer.contains(r#""connect_info":true"#), "{answer}");
}

/// With a ping interval of 1 s, nats-server 2.15.1 pinged after 1.1 and 2.1 s, and gave up after 3.1 s.
#[test]
fn a_silent_client_is_pinged_twice_and_then_it_is_stale() {
    let mut world = World::new(Settings { ping_interval: Duration::from_secs(1), ..Settings::default() });
    let (silent, _) = world.connect();
    let (lively, _) = world.connect();
    assert_eq!(world.wait(silent, Duration::from_millis(900)), "");
    assert_eq!(world.wait(silent, Duration::from_millis(200)), "PING\r\n");
    world.write(lively, b"PONG\r\n");
    assert_eq!(world.wait(silent, Duration::from_millis(1_100)), "PING\r\n");
    world.write(lively, b"PONG\r\n");
    assert_eq!(world.wait(silent, Duration::from_millis(1_100)), "-ERR 'Stale Connection'\r\n");
    assert!(world.has_ended(silent));
    assert!(!world.has_ended(lively), "who answers stays");
    assert_eq!(world.shard.snapshot().counters.nats_errors_stale, 1);
}

/// By itself nats-server pings first after 2 s, then after 2 minutes of silence.
#[test]
fn the_first_ping_comes_early() {
    let mut world = World::new(Settings::default());
    let (peer, _) = world.connect();
    assert_eq!(world.wait(peer, Duration::from_millis(2_100)), "PING\r\n");
    world.write(peer, b"PONG\r\n");
    assert_eq!(world.wait(peer, Duration::from_secs(119)), "");
    assert_eq!(world.wait(peer, Duration::from_secs(2)), "PING\r\n");
    world.write(peer, b"+OK\r\n");
    assert_eq!(world.wait(peer, Duration::from_secs(119)), "", "any sign of life will do");
}

#[test]
fn a_stop_sends_clients_away_before_it_ends_them() {
    let mut world = World::new(Settings::default());
    let (told, _) = world.connect();
    world.write(told, b"CONNECT {\"verbose\":false,\"protocol\":1}\r\nSUB a 1\r\nPING\r\n");
    world.read(told);
    let (gone, _) = world.connect();
    world.write(gone, b"CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n");
    world.read(gone);
    let (old, _) = world.connect();
    world.write(old, b"CONNECT {\"verbose\":false}\r\nPING\r\n");
    world.read(old);
    world.address.post(Message::Stop(limits::DRAIN_TIMEOUT.into())).expect("there is room");
    world.settle();
    // A stop listens for a moment to those who have just come; but what it means is said at once.
    let info = world.wait(told, Duration::from_secs(1));
    assert!(info.starts_with("INFO {") && info.contains(r#""ldm":true"#), "{info}");
    assert!(!world.has_ended(told));
    assert!(world.has_ended(old), "who takes no INFO is ended at once");
    world.shard.kernel_mut().end(gone);
    world.settle();
    world.read(gone);
    assert!(world.has_ended(gone), "who goes is let go");
    world.write(told, b"PUB a 1\r\nx\r\n");
    assert_eq!(world.read(told), b"MSG a 1 1\r\nx\r\n", "until then all goes on");
    world.wait(told, limits::NATS_LAME_DUCK_GRACE);
    assert!(world.has_ended(told));
    world.shard.kernel_mut().close_peer(told);
    world.shard.kernel_mut().close_peer(old);
    world.settle();
    assert!(world.shard.is_over());
    assert_eq!(world.shard.snapshot().counters.cut_drain, 0);
}

/// When the ends are spread, all hear of the stop when it begins, and have their time when it is their turn: the second of two
/// 10 ms after the first. With a short time-out they have less: half of what the spread leaves.
#[test]
fn clients_are_warned_long_before_their_turn() {
    const GRACE: Duration = limits::NATS_LAME_DUCK_GRACE;
    let second = Duration::from_secs(1);
    let own = GRACE + limits::DRAIN_GRACE;
    for (timeout, spread, turn) in [(30 * second, 10 * second, own), (2 * second, second, 3 * second / 2)] {
        let mut world = World::new(Settings::default());
        let clients = [(); 2].map(|()| {
            let (peer, _) = world.connect();
            world.write(peer, b"CONNECT {\"verbose\":false,\"protocol\":1}\r\nSUB a 1\r\nPING\r\n");
            world.read(peer);
            peer
        });
        let times = DrainTimes { timeout, spread };
        world.address.post(Message::Stop(times)).expect("there is room");
        world.settle();
        for client in clients {
            let info = world.wait(client, Duration::ZERO);
            assert!(info.starts_with("INFO {") && info.contains(r#""ldm":true"#), "{info}");
        }
        // It is the turn of one and then of the other, and they are told no second time.
        let step = limits::DRAIN_STEP + Duration::from_millis(1);
        assert_eq!(world.wait(clients[0], limits::DRAIN_GRACE), "");
        assert_eq!(world.wait(clients[1], step), "");
        world.wait(clients[0], turn.checked_sub(limits::DRAIN_GRACE + 2 * step).expect("it is longer"));
        assert!(!world.has_ended(clients[0]), "{timeout:?}");
        world.wait(clients[0], 3 * step);
        assert!(clients.into_iter().all(|client| world.has_ended(client)), "{timeout:?}");
    }
}

/// A message of a megabyte comes in many pieces, and its memory goes when it is delivered.
#[test]
fn a_large_message_arrives_whole_and_leaves_nothing_behind() {
    let mut world = World::new(Settings::default());
    let (peer, _) = world.connect();
    world.write(peer, b"CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPING\r\n");
    world.read(peer);
    let size = limits::PAYLOAD_BYTES as usize;
    let payload: Vec<u8> = (0..size).map(|at| (at % 251).to_le_bytes()[0]).collect();
    let mut message = format!("PUB a {size}\r\n").into_bytes();
    message.extend_from_slice(&payload);
    message.extend_from_slice(b"\r\nPING\r\n");
    let mut answer = Vec::new();
    for piece in message.chunks(100_000) {
        world.write(peer, piece);
        answer.extend(world.read(peer));
    }
    for _ in 0..100 {
        world.settle();
        answer.extend(world.read(peer));
    }
    let mut expected = format!("MSG a 1 {size}\r\n").into_bytes();
    expected.extend_from_slice(&payload);
    expected.extend_from_slice(b"\r\nPONG\r\n");
    assert!(answer == expected, "{} bytes of {}", answer.len(), expected.len());
}

/// An idle client with one subscription may cost 2 KiB in all. Most of it is the connection and the hub.
#[test]
fn a_session_is_small() {
    let bytes = size_of::<Session>();
    assert!(bytes <= 320, "{bytes}");
}

// --- Who they are ----------------------------------------------------------------------------------------------

/// Where those are guests who show nothing.
fn with_guests() -> Settings {
    Settings { no_auth_user: Some("guest".into()), judge: Judge::start(1, || {}).ok(), ..Settings::default() }
}

/// A guest with the permissions that were recorded, who need not say who he is, and `bob`, whose password is `secret`.
fn guest_and_bob() -> Door {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let publish = Lists { allow: Some(list(&["pub.>", "both"])), deny: list(&["pub.no"]) };
    let subscribe = Lists {
        allow: Some(list(&["sub.>", "both", "q.* grp", "_INBOX.>"])),
        deny: list(&["sub.no", "sub.deny.>"]),
    };
    let guest = UserSetting {
        name: "guest".to_owned(),
        rules: Some(Rules { publish, subscribe, responses: None }),
        ..UserSetting::default()
    };
    let bob = UserSetting {
        name: "bob".to_owned(),
        // Made by the Python package bcrypt of `secret`.
        password_hash: Some("$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW".to_owned()),
        limits: UserLimits { subscriptions: Some(1), payload_bytes: Some(10), ..UserLimits::default() },
        ..UserSetting::default()
    };
    let settings = UserSettings { users: vec![guest, bob], ..UserSettings::default() };
    Door {
        users: Some(Arc::new(Users::load(&settings, &Arc::default()).expect("they are right"))),
        ..Door::default()
    }
}

#[test]
fn permissions_are_those_of_nats_server() {
    let mut world = World::behind(Settings { judge: None, ..with_guests() }, guest_and_bob());
    for recorded in recorded::RECORDED_AS_GUEST {
        world.check(recorded, usize::MAX);
    }
    let counters = world.shard.snapshot().counters;
    assert!(0 < counters.nats_errors_publish_permission && 0 < counters.nats_errors_subscribe_permission);
}

/// What is denied within a wider subscription is not delivered there; checked with nats-server 2.15.1.
#[test]
fn what_is_denied_is_not_heard_through_a_wildcard() {
    let mut world = World::behind(with_guests(), guest_and_bob());
    let (guest, _) = world.connect();
    world.write(guest, b"CONNECT {\"verbose\":false}\r\nSUB sub.> 1\r\nPING\r\n");
    let (bob, _) = world.connect();
    let answer =
        world.log_in(bob, b"CONNECT {\"verbose\":false,\"user\":\"bob\",\"pass\":\"secret\"}\r\nPING\r\n");
    assert_eq!(answer, "PONG\r\n");
    world.write(bob, b"PUB sub.no 0\r\n\r\nPUB sub.deny.x 0\r\n\r\nPUB sub.yes 0\r\n\r\n");
    assert_eq!(world.read(guest), b"PONG\r\nMSG sub.yes 1 0\r\n\r\n");
}

/// As nats-server 2.15.1: one answer to each request, and nothing else.
#[test]
fn who_may_answer_may_do_so_where_it_is_asked() {
    let only_svc = || Lists { allow: Some(vec!["svc".to_owned()]), ..Lists::default() };
    let rules = Rules {
        publish: only_svc(),
        subscribe: only_svc(),
        responses: Some(Responses { max: 1, ..Responses::default() }),
    };
    let guest = UserSetting { name: "guest".to_owned(), rules: Some(rules), ..UserSetting::default() };
    let settings = UserSettings { users: vec![guest], ..UserSettings::default() };
    let users = Some(Arc::new(Users::load(&settings, &Arc::default()).expect("they are right")));
    let mut world = World::behind(with_guests(), Door { users, ..Door::default() });
    let (guest, _) = world.connect();
    world.write(guest, b"CONNECT {\"verbose\":false}\r\nSUB svc 1\r\nPUB r.1 0\r\n\r\nPING\r\n");
    assert_eq!(world.read(guest), b"-ERR 'Permissions Violation for Publish to \"r.1\"'\r\nPONG\r\n");
    let (asker, _) = world.connect();
    world.write(asker, b"PUB svc r.1 0\r\n\r\n");
    assert_eq!(world.read(guest), b"MSG svc 1 r.1 0\r\n\r\n");
    world.write(guest, b"PUB r.1 0\r\n\r\nPUB r.1 0\r\n\r\nPUB r.2 0\r\n\r\n");
    let refused = |subject: &str| format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'\r\n");
    assert_eq!(String::from_utf8(world.read(guest)).expect("text"), refused("r.1") + &refused("r.2"));
}

#[test]
fn who_is_asked_says_so_in_time_and_truly() {
    let settings = Settings {
        judge: Judge::start(1, || {}).ok(),
        auth_timeout: Duration::from_secs(300),
        ..Settings::default()
    };
    let mut world = World::behind(settings, guest_and_bob());
    let (bob, greeting) = world.connect();
    assert!(greeting.contains(r#""auth_required":true"#), "{greeting}");
    let answer = world
        .log_in(bob, b"CONNECT {\"user\":\"bob\",\"pass\":\"secret\"}\r\nSUB a 1\r\nSUB b 2\r\nPING\r\n");
    assert_eq!(answer, "+OK\r\n+OK\r\n-ERR 'maximum subscriptions exceeded'\r\nPONG\r\n", "as far as he may");
    world.write(bob, b"PUB a 11\r\n");
    assert_eq!(world.read(bob), b"-ERR 'Maximum Payload Violation'\r\n");
    for wrong in [
        &b"CONNECT {\"user\":\"bob\",\"pass\":\"Secret\"}\r\nPING\r\n"[..],
        b"CONNECT {\"user\":\"eve\",\"pass\":\"secret\"}\r\nPING\r\n",
        b"CONNECT {}\r\nPING\r\n",
        b"PING\r\n",
        b"P",
    ] {
        let (eve, _) = world.connect();
        assert_eq!(world.log_in(eve, wrong), "-ERR 'Authorization Violation'\r\n");
        assert!(world.has_ended(eve));
    }
    let (slow, _) = world.connect();
    world.write(slow, b"CONNECT {");
    assert_eq!(world.wait(slow, Duration::from_secs(301)), "-ERR 'Authentication Timeout'\r\n");
    assert!(world.has_ended(slow));
}

/// nats-server 2.15.1 stops its timer when CONNECT comes, and checks the password for as long as it takes.
#[test]
fn who_has_said_who_it_is_waits_for_as_long_as_it_takes_to_check() {
    const PASSWORD: &[u8] = b"CONNECT {\"verbose\":false,\"user\":\"bob\",\"pass\":\"secret\"}\r\nPING\r\n";
    // One that never finds out.
    let judge = Judge::start(0, || {}).ok();
    let mut world = World::behind(Settings { judge, ..Settings::default() }, guest_and_bob());
    let (bob, _) = world.connect();
    world.write(bob, PASSWORD);
    let (silent, _) = world.connect();
    assert_eq!(world.wait(silent, Duration::from_millis(2_100)), "-ERR 'Authentication Timeout'\r\n");
    let (gone, _) = world.connect();
    world.write(gone, PASSWORD);
    world.shard.kernel_mut().close_peer(gone);
    for _ in 0..27 {
        assert_eq!(world.wait(bob, Duration::from_secs(1)), "");
    }
    assert!(!world.has_ended(bob), "it was in time");
    assert_eq!(world.wait(bob, Duration::from_secs(2)), "-ERR 'Authentication Timeout'\r\n");
    assert!(world.has_ended(bob));
    world.shard.kernel_mut().close_peer(bob);
    world.settle();
    // Nobody asks any more.
    world.judge.as_ref().expect("it is there").await_quiet();
}

/// A client that was let in may say again who it is; while that is checked, it is neither pinged nor taken for silent.
#[test]
fn who_says_it_again_is_not_stale_meanwhile() {
    let settings = Settings { ping_interval: Duration::from_secs(1), pings_out: 1, ..with_guests() };
    let judge = Judge::start(0, || {}).ok();
    let mut world = World::behind(Settings { judge, ..settings }, guest_and_bob());
    let (guest, _) = world.connect();
    world.write(guest, b"CONNECT {\"verbose\":false}\r\nPING\r\n");
    assert_eq!(world.read(guest), b"PONG\r\n");
    world.write(guest, b"CONNECT {\"verbose\":false,\"user\":\"bob\",\"pass\":\"secret\"}\r\n");
    assert_eq!(world.wait(guest, Duration::from_secs(20)), "");
    assert!(!world.has_ended(guest));
}

/// It was once told that bob has all the connections he may have, and kept the narrower bounds of whoever it was before.
#[test]
fn who_says_it_again_is_nobody_else_meanwhile() {
    let user = |name: &str, limits| UserSetting {
        name: name.to_owned(),
        password_hash: Some("$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW".to_owned()),
        limits,
        ..UserSetting::default()
    };
    let narrow = UserLimits {
        connections: Some(1),
        subscriptions: Some(1),
        payload_bytes: Some(1),
        ..UserLimits::default()
    };
    let settings = UserSettings {
        users: vec![user("bob", narrow), user("carl", UserLimits::default())],
        ..UserSettings::default()
    };
    let users = Some(Arc::new(Users::load(&settings, &Arc::default()).expect("they are right")));
    let judge = Judge::start(1, || {}).ok();
    let mut world =
        World::behind(Settings { judge, ..Settings::default() }, Door { users, ..Door::default() });
    let connect = |name: &str| {
        format!("CONNECT {{\"verbose\":false,\"user\":\"{name}\",\"pass\":\"secret\"}}\r\nPING\r\n")
    };
    let (one, _) = world.connect();
    assert_eq!(world.log_in(one, connect("bob").as_bytes()), "PONG\r\n");
    assert_eq!(world.log_in(one, connect("bob").as_bytes()), "PONG\r\n");
    let (other, _) = world.connect();
    let refused = "-ERR 'maximum connections exceeded'\r\n";
    assert_eq!(world.log_in(other, connect("bob").as_bytes()), refused);
    assert_eq!(world.log_in(one, connect("carl").as_bytes()), "PONG\r\n");
    world.write(one, b"SUB a 1\r\nSUB b 2\r\nPUB b 2\r\nxy\r\n");
    assert_eq!(world.read(one), b"MSG b 2 2\r\nxy\r\n");
    let (other, _) = world.connect();
    assert_eq!(world.log_in(other, connect("bob").as_bytes()), "PONG\r\n");
}

/// More than there once was room for wait while one is checked, and all of them come in.
#[test]
fn nobody_is_refused_because_others_wait() {
    let mut world = World::behind(with_guests(), guest_and_bob());
    let peers: Vec<PeerId> = (0..60).map(|_| world.connect().0).collect();
    for peer in &peers {
        world.write(*peer, b"CONNECT {\"verbose\":false,\"user\":\"bob\",\"pass\":\"secret\"}\r\nPING\r\n");
    }
    world.judge.as_ref().expect("it is there").await_quiet();
    world.shard.kernel_mut().advance(limits::PASSWORD_PAUSE_MAX);
    world.settle();
    for peer in peers {
        assert_eq!(world.read(peer), b"PONG\r\n");
    }
}
