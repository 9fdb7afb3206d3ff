//! The subprotocol `tidemill.v1`: commands and their answers, over two shards.

use serde_json::{Value, json};
use tungstenite::Message;

use super::doors_kit::{Socket, publish, serve};
use crate::support::eventually;

/// Gives a command and checks its answer.
#[track_caller]
fn check(socket: &mut Socket, command: &Value, expected: &Value) {
    socket.send(command.to_string());
    assert_eq!(socket.json(), *expected, "{command}");
}

/// Gives a command that is refused, with a word of the reason.
#[track_caller]
fn check_refused(socket: &mut Socket, command: &str, word: &str) {
    socket.send(command);
    let answer = socket.json();
    let error = answer["error"].as_str().unwrap_or_default();
    assert!(answer["type"] == "error" && error.contains(word) && error.ends_with('.'), "{command}: {answer}");
}

/// Once a subscription is confirmed, whatever is published anywhere is heard; once its end is, nothing more.
#[test]
fn a_confirmed_subscription_misses_nothing() {
    let server = serve();
    let address = server.http_address();
    for round in 0..10 {
        let mut socket = Socket::command(address, "/ws");
        check(
            &mut socket,
            &json!({"type": "subscribe", "subject": "a.*", "sid": "mine", "id": round}),
            &json!({"type": "ok", "id": round}),
        );
        publish(address, "a.b", "heard");
        assert_eq!(
            socket.json(),
            json!({"type": "message", "sid": "mine", "subject": "a.b", "data": "heard"})
        );
        check(
            &mut socket,
            &json!({"type": "unsubscribe", "sid": "mine", "id": "end"}),
            &json!({"type": "ok", "id": "end"}),
        );
        publish(address, "a.b", "not heard");
        socket.settle();
    }
    server.stop_clean();
}

/// A publication carries text or bytes and a place for answers, and tells what became of it.
#[test]
fn publications_carry_text_and_bytes() {
    let server = serve();
    let address = server.http_address();
    let mut plain = Socket::open(address, "/ws/a");
    let mut socket = Socket::command(address, "/ws/a?echo=false");
    socket.settle();
    socket.send(json!({"type": "publish", "subject": "a", "data": "tëxt"}).to_string());
    assert_eq!(plain.read(), Message::text("tëxt"));
    socket.send(json!({"type": "publish", "subject": "a", "base64": "AP8="}).to_string());
    assert_eq!(plain.read(), Message::binary(vec![0, 255]));
    socket.send(json!({"type": "publish", "subject": "a", "data": "", "id": 1}).to_string());
    let answer = socket.json();
    assert_eq!((answer["type"].as_str(), answer["id"].as_u64()), (Some("ok"), Some(1)));
    let number = |name: &str| answer[name].as_u64().expect("it is a number");
    // It may count itself among those who listen, though it wants no echo.
    assert!((1..=2).contains(&(number("delivered") + number("shards"))), "{answer}");
    plain.read();
    plain.send(Message::binary(vec![1, 2, 3]));
    assert_eq!(plain.read(), Message::binary(vec![1, 2, 3]));
    assert_eq!(socket.json(), json!({"type": "message", "sid": "a", "subject": "a", "base64": "AQID"}));
    drop((plain, socket));
    server.stop_clean();
}

/// Of a queue group one member hears each message.
#[test]
fn one_of_a_queue_group_hears_each_message() {
    let server = serve();
    let address = server.http_address();
    let mut members: Vec<Socket> = (0..4).map(|_| Socket::command(address, "/ws")).collect();
    for member in &mut members {
        let wish = json!({"type": "subscribe", "subject": "work", "queue": "workers", "id": 0});
        check(member, &wish, &json!({"type": "ok", "id": 0}));
    }
    for number in 0..40 {
        publish(address, "work", &number.to_string());
    }
    server.await_count("hub_delivered", 40);
    let mut heard = Vec::new();
    for member in &mut members {
        member.send(json!({"type": "publish", "subject": "nobody", "id": "last"}).to_string());
        loop {
            let message = member.json();
            if message["type"] == "ok" {
                break;
            }
            heard.push(message["data"].as_str().and_then(|data| data.parse::<u32>().ok()).expect("a number"));
        }
    }
    heard.sort_unstable();
    assert_eq!(heard, (0..40).collect::<Vec<_>>());
    drop(members);
    server.stop_clean();
}

