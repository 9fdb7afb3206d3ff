//! Clients that do too much of what they may: connect, ask, and send.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use rustix::process::Signal;
use tidemill::sys::clock;
use tungstenite::{Message, WebSocket, client};

use super::{check_counted, check_logged, come_from, host};
use crate::support::http::{ADMIN, Answer, Client, PAGES, configured, figure, from, get, post};
use crate::support::server::Server;
use crate::support::{Random, eventually, streams};

/// Connections beyond a rate are ended and counted: of all addresses, or of one.
#[test]
fn who_comes_too_often_is_turned_away() {
    for (limit, reason, neighbour) in [
        ("accept_rate = \"1/m burst 2\"", "arrivals", false),
        ("accept_rate_per_address = \"1/m burst 2\"", "address_arrivals", true),
    ] {
        let server = configured(limit, &[PAGES, ADMIN]);
        for _ in 0..2 {
            assert_eq!(come_from(&server, 2).get("/healthz").status, 200, "{limit}");
        }
        let mut third = come_from(&server, 2);
        let peer = third.stream.local_addr().expect("it is connected").to_string();
        streams::check_ended(&mut third.stream);
        check_logged(&server, reason, &peer);
        assert_eq!(super::is_served(&mut come_from(&server, 3)), neighbour, "{limit}");
        check_counted(&server, reason, 1 + u64::from(!neighbour));
        drop(third);
        server.stop_clean();
    }
}

/// After a while there is room for another arrival.
#[test]
fn who_comes_later_is_let_in() {
    let server = configured("accept_rate_per_address = \"20/s burst 1\"", &[PAGES, ADMIN]);
    assert!(super::is_served(&mut come_from(&server, 2)));
    eventually("it may come again", || super::is_served(&mut come_from(&server, 2)));
    server.stop_clean();
}

/// Asks four times in one segment, so that all come at once.
#[track_caller]
fn ask_four_times(client: &mut Client) -> Vec<Answer> {
    client.send(get("/healthz").repeat(4));
    (0..4).map(|_| client.answer()).collect()
}

/// Requests beyond a rate are answered 429 with the seconds to wait, and the connection goes on; of one connection, or of
/// all connections of an address.
#[test]
fn who_asks_too_often_is_told_how_long_to_wait() {
    let server = configured("request_rate = \"1/m burst 3\"", &[PAGES, ADMIN]);
    let mut one = come_from(&server, 2);
    let statuses = |answers: &[Answer]| answers.iter().map(|answer| answer.status).collect::<Vec<_>>();
    let answers = ask_four_times(&mut one);
    assert_eq!(statuses(&answers), [200, 200, 200, 429]);
    let wait: u64 = answers[3].field("retry-after").expect("it is told").parse().expect("seconds");
    assert!((1..=61).contains(&wait) && !answers[3].closes(), "{wait}");
    check_counted(&server, "request_rate", 1);
    assert_eq!(statuses(&ask_four_times(&mut come_from(&server, 2))), [200, 200, 200, 429]);
    assert_eq!(one.get("/healthz").status, 429);
    drop(one);
    server.stop_clean();
    let server = configured("request_rate_per_address = \"1/m burst 3\"", &[PAGES, ADMIN]);
    assert_eq!(statuses(&ask_four_times(&mut come_from(&server, 2))), [200, 200, 200, 429]);
    assert_eq!(statuses(&ask_four_times(&mut come_from(&server, 2))), [429; 4]);
    assert_eq!(statuses(&ask_four_times(&mut come_from(&server, 3))), [200, 200, 200, 429]);
    check_counted(&server, "request_rate", 6);
    server.stop_clean();
}

/// Who was told to wait is served after it.
#[test]
fn who_has_waited_is_served_again() {
    let server = configured("request_rate = \"20/s burst 1\"", &[PAGES]);
    let mut client = Client::to(server.http_address());
    let answers = ask_four_times(&mut client);
    assert_eq!(answers[3].status, 429);
    assert_eq!(answers[3].field("retry-after"), Some("1"));
    eventually("it has waited", || client.get("/healthz").status == 200);
    drop(client);
    server.stop_clean();
}

#[track_caller]
fn websocket(server: &Server) -> WebSocket<TcpStream> {
    let stream = streams::tcp(server.http_address());
    let url = format!("ws://{}/ws", server.http_address());
    client(url, stream).expect("it is a WebSocket").0
}

/// Who sends too many messages is read from later: all are answered, in order, and that takes the time that it should.
#[test]
fn who_sends_too_many_messages_is_slowed() {
    for limit in ["message_rate", "message_rate_per_address"] {
        let server = configured(&format!("{limit} = \"100/s burst 10\""), &[PAGES, ADMIN]);
        let mut socket = websocket(&server);
        let begun = clock::now();
        server.hold();
        for number in 0..20 {
            socket.write(Message::text(format!("first {number}"))).expect("it is taken");
        }
        socket.flush().expect("the kernel takes it");
        server.signal(Signal::CONT);
        // They come behind the others, and are read when their time has come.
        server.await_count("websocket_messages_received", 20);
        for number in 20..40 {
            socket.send(Message::text(format!("first {number}"))).expect("it is taken");
        }
        for number in 0..40 {
            let answer = socket.read().expect("it comes back");
            assert_eq!(answer, Message::text(format!("first {number}")), "{limit}");
        }
        // Of the first 20 messages, 10 are in debt when the next ones are read, at 100 in a second.
        let took = clock::now().saturating_since(begun);
        assert!(Duration::from_millis(90) <= took, "{limit}: {took:?}");
        assert!(0 < figure(&server, "tidemill_throttled_total"), "{limit}");
        drop(socket);
        server.stop_clean();
    }
}

