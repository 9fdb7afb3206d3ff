//! Steady traffic allocates nothing per message: the whole process is watched by a counting allocator while a server
//! echoes, on its own threads, what a client sends that allocates nothing itself.

#![allow(unsafe_code, reason = "a global allocator is unsafe to implement")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidemill::config::{Config, Listener};
use tidemill::server::Server;
use tidemill::service::Echo;
use tidemill::sys::address::Listen;

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

/// Allocations while `message` is exchanged so many times, after as many that warm everything up.
fn count(mut message: impl FnMut(usize)) -> u64 {
    (0..MESSAGES).for_each(&mut message);
    let before = ASKED.load(Ordering::Relaxed);
    (0..MESSAGES).for_each(&mut message);
    ASKED.load(Ordering::Relaxed) - before
}

#[test]
fn steady_echo_allocates_nothing() {
    let listen = ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"];
    let listeners = listen.map(|address| Listener::echo(address.parse().expect("an address"))).into();
    let config = Config { listeners, shards: Some(1), ..Config::default() };
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
    assert_eq!((on_streams, on_datagrams), (0, 0), "allocations in {MESSAGES} messages");
}
