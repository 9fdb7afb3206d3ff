//! What is echoed.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use tidemill::config::{Config, Listener};
use tidemill::server::Server;
use tidemill::service::Echo;
use tidemill::sys::address::Listen;
use tidemill::tier::Engine;

use crate::clients::DEADLINE;
use crate::{alone, count};

const MESSAGES: usize = 2_000;
const CONNECTIONS: usize = 8;

#[test]
fn steady_echo_allocates_nothing() {
    for engine in Engine::ALL {
        check_steady_echo(engine);
    }
}

fn check_steady_echo(engine: Engine) {
    let _alone = alone();
    let listen = ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"];
    let listeners = listen.map(|address| Listener::echo(address.parse().expect("an address"))).into();
    let config = Config { listeners, shards: Some(1), engine: Some(engine), ..Config::default() };
    let mut server = Server::start(&config, |_| Echo).expect("the server starts");
    let [Listen::Tcp(tcp), Listen::Udp(udp)] = *server.addresses() else { panic!("both listen") };

    let mut streams: Vec<_> =
        (0..CONNECTIONS).map(|_| TcpStream::connect(tcp).expect("it listens")).collect();
    streams.iter().for_each(|stream| stream.set_read_timeout(DEADLINE).expect("a time-out"));
    let mut buffer = [7; 64];
    let on_streams = count(MESSAGES, |number| {
        let stream = &mut streams[number % CONNECTIONS];
        stream.write_all(&buffer).expect("it is taken");
        stream.read_exact(&mut buffer).expect("it comes back");
    });

    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(DEADLINE).expect("a time-out");
    socket.connect(udp).expect("an address");
    let on_datagrams = count(MESSAGES, |_| {
        socket.send(&buffer).expect("it is taken");
        assert_eq!(socket.recv(&mut buffer).expect("it comes back"), buffer.len());
    });

    server.stop(Duration::from_secs(5));
    drop(streams);
    let snapshots = server.join().expect("it ends in order");
    assert_eq!(snapshots[0].counters.receives, 2 * MESSAGES as u64, "each message was one receive");
    assert_eq!((on_streams, on_datagrams), (0, 0), "allocations in {MESSAGES} messages by {engine}");
}