/// Requests are answered, in the order of the answers; or refused, because nobody listens or the time is over.
#[test]
fn requests_are_answered_over_websocket() {
    let server = serve();
    let address = server.http_address();
    let mut responder = Socket::command(address, "/ws/service");
    responder.settle();
    let mut socket = Socket::command(address, "/ws");
    for id in ["one", "two"] {
        let ask = json!({"type": "request", "id": id, "subject": "service", "data": id, "timeout_ms": 30000});
        socket.send(ask.to_string());
    }
    let asked = [responder.json(), responder.json()];
    for asked in asked.iter().rev() {
        let data = format!("{}!", asked["data"].as_str().expect("it is text"));
        responder.send(json!({"type": "publish", "subject": asked["reply"], "data": data}).to_string());
    }
    assert_eq!(socket.json(), json!({"type": "reply", "id": "two", "data": "two!"}));
    assert_eq!(socket.json(), json!({"type": "reply", "id": "one", "data": "one!"}));
    check(
        &mut socket,
        &json!({"type": "request", "id": 3, "subject": "nobody"}),
        &json!({"type": "error", "id": 3, "error": "Nobody listens to this subject."}),
    );
    check(
        &mut socket,
        &json!({"type": "request", "id": 4, "subject": "service", "timeout_ms": 20}),
        &json!({"type": "error", "id": 4, "error": "Nobody has answered in time."}),
    );
    // What comes too late is for nobody.
    let late = responder.json();
    responder.send(json!({"type": "publish", "subject": late["reply"], "data": "late"}).to_string());
    responder.settle();
    socket.settle();
    drop((responder, socket));
    eventually("nobody is left", || server.counters().total("hub_clients") == 0);
    server.stop_clean();
}

/// What is wrong is answered with a sentence, and the connection goes on; bytes are no commands.
#[test]
fn wrong_commands_are_answered() {
    let server = serve();
    let mut socket = Socket::command(server.http_address(), "/ws");
    check_refused(&mut socket, "hello", "command");
    check_refused(&mut socket, r#"{"type":"shout"}"#, "type");
    check_refused(&mut socket, r#"{"type":"subscribe","subject":"a..b"}"#, "token");
    check_refused(&mut socket, r#"{"type":"publish","subject":"a.*"}"#, "wildcard");
    check_refused(&mut socket, r#"{"type":"request","subject":"a"}"#, "id");
    check_refused(&mut socket, r#"{"type":"unsubscribe","sid":"none"}"#, "sid");
    let wish = json!({"type": "subscribe", "subject": "a", "id": 1});
    check(&mut socket, &wish, &json!({"type": "ok", "id": 1}));
    check_refused(&mut socket, &wish.to_string(), "already");
    socket.settle();
    socket.send(Message::binary(b"{}".to_vec()));
    assert_eq!(socket.closed().0, 1003);
    drop(socket);
    server.stop_clean();
}

/// A connection has a bound on its subscriptions and on its requests.
#[test]
fn bounds_are_told() {
    let server = serve();
    let mut socket = Socket::command(server.http_address(), "/ws");
    for number in 0..1024 {
        socket.send(json!({"type": "subscribe", "subject": format!("a.{number}")}).to_string());
    }
    check_refused(&mut socket, r#"{"type":"subscribe","subject":"b"}"#, "1024");
    let mut other = Socket::command(server.http_address(), "/ws/silent");
    other.settle();
    for id in 0..256 {
        let ask = json!({"type": "request", "id": id, "subject": "silent", "timeout_ms": 30000});
        other.send(ask.to_string());
    }
    for _ in 0..256 {
        assert_eq!(other.json()["type"], "message");
    }
    check_refused(&mut other, r#"{"type":"request","id":"more","subject":"silent"}"#, "256");
    drop((socket, other));
    eventually("nobody is left", || server.counters().total("hub_subscriptions") == 0);
    server.stop_clean();
}
