//! SIGHUP: the configuration is read again as it was read for the start, and what can change does. What is expected is seen
//! by clients.

mod keys;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::http::{ADMIN, PAGES, fetch};
use crate::support::launch::check_refused;
use crate::support::nats::{Client, NATS, nats, publish};
use crate::support::server::Server;
use crate::support::tls::{Authority, VERSIONS, connect};
use crate::support::{Folder, launch, streams, text, web};

/// What is said of every configuration that is taken over.
const READ: &str = "certificates, keys and tokens were read again";
const HEAD: &str = "[server]\nshards = 2\n";
const ECHO: &str = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\n";

/// A server whose file can be written anew.
struct Place {
    folder: Folder,
    server: Server,
}

impl Place {
    #[track_caller]
    fn new(config: &str) -> Self {
        Self::with(config, &[])
    }

    #[track_caller]
    fn with(config: &str, flags: &[&str]) -> Self {
        let folder = Folder::new();
        let file = folder.write("t.toml", &format!("{HEAD}{config}"));
        let server = Server::start(&[&["--config", text(&file)], flags].concat());
        Self { folder, server }
    }

    /// Has the server read this, and returns the line that says these words.
    #[track_caller]
    fn read(&self, config: &str, words: &str) -> String {
        self.folder.write("t.toml", &format!("{HEAD}{config}"));
        self.again(words)
    }

    #[track_caller]
    fn again(&self, words: &str) -> String {
        self.server.signal(Signal::HUP);
        self.server.await_line(words).pop().expect("it is the last line")
    }

    fn varz(&self) -> Value {
        serde_json::from_slice(&fetch(self.server.admin_address(), "/varz").body).expect("it is JSON")
    }
}

/// A connection of a user with this password.
#[track_caller]
fn user(server: &Server, name: &str) -> Client<TcpStream> {
    let fields = format!(",\"user\":\"{name}\",\"pass\":\"{name}-secret\"");
    Client::open_as(streams::tcp(nats(server)), &fields, Some("a.*"))
}

/// A user of that name, with these keys more. The password stands in a file.
fn user_table(folder: &Folder, name: &str, keys: &str) -> String {
    folder.write(name, &format!("{name}-secret"));
    format!("[[hub.user]]\nname = \"{name}\"\npassword_file = \"{name}\"\n{keys}\n")
}

// --- Who may come --------------------------------------------------------------------------------------------------

/// Newcomers meet the new list; those who are in stay.
#[test]
fn an_allow_list_is_for_newcomers() {
    let place = Place::new(ECHO);
    let mut open = streams::tcp(place.server.tcp_address());
    streams::ping(&mut open, b"before");
    place.read(
        &format!("{ECHO}allow = [\"192.0.2.0/24\"]\n"),
        "has changed: listener.allow of tcp://127.0.0.1:0",
    );
    streams::check_ended(&mut streams::tcp(place.server.tcp_address()));
    streams::ping(&mut open, b"after");
    place.read(ECHO, "has changed: listener.allow of");
    streams::ping(&mut streams::tcp(place.server.tcp_address()), b"let in again");
    drop(open);
    place.server.stop_clean();
}

/// The connections of an address are counted on: two are there, and so two are all that may be.
#[test]
fn a_limit_per_address_counts_those_who_are_there() {
    let limit = |most: u32| format!("[limits]\nconnections_per_address = {most}\n{ECHO}");
    let place = Place::new(&limit(100));
    let address = place.server.tcp_address();
    let mut open = [streams::tcp(address), streams::tcp(address)];
    open.iter_mut().for_each(|stream| streams::ping(stream, b"before"));
    place.read(&limit(2), "has changed: limits.connections_per_address");
    streams::check_ended(&mut streams::tcp(address));
    open.iter_mut().for_each(|stream| streams::ping(stream, b"after"));
    place.read(&limit(3), "has changed: limits.connections_per_address");
    streams::ping(&mut streams::tcp(address), b"one more");
    drop(open);
    place.server.stop_clean();
}

/// The number of connections goes down, and up to what it was; beyond that it waits for a start.
#[test]
fn connections_are_bounded_anew() {
    let of = |most: u32| format!("connections = {most}\n{ECHO}");
    let place = Place::new(&of(2));
    let address = place.server.tcp_address();
    let mut open = streams::tcp(address);
    streams::ping(&mut open, b"one");
    place.read(&of(1), "has changed: server.connections");
    streams::check_ended(&mut streams::tcp(address));
    let line = place.read(&of(3), "not changed while running: ");
    assert!(line.contains("running: server.connections; the next start has them"), "{line}");
    streams::check_ended(&mut streams::tcp(address));
    place.read(&of(2), "has changed: server.connections");
    streams::ping(&mut streams::tcp(address), b"two");
    drop(open);
    place.server.stop_clean();
}

