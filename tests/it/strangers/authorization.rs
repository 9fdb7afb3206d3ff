//! Requests that must bring a credential: where it may stand, what is said to those without a good one, how tokens are
//! changed without a restart, and that the log keeps the secrets.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rustix::process::Signal;
use serde_json::{Value, json};
use tidemill::sys::clock::{self, Wall};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, client};

use super::check_counted;
use crate::support::http::{ADMIN, Answer, Client, PAGES};
use crate::support::server::Server;
use crate::support::web::{self, TEXT, next_frame};
use crate::support::{Folder, streams, text};

const OLD: &str = "old-secret-0123456789abcdef";
const NEW: &str = "new-secret-0123456789abcdef";
const WRONG: &str = "wrong-secret-0123456789abcdef";
/// A secret of HS256 that the issuer and the server share.
const SHARED: &str = "shared-secret-0123456789abcdef-0123456789abcdef";

/// Writes a file that only its owner may read.
fn write_secret(folder: &Folder, name: &str, secret: &str) {
    let path = folder.write(name, secret);
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("it is ours");
}

/// A server whose pages need a token of the file `tokens` in this folder or one that the issuer made, with further
/// settings of where it may stand.
#[track_caller]
fn guarded(folder: &Folder, more: &str) -> Server {
    write_secret(folder, "tokens", &format!("# Who may come in.\nalice:{OLD}\n"));
    write_secret(folder, "secret", SHARED);
    let auth =
        format!("[listener.auth]\ntokens = \"tokens\"\njwt_secret = \"secret\"\nleeway = \"0s\"\n{more}\n");
    let toml = format!("[server]\nshards = 1\n\n[log]\nlevel = \"trace\"\n\n{PAGES}{auth}\n{ADMIN}");
    let file = folder.write("t.toml", &toml);
    Server::start(&["--config", text(&file)])
}

/// Asks for a page with these header lines.
#[track_caller]
fn ask(client: &mut Client, path: &str, fields: &str) -> Answer {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    client.answer()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Checks that no secret was ever said.
#[track_caller]
fn check_secrets_kept(server: Server, more: &[&str]) {
    let farewell = server.stop();
    assert_eq!(farewell.code, Some(0));
    let said = farewell.stderr.join("\n");
    for secret in [OLD, NEW, WRONG, SHARED].iter().chain(more) {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
}

/// A token of the file opens the pages, in whatever place is allowed; without a good one the answer is 401 with a
/// challenge, and the connection goes on. Health is for everybody.
#[test]
fn a_token_opens_the_pages() {
    let folder = Folder::new();
    let server = guarded(&folder, "cookie = \"token\"\nrealm = \"the mill\"");
    let mut client = Client::to(server.http_address());
    let mut check = |path: &str, fields: &str, status: u16, challenge: Option<&str>| {
        let answer = ask(&mut client, path, fields);
        let expected = (status, challenge, false);
        assert_eq!(
            (answer.status, answer.field("www-authenticate"), answer.closes()),
            expected,
            "{path} {fields}"
        );
    };
    let missing = Some("Bearer realm=\"the mill\"");
    let invalid = Some("Bearer realm=\"the mill\", error=\"invalid_token\"");
    check("/", &bearer(OLD), 200, None);
    check("/", &bearer(OLD).replace("Bearer", "bEARER"), 200, None);
    check("/", &format!("Cookie: a=b; token={OLD}\r\n"), 200, None);
    check("/", "", 401, missing);
    check("/nothing", "", 401, missing);
    check("/", "Authorization: Basic QTpC\r\n", 401, missing);
    check("/", &format!("Cookie: other={OLD}\r\n"), 401, missing);
    check(&format!("/?token={OLD}"), "", 401, missing);
    check(&format!("/?access_token={OLD}"), "", 401, missing);
    check("/", &format!("Sec-WebSocket-Protocol: bearer.{OLD}\r\n"), 401, missing);
    check("/", &bearer(WRONG), 401, invalid);
    check("/", &bearer(&OLD[1..]), 401, invalid);
    check("/", &bearer(&format!("{OLD}x")), 401, invalid);
    check("/healthz", "", 200, None);
    check("/readyz", &bearer(WRONG), 200, None);
    let twice = format!("{}{}", bearer(OLD), bearer(WRONG));
    assert_eq!(ask(&mut client, "/", &twice).status, 401);
    check_counted(&server, "credential_missing", 7);
    check_counted(&server, "credential_bad", 4);
    drop(client);
    check_secrets_kept(server, &[]);
}

/// A query carries a token only where it is allowed to, under the name that was chosen.
#[test]
fn a_query_may_carry_a_token_if_it_is_allowed_to() {
    let folder = Folder::new();
    let server = guarded(&folder, "query = \"key\"");
    let mut client = Client::to(server.http_address());
    assert_eq!(ask(&mut client, &format!("/?a=b&key={OLD}"), "").status, 200);
    assert_eq!(ask(&mut client, &format!("/?Key={OLD}"), "").status, 401);
    assert_eq!(ask(&mut client, &format!("/?key={WRONG}"), "").status, 401);
    drop(client);
    check_secrets_kept(server, &[]);
}

/// A content that comes without a credential is not taken in: the connection ends with the refusal.
#[test]
fn content_without_a_credential_is_not_taken() {
    let folder = Folder::new();
    let server = guarded(&folder, "");
    let mut client = Client::to(server.http_address());
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.closes()), (401, true));
    client.check_end();
    drop(client);
    server.stop_clean();
}

