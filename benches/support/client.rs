//! A closed-loop echo client: each of N connections has one message under way and sends the next when it is back.
//!
//! It verifies the length of what comes back and nothing else, to be as cheap as a client can be. It runs on a thread
//! of its own, pinned, and tells its progress by a counter.
#![expect(unsafe_code, reason = "entries of a bare ring hold addresses")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use io_uring::squeue::Flags;
use io_uring::{cqueue, opcode, types};
use socket2::{Domain, Protocol, Socket, Type};

use super::child::{self, Transport};
use super::ring::{Buffers, GROUP, Ring, Setup, Wait};

/// What a client asks of a server.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) transport: Transport,
    pub(crate) port: u16,
    pub(crate) connections: u32,
    pub(crate) bytes: u32,
    pub(crate) core: usize,
}

/// A client under way. It begins in pause.
pub(crate) struct Client {
    shared: Arc<Shared>,
    thread: JoinHandle<io::Result<()>>,
}

/// What the client's thread and its owner both see. Each is a plain flag or counter but `idle`: who sees it set also
/// sees the final counts.
#[derive(Default)]
struct Shared {
    messages: AtomicU64,
    resent: AtomicU64,
    thread_id: AtomicU64,
    running: AtomicBool,
    stop: AtomicBool,
    idle: AtomicBool,
}

impl Client {
    /// Starts a client and waits until it is connected.
    pub(crate) fn start(load: Load) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || drive(load, &shared)
        });
        let client = Self { shared, thread };
        if client.wait_idle() { Ok(client) } else { Err(client.stop().err().unwrap_or_else(silent)) }
    }

    /// Lets every connection send.
    pub(crate) fn resume(&self) {
        self.shared.idle.store(false, Ordering::Relaxed);
        self.shared.running.store(true, Ordering::Release); // Pairs with the client's load: `idle` comes first.
        self.thread.thread().unpark();
    }

    /// Lets nothing be sent any more, and waits until everything is back. False when the server does not answer.
    pub(crate) fn pause(&self) -> bool {
        self.shared.running.store(false, Ordering::Relaxed);
        self.wait_idle()
    }

    /// Messages that came back so far.
    pub(crate) fn messages(&self) -> u64 {
        self.shared.messages.load(Ordering::Relaxed)
    }

    /// Messages sent again because a whole silent period had passed: lost datagrams.
    pub(crate) fn resent(&self) -> u64 {
        self.shared.resent.load(Ordering::Relaxed)
    }

    /// The kernel's number of the client's thread.
    pub(crate) fn thread_id(&self) -> u64 {
        self.shared.thread_id.load(Ordering::Relaxed)
    }

    /// Ends a paused client and gives its error, if it had one.
    pub(crate) fn stop(self) -> io::Result<()> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().map_err(|_| io::Error::other("the client panicked"))?
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark has no turn")]
    fn wait_idle(&self) -> bool {
        let start = Instant::now();
        while !self.shared.idle.load(Ordering::Acquire) {
            if self.thread.is_finished() || start.elapsed() > PATIENCE {
                return false;
            }
            thread::sleep(Duration::from_micros(100));
        }
        true
    }
}

/// The error of a client whose server fell silent.
pub(crate) fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the server does not answer")
}

