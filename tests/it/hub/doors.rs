//! Plain WebSockets on a subject: what one says all hear, on whichever shard; and how they end.

use std::io::Write;

use rustix::process::Signal;
use tungstenite::{Error, Message};

use super::doors_kit::{Events, Socket, ask, publish, serve};
use crate::support::web::{self, serve_http};
use crate::support::{eventually, streams};

/// Text stays text and bytes stay bytes, to everybody who listens, the speaker too.
#[test]
fn what_one_says_all_hear_as_it_was_said() {
    let server = serve();
    let address = server.http_address();
    let mut sockets: Vec<Socket> = (0..8).map(|_| Socket::open(address, "/ws/room.one")).collect();
    for place in 0..sockets.len() {
        for message in [Message::text("häre"), Message::binary(vec![0, 255]), Message::text("")] {
            sockets[place].send(message.clone());
            for socket in &mut sockets {
                assert_eq!(socket.read(), message);
            }
        }
    }
    let counters = server.counters();
    assert_eq!((counters.total("published_websocket"), counters.total("hub_delivered")), (24, 192));
    drop(sockets);
    server.stop_clean();
}

/// Messages cross from shard to shard, each once, and those of one speaker stay in order.
#[test]
fn messages_cross_in_order() {
    let server = serve();
    let address = server.http_address();
    let mut listener = Socket::open(address, "/ws/cross.*?echo=false");
    let mut number = 0;
    // The kernel chooses each connection's shard, so some speaker is on another than the listener.
    eventually("a message has crossed", || {
        let mut speaker = Socket::open(address, "/ws/cross.a?echo=false");
        for _ in 0..100 {
            speaker.send(number.to_string());
            number += 1;
        }
        for expected in number - 100..number {
            assert_eq!(listener.text(), expected.to_string());
        }
        server.counters().total("hub_crossed") > 0
    });
    drop(listener);
    server.stop_clean();
}

/// `echo=false` keeps from a speaker what he says himself, and nothing else.
#[test]
fn who_wants_no_echo_hears_only_others() {
    let server = serve();
    let address = server.http_address();
    let mut quiet = Socket::open(address, "/ws/a?echo=false");
    let mut other = Socket::open(address, "/ws/a");
    quiet.send("from quiet");
    assert_eq!(other.text(), "from quiet");
    other.send("from other");
    assert_eq!(other.text(), "from other");
    assert_eq!(quiet.text(), "from other");
    drop((quiet, other));
    server.stop_clean();
}

/// Dots and slashes are the same in a path, escapes are decoded, and what is wrong is told in a sentence.
#[test]
fn paths_name_subjects() {
    let server = serve();
    let address = server.http_address();
    let mut all = Socket::open(address, "/ws/%3E");
    for (path, content) in [("a/b", "1"), ("a.b", "2"), ("%C3%A4/b%2Fc", "3")] {
        publish(address, path, content);
        assert_eq!(all.text(), content);
    }
    drop(all);
    let answers = [
        ("/ws/a..b", 400),
        ("/ws/", 400),
        ("/ws/a?publish=*", 400),
        ("/ws/a%", 400),
        ("/sse?subject=a%20b", 400),
        ("/sse", 400),
        ("/sse?subject=a&format=yaml", 400),
        ("/sse?subject=a&format=json&event=subject", 400),
        ("/sse?subjects=a", 400),
        ("/ws/a?ehco=false", 400),
        ("/request/a?timeuot=2s", 400),
        ("/request/a?reply=b", 400),
        ("/ws/a", 426),
        ("/publish/a", 405),
    ];
    for (path, status) in answers {
        let answer = crate::support::http::fetch(address, path);
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text().trim_end().ends_with(['.', 'l']), "{path}: {}", answer.text());
    }
    for (target, sentence) in [
        ("/publish/a?repyl=b", "The query has \"repyl\": only reply is known here.\n"),
        ("/publish/a?reply=b&reply=c", "The query has reply twice.\n"),
        // No credential is asked for here, so that none has a name.
        ("/publish/a?access_token=x", "The query has \"access_token\": only reply is known here.\n"),
    ] {
        let answer = ask(address, "POST", target, "", b"x");
        assert_eq!((answer.status, answer.text()), (400, sentence), "{target}");
    }
    assert_eq!(server.counters().total("refused_subject"), 15);
    server.stop_clean();
}

