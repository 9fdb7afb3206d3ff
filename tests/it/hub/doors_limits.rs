//! The bounds of a user, at every door: how many connections, how much, how long, how fast, and where to answer.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::json;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, Message};

use super::doors_kit::{Events, Socket, ask};
use crate::support::http::{ADMIN, Answer, Client, row};
use crate::support::server::Server;
use crate::support::web::serve;
use crate::support::{Folder, eventually, streams};

const ALICE: &str = "alice-alice-alice-alice-alice-1";
const BOB: &str = "bob-bob-bob-bob-bob-bob-bob-1";

/// Two users: alice has these bounds, and bob has none.
#[track_caller]
fn start(folder: &Folder, bounds: &str) -> Server {
    let (alice, bob) = (folder.write("alice.token", ALICE), folder.write("bob.token", BOB));
    let listeners = ["http", "nats"]
        .map(|service| format!("[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"{service}\"\n"));
    let users = format!(
        "[[hub.user]]\nname = \"alice\"\ntoken_file = {alice:?}\n{bounds}\n\
         [[hub.user]]\nname = \"bob\"\ntoken_file = {bob:?}\n"
    );
    serve(folder, "", &(listeners.concat() + ADMIN + &users), &["--shards", "2"])
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[track_caller]
fn post(server: &Server, target: &str, token: &str, content: &[u8]) -> Answer {
    ask(server.http_address(), "POST", target, &bearer(token), content)
}

/// A WebSocket of a user, or what is answered instead.
fn try_socket(
    server: &Server,
    path: &str,
    token: &str,
    subprotocol: Option<&str>,
) -> Result<Socket, (u16, String)> {
    let address = server.http_address();
    let mut request = format!("ws://{address}{path}").into_client_request().expect("it is a URL");
    let fields = request.headers_mut();
    fields.insert("authorization", format!("Bearer {token}").parse().expect("it is a value"));
    if let Some(name) = subprotocol {
        fields.insert("sec-websocket-protocol", name.parse().expect("it is a value"));
    }
    match tungstenite::client(request, streams::tcp(address)) {
        Ok((socket, _)) => Ok(Socket(socket)),
        Err(tungstenite::HandshakeError::Failure(Error::Http(answer))) => {
            let text = answer.body().clone().unwrap_or_default();
            Err((answer.status().as_u16(), String::from_utf8(text).expect("it is text")))
        }
        Err(other) => panic!("{other}"),
    }
}

#[track_caller]
fn socket(server: &Server, path: &str, token: &str) -> Socket {
    let mut socket = try_socket(server, path, token, None).expect("it may be opened");
    socket.settle();
    socket
}

#[track_caller]
fn desk(server: &Server, path: &str, token: &str) -> Socket {
    try_socket(server, path, token, Some("tidemill.v1")).expect("it may be opened")
}

/// A NATS client that says who it is, and what it is answered.
#[track_caller]
fn nats(server: &Server, token: &str) -> (BufReader<TcpStream>, String) {
    let mut stream = BufReader::new(streams::tcp(server.addresses("nats://")[0]));
    let words = format!("CONNECT {{\"verbose\":false,\"auth_token\":\"{token}\"}}\r\nPING\r\n");
    stream.get_mut().write_all(words.as_bytes()).expect("the server reads");
    let mut answer = String::new();
    while answer.is_empty() || answer.starts_with("INFO ") {
        answer.clear();
        stream.read_line(&mut answer).expect("the server answers");
    }
    (stream, answer.trim_end().to_owned())
}

/// What lasts is a connection of its user, by whichever door it came; one too many is refused everywhere and counted, other
/// users are served, and a place that was left is free again.
#[test]
fn a_user_has_so_many_connections_at_all_doors_together() {
    let folder = Folder::new();
    let server = start(&folder, "connections = 2");
    let events = Events::begin(server.http_address(), "subject=a", &bearer(ALICE));
    assert_eq!(events.head.status, 200);
    let plain = socket(&server, "/ws/a", ALICE);
    let sentence = "There is no room for this: the user has all the connections that are allowed.\n";
    let answer = post(&server, "/publish/a", ALICE, b"x");
    assert_eq!((answer.status, answer.text()), (429, sentence));
    for subprotocol in [None, Some("tidemill.v1")] {
        let refused = try_socket(&server, "/ws/a", ALICE, subprotocol).err();
        assert_eq!(refused, Some((429, sentence.to_owned())));
    }
    assert_eq!(Events::begin(server.http_address(), "subject=a", &bearer(ALICE)).head.status, 429);
    assert_eq!(nats(&server, ALICE).1, "-ERR 'maximum connections exceeded'");
    assert_eq!(server.counters().total("refused_user_connections"), 5);
    assert_eq!(post(&server, "/publish/a", BOB, b"x").status, 200);
    drop(plain);
    eventually("there is a place again", || post(&server, "/publish/a", ALICE, b"x").status == 200);
    let (client, answer) = nats(&server, ALICE);
    assert_eq!(answer, "PONG");
    assert_eq!(post(&server, "/publish/a", ALICE, b"x").status, 429);
    drop((client, events));
    server.stop_clean();
}

/// A request is a connection of its user until it is answered. Between two requests a connection is nobody's, and the next
/// one may be another user's.
#[test]
fn a_connection_is_nobodys_between_two_requests() {
    let folder = Folder::new();
    let server = start(&folder, "connections = 1");
    let address = server.http_address();
    let request = |target: &str, token: &str| {
        format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n{}\r\nx", bearer(token))
    };
    let mut idle: Vec<Client> = (0..3).map(|_| Client::to(address)).collect();
    for client in &mut idle {
        for token in [ALICE, BOB, ALICE] {
            client.send(request("/publish/a", token));
            assert_eq!(client.answer().status, 200);
        }
        // All at once, too.
        client.send([request("/publish/a", ALICE), request("/publish/a", ALICE)].concat());
        assert_eq!([client.answer().status, client.answer().status], [200, 200]);
    }
    let mut service = desk(&server, "/ws/service", BOB);
    service.settle();
    let waiting = &mut idle[0];
    waiting.send(request("/request/service?timeout=30s", ALICE));
    let asked = service.json();
    let publish = || post(&server, "/publish/a", ALICE, b"x").status;
    assert_eq!(publish(), 429, "one of hers waits");
    service.send(json!({"type": "publish", "subject": asked["reply"], "data": "here"}).to_string());
    assert_eq!(waiting.answer().text(), "here");
    assert_eq!(publish(), 200);
    // One that comes in pieces is one from its head on. The server's own figure says that it has come: a request that asked would
    // have her only place for a moment, and the head that comes then would be refused.
    let received = |client: &Client| {
        let local = client.stream.local_addr().expect("it is connected");
        row(&server, local)["bytes_received"].as_u64().expect("it is a number")
    };
    let before = received(waiting);
    let (whole, content) = (request("/publish/a", ALICE), "x");
    let head = whole.strip_suffix(content).expect("it ends with its content");
    waiting.send(head);
    eventually("its head has come", || received(waiting) == before + head.len() as u64);
    assert_eq!(publish(), 429, "one of hers comes");
    waiting.send(content);
    assert_eq!(waiting.answer().status, 200);
    drop((idle, service));
    server.stop_clean();
}

/// A payload has its bound at each door, and bob's is that of everybody.
#[test]
fn a_payload_has_the_bound_of_its_user() {
    let folder = Folder::new();
    let server = start(&folder, "payload_bytes_max = 10\n[hub]\npayload_bytes_max = 20");
    for (token, most) in [(ALICE, 10), (BOB, 20)] {
        let sentence = format!("One message has {most} bytes at most.");
        for target in ["/publish/a", "/request/a"] {
            let answer = post(&server, target, token, &vec![b'x'; most + 1]);
            assert_eq!((answer.status, answer.text().trim_end()), (413, &*sentence), "{target}");
        }
        assert_eq!(post(&server, "/publish/a", token, &vec![b'x'; most]).status, 200);
        let mut commands = desk(&server, "/ws", token);
        for kind in ["publish", "request"] {
            let text = "x".repeat(most + 1);
            commands.send(json!({"type": kind, "subject": "a", "data": text, "id": 1}).to_string());
            assert_eq!(commands.json(), json!({"type": "error", "id": 1, "error": sentence}));
        }
        commands
            .send(json!({"type": "publish", "subject": "a", "data": "x".repeat(most), "id": 2}).to_string());
        assert_eq!(commands.json()["type"], "ok");
        let mut plain = socket(&server, "/ws/a", token);
        plain.send("x".repeat(most));
        assert_eq!(plain.text(), "x".repeat(most));
        plain.send("x".repeat(most + 1));
        assert_eq!(plain.closed(), (1009, sentence));
    }
    assert_eq!(server.counters().total("refused_too_large"), 10);
    server.stop_clean();
}

/// Subscriptions have their bound, and where answers to requests arrive is none of them.
#[test]
fn a_user_listens_to_so_much_and_no_more() {
    let folder = Folder::new();
    let server = start(&folder, "subscriptions = 2");
    let sentence = "One connection has 2 subscriptions at most.";
    let mut commands = desk(&server, "/ws", ALICE);
    commands.send(json!({"type": "request", "subject": "nobody", "id": 0}).to_string());
    assert_eq!(commands.json()["error"], "Nobody listens to this subject.");
    for (id, expected) in [(1, json!({"type": "ok", "id": 1})), (2, json!({"type": "ok", "id": 2}))] {
        commands.send(json!({"type": "subscribe", "subject": format!("a.{id}"), "id": id}).to_string());
        assert_eq!(commands.json(), expected);
    }
    commands.send(json!({"type": "subscribe", "subject": "a.3", "id": 3}).to_string());
    assert_eq!(commands.json(), json!({"type": "error", "id": 3, "error": sentence}));
    let events =
        |query: &str, token: &str| Events::begin(server.http_address(), query, &bearer(token)).head.status;
    assert_eq!(events("subject=a,b", ALICE), 200);
    assert_eq!(events("subject=a,b,c", ALICE), 403);
    assert_eq!(events("subject=a,b,c", BOB), 200);
    assert_eq!(server.counters().total("refused_subscriptions"), 2);
    drop(commands);
    server.stop_clean();
}

/// When a shard has all the subscriptions that it may have, that is said at each door. (A stream of events and a plain WebSocket
/// once began all the same and heard nothing, and a request was cut off.)
#[test]
fn when_there_is_no_room_for_a_subscription_that_is_said() {
    const FULL: &str = "There is no room for one more subscription: try again later.";
    let listener = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"http\"\n\
                    [hub]\nsubscriptions_per_shard = 1\n";
    let server = serve(&Folder::new(), "", listener, &["--shards", "1"]);
    let address = server.http_address();
    let events = Events::open(address, "subject=a");
    assert_eq!(Events::begin(address, "subject=a", "").head.status, 503);
    for target in ["/request/a", "/request/a"] {
        let answer = ask(address, "POST", target, "", b"x");
        assert_eq!((answer.status, answer.text().trim_end()), (503, FULL));
    }
    let (mut plain, _) =
        tungstenite::client(format!("ws://{address}/ws/a"), streams::tcp(address)).expect("it opens");
    match plain.read().expect("it is told") {
        Message::Close(Some(frame)) => {
            assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1013, FULL))
        }
        other => panic!("{other:?}"),
    }
    let mut commands = Socket::command(address, "/ws");
    for kind in ["subscribe", "request"] {
        commands.send(json!({"type": kind, "subject": "a", "id": 1}).to_string());
        assert_eq!(commands.json(), json!({"type": "error", "id": 1, "error": FULL}));
    }
    drop(events);
    eventually("there is room again", || Events::begin(address, "subject=a", "").head.status == 200);
    assert!(5 <= server.counters().total("refused_subscriptions"));
    drop((plain, commands));
    server.stop_clean();
}

