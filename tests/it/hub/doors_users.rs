//! The hub's users at its doors: whoever shows a user's token may do what that user may, and nobody else anything.

use std::net::UdpSocket;

use super::doors_kit::{Events, Socket, ask};
use crate::support::Folder;
use crate::support::server::Server;
use crate::support::web::serve;

const READER: &str = "reader-reader-reader-reader-1";
const WRITER: &str = "writer-writer-writer-writer-1";

/// Two users: one may only listen to `news.>` but for its secrets, the other may only publish there.
#[track_caller]
fn start(folder: &Folder, more: &str) -> Server {
    let reader = folder.write("reader.token", READER);
    let writer = folder.write("writer.token", WRITER);
    let users = format!(
        "[[hub.user]]\nname = \"reader\"\ntoken_file = {reader:?}\n\
         publish_deny = [\">\"]\nsubscribe_allow = [\"news.>\"]\nsubscribe_deny = [\"news.secret\"]\n\
         [[hub.user]]\nname = \"writer\"\ntoken_file = {writer:?}\n\
         publish_allow = [\"news.>\"]\nsubscribe_deny = [\">\"]\n"
    );
    let listener =
        format!("[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"http\"\n{more}\n{users}");
    serve(folder, "", &listener, &["--shards", "2"])
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// By requests and by events.
#[test]
fn users_may_do_what_they_may() {
    let folder = Folder::new();
    let server = start(&folder, "");
    let address = server.http_address();
    let status = |target: &str, lines: &str| ask(address, "POST", target, lines, b"x").status;
    assert_eq!(status("/publish/news.a", ""), 401);
    assert_eq!(status("/publish/news.a", &bearer("nobody-nobody-nobody-nobody")), 401);
    assert_eq!(status("/publish/news.a", &bearer(READER)), 403);
    assert_eq!(status("/publish/other", &bearer(WRITER)), 403);
    assert_eq!(status("/request/other", &bearer(WRITER)), 403);
    assert_eq!(status("/publish/news.a", &bearer(WRITER)), 200);
    let head = |query: &str, lines: &str| Events::begin(address, query, lines).head.status;
    assert_eq!(head("subject=news.a", ""), 401);
    assert_eq!(head("subject=news.a", &bearer(WRITER)), 403);
    assert_eq!(head("subject=other", &bearer(READER)), 403);
    assert_eq!(head("subject=news.a,other", &bearer(READER)), 403);
    let mut events = Events::begin(address, "subject=news.%3E", &bearer(READER));
    events.await_listening();
    assert_eq!(status("/publish/news.secret", &bearer(WRITER)), 200);
    assert_eq!(ask(address, "POST", "/publish/news.open", &bearer(WRITER), b"heard").status, 200);
    assert_eq!(events.data(), "heard", "the secret is kept from it");
    assert!(server.counters().total("refused_permission") >= 6);
    drop(events);
    server.stop_clean();
}

/// Over WebSocket, plain and with commands; those who show nothing are the user that the listener says they are.
#[test]
fn those_who_show_nothing_may_be_somebody() {
    let folder = Folder::new();
    let server = start(&folder, "no_auth_user = \"reader\"");
    let address = server.http_address();
    let mut plain = Socket::open(address, "/ws/news.a");
    let mut desk = Socket::command(address, "/ws");
    desk.send(r#"{"type":"publish","subject":"news.a","id":1}"#);
    assert_eq!(desk.json()["error"], "You may not publish there.");
    desk.send(r#"{"type":"subscribe","subject":"other","id":2}"#);
    assert_eq!(desk.json()["error"], "You may not listen there.");
    desk.send(r#"{"type":"request","subject":"news.a","id":3}"#);
    assert_eq!(desk.json()["error"], "You may not publish there.");
    assert_eq!(ask(address, "POST", "/publish/news.a", &bearer(WRITER), b"x").status, 200);
    assert_eq!(plain.text(), "x");
    plain.send("what may not be said");
    assert_eq!(plain.closed(), (1008, "You may not publish there.".to_owned()));
    drop((plain, desk));
    server.stop_clean();
}

/// Datagrams are the user's that their listener names: what it may not publish, what is too long and what comes too often
/// is counted, and heard by nobody.
#[test]
fn datagrams_may_do_what_their_user_may() {
    let folder = Folder::new();
    let listeners = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"http\"\nno_auth_user = \"reader\"\n\
         [[listener]]\naddress = \"udp://127.0.0.1:0\"\nservice = \"publish\"\nno_auth_user = \"sensor\"\n\
         [[hub.user]]\nname = \"reader\"\npublish_deny = [\">\"]\n\
         [[hub.user]]\nname = \"sensor\"\npublish_allow = [\"plant.*\"]\nconnections = 1\n\
         payload_bytes_max = \"8\"\nmessage_rate = \"1/h burst 3\"\n";
    let server = serve(&folder, "", listeners, &["--shards", "2"]);
    let [to] = server.addresses("publish://")[..] else { panic!("there is one") };
    let mut events = Events::open(server.http_address(), "subject=%3E&event=subject");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let send = |datagram: &[u8]| socket.send_to(datagram, to).expect("the kernel takes it");
    for wrong in [&b"admin.reset\nx"[..], b"plant.a.b\nx", b"plant.a\n123456789"] {
        send(wrong);
    }
    server.await_count("refused_permission", 2);
    server.await_count("refused_too_large", 1);
    for text in ["1", "2", "3", "4", "5"] {
        send(format!("plant.a\n{text}").as_bytes());
    }
    server.await_count("refused_user_rate", 2);
    for expected in ["1", "2", "3"] {
        assert_eq!(events.data(), expected);
    }
    assert_eq!(server.counters().total("published_datagram"), 3);
    drop(events);
    server.stop_clean();
}
