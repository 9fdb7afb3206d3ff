//! Users who show a name and a password by HTTP (RFC 7617), kept in clear or as a bcrypt hash.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tungstenite::client::IntoClientRequest;

use super::doors_kit::{Events, Socket, ask};
use crate::support::http::{Answer, Client};
use crate::support::launch::can_run;
use crate::support::server::Server;
use crate::support::web::serve;
use crate::support::{Folder, skip, streams, text};

/// Of "wonderland", at a cost of some 50 ms, by crypt(3) with a salt that anybody may know.
const BCRYPT: &str = "$2b$10$abcdefghijklmnopqrstuuwmjOOgyx/jknFqeF8sHrF2cGgSECl/q";
const TOKEN: &str = "carol-carol-carol-carol-carol-1";

/// alice's password is "wonderland", kept as a hash; bob's is "open: sesame", kept in clear; carol has a token. All of them
/// publish under `open` only.
#[track_caller]
fn start(folder: &Folder) -> Server {
    let files = [("bob", "open: sesame"), ("carol", TOKEN)].map(|(name, secret)| {
        let path = folder.write(name, secret);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("it is ours");
        text(&path).to_owned()
    });
    let user = |name: &str, key: &str, value: &str| {
        format!("[[hub.user]]\nname = \"{name}\"\n{key} = {value:?}\npublish_allow = [\"open.>\"]\n")
    };
    let users = [
        user("alice", "password_bcrypt", BCRYPT),
        user("bob", "password_file", &files[0]),
        user("carol", "token_file", &files[1]),
    ];
    let tokens = folder.write("tokens", "dave:dave-dave-dave-dave-dave-1\n");
    let listener = format!(
        "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"http\"\n\
         [listener.auth]\ntokens = {tokens:?}\nsubprotocol = true\n{}",
        users.concat()
    );
    serve(folder, "", &listener, &["--shards", "2"])
}

fn basic(name: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{name}:{password}")))
}

#[track_caller]
fn publish(server: &Server, subject: &str, lines: &str) -> Answer {
    ask(server.http_address(), "POST", &format!("/publish/{subject}"), lines, b"x")
}

/// The right password publishes where its user may, and another does not; what would be taken stands in two fields.
#[test]
fn passwords_publish() {
    let folder = Folder::new();
    let server = start(&folder);
    let check = |name: &str, password: &str, expected: u16| {
        let answer = publish(&server, "open.a", &basic(name, password));
        assert_eq!(answer.status, expected, "{name} {password}: {}", answer.text());
        answer
    };
    for _ in 0..2 {
        check("alice", "wonderland", 200);
        check("bob", "open: sesame", 200);
    }
    let wrong = [
        ("alice", "underland"),
        ("alice", ""),
        ("alice", BCRYPT),
        ("bob", "open"),
        ("bob", "wonderland"),
        ("carol", TOKEN),
        ("mallory", "wonderland"),
        ("", "wonderland"),
        ("", ""),
    ];
    for (name, password) in wrong {
        let answer = check(name, password, 401);
        let fields = answer.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"));
        let values: Vec<&str> = fields.map(|(_, value)| value.as_str()).collect();
        let expected = [r#"Bearer realm="tidemill""#, r#"Basic realm="tidemill", charset="UTF-8""#];
        assert_eq!(values, expected);
    }
    assert_eq!(publish(&server, "closed", &basic("alice", "wonderland")).status, 403);
    assert_eq!(publish(&server, "open.a", &format!("Authorization: Bearer {TOKEN}\r\n")).status, 200);
    // Two credentials are one too many, and half of one is none.
    let two = format!("{}Sec-WebSocket-Protocol: bearer.{TOKEN}\r\n", basic("bob", "open: sesame"));
    assert_eq!(publish(&server, "open.a", &two).status, 401);
    assert_eq!(publish(&server, "open.a", "Authorization: Basic Ym9i\r\n").status, 401);
    assert_eq!(publish(&server, "open.a", "").status, 401);
    server.stop_clean();
}

/// Requests behind one whose password is being checked wait, are answered in order, and each in the name of whoever made it.
#[test]
fn requests_behind_a_password_wait() {
    let folder = Folder::new();
    let server = start(&folder);
    let request = |subject: &str, lines: &str| {
        format!("POST /publish/{subject} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n{lines}\r\nx")
    };
    let mut client = Client::to(server.http_address());
    let all = [
        request("open.a", &basic("alice", "wonderland")),
        request("closed", &basic("alice", "wonderland")),
        request("open.a", &basic("bob", "open: sesame")),
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        request("open.a", &basic("alice", "wonderland")),
        // What is refused and has content is the last one.
        request("open.a", &basic("alice", "underland")),
    ];
    client.send(all.concat());
    let statuses: Vec<u16> = all.iter().map(|_| client.answer().status).collect();
    assert_eq!(statuses, [200, 403, 200, 200, 200, 401]);
    client.check_end();
    // In pieces, with the content behind.
    let mut slow = Client::to(server.http_address());
    for byte in request("open.a", &basic("alice", "wonderland")).as_bytes() {
        slow.send([*byte]);
    }
    assert_eq!(slow.answer().status, 200);
    drop((client, slow));
    server.stop_clean();
}

/// A password opens a WebSocket and a stream of events, too.
#[test]
fn passwords_open_what_lasts() {
    let folder = Folder::new();
    let server = start(&folder);
    let address = server.http_address();
    let mut events = Events::begin(address, "subject=open.a", &basic("alice", "wonderland"));
    events.await_listening();
    let upgrade = |password: &str| {
        let mut request = format!("ws://{address}/ws/open.a").into_client_request().expect("it is a URL");
        let value = basic("alice", password);
        let value = value.trim_start_matches("Authorization: ").trim_end();
        request.headers_mut().insert("authorization", value.parse().expect("it is a value"));
        tungstenite::client(request, streams::tcp(address)).ok()
    };
    assert!(upgrade("underland").is_none());
    let mut socket = Socket(upgrade("wonderland").expect("it is the right one").0);
    socket.send("hello");
    assert_eq!((socket.text(), events.data()), ("hello".to_owned(), "hello".to_owned()));
    drop((socket, events));
    server.stop_clean();
}

/// curl as it is.
#[test]
fn curl_publishes_with_a_password() {
    if !can_run("curl", &["--version"]) {
        return skip("no curl is in the path");
    }
    let folder = Folder::new();
    let server = start(&folder);
    let url = format!("http://{}/publish/open.a", server.http_address());
    for (login, expected) in
        [("alice:wonderland", "200"), ("bob:open: sesame", "200"), ("alice:underland", "401")]
    {
        for how in ["--basic", "--anyauth"] {
            let mut curl = Command::new("curl");
            curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-u", login, how, "-d", "hello", &url]);
            let output = curl.stdin(Stdio::null()).output().expect("it can be run");
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{login} {how}");
        }
    }
    server.stop_clean();
}

/// Where nobody has a password, one is for somebody else: whoever shows it is as one who shows nothing.
#[test]
fn where_nobody_has_a_password_none_is_looked_at() {
    let folder = Folder::new();
    let listener = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"http\"\nno_auth_user = \"guest\"\n\
                    [[hub.user]]\nname = \"guest\"\npublish_allow = [\"open.>\"]\n";
    let server = serve(&folder, "", listener, &["--shards", "1"]);
    assert_eq!(publish(&server, "open.a", &basic("alice", "wonderland")).status, 200);
    assert_eq!(publish(&server, "closed", &basic("alice", "wonderland")).status, 403);
    server.stop_clean();
}
