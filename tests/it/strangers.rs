//! Clients that want what they should not have: places, time, memory, or pages that are not for them. Each is turned away,
//! counted under its reason and named in the log, and the others are served meanwhile.

mod authorization;
mod passwords;
mod proxy;
mod rates;

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, TcpStream, UdpSocket};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::http::{ADMIN, Client, PAGES, configured, figure, from, post, refused};
use crate::support::server::Server;
use crate::support::{eventually, say, soon, streams};

/// An address of the loopback.
fn host(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// A connection from this address of the loopback.
#[track_caller]
fn come_from(server: &Server, last: u8) -> Client {
    from(host(last), server.http_address()).into()
}

/// Checks that a peer is counted under this reason, so often in all.
#[track_caller]
fn check_counted(server: &Server, reason: &str, times: u64) {
    eventually(reason, || times <= refused(server, reason));
    assert_eq!(refused(server, reason), times, "{reason}");
}

/// Checks that the log names this peer and the reason.
#[track_caller]
fn check_logged(server: &Server, reason: &str, peer: &str) {
    let lines = server.await_line(&format!("reason=\"{reason}\""));
    let line = lines.last().expect("it was said");
    assert!(line.contains("turned a peer away") && line.contains(&format!("peer={peer}")), "{peer}: {line}");
}

/// Sends piece after piece, each a hundredth of a second after the one before or later, until something comes back or
/// `count` pieces have gone; returns how many went.
fn trickle(client: &mut Client, piece: &[u8], count: usize) -> usize {
    client.stream.set_read_timeout(Some(Duration::from_millis(10))).expect("it is not zero");
    let sent = (0..count).find(|_| {
        let is_silent = |error: std::io::Error| error.kind() == ErrorKind::WouldBlock;
        let came = client.stream.peek(&mut [0]);
        !came.is_err_and(is_silent) || !client.try_send(piece)
    });
    client.stream.set_read_timeout(Some(crate::support::DEADLINE)).expect("it is not zero");
    sent.unwrap_or(count)
}

// --- Time --------------------------------------------------------------------------------------------------------

const HASTY: &str = "header_timeout = \"150ms\"\nkeep_alive_timeout = \"150ms\"\nbody_rate_min = \"1KiB/s\"";

/// Who connects and says nothing is gone when the time for a head is over, without a word; as is, but without blame, who
/// says nothing more after a request.
#[test]
fn who_says_nothing_does_not_stay() {
    let server = configured(HASTY, &[PAGES, ADMIN]);
    let mut silent = Client::to(server.http_address());
    let peer = silent.stream.local_addr().expect("it is connected").to_string();
    silent.check_end();
    check_logged(&server, "slow", &peer);
    let mut idle = Client::to(server.http_address());
    assert_eq!(idle.get("/healthz").status, 200);
    idle.check_end();
    check_counted(&server, "slow", 1);
    drop((silent, idle));
    server.stop_clean();
}

/// A head that trickles, byte after byte, is cut with the time for a whole head, however lively it is; so is a second one
/// on a connection that has been served.
#[test]
fn a_head_that_trickles_is_cut() {
    let server = configured(HASTY, &[PAGES, ADMIN]);
    for served_before in [false, true] {
        let client = &mut Client::to(server.http_address());
        assert!(!served_before || client.get("/healthz").status == 200);
        client.try_send("GET / HTTP/1.1\r\nHost: a\r\nx: ");
        let sent = trickle(client, b"y", 5_000);
        assert!(sent < 5_000);
        let answer = client.answer();
        assert_eq!((answer.status, answer.closes()), (408, true));
        client.check_end();
    }
    check_counted(&server, "slow", 2);
    server.stop_clean();
}

/// A body below the least rate is cut with 408 after the time for a head; one above it may take longer than that.
#[test]
fn a_body_that_trickles_is_cut_and_a_steady_one_is_not() {
    let server = configured(HASTY, &[PAGES, ADMIN]);
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n";
    let mut slow = Client::to(server.http_address());
    slow.send(head);
    // At most a hundred bytes in a second.
    assert!(trickle(&mut slow, b"x", 5_000) < 5_000);
    let answer = slow.answer();
    assert_eq!((answer.status, answer.closes()), (408, true));
    slow.check_end();
    check_counted(&server, "slow", 1);
    let mut steady = Client::to(server.http_address());
    steady.send(head);
    // 30 pieces take twice the time for a head; the first earns more than that.
    assert_eq!(trickle(&mut steady, &[b'x'; 1000], 30), 30);
    steady.send([b'x'; 10_000]);
    assert_eq!(steady.answer().body.len(), 40_000);
    check_counted(&server, "slow", 1);
    drop((slow, steady));
    server.stop_clean();
}

// --- Sizes -------------------------------------------------------------------------------------------------------

/// Heads beyond their bounds are answered 431, and targets 414, as soon as that is certain: the rest need not come.
#[test]
fn what_is_too_large_is_said_to_be() {
    let server = configured("head_bytes = \"16KiB\"\nheaders = 10", &[PAGES, ADMIN]);
    let check = |request: String, status: u16| {
        let mut client = Client::to(server.http_address());
        client.try_send(&request);
        let answer = client.answer();
        assert_eq!((answer.status, answer.closes()), (status, true), "{request:.40}");
        client.check_end();
    };
    let start = "GET /healthz HTTP/1.1\r\nHost: a\r\n";
    let fields = |count: usize| "x: y\r\n".repeat(count);
    let long = |count: usize| format!("{start}x: {}\r\n\r\n", "y".repeat(count - start.len() - 7));
    check(format!("{start}{}\r\n", fields(10)), 431);
    check(format!("{start}{}", fields(1000)), 431);
    check(long(16 * 1024 + 1), 431);
    check(format!("{start}x: {}", "y".repeat(1 << 20)), 431);
    check(format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(8192)), 414);
    check(format!("GET /?{}", "y".repeat(1 << 20)), 414);
    check_counted(&server, "too_large", 6);
    let mut client = Client::to(server.http_address());
    for good in [format!("{start}{}\r\n", fields(9)), long(16 * 1024)] {
        client.send(&good);
        assert_eq!(client.answer().status, 200);
    }
    drop(client);
    server.stop_clean();
}