/// Beyond the user's rate of messages, or of bytes, requests are refused with the seconds to wait, on whichever connection;
/// what came by another door counts, too, and other users are served.
#[test]
fn requests_beyond_the_rate_of_their_user_are_refused() {
    for (bounds, content) in
        [("message_rate = \"1/m burst 4\"", 1), ("byte_rate = \"1KiB/m burst 64KiB\"", 20_000)]
    {
        let folder = Folder::new();
        let server = start(&folder, bounds);
        let content = vec![b'x'; content];
        let mut plain = socket(&server, "/ws/a", ALICE);
        plain.send(Message::binary(content.clone()));
        plain.read();
        for _ in 0..2 {
            assert_eq!(post(&server, "/publish/a", ALICE, &content).status, 200, "{bounds}");
        }
        let refused = post(&server, "/publish/a", ALICE, &content);
        let refused = match refused.status {
            // The ping by which the WebSocket was known to listen was a message, too.
            200 => post(&server, "/publish/a", ALICE, &content),
            _ => refused,
        };
        assert_eq!((refused.status, refused.text()), (429, "This user sends too much: wait a moment.\n"));
        let wait: u64 = refused.field("retry-after").expect("it is told").parse().expect("seconds");
        assert!(0 < wait && !refused.closes(), "{wait}");
        assert_eq!(post(&server, "/request/a", ALICE, &content).status, 429, "{bounds}");
        assert_eq!(post(&server, "/publish/a", BOB, &content).status, 200, "{bounds}");
        assert_eq!(server.counters().total("refused_user_rate"), 2);
        drop(plain);
        server.stop_clean();
    }
}

