//! The hub's users at its doors: whoever shows a user's token may do what that user may, and nobody else anything.

use std::fs::{self, Permissions};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;

use tungstenite::client::IntoClientRequest;

use super::doors_kit::{Events, Socket, ask};
use crate::support::server::Server;
use crate::support::web::serve;
use crate::support::{Folder, streams};

const READER: &str = "reader-reader-reader-reader-1";
const WRITER: &str = "writer-writer-writer-writer-1";

const EDITOR: &str = "editor-editor-editor-editor-1";

/// Three users: one may only listen to `news.>` but for its secrets, another may only publish there, and the third may do both.
#[track_caller]
fn start(folder: &Folder, more: &str) -> Server {
    let reader = folder.write("reader.token", READER);
    let writer = folder.write("writer.token", WRITER);
    let editor = folder.write("editor.token", EDITOR);
    let users = format!(
        "[[hub.user]]\nname = \"editor\"\ntoken_file = {editor:?}\n\
         publish_allow = [\"news.>\"]\nsubscribe_allow = [\"news.>\"]\n\
         [[hub.user]]\nname = \"reader\"\ntoken_file = {reader:?}\n\
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

/// A WebSocket of the user with this token.
#[track_caller]
fn socket(server: &Server, path: &str, token: &str) -> Socket {
    let address = server.http_address();
    let mut request = format!("ws://{address}{path}").into_client_request().expect("it is a URL");
    let value = format!("Bearer {token}").parse().expect("it is a value");
    request.headers_mut().insert("authorization", value);
    Socket(tungstenite::client(request, streams::tcp(address)).expect("the server agrees").0)
}

/// Where the query may carry a token, its parameter is known at each door beside those that are always there.
#[test]
fn a_token_in_the_query_is_no_unknown_parameter() {
    let folder = Folder::new();
    // Where credentials may stand is said beside tokens, of which the hub's users have their own.
    let path = folder.write("tokens", "somebody:somebody-somebody-somebody\n");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("it is ours");
    let server = start(&folder, "[listener.auth]\ntokens = \"tokens\"\nquery = \"key\"");
    let address = server.http_address();
    let status = |method: &str, target: &str| ask(address, method, target, "", b"").status;
    let (reader, writer) = (format!("key={READER}"), format!("key={WRITER}"));
    assert_eq!(status("POST", &format!("/publish/news.a?{writer}&reply=b")), 200);
    // Nobody listens.
    assert_eq!(status("POST", &format!("/request/news.a?timeout=1s&{writer}")), 503);
    assert_eq!(status("POST", &format!("/publish/news.a?{writer}&kye=x")), 400);
    assert_eq!(status("POST", "/publish/news.a?key=nobody-nobody-nobody-nobody"), 401);
    let mut events = Events::begin(address, &format!("subject=news.a&{reader}&format=json"), "");
    events.await_listening();
    let mut plain = Socket::open(address, &format!("/ws/news.a?{reader}&echo=false"));
    assert_eq!(status("POST", &format!("/publish/news.a?{writer}")), 200);
    assert_eq!(events.data(), r#"{"subject":"news.a","data":""}"#);
    assert_eq!(plain.text(), "");
    drop((events, plain));
    server.stop_clean();
}

/// By plain WebSocket: who may not listen there, or not speak there, is told so and closed, and what is kept from somebody does
/// not arrive.
#[test]
fn users_may_do_what_they_may_by_plain_websocket() {
    const NO_LISTENING: &str = "You may not listen there.";
    const NO_SPEAKING: &str = "You may not publish there.";
    let folder = Folder::new();
    let server = start(&folder, "");
    for (path, token) in [
        ("/ws/news.a", WRITER),
        ("/ws/other", READER),
        ("/ws/other.%3E", EDITOR),
        ("/ws/%3E", READER),
        // A secret alone, which a wildcard only leaves out.
        ("/ws/news.secret", READER),
    ] {
        let closed = socket(&server, path, token).closed();
        assert_eq!(closed, (1008, NO_LISTENING.to_owned()), "{path}");
    }
    for (path, token) in [("/ws/news.a", READER), ("/ws/news.a?publish=other", EDITOR)] {
        let mut socket = socket(&server, path, token);
        socket.settle();
        socket.send("what may not be said");
        assert_eq!(socket.closed(), (1008, NO_SPEAKING.to_owned()), "{path}");
    }
    assert_eq!(server.counters().total("refused_permission"), 7);
    assert_eq!(server.counters().total("published_websocket"), 0);
    let mut reader = socket(&server, "/ws/news.*", READER);
    reader.settle();
    let mut editor = socket(&server, "/ws/news.a?publish=news.secret", EDITOR);
    editor.settle();
    editor.send("kept from the reader");
    let mut open = socket(&server, "/ws/news.b", EDITOR);
    open.settle();
    open.send("for all");
    assert_eq!((open.text(), reader.text()), ("for all".to_owned(), "for all".to_owned()));
    assert_eq!(server.counters().total("published_websocket"), 2);
    drop((reader, editor, open));
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