/// A rate that comes holds for requests of connections that are open.
#[test]
fn a_rate_holds_for_open_connections() {
    let place = Place::new(PAGES);
    let mut client = crate::support::http::Client::to(place.server.http_address());
    for _ in 0..3 {
        assert_eq!(client.get("/healthz").status, 200);
    }
    place.read(
        &format!("[limits]\nrequest_rate_per_address = \"1/h burst 1\"\n{PAGES}"),
        "request_rate_per_address",
    );
    assert_eq!(client.get("/healthz").status, 200);
    assert_eq!(client.get("/healthz").status, 429);
    place.read(PAGES, "request_rate_per_address");
    assert_eq!(client.get("/healthz").status, 200);
    drop(client);
    place.server.stop_clean();
}

/// A time-out that gets shorter finds those who are silent already.
#[test]
fn a_shorter_time_out_is_for_silent_connections() {
    let place = Place::new(&format!("[limits]\nidle_timeout = \"1h\"\n{ECHO}"));
    let mut silent = streams::tcp(place.server.tcp_address());
    streams::ping(&mut silent, b"and then nothing");
    place.read(&format!("[limits]\nidle_timeout = \"200ms\"\n{ECHO}"), "has changed: limits.idle_timeout");
    streams::check_ended(&mut silent);
    place.server.await_count("cut_idle", 1);
    place.server.stop_clean();
}

// --- Users ---------------------------------------------------------------------------------------------------------

/// As with nats-server: who was removed has to go, or has another secret or other permissions; the others stay, and new ones
/// can come.
#[test]
fn users_come_and_go() {
    let place = Place::new(NATS);
    let table = |name: &str, keys: &str| user_table(&place.folder, name, keys);
    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|name| table(name, ""));
    let mut nobody = Client::open(streams::tcp(nats(&place.server)), Some("a.*"));
    place.read(&[NATS, &alice, &bob, &carol].concat(), "hub.user.name (\"bob\" is new)");
    assert_eq!(nobody.line(), "-ERR 'Authorization Violation'\r\n", "somebody has to be shown now");
    assert_eq!(nobody.line(), "");
    let [mut of_alice, mut of_bob, mut of_carol] =
        ["alice", "bob", "carol"].map(|name| user(&place.server, name));
    let restricted = table("carol", "subscribe_allow = [\"a.b\"]");
    place.read(&[NATS, &alice, &restricted, &dave].concat(), "hub.user.name (\"bob\" is gone)");
    for gone in [&mut of_bob, &mut of_carol] {
        assert_eq!(gone.line(), "-ERR 'Authorization Violation'\r\n");
        assert_eq!(gone.line(), "");
    }
    let mut of_dave = user(&place.server, "dave");
    of_dave.say(&publish("a.b", "hello"));
    for hears in [&mut of_alice, &mut of_dave] {
        assert_eq!(hears.message(), Ok(("a.b".to_owned(), "hello".to_owned())));
    }
    let mut refused = Client::greeted(streams::tcp(nats(&place.server)));
    refused.say("CONNECT {\"user\":\"bob\",\"pass\":\"bob-secret\"}\r\n");
    assert_eq!(refused.line(), "-ERR 'Authorization Violation'\r\n");
    // Her password alone is another one; the file of the configuration is the same.
    place.folder.write("alice", "another-secret");
    place.again("of the configuration nothing has changed");
    assert_eq!(of_alice.line(), "-ERR 'Authorization Violation'\r\n");
    of_dave.flush();
    place.server.await_count("refused_credential_revoked", 4);
    drop((nobody, of_alice, of_bob, of_carol, of_dave, refused));
    place.server.stop_clean();
}

/// What lasts by HTTP is ended as well: a WebSocket with 1008, a stream of events by its end.
#[test]
fn users_of_http_go_too() {
    let folder = Folder::new();
    folder.write("token", "alice-0123456789");
    let table = format!("[[hub.user]]\nname = \"alice\"\ntoken_file = \"{}\"\n", text(&folder.path("token")));
    let place =
        Place::new(&format!("{PAGES}[listener.auth]\ntokens = \"{}\"\n{table}", text(&folder.path("token"))));
    let address = place.server.http_address();
    let credential = "Authorization: Bearer alice-0123456789\r\n";
    let mut socket = streams::tcp(address);
    let request = web::upgrade(credential).replacen("GET /ws ", "GET /ws/a.b ", 1);
    socket.write_all(request.as_bytes()).expect("the server reads");
    assert_eq!(web::read_upgraded(&mut socket).status, 101);
    let mut events = streams::tcp(address);
    let request = format!("GET /sse?subject=a.b HTTP/1.1\r\nHost: a\r\n{credential}\r\n");
    events.write_all(request.as_bytes()).expect("the server reads");
    assert_eq!(web::read_head(&mut events).status, 200);
    place.read(
        &format!(
            "{PAGES}[listener.auth]\ntokens = \"{}\"\n[[hub.user]]\nname = \"bob\"\n",
            text(&folder.path("token"))
        ),
        "hub.user.name (\"alice\" is gone)",
    );
    let frame = web::next_frame(&mut socket);
    assert_eq!(frame.code(), Some(1008), "{frame:?}");
    let mut rest = String::new();
    events.read_to_string(&mut rest).expect("it ends");
    assert!(rest.contains("retry: "), "{rest}");
    place.server.await_count("refused_credential_revoked", 2);
    drop((socket, events));
    place.server.stop_clean();
}

