//! The stages on which the scripts are played: a kernel, and the other ends of its sockets.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use socket2::Socket;

use super::BUFFER_BYTES;
use crate::ring::sim::{Faults, PeerId, Sim, SimSetup};
use crate::ring::tests::Subject;
use crate::ring::{Completion, Descriptor, Kernel, Op, Outcome, Received, Setup, Wait};
use crate::sys::clock;
use crate::tier::RingTier;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Net {
    Tcp,
    Unix,
}

/// A kernel with one stream, one listener and one datagram socket, and their other ends.
pub(super) trait Stage {
    type Kernel: Kernel;
    fn kernel(&mut self) -> &mut Self::Kernel;
    fn stream(&self) -> Descriptor;
    fn listener(&self) -> Descriptor;
    fn datagrams(&self) -> Descriptor;
    /// The peer of the stream writes all of it.
    fn write(&mut self, bytes: &[u8]);
    /// The peer reads exactly so many bytes.
    fn read(&mut self, count: usize);
    /// What the peer sees after all bytes: `end` or `reset`.
    fn ending(&mut self) -> &'static str;
    fn end(&mut self);
    fn close_peer(&mut self);
    fn reset(&mut self);
    /// Connects to the listener, and returns what that peer sees.
    fn connect(&mut self);
    fn ending_of_connected(&mut self) -> &'static str;
    fn send_datagram(&mut self, bytes: &[u8]);

    /// Pushes, and takes turns until so many completions are there; then a few more, to see that no other comes.
    fn turns(&mut self, ops: Vec<Op>, count: usize) -> Vec<Completion> {
        let deadline = clock::now().saturating_add(Duration::from_secs(5));
        let kernel = self.kernel();
        let mut ready = VecDeque::new();
        ops.into_iter().for_each(|op| kernel.push(op).unwrap());
        while ready.len() < count {
            assert!(clock::now() < deadline, "only {ready:?} came, of {count}");
            kernel.submit_and_wait(Wait::Until(Some(deadline))).unwrap();
            kernel.collect(&mut ready, 64);
        }
        for _ in 0..3 {
            kernel.submit_and_wait(Wait::No).unwrap();
            kernel.collect(&mut ready, 64);
        }
        ready.into()
    }

    fn log(&mut self, ops: Vec<Op>, count: usize) -> Vec<String> {
        self.turns(ops, count).iter().map(describe).collect()
    }
}

pub(super) fn describe(completion: &Completion) -> String {
    let more = if completion.more { " and more" } else { "" };
    match &completion.outcome {
        Outcome::Received(Ok(Received::Bytes(bytes))) => format!("received {}{more}", bytes.len()),
        Outcome::Sent { result, .. } => format!("sent {result:?}{more}"),
        Outcome::ReceivedFrom(Ok(datagram)) => format!("datagram {}{more}", datagram.len()),
        Outcome::Accepted(Ok(accepted)) => format!("accepted {:?}{more}", accepted.address.is_some()),
        other => format!("{other:?}{more}"),
    }
}

// --- The stages -----------------------------------------------------------------------------------------------------

pub(super) struct Simulated {
    sim: Sim,
    peer: PeerId,
    connected: Option<PeerId>,
    stream: Descriptor,
    listener: Descriptor,
    datagrams: Descriptor,
    address: Option<SocketAddr>,
}

pub(super) struct Real<K> {
    pub(super) ring: K,
    near: Option<Socket>,
    connected: Option<TcpStream>,
    listens_at: SocketAddr,
    datagrams_at: SocketAddr,
    sender: UdpSocket,
}

pub(super) fn setup<K: Subject>(tier: RingTier, files: u32) -> Setup {
    Setup {
        submissions: 8,
        completions: 64,
        files,
        stream_buffers: (4, u32::from(BUFFER_BYTES)),
        datagram_buffers: Some((2, 2048)),
        capabilities: K::capabilities_at(tier),
        sealed: false,
    }
}

impl Simulated {
    pub(super) fn with(setup: &Setup, net: Net) -> Self {
        let mut sim = Sim::new(&SimSetup::like(setup, 1, Faults::none()));
        let address = (net == Net::Tcp).then(|| "127.0.0.1:9".parse().unwrap());
        let (peer, stream) = sim.connected(address);
        let (listener, datagrams) = (sim.listen(), sim.datagram_socket());
        Self { sim, peer, connected: None, stream, listener, datagrams, address }
    }