fn drive(load: Load, shared: &Shared) -> io::Result<()> {
    child::pin(load.core);
    shared.thread_id.store(thread_id(), Ordering::Relaxed);
    let sockets = (0..load.connections).map(|_| connect(load)).collect::<io::Result<Vec<_>>>()?;
    let setup = Setup::default();
    let mut memory = setup.build()?;
    let mut ring = Ring::new(&mut memory, setup)?;
    ring.submitter.register_files(&sockets.iter().map(AsRawFd::as_raw_fd).collect::<Vec<_>>())?;
    let mut buffers = Buffers::register(&ring, BUFFERS, BUFFER_BYTES, false)?;
    let payload: &'static [u8] = vec![0x5a; load.bytes as usize].leak();
    let mut received = vec![0u32; load.connections as usize];
    let mut under_way = 0u32;
    let mut messages = 0;
    (0..load.connections).for_each(|slot| receive(&mut ring, slot));
    let wait = Wait { want: 1, min_wait_us: 0, timeout_ms: 100 };

    while !shared.stop.load(Ordering::Relaxed) {
        let running = shared.running.load(Ordering::Acquire); // Pairs with `resume`.
        if under_way == 0 {
            if !running {
                shared.idle.store(true, Ordering::Release); // Pairs with `wait_idle`.
                thread::park();
                continue;
            }
            (0..load.connections).for_each(|slot| send(&mut ring, slot, payload));
            under_way = load.connections;
        }
        let before = ring.completed;
        ring.turn(wait);
        while let Some(completion) = ring.next() {
            let slot = u32::try_from(completion.user_data() & SLOT_MASK).expect("masked");
            if completion.user_data() & SEND != 0 {
                check(completion.result())?; // Only failures complete: success is skipped.
                continue;
            }
            if let Some(id) = cqueue::buffer_select(completion.flags()) {
                buffers.give(id);
            }
            if completion.result() != -libc::ENOBUFS {
                let bytes = check(completion.result())?;
                let waiting = &mut received[slot as usize];
                *waiting += bytes;
                if bytes == 0 || *waiting > load.bytes {
                    return Err(io::Error::other("the server closed, or answered with another length"));
                }
                if *waiting == load.bytes {
                    *waiting = 0;
                    messages += 1;
                    if running {
                        send(&mut ring, slot, payload);
                    } else {
                        under_way -= 1;
                    }
                }
            }
            if !cqueue::more(completion.flags()) {
                receive(&mut ring, slot);
            }
        }
        buffers.publish();
        if ring.completed == before && load.transport == Transport::Udp {
            shared.resent.fetch_add(u64::from(under_way), Ordering::Relaxed);
            under_way = 0; // All of them were lost: the next turn begins anew.
        }
        shared.messages.store(messages, Ordering::Relaxed);
    }
    Ok(())
}

fn connect(load: Load) -> io::Result<Socket> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, load.port));
    let socket = match load.transport {
        Transport::Tcp => {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
            socket.set_tcp_congestion(child::CONGESTION)?;
            socket.set_tcp_nodelay(true)?;
            socket
        }
        Transport::Udp => {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_recv_buffer_size(child::DATAGRAM_SOCKET_BYTES)?;
            socket
        }
    };
    socket.connect(&address.into())?;
    Ok(socket)
}

fn receive(ring: &mut Ring<'_>, slot: u32) {
    let entry = opcode::RecvMulti::new(types::Fixed(slot), GROUP).build().user_data(u64::from(slot));
    // SAFETY: the entry holds no address: the kernel takes buffers from the group, which is never freed.
    unsafe { ring.push(&entry) };
}

fn send(ring: &mut Ring<'_>, slot: u32, payload: &'static [u8]) {
    let length = u32::try_from(payload.len()).expect("a message's length");
    let entry = opcode::Send::new(types::Fixed(slot), payload.as_ptr(), length)
        .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
        .build()
        .flags(Flags::SKIP_SUCCESS)
        .user_data(SEND | u64::from(slot));
    // SAFETY: the payload lives as long as the process and is never written.
    unsafe { ring.push(&entry) };
}

fn check(result: i32) -> io::Result<u32> {
    u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}

/// The number of this thread, as the kernel's link names it.
fn thread_id() -> u64 {
    let link = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    link.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()).unwrap_or(0)
}

/// Longest time that a server may need for everything under way, or for all connections of a client.
const PATIENCE: Duration = Duration::from_secs(5);
const BUFFERS: NonZeroU16 = NonZeroU16::new(1024).unwrap();
const BUFFER_BYTES: u32 = 2048 + 64;
const SLOT_MASK: u64 = u32::MAX as u64;
const SEND: u64 = 1 << 63;