/// A WebSocket beyond the rate of its user is read from later, and loses nothing.
#[test]
fn a_websocket_beyond_the_rate_of_its_user_is_slowed() {
    let folder = Folder::new();
    let server = start(&folder, "message_rate = \"100/s burst 5\"");
    let mut plain = socket(&server, "/ws/a", ALICE);
    for number in 0..20 {
        plain.0.write(Message::text(number.to_string())).expect("it is taken");
    }
    plain.0.flush().expect("the kernel takes it");
    for number in 0..20 {
        assert_eq!(plain.text(), number.to_string());
    }
    plain.settle();
    assert!(0 < server.counters().total("throttled"));
    drop(plain);
    server.stop_clean();
}

/// Who may only answer where he is asked may do so with commands: once for each request that he heard, and nowhere else.
#[test]
fn who_may_only_answer_can_do_so_with_commands() {
    let folder = Folder::new();
    let server = start(&folder, "subscribe_allow = [\"service\"]\nresponses_max = 1");
    let mut service = desk(&server, "/ws/service", ALICE);
    service.settle();
    let mut client = Client::to(server.http_address());
    let content = "POST /request/service?timeout=30s HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n";
    client.send(format!("{content}{}\r\n", bearer(BOB)));
    let asked = service.json();
    let reply = asked["reply"].as_str().expect("it says where").to_owned();
    // Not over another connection, though it is hers.
    assert_eq!(post(&server, &format!("/publish/{reply}"), ALICE, b"x").status, 403);
    let refused = json!({"type": "error", "id": 1, "error": "You may not publish there."});
    service.send(json!({"type": "publish", "subject": format!("{reply}0"), "id": 1}).to_string());
    assert_eq!(service.json(), refused);
    service.send(json!({"type": "publish", "subject": reply, "data": "here", "id": 1}).to_string());
    assert_eq!(service.json()["type"], "ok");
    assert_eq!(client.answer().text(), "here");
    service.send(json!({"type": "publish", "subject": reply, "data": "again", "id": 1}).to_string());
    assert_eq!(service.json(), refused);
    drop((service, client));
    server.stop_clean();
}