    fn ending_of(&self, peer: PeerId) -> &'static str {
        let state = self.sim.peer_state(peer);
        if state.saw_reset {
            "reset"
        } else if state.saw_end {
            "end"
        } else {
            "nothing"
        }
    }
}

impl Stage for Simulated {
    type Kernel = Sim;
    fn kernel(&mut self) -> &mut Sim {
        &mut self.sim
    }
    fn stream(&self) -> Descriptor {
        self.stream
    }
    fn listener(&self) -> Descriptor {
        self.listener
    }
    fn datagrams(&self) -> Descriptor {
        self.datagrams
    }
    fn write(&mut self, bytes: &[u8]) {
        assert_eq!(self.sim.write(self.peer, bytes), bytes.len());
    }
    fn read(&mut self, count: usize) {
        assert_eq!(self.sim.skip(self.peer, count), count);
    }
    fn ending(&mut self) -> &'static str {
        self.sim.skip(self.peer, usize::MAX);
        self.ending_of(self.peer)
    }
    fn end(&mut self) {
        self.sim.end(self.peer);
    }
    fn close_peer(&mut self) {
        self.sim.close_peer(self.peer);
    }
    fn reset(&mut self) {
        self.sim.reset(self.peer);
    }
    fn connect(&mut self) {
        self.connected = Some(self.sim.connect(self.listener, self.address));
    }
    fn ending_of_connected(&mut self) -> &'static str {
        self.ending_of(self.connected.unwrap())
    }
    fn send_datagram(&mut self, bytes: &[u8]) {
        assert!(self.sim.send_datagram(self.datagrams, "127.0.0.1:9".parse().unwrap(), bytes));
    }
}

impl<K: Subject> Real<K> {
    pub(super) fn with(setup: &Setup, net: Net) -> Self {
        let mut ring = K::make(setup).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listens_at = listener.local_addr().unwrap();
        let (near, far): (OwnedFd, OwnedFd) = match net {
            Net::Tcp => {
                let near = TcpStream::connect(listens_at).unwrap();
                (near.into(), listener.accept().unwrap().0.into())
            }
            Net::Unix => {
                let (near, far) = UnixStream::pair().unwrap();
                (near.into(), far.into())
            }
        };
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let datagrams_at = datagrams.local_addr().unwrap();
        ring.adopt(far, 0).unwrap();
        ring.adopt(listener.into(), 1).unwrap();
        ring.adopt(datagrams.into(), 2).unwrap();
        Self { ring, near: Some(near.into()), connected: None, listens_at, datagrams_at, sender }
    }

    fn near(&mut self) -> &mut Socket {
        self.near.as_mut().unwrap()
    }
}

fn ending_of(peer: &mut impl Read) -> &'static str {
    let mut bytes = vec![0; 1 << 16];
    loop {
        match peer.read(&mut bytes) {
            Ok(0) => return "end",
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return "reset",
            Err(error) => panic!("{error}"),
        }
    }
}

impl<K: Subject> Stage for Real<K> {
    type Kernel = K;
    fn kernel(&mut self) -> &mut K {
        &mut self.ring
    }
    fn stream(&self) -> Descriptor {
        Descriptor::new(0)
    }
    fn listener(&self) -> Descriptor {
        Descriptor::new(1)
    }
    fn datagrams(&self) -> Descriptor {
        Descriptor::new(2)
    }
    fn write(&mut self, bytes: &[u8]) {
        self.near().write_all(bytes).unwrap();
    }
    fn read(&mut self, count: usize) {
        self.near().read_exact(&mut vec![0; count]).unwrap();
    }
    fn ending(&mut self) -> &'static str {
        ending_of(self.near())
    }
    fn end(&mut self) {
        self.near().shutdown(Shutdown::Write).unwrap();
    }
    fn close_peer(&mut self) {
        self.near = None;
    }
    fn reset(&mut self) {
        self.near().set_linger(Some(Duration::ZERO)).unwrap();
        self.near = None;
    }
    fn connect(&mut self) {
        self.connected = Some(TcpStream::connect(self.listens_at).unwrap());
    }
    fn ending_of_connected(&mut self) -> &'static str {
        ending_of(self.connected.as_mut().unwrap())
    }
    fn send_datagram(&mut self, bytes: &[u8]) {
        self.sender.send_to(bytes, self.datagrams_at).unwrap();
    }
}