// --- What services go by ---------------------------------------------------------------------------------------------

/// Each service hears of its part: HTTP of the length of a body, NATS of subscriptions, datagrams of their subject.
#[test]
fn services_go_by_what_was_read() {
    let config = |body: u32, subscriptions: u32, subject: &str| {
        let datagrams = "[[listener]]\naddress = \"udp://127.0.0.1:0\"\nservice = \"publish\"\n";
        format!(
            "[limits]\nbody_bytes = {body}\n[hub]\nsubscriptions_per_connection = {subscriptions}\n{PAGES}{NATS}{datagrams}\
             subject = \"{subject}\"\n"
        )
    };
    let place = Place::new(&config(100, 100, "a.one"));
    let mut pages = crate::support::http::Client::to(place.server.http_address());
    let mut ask = |bytes: usize| {
        pages.send(crate::support::http::post("/echo", &vec![b'x'; bytes]));
        pages.answer().status
    };
    assert_eq!(ask(100), 200);
    let mut before = Client::open(streams::tcp(nats(&place.server)), Some("a.*"));
    place.read(&config(50, 1, "a.two"), "has changed: limits.body_bytes, listener.subject of");
    assert_eq!(ask(50), 200);
    assert_eq!(ask(51), 413);
    let sensor = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    sensor.send_to(b"21 degrees", place.server.addresses("publish://")[0]).expect("it can be sent");
    assert_eq!(before.message(), Ok(("a.two".to_owned(), "21 degrees".to_owned())));
    before.say("SUB a.b 2\r\n");
    before.flush();
    let mut after = Client::open(streams::tcp(nats(&place.server)), Some("b.*"));
    after.say("SUB b.b 2\r\n");
    assert_eq!(after.line(), "-ERR 'maximum subscriptions exceeded'\r\n");
    drop((before, after, pages));
    place.server.stop_clean();
}

/// A listener can get TLS, and then asks newcomers for it.
#[test]
fn a_listener_can_get_tls() {
    let authority = Authority::new("authority");
    let place = Place::new(ECHO);
    let address = place.server.tcp_address();
    let mut plain = streams::tcp(address);
    streams::ping(&mut plain, b"in the clear");
    let issued = authority.issue(&["localhost"]);
    let keys = issued.keys(&place.folder, "server");
    place.read(&format!("{ECHO}tls = {{ {keys} }}\n"), "listener.tls.certificate of");
    let client = Arc::new(authority.client(&VERSIONS));
    let mut secret = connect(address, &client);
    streams::ping(&mut secret, b"behind TLS");
    assert!(issued.is_shown(&secret));
    streams::ping(&mut plain, b"as before");
    drop((plain, secret));
    place.server.stop_clean();
}

// --- The process ---------------------------------------------------------------------------------------------------

/// The level and the format of the log, and the time for a stop.
#[test]
fn the_log_and_the_stop_change() {
    let place = Place::new(ECHO);
    place.read(&format!("[log]\nlevel = \"debug\"\n{ECHO}"), "has changed: log.level");
    streams::ping(&mut streams::tcp(place.server.tcp_address()), b"it is told");
    place.server.await_line("a connection was opened");
    let line =
        place.read(&format!("[log]\nformat = \"json\"\n[limits]\ndrain_timeout = \"7s\"\n{ECHO}"), READ);
    let line: Value = serde_json::from_str(&line).expect("it is JSON");
    let message = line["message"].as_str().expect("it is a text");
    assert!(message.ends_with("has changed: limits.drain_timeout, log.format, log.level"), "{message}");
    streams::ping(&mut streams::tcp(place.server.tcp_address()), b"it is not told");
    let farewell = place.server.stop();
    assert_eq!(farewell.code, Some(0));
    let last = farewell.stderr.join("\n");
    let (_, since) = last.split_once("limits.drain_timeout, log.format").expect("it was said");
    assert!(since.contains("answers have 7s to finish") && !since.contains("was opened"), "{since}");
}