/// Whoever listens to many subjects at once cannot speak to them, unless he says where.
#[test]
fn a_wildcard_only_listens_unless_it_says_where_to_speak() {
    let server = serve();
    let address = server.http_address();
    let mut listener = Socket::open(address, "/ws/scores.*");
    let mut speaker = Socket::open(address, "/ws/scores.*?publish=scores.final");
    speaker.send("2:1");
    assert_eq!(listener.text(), "2:1");
    assert_eq!(speaker.text(), "2:1");
    listener.send("to whom?");
    let (code, reason) = listener.closed();
    assert_eq!(code, 1008);
    assert!(reason.contains("?publish=") && reason.ends_with('.'), "{reason}");
    drop((listener, speaker));
    server.stop_clean();
}

/// `/ws` itself stays an echo that nobody else hears.
#[test]
fn without_a_subject_it_is_an_echo() {
    let server = serve();
    let mut one = Socket::open(server.http_address(), "/ws");
    let mut other = Socket::open(server.http_address(), "/ws");
    one.send("hello");
    assert_eq!(one.text(), "hello");
    other.settle();
    assert_eq!(server.counters().total("hub_published"), 0);
    drop((one, other));
    server.stop_clean();
}

/// All that a peer said before its close frame is heard by itself, too, before the answer to the close; and nothing after
/// it, though others go on speaking. All frames come in one segment, so that one turn handles them.
#[test]
fn nothing_follows_a_close_frame() {
    let server = serve_http("", "");
    let address = server.http_address();
    for _ in 0..20 {
        let mut stream = streams::tcp(address);
        stream.write_all(web::upgrade("").replace("/ws", "/ws/talk").as_bytes()).expect("the server reads");
        web::read_upgraded(&mut stream);
        let mut other = Socket::open(address, "/ws/talk");
        let said: Vec<u8> = (0..50).flat_map(|_| web::frame(web::TEXT, b"said")).collect();
        let late = web::frame(web::TEXT, b"too late");
        stream.write_all(&[said, web::close(1000, ""), late].concat()).expect("the server reads");
        for _ in 0..10 {
            other.send("from another");
        }
        let frames = web::read_frames(&mut stream);
        let (last, heard) = frames.split_last().expect("there are some");
        assert_eq!(last.code(), Some(1000));
        let own = heard.iter().filter(|frame| frame.payload == b"said").count();
        assert_eq!(own, 50, "{frames:?}");
        assert!(heard.iter().all(|frame| frame.first == web::FIN | web::TEXT), "{frames:?}");
    }
    eventually("all have left", || server.counters().total("hub_clients") == 0);
    server.stop_clean();
}

/// A stop says goodbye behind what was heard, and nothing after it.
#[test]
fn a_stop_says_goodbye_behind_what_was_heard() {
    let server = serve();
    let address = server.http_address();
    let mut sockets: Vec<Socket> = (0..6).map(|_| Socket::open(address, "/ws/last")).collect();
    let mut events = Events::open(address, "subject=last");
    sockets[0].send("before the stop");
    for socket in &mut sockets {
        assert_eq!(socket.text(), "before the stop");
    }
    server.signal(Signal::TERM);
    for socket in &mut sockets {
        assert_eq!(socket.closed().0, 1001);
        assert!(matches!(socket.0.read(), Err(Error::ConnectionClosed)), "tungstenite has answered");
    }
    assert_eq!(events.data(), "before the stop");
    let farewell = events.block().expect("it says when to come again");
    assert!(farewell.retry.is_some_and(|retry| (2000..=5000).contains(&retry)), "{farewell:?}");
    assert_eq!(events.block(), None, "and ends");
    drop((sockets, events));
    let farewell = server.wait();
    assert_eq!(farewell.code, Some(0), "{farewell:#?}");
}

/// Compression of a connection's own messages does not disturb what it hears from the hub.
#[test]
fn what_is_compressed_is_heard_by_those_who_do_not() {
    let server = serve_http("", "deflate = true");
    let address = server.http_address();
    let mut stream = streams::tcp(address);
    let lines = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    stream.write_all(web::upgrade(lines).replace("/ws", "/ws/a").as_bytes()).expect("the server reads");
    let head = web::read_upgraded(&mut stream);
    assert!(head.get("Sec-WebSocket-Extensions").is_some(), "{head:?}");
    // "Hello" compressed, as RFC 7692, section 7.2.3.1, has it.
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    stream.write_all(&web::masked(web::FIN | web::RSV1 | web::TEXT, &hello)).expect("the server reads");
    assert_eq!(web::next_frame(&mut stream), web::Frame::new(web::TEXT, b"Hello"));
    drop(stream);
    server.stop_clean();
}