/// What an issuer of JSON Web Tokens would write; the library is the one we verify with, so that one token is the example
/// that RFC 7515 gives in its appendix A.1, which our key does not fit.
fn issue(claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key).expect("it can be signed")
}

/// A token that the issuer signed opens the pages until its time is over; others do not.
#[test]
fn a_signed_token_opens_the_pages() {
    const EXAMPLE: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
        eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
        dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let folder = Folder::new();
    let server = guarded(&folder, "audience = \"tidemill\"");
    let good = json!({ "sub": "bob", "aud": "tidemill", "exp": 4_102_444_800_u64 });
    let with = |key: &str, value: Value| {
        let mut claims = good.clone();
        claims[key] = value;
        issue(&claims, SHARED)
    };
    let mut client = Client::to(server.http_address());
    let token = issue(&good, SHARED);
    assert_eq!(ask(&mut client, "/", &bearer(&token)).status, 200);
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).expect("it has three parts"));
    let elsewhere = with("aud", json!("elsewhere"));
    let other_key = issue(&good, "another-secret-0123456789abcdef-0123456789abcdef");
    let tampered = format!("{}A", &token[..token.len() - 1]);
    for bad in [EXAMPLE, &elsewhere, &other_key, &unsigned, &tampered, &token[..token.len() - 9]] {
        let answer = ask(&mut client, "/", &bearer(bad));
        let challenge = answer.field("www-authenticate").expect("there is a challenge");
        assert_eq!(answer.status, 401, "{bad}");
        assert!(challenge.contains("error=\"invalid_token\""), "{bad}: {challenge}");
    }
    for over in [with("exp", json!(1_000_000_000)), with("nbf", json!(4_000_000_000_u64))] {
        let answer = ask(&mut client, "/", &bearer(&over));
        assert_eq!(answer.status, 401, "{over}");
    }
    check_counted(&server, "credential_expired", 2);
    drop(client);
    check_secrets_kept(server, &[&token, &elsewhere, &other_key]);
}

/// Opens a WebSocket that offers these subprotocols; returns the status if it is refused.
#[track_caller]
fn open(server: &Server, offers: &str) -> Result<tungstenite::WebSocket<std::net::TcpStream>, u16> {
    let url = format!("ws://{}/ws", server.http_address());
    let mut request = url.into_client_request().expect("it is a URL");
    let offers = HeaderValue::from_str(offers).expect("it is text");
    request.headers_mut().insert("Sec-WebSocket-Protocol", offers);
    match client(request, streams::tcp(server.http_address())) {
        Ok((socket, answer)) => {
            assert_eq!(answer.headers()["Sec-WebSocket-Protocol"], "chat");
            Ok(socket)
        }
        Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
            Err(answer.status().as_u16())
        }
        Err(error) => panic!("{error}"),
    }
}