/// Who sends too many bytes is read from later: what had come already comes back at once, and what is sent next only when
/// the time for it has come.
#[test]
fn who_sends_too_many_bytes_is_slowed() {
    for limit in ["byte_rate", "byte_rate_per_address"] {
        let server = configured(&format!("{limit} = \"512KiB/s burst 16KiB\""), &[PAGES, ADMIN]);
        let mut client = Client::to(server.http_address());
        let bytes = Random::new().bytes(100 << 10);
        let begun = clock::now();
        for _ in 0..3 {
            client.send(post("/echo", &bytes));
            assert!(client.answer().body == bytes, "{limit}");
        }
        // Without the burst, what came first takes 164 ms, and what came second may have been on its way.
        let took = clock::now().saturating_since(begun);
        assert!(Duration::from_millis(164) <= took, "{limit}: {took:?}");
        assert!(0 < figure(&server, "tidemill_throttled_total"), "{limit}");
        drop(client);
        server.stop_clean();
    }
}

/// Who is read from later because others of its address sent too much is not too slow: neither for the rest of a request,
/// nor for the next one. It was once answered 408, or its connection was ended with the request unread.
#[test]
fn who_is_read_from_later_is_not_too_slow() {
    let limits = "byte_rate_per_address = \"16KiB/s burst 16KiB\"\nheader_timeout = \"1s\"\n\
                  keep_alive_timeout = \"1s\"\nbody_rate_min = \"64KiB/s\"";
    let server = configured(limits, &[PAGES, ADMIN]);
    let mut greedy = Client::to(server.http_address());
    // All of this is read at once, or soon: 48 KiB of debt, which take three seconds.
    let bytes = Random::new().bytes(64 << 10);
    greedy.send(post("/echo", &bytes));
    assert!(greedy.answer().body == bytes);
    let [mut body, mut head, mut next] = [(); 3].map(|()| Client::to(server.http_address()));
    body.send(&post("/echo", b"0123456789")[..60]);
    head.send("GET /healthz HTT");
    assert_eq!(next.get("/healthz").status, 200);
    eventually("all three wait", || 4 <= figure(&server, "tidemill_throttled_total"));
    body.send(&post("/echo", b"0123456789")[60..]);
    head.send("P/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(next.get("/healthz").status, 200);
    assert_eq!((head.answer().status, body.answer().body), (200, b"0123456789".to_vec()));
    drop((greedy, body, head, next));
    server.stop_clean();
}

/// Sends so many datagrams of this size from an address of the loopback, and returns the socket.
#[track_caller]
fn send_datagrams(to: SocketAddr, last: u8, count: usize, bytes: usize) -> UdpSocket {
    let socket = UdpSocket::bind((host(last), 0)).expect("the loopback has it");
    socket.connect(to).expect("it is an address");
    socket.set_read_timeout(Some(crate::support::DEADLINE)).expect("it is not zero");
    for _ in 0..count {
        assert_eq!(socket.send(&vec![b'x'; bytes]).expect("the kernel takes it"), bytes);
    }
    socket
}

const DATAGRAMS: &str =
    "[[listener]]\naddress = \"udp://127.0.0.1:0\"\nservice = \"publish\"\nsubject = \"a\"\n";

/// Datagrams beyond the rate of their address are dropped, counted and named in the log, from whichever port they come; those
/// of other addresses are published, and the connections of the same address are not slowed.
#[test]
fn datagrams_beyond_the_rate_of_their_address_are_dropped() {
    let server = configured("message_rate_per_address = \"1/m burst 5\"", &[DATAGRAMS, PAGES, ADMIN]);
    let to = server.addresses("publish://")[0];
    let one = send_datagrams(to, 2, 12, 1);
    check_logged(&server, "datagram_rate", &one.local_addr().expect("it is bound").to_string());
    send_datagrams(to, 2, 8, 1);
    server.await_count("datagrams_received", 20);
    check_counted(&server, "datagram_rate", 15);
    send_datagrams(to, 3, 3, 1);
    server.await_count("datagrams_received", 23);
    assert_eq!(server.counters().total("published_datagram"), 8);
    let stream = from(host(2), server.http_address());
    let (mut socket, _) =
        client(format!("ws://{}/ws", server.http_address()), stream).expect("it is a WebSocket");
    for _ in 0..5 {
        socket.send(Message::text("hello")).expect("it is taken");
        assert_eq!(socket.read().expect("it comes back"), Message::text("hello"));
    }
    assert_eq!(server.counters().total("throttled"), 0);
    drop(socket);
    server.stop_clean();
}

/// So are those that have too many bytes, where datagrams come back: what is within the rate does.
#[test]
fn datagrams_with_too_many_bytes_are_dropped() {
    let echo = "[[listener]]\naddress = \"udp://127.0.0.1:0\"\n";
    let server = configured("byte_rate_per_address = \"1KiB/m burst 16KiB\"", &[echo, PAGES, ADMIN]);
    let socket = send_datagrams(server.udp_address(), 2, 5, 8000);
    server.await_count("datagrams_received", 5);
    check_counted(&server, "datagram_rate", 3);
    let mut buffer = vec![0; 10_000];
    for _ in 0..2 {
        assert_eq!(socket.recv(&mut buffer).expect("an answer comes"), 8000);
    }
    assert_eq!(server.counters().total("datagrams_sent"), 2);
    server.stop_clean();
}