/// Many bodies that are all but whole take no more memory than a shard may give to what is unfinished: those beyond it
/// are cut, and whoever asks for little is served. (They once took all they could get: only what was not yet read was
/// counted against the bound.)
#[test]
fn bodies_that_never_end_take_no_more_memory_than_the_bound() {
    const CLIENTS: usize = 60;
    let server = configured("outbox_per_shard = \"8MiB\"", &[PAGES, ADMIN]);
    assert_eq!(Client::to(server.http_address()).get("/bytes/1000000").status, 200);
    let before = server.resident_bytes();
    let request = post("/echo", &[b'x'; 1 << 20]);
    let begin = |_| {
        let mut client = Client::to(server.http_address());
        // The server may cut it.
        client.try_send(&request[..request.len() - 1]);
        client
    };
    let clients: Vec<Client> = (0..CLIENTS).map(begin).collect();
    let has_read_all = soon(|| {
        let counters = server.counters();
        (CLIENTS as u64) << 20 <= counters.total("bytes_received") + (counters.total("cut_outbox") << 20)
    });
    let growth = server.resident_bytes().saturating_sub(before);
    say(&format!("{} KiB for {CLIENTS} unfinished bodies", growth / 1024));
    // The bound, what vectors have in reserve while they grow, and the receive buffers in use for the first time.
    assert!(has_read_all && growth < 32 << 20, "{growth} bytes");
    assert!(0 < server.counters().total("cut_outbox"));
    assert_eq!(Client::to(server.http_address()).get("/healthz").status, 200);
    drop(clients);
    server.stop_clean();
}

// --- Places ------------------------------------------------------------------------------------------------------

/// An address has so many connections and no more, other addresses are served, and a place that was left is free again.
#[test]
fn an_address_has_its_connections_and_no_more() {
    let server = configured("connections_per_address = 2", &[PAGES, ADMIN]);
    let mut two: Vec<Client> = (0..2).map(|_| come_from(&server, 2)).collect();
    two.iter_mut().for_each(|client| assert_eq!(client.get("/healthz").status, 200));
    let mut third = come_from(&server, 2);
    let peer = third.stream.local_addr().expect("it is connected").to_string();
    streams::check_ended(&mut third.stream);
    check_logged(&server, "address_connections", &peer);
    check_counted(&server, "address_connections", 1);
    assert_eq!(come_from(&server, 3).get("/healthz").status, 200);
    two.iter_mut().for_each(|client| assert_eq!(client.get("/healthz").status, 200));
    two.pop();
    eventually("there is a place again", || is_served(&mut come_from(&server, 2)));
    drop(two);
    drop(third);
    server.stop_clean();
}

