//! Steady traffic allocates nothing per message: the whole process is watched by a counting allocator while a server
//! echoes, on its own threads, what a client sends that allocates nothing itself.

#![allow(unsafe_code, reason = "a global allocator is unsafe to implement")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidemill::config::{Config, Listener, ServiceName};
use tidemill::server::Server;
use tidemill::service::Echo;
use tidemill::service::nats::Nats;
use tidemill::sys::address::Listen;
use tidemill::tier::Engine;

/// The system's allocator, and how often it was asked.
struct Counting;

static ASKED: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed to the system's allocator with the caller's own arguments; counting touches no memory
// that is allocated.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the requirements of `alloc`, which are the same there.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, so from the system's allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as for `dealloc`; the caller keeps the rest.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const MESSAGES: usize = 2_000;
const CONNECTIONS: usize = 8;
const DEADLINE: Option<Duration> = Some(Duration::from_secs(20));

/// The process is watched as a whole, so one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Allocations while `message` is exchanged so many times, after as many that warm everything up.
fn count(mut message: impl FnMut(usize)) -> u64 {
    (0..MESSAGES).for_each(&mut message);
    let before = ASKED.load(Ordering::Relaxed);
    (0..MESSAGES).for_each(&mut message);
    ASKED.load(Ordering::Relaxed) - before
}

#[test]
fn steady_echo_allocates_nothing() {
    for engine in Engine::ALL {
        check_steady_echo(engine);
    }
}

fn check_steady_echo(engine: Engine) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let listen = ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"];
    let listeners = listen.map(|address| Listener::echo(address.parse().expect("an address"))).into();
    let config = Config { listeners, shards: Some(1), engine: Some(engine), ..Config::default() };
    let mut server = Server::start(&config, |_| Echo).expect("the server starts");
    let [Listen::Tcp(tcp), Listen::Udp(udp)] = *server.addresses() else { panic!("both listen") };

    let mut streams: Vec<_> =
        (0..CONNECTIONS).map(|_| TcpStream::connect(tcp).expect("it listens")).collect();
    streams.iter().for_each(|stream| stream.set_read_timeout(DEADLINE).expect("a time-out"));
    let mut buffer = [7; 64];
    let on_streams = count(|number| {
        let stream = &mut streams[number % CONNECTIONS];
        stream.write_all(&buffer).expect("it is taken");
        stream.read_exact(&mut buffer).expect("it comes back");
    });

    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(DEADLINE).expect("a time-out");
    socket.connect(udp).expect("an address");
    let on_datagrams = count(|_| {
        socket.send(&buffer).expect("it is taken");
        assert_eq!(socket.recv(&mut buffer).expect("it comes back"), buffer.len());
    });

    server.stop(Duration::from_secs(5));
    drop(streams);
    let snapshots = server.join().expect("it ends in order");
    assert_eq!(snapshots[0].counters.receives, 2 * MESSAGES as u64, "each message was one receive");
    assert_eq!((on_streams, on_datagrams), (0, 0), "allocations in {MESSAGES} messages by {engine}");
}

/// A publisher says a hundred things at once, and all others hear them before it says more. What a turn has for a subscriber
/// takes a few vectors, and the messages in it none: two hear by the same name, which they share bytes for, and two by names
/// of their own.
#[test]
fn steady_publications_allocate_for_turns_and_not_for_messages() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let listener = Listener::new("tcp://127.0.0.1:0".parse().expect("an address"), ServiceName::Nats);
    let config = Config { listeners: vec![listener], shards: Some(1), ..Config::default() };
    let make = |_| Nats::new(vec![Arc::default()]);
    let mut server = Server::start(&config, make).expect("the server starts");
    let Listen::Tcp(address) = server.addresses()[0] else { panic!("it listens") };
    let mut publisher = nats_client(address, "");
    let mut listeners = ["1", "1", "2", "3"].map(|sid| nats_client(address, &format!("SUB a.* {sid}\r\n")));

    for subjects in [1, 10] {
        let said: String =
            (0..AT_ONCE).map(|number| format!("PUB a.{} 5\r\nhello\r\n", number % subjects)).collect();
        // MSG has two letters more than PUB has, a sid and a space.
        let mut heard = vec![0; said.len() + 2 * AT_ONCE];
        let asked = count(|_| {
            publisher.write_all(said.as_bytes()).expect("it is taken");
            for listener in &mut listeners {
                listener.read_exact(&mut heard).expect("it comes");
            }
        });
        // A few for each subscriber, though some bursts may come in several receives.
        let most = (MESSAGES * AT_ONCE / 4) as u64;
        assert!(asked < most, "{asked} allocations in {MESSAGES} turns of {AT_ONCE} messages");
    }
    server.stop(Duration::from_secs(5));
    drop((publisher, listeners));
    let snapshots = server.join().expect("it ends in order");
    assert_eq!(snapshots[0].counters.hub_delivered, (2 * 4 * 2 * MESSAGES * AT_ONCE) as u64);
}

/// Messages of a burst.
const AT_ONCE: usize = 100;

/// A NATS client that has said these lines and knows that they were heard.
fn nats_client(address: SocketAddr, lines: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(DEADLINE).expect("a time-out");
    let said = format!("CONNECT {{\"verbose\":false}}\r\n{lines}PING\r\n");
    stream.write_all(said.as_bytes()).expect("it is taken");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while line != "PONG\r\n" {
        line.clear();
        assert_ne!(reader.read_line(&mut line).expect("it answers"), 0, "it stays");
    }
    reader.into_inner()
}
