//! Publishing by a request, and requests that are answered by somebody behind the hub.

use super::doors_kit::{Socket, ask, publish, serve};
use crate::support::eventually;
use crate::support::http::Client;

/// What a publication came to, as it was told.
#[track_caller]
fn outcome(answer: &crate::support::http::Answer) -> (u64, u64) {
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let value: serde_json::Value = serde_json::from_slice(&answer.body).expect("it is JSON");
    let number = |name: &str| value[name].as_u64().expect("it is a number");
    (number("delivered"), number("shards"))
}

/// A publication says how many will be sent it on the shard that took it, and to how many other shards it went; nobody is
/// no error. Its media type decides whether it is text or bytes.
#[test]
fn a_publication_says_what_became_of_it() {
    let server = serve();
    let address = server.http_address();
    assert_eq!(outcome(&publish(address, "nobody.here", "x")), (0, 0));
    let mut socket = Socket::open(address, "/ws/a");
    let (delivered, shards) = outcome(&publish(address, "a", "x"));
    assert_eq!(delivered + shards, 1, "it is on one shard or the other");
    assert_eq!(socket.read(), tungstenite::Message::text("x"));
    for (media, bytes, is_text) in [
        ("Content-Type: text/plain\r\n", &b"x"[..], true),
        ("Content-Type: application/json\r\n", b"{}", true),
        ("Content-Type: application/octet-stream\r\n", b"x", false),
        ("Content-Type: application/x-www-form-urlencoded\r\n", b"x", true),
        ("", b"\xff", false),
    ] {
        assert_eq!(ask(address, "PUT", "/publish/a", media, bytes).status, 200);
        assert_eq!(socket.read().is_text(), is_text, "{media}");
    }
    drop(socket);
    server.stop_clean();
}

/// A request is answered by one who gives commands, on whichever shard; the next one on the same connection, too.
#[test]
fn requests_are_answered_over_http() {
    let server = serve();
    let address = server.http_address();
    let mut responder = Socket::command(address, "/ws/service.double");
    responder.settle();
    let mut clients: Vec<Client> = (0..6).map(|_| Client::to(address)).collect();
    for round in 0..3 {
        for client in &mut clients {
            client.send(crate::support::http::post("/request/service.double?timeout=30s", b"ab"));
            let asked = responder.json();
            assert_eq!(
                (asked["subject"].as_str(), asked["data"].as_str()),
                (Some("service.double"), Some("ab"))
            );
            let reply = asked["reply"].as_str().expect("it says where").to_owned();
            assert!(reply.starts_with("_INBOX.") && reply.len() > 40, "nobody can guess {reply}");
            let text = format!("ab{round}");
            let answers = [
                serde_json::json!({"type": "publish", "subject": reply, "data": text}),
                serde_json::json!({"type": "publish", "subject": reply, "data": "too late"}),
            ];
            for answer in answers {
                responder.send(answer.to_string());
            }
            let answer = client.answer();
            assert_eq!((answer.status, answer.text()), (200, text.as_str()));
            assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
            assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
        }
    }
    drop((responder, clients));
    server.stop_clean();
}

/// Requests that come behind one that waits are answered behind it.
#[test]
fn requests_behind_a_request_wait() {
    let server = serve();
    let address = server.http_address();
    let mut responder = Socket::command(address, "/ws/slow");
    responder.settle();
    let mut client = Client::to(address);
    client.send(
        ["/request/slow?timeout=30s", "/healthz", "/request/nobody"].map(crate::support::http::get).concat(),
    );
    let asked = responder.json();
    // Not before the first is answered are the others looked at. The responder's own upgrade was a request, too.
    assert_eq!(server.counters().total("http_requests"), 2);
    let answer = serde_json::json!({"type": "publish", "subject": asked["reply"], "base64": "AP8="});
    responder.send(answer.to_string());
    let first = client.answer();
    assert_eq!((first.status, first.body.as_slice()), (200, &[0, 255][..]));
    assert_eq!(first.field("content-type"), Some("application/octet-stream"));
    assert_eq!(client.answer().text(), "ok\n");
    assert_eq!(client.answer().status, 503);
    drop((responder, client));
    server.stop_clean();
}

/// 503 at once when nobody listens, 504 when nobody answers in time; and then the connection goes on.
#[test]
fn requests_without_an_answer_end() {
    let server = serve();
    let address = server.http_address();
    let mut client = Client::to(address);
    let answer = client.get("/request/nobody.here?timeout=30s");
    assert_eq!((answer.status, answer.text()), (503, "Nobody listens to this subject.\n"));
    let mut silent = Socket::open(address, "/ws/silent");
    let answer = client.get("/request/silent?timeout=50ms");
    assert_eq!((answer.status, answer.text()), (504, "Nobody has answered in time.\n"));
    assert_eq!(silent.text(), "", "it was asked");
    assert_eq!(client.get("/healthz").status, 200);
    for (target, word) in
        [("/request/a?timeout=1h", "timeout"), ("/request/a.*", "wildcard"), ("/request/", "token")]
    {
        let answer = client.get(target);
        assert!(answer.status == 400 && answer.text().contains(word), "{target}: {}", answer.text());
    }
    let counters = server.counters();
    assert_eq!((counters.total("requests_unheard"), counters.total("requests_timed_out")), (1, 1));
    drop((client, silent));
    eventually("nobody is left", || server.counters().total("hub_clients") == 0);
    server.stop_clean();
}