/// Whether a request is answered, on a connection that may be ended.
fn is_served(client: &mut Client) -> bool {
    client.try_send("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client.last_answer().is_some_and(|answer| answer.status == 200)
}

/// When all places are taken, one more is ended at once and counted, and a place that was left is free again.
#[test]
fn when_all_places_are_taken_one_must_leave_first() {
    let listeners = ["http://127.0.0.1:0", "admin://127.0.0.1:0"];
    let server = Server::listen(&listeners, &["--connections", "3"]);
    let mut three: Vec<Client> = (0..3).map(|_| Client::to(server.http_address())).collect();
    three.iter_mut().for_each(|client| assert_eq!(client.get("/healthz").status, 200));
    streams::check_ended(&mut Client::to(server.http_address()).stream);
    let full = || figure(&server, "tidemill_connections_refused_full_total");
    assert_eq!(full(), 1, "and operators can still look");
    three.pop();
    eventually("there is a place again", || is_served(&mut Client::to(server.http_address())));
    drop(three);
    server.stop_clean();
}

/// The networks of a listener are those of its peers, and a denied one is denied though it is allowed.
#[test]
fn a_listener_is_for_its_networks() {
    let lists = format!("{PAGES}allow = [\"127.0.0.0/29\"]\ndeny = [\"127.0.0.2\", \"127.0.0.4/31\"]\n");
    let server = configured("", &[&lists, ADMIN]);
    for (last, may) in [(1, true), (2, false), (3, true), (4, false), (5, false), (6, true), (8, false)] {
        assert_eq!(is_served(&mut come_from(&server, last)), may, "127.0.0.{last}");
    }
    check_counted(&server, "network", 4);
    server.stop_clean();
}

/// So are those of a listener for datagrams: whose network is denied gets no answer, and the others do.
#[test]
fn datagrams_of_denied_networks_are_not_taken() {
    let lists = "[[listener]]\naddress = \"udp://127.0.0.1:0\"\ndeny = [\"127.0.0.2\"]\n";
    let server = configured("", &[lists, PAGES, ADMIN]);
    let client = |last| {
        let socket = UdpSocket::bind((host(last), 0)).expect("the loopback has it");
        socket.connect(server.udp_address()).expect("it is an address");
        socket.set_read_timeout(Some(crate::support::DEADLINE)).expect("it is not zero");
        socket
    };
    let (denied, other) = (client(2), client(3));
    denied.send(b"let me in").expect("the kernel takes it");
    check_counted(&server, "network", 1);
    check_logged(&server, "network", &denied.local_addr().expect("it is bound").to_string());
    other.send(b"hello").expect("the kernel takes it");
    let mut buffer = [0; 16];
    assert_eq!(other.recv(&mut buffer).expect("an answer comes"), 5);
    denied.set_nonblocking(true).expect("the kernel can");
    // One shard answers in the order in which they came, so this one's would be here.
    assert_eq!(denied.recv(&mut buffer).expect_err("nothing came").kind(), ErrorKind::WouldBlock);
    server.stop_clean();
}

/// A storm of peers that are turned away costs the log a few lines in a second; the rest is counted. The process is held
/// meanwhile, so that they all come at once.
#[test]
fn a_storm_of_strangers_does_not_flood_the_log() {
    let server = configured("", &[&format!("{PAGES}deny = [\"127.0.0.2\"]\n"), ADMIN]);
    server.hold();
    let strangers: Vec<TcpStream> = (0..100).map(|_| from(host(2), server.http_address())).collect();
    server.signal(Signal::CONT);
    for mut stranger in strangers {
        streams::check_ended(&mut stranger);
    }
    server.await_count("refused_network", 100);
    let suppressed = server.counters().total("log_lines_suppressed");
    let farewell = server.stop();
    let said = farewell.stderr.iter().filter(|line| line.contains("reason=\"network\"")).count() as u64;
    assert_eq!(said + suppressed, 100);
    assert!(said <= 20, "{said} lines");
    assert!(farewell.stderr.iter().any(|line| line.contains("peer=127.0.0.2:")));
}

/// A client that was refused gets its answer though it is still sending: the connection is not reset under it.
#[test]
fn a_refused_sender_gets_its_answer() {
    let server = configured("body_bytes = \"64KiB\"", &[PAGES]);
    for _ in 0..20 {
        let mut client = Client::to(server.http_address());
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n");
        client.try_send(vec![b'x'; 1 << 20]);
        assert_eq!(client.answer().status, 413);
        let mut rest = Vec::new();
        client.finish();
        assert_eq!(client.stream.read_to_end(&mut rest).expect("an end, and no reset"), 0);
    }
    assert_eq!(Client::to(server.http_address()).get("/healthz").status, 200);
    server.stop_clean();
}