/// Flags go before the file, the second time as well.
#[test]
fn flags_still_win() {
    let place = Place::with(ECHO, &["--idle-timeout", "5m"]);
    place.read(
        &format!("[limits]\nidle_timeout = \"1s\"\n{ECHO}"),
        "of the configuration nothing has changed",
    );
    place.server.stop_clean();
}

/// What is wrong is named by file, line and column, as a start would; nothing of the rest holds, and the server serves on.
#[test]
fn a_mistake_changes_nothing() {
    let place = Place::new(&format!("{ECHO}{ADMIN}"));
    let file = text(&place.folder.path("t.toml")).to_owned();
    let denied = format!("{ECHO}deny = [\"127.0.0.1\"]\n{ADMIN}");
    let check = |config: &str, sentence: &str| {
        let line = place.read(config, "nothing was changed: ");
        let expected = format!("ERROR nothing was changed: {sentence}");
        assert!(line.ends_with(&expected), "{line}\n{expected}");
        // A start says the same.
        check_refused(launch::tidemill(&["check", "--config", &file]), place_code(sentence), sentence);
        streams::ping(&mut streams::tcp(place.server.tcp_address()), b"as before");
    };
    check(
        &format!("{denied}[limits]\nidle_timeout = \"1ms\"\n"),
        &format!("{file}:10:16: limits.idle_timeout is 1ms: the shortest is 10ms"),
    );
    let missing = place.folder.path("none.pem");
    let tls = format!("{denied}[listener.tls]\ncertificate = \"none.pem\"\nkey = \"none.pem\"\n");
    check(&tls, &format!("{} does not exist: check the path", text(&missing)));
    let configuration = &place.varz()["configuration"];
    assert_eq!(
        (&configuration["reloads"], &configuration["reloads_failed"]),
        (&Value::from(0), &Value::from(2))
    );
    assert_eq!(configuration["last_reload_succeeded"], Value::from(false));
    place.read(&denied, "has changed: listener.deny of");
    streams::check_ended(&mut streams::tcp(place.server.tcp_address()));
    let metrics = fetch(place.server.admin_address(), "/metrics");
    for line in [
        "tidemill_config_reloads_total{outcome=\"succeeded\"} 1",
        "tidemill_config_reloads_total{outcome=\"failed\"} 2",
        "tidemill_config_last_reload_successful 1",
    ] {
        assert!(metrics.text().lines().any(|other| other == line), "{line}: {}", metrics.text());
    }
    place.server.stop_clean();
}

/// The exit code of a start: a configuration that is wrong is another thing than a file that is not there.
fn place_code(sentence: &str) -> i32 {
    if sentence.contains("limits.") { 2 } else { 3 }
}

/// The path is opened anew: a file that takes its place is the one that is read, and so is one that a link leads to.
#[test]
fn a_file_may_be_replaced() {
    let place = Place::new(ECHO);
    let (file, other) = (place.folder.path("t.toml"), place.folder.path("other.toml"));
    let deny = |address: &str| format!("{HEAD}{ECHO}deny = [\"{address}\"]\n");
    place.folder.write("other.toml", &deny("192.0.2.1"));
    fs::rename(&other, &file).expect("it is ours");
    place.again("has changed: listener.deny of");
    place.folder.write("other.toml", &deny("192.0.2.2"));
    fs::remove_file(&file).expect("it is ours");
    symlink(&other, &file).expect("it is ours");
    place.again("has changed: listener.deny of");
    place.server.stop_clean();
}

/// Many at once are a few, and the last of them has read the last file. While it stops, nothing is read.
#[test]
fn many_signals_and_late_ones_do_no_harm() {
    let place = Place::new(ECHO);
    for number in 1..=100 {
        place.folder.write("t.toml", &format!("{HEAD}{ECHO}deny = [\"192.0.2.{number}\"]\n"));
        place.server.signal(Signal::HUP);
    }
    // A signal that comes while one waits is none, so the last word is asked for.
    place.read(&format!("{ECHO}allow = [\"127.0.0.1\"]\n"), "listener.allow of");
    place.read(
        &format!("[limits]\nlinger_timeout = \"5m\"\ndrain_timeout = \"5m\"\n{ECHO}"),
        "limits.drain_timeout",
    );
    let mut open = streams::tcp(place.server.tcp_address());
    streams::ping(&mut open, b"served");
    place.server.signal(Signal::TERM);
    place.server.await_line("stopping: answers have 5m");
    place.again("stopping: nothing is read again");
    drop(open);
    assert_eq!(place.server.wait().code, Some(0));
}