/// A browser's WebSocket brings its token among the subprotocols, where that is allowed; it is never the one that is
/// chosen, and so not echoed.
#[test]
fn a_websocket_may_bring_its_token_as_a_subprotocol() {
    let folder = Folder::new();
    write_secret(&folder, "tokens", &format!("{OLD}\n"));
    for allowed in [true, false] {
        let auth = format!("[listener.auth]\ntokens = \"tokens\"\nsubprotocol = {allowed}\n");
        let toml = format!("{PAGES}subprotocols = [\"chat\"]\n{auth}\n{ADMIN}");
        let file = folder.write("t.toml", &toml);
        let server = Server::start(&["--config", text(&file)]);
        let opened = open(&server, &format!("chat, bearer.{OLD}"));
        assert_eq!(opened.as_ref().err(), if allowed { None } else { Some(&401) });
        if let Ok(mut socket) = opened {
            socket.send(Message::text("hello")).expect("it is taken");
            assert_eq!(socket.read().expect("it comes back"), Message::text("hello"));
        }
        assert_eq!(open(&server, &format!("chat, bearer.{WRONG}")).err(), Some(401));
        assert_eq!(open(&server, "chat").err(), Some(401));
        check_secrets_kept(server, &[]);
    }
}

/// A WebSocket ends with its token, and not with the ping after it. It once did: a token of seconds was good until the
/// first ping, and of one that sent too many messages until its debt was paid.
#[test]
fn a_websocket_ends_with_its_token() {
    let folder = Folder::new();
    let server = guarded(&folder, "\n[limits]\nping_interval = \"5m\"\nmessage_rate = \"1/m\"");
    let exp = Wall::default().seconds(clock::now()) + 3;
    let token = issue(&json!({ "sub": "bob", "exp": exp }), SHARED);
    let open = || web::open_with(streams::tcp(server.http_address()), &bearer(&token)).0;
    let (mut silent, mut busy) = (open(), open());
    let messages: Vec<u8> = std::iter::repeat_n(web::frame(TEXT, b"hello"), 5).flatten().collect();
    busy.write_all(&messages).expect("the server reads");
    (0..5).for_each(|_| assert_eq!(next_frame(&mut busy), web::Frame::new(TEXT, b"hello")));
    for socket in [&mut silent, &mut busy] {
        // 1008: it goes against a policy (RFC 6455, section 7.4.1).
        assert_eq!(next_frame(socket).code(), Some(1008));
        assert!(exp <= Wall::default().seconds(clock::now()));
        socket.write_all(&web::close(1008, "")).expect("the server reads");
        assert_eq!(web::read_frame(socket), None);
    }
    check_counted(&server, "credential_expired", 2);
    drop((silent, busy));
    check_secrets_kept(server, &[&token]);
}

/// At SIGHUP the tokens are read again: the new one is taken from then on, the old one is not, and connections stay. A
/// file that cannot be read changes nothing, and is said.
#[test]
fn tokens_are_changed_without_a_restart() {
    let folder = Folder::new();
    let server = guarded(&folder, "");
    let mut client = Client::to(server.http_address());
    let mut check = |token: &str, status: u16| {
        assert_eq!(ask(&mut client, "/", &bearer(token)).status, status, "{token}");
    };
    check(OLD, 200);
    check(NEW, 401);
    write_secret(&folder, "tokens", &format!("alice:{NEW}\n"));
    check(OLD, 200);
    server.signal(Signal::HUP);
    server.await_line("were read again");
    // The shard learns of it with its next turn, which this request may still precede.
    crate::support::eventually("the new one is taken", || {
        ask(&mut Client::to(server.http_address()), "/", &bearer(NEW)).status == 200
    });
    check(OLD, 401);
    check(NEW, 200);
    for broken in [format!("alice:{OLD}\nbob:short\n"), format!("{OLD} {WRONG}\n")] {
        write_secret(&folder, "tokens", &broken);
        server.signal(Signal::HUP);
        let lines = server.await_line("nothing was changed: ");
        let line = lines.last().expect("it was said");
        assert!(line.contains("ERROR") && line.contains("tokens"), "{line}");
        check(OLD, 401);
        check(NEW, 200);
    }
    fs::remove_file(folder.path("tokens")).expect("it is ours");
    server.signal(Signal::HUP);
    server.await_line("nothing was changed: ");
    check(NEW, 200);
    assert_eq!(server.counters().total("closed"), server.counters().total("accepted") - 1);
    drop(client);
    check_secrets_kept(server, &[]);
}
