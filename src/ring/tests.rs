//! What every kernel of this host does, over loopback, at every tier: each test runs on io_uring and on its twin.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::buffers::Pool;
use super::{
    AcceptError, Bell, Capabilities, Completion, ConnectError, Descriptor, Epoll, Gather, Generation, Host,
    Kind, Op, Outcome, Part, ReceiveError, Received, SendError, SendMode, Setup, Token, Uring, Wait,
};
use crate::sys::clock;
use crate::tier::RingTier;

/// A kernel that is looked into.
pub(super) trait Subject: Host {
    /// What it can do at this tier.
    fn capabilities_at(tier: RingTier) -> Capabilities;
    fn stream_pool(&self) -> &Pool;
    fn datagram_pool(&self) -> Option<&Pool>;
}

impl Subject for Uring {
    fn capabilities_at(tier: RingTier) -> Capabilities {
        Capabilities::probe(tier).unwrap()
    }
    fn stream_pool(&self) -> &Pool {
        self.stream_buffers()
    }
    fn datagram_pool(&self) -> Option<&Pool> {
        self.datagram_buffers()
    }
}

impl Subject for Epoll {
    fn capabilities_at(tier: RingTier) -> Capabilities {
        Capabilities::of_epoll(tier)
    }
    fn stream_pool(&self) -> &Pool {
        self.stream_buffers()
    }
    fn datagram_pool(&self) -> Option<&Pool> {
        self.datagram_buffers()
    }
}

/// Runs a check on both.
macro_rules! on_both {
    ($name:ident, $check:ident) => {
        mod $name {
            #[test]
            fn by_uring() {
                super::$check::<super::Uring>();
            }
            #[test]
            fn by_epoll() {
                super::$check::<super::Epoll>();
            }
        }
    };
}

pub(super) fn ring<K: Subject>(tier: RingTier, files: u32) -> K {
    K::make(&Setup {
        submissions: 8,
        completions: 64,
        files,
        stream_buffers: (4, 4096),
        datagram_buffers: Some((2, crate::limits::DATAGRAM_BUFFER_BYTES)),
        capabilities: K::capabilities_at(tier),
        sealed: false,
    })
    .unwrap()
}

pub(super) fn token(kind: Kind) -> Token {
    Token::new(kind, 0, Generation::new(5))
}

/// Waits until so many completions are there.
pub(super) fn wait_for(ring: &mut impl Subject, count: usize) -> VecDeque<Completion> {
    let deadline = clock::now().saturating_add(Duration::from_secs(5));
    let mut ready = VecDeque::new();
    while ready.len() < count {
        assert!(clock::now() < deadline, "only {ready:?} came");
        ring.submit_and_wait(Wait::Until(Some(deadline))).unwrap();
        ring.collect(&mut ready, 64);
    }
    ready
}

pub(super) fn one(ring: &mut impl Subject) -> Outcome {
    wait_for(ring, 1).pop_front().unwrap().outcome
}

pub(super) fn receive(ring: &mut impl Subject, file: Descriptor) {
    let op = Op::Receive { token: token(Kind::Receive), file, credit: 1 << 20, wait_first: false };
    ring.push(op).unwrap();
}

pub(super) fn pair(ring: &mut impl Subject) -> (UnixStream, Descriptor) {
    let (near, far) = UnixStream::pair().unwrap();
    let file = ring.adopt(far.into(), 0).unwrap();
    (near, file)
}

fn served<K: Subject>() {
    for tier in RingTier::ALL {
        let mut ring = ring::<K>(tier, 4);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listener = ring.adopt(listener.into(), 0).unwrap();
        ring.push(Op::Accept { token: token(Kind::Accept), listener }).unwrap();
        let mut peer = TcpStream::connect(address).unwrap();
        let Outcome::Accepted(Ok(accepted)) = one(&mut ring) else { panic!("accepted") };
        assert_eq!(accepted.address, Some(peer.local_addr().unwrap()));

        receive(&mut ring, accepted.descriptor);
        peer.write_all(b"hello").unwrap();
        let Outcome::Received(Ok(Received::Bytes(bytes))) = one(&mut ring) else { panic!("received") };
        assert_eq!(&bytes[..], b"hello");
        let parts = vec![Part::Copied(b"> ".to_vec().into()), Part::Received(bytes)];
        let gather = Gather::new(parts);
        let send =
            Op::Send { token: token(Kind::Send), file: accepted.descriptor, gather, mode: SendMode::Wait };
        ring.push(send).unwrap();
        let Outcome::Sent { gather, result } = one(&mut ring) else { panic!("sent") };
        assert_eq!((gather.len(), result), (7, Ok(7)));
        drop(gather);
        let mut echo = [0; 7];
        peer.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, b"> hello");

        ring.push(Op::Close { token: token(Kind::Close), file: accepted.descriptor }).unwrap();
        let ended = wait_for(&mut ring, 3);
        let cancelled = |c: &Completion| matches!(c.outcome, Outcome::Received(Err(ReceiveError::Cancelled)));
        assert_eq!(ended.iter().filter(|c| cancelled(c)).count(), 1, "{ended:?}");
        assert!(ended.iter().all(|c| !c.more));
        assert_eq!(peer.read(&mut echo).unwrap(), 0, "the peer sees FIN, not RST");
        ring.stream_pool().assert_all_home();
    }
}
on_both!(a_connection_is_accepted_with_its_address_served_and_closed, served);

fn full_table<K: Subject>() {
    let mut ring = ring::<K>(RingTier::V6_17, 1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let listener = ring.adopt(listener.into(), 0).unwrap();
    ring.push(Op::Accept { token: token(Kind::Accept), listener }).unwrap();
    let outcome = one(&mut ring);
    assert!(matches!(outcome, Outcome::Accepted(Err(AcceptError::SystemFull))), "{outcome:?}");
}
on_both!(a_full_table_is_named, full_table);

fn would_block<K: Subject>() {
    let mut ring = ring::<K>(RingTier::V6_17, 1);
    let (_near, file) = pair(&mut ring);
    let shared = Arc::new(vec![1; 1 << 20]);
    let mut last = None;
    for _ in 0..8 {
        let gather = Gather::one(Part::Shared(Arc::clone(&shared), 0..shared.len()));
        ring.push(Op::Send { token: token(Kind::Send), file, gather, mode: SendMode::Now }).unwrap();
        let Outcome::Sent { result, .. } = one(&mut ring) else { panic!("sent") };
        last = Some(result);
    }
    assert_eq!(last, Some(Err(SendError::WouldBlock)));
}
on_both!(a_send_that_may_not_wait_says_so, would_block);

fn no_buffers<K: Subject>() {
    for tier in RingTier::ALL {
        let mut ring = ring::<K>(tier, 1);
        let (mut near, file) = pair(&mut ring);
        receive(&mut ring, file);
        let written = vec![7; 5 * 4096];
        near.write_all(&written).unwrap();
        let mut held = wait_for(&mut ring, 5);
        let last = held.pop_back().unwrap();
        assert!(matches!(last.outcome, Outcome::Received(Err(ReceiveError::NoBuffers))), "{last:?}");
        assert!(!last.more);
        assert_eq!(ring.buffers().free, 0);
        drop(held);
        let op = Op::Receive { token: token(Kind::Receive), file, credit: 1 << 20, wait_first: true };
        ring.push(op).unwrap();
        assert!(matches!(one(&mut ring), Outcome::Received(Ok(Received::Bytes(_)))));
    }
}
on_both!(running_out_of_buffers_is_named_and_over_when_one_comes_home, no_buffers);

fn datagrams<K: Subject>() {
    let mut ring = ring::<K>(RingTier::V6_17, 1);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let file = ring.adopt(socket.into(), 0).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for bytes in [0, 1, 1500, 65_507] {
        let sent: Vec<u8> = (0..=250).cycle().take(bytes).collect();
        peer.send_to(&sent, address).unwrap();
        // Armed anew each time: an empty datagram ends a multishot receive.
        ring.push(Op::ReceiveFrom { token: token(Kind::ReceiveFrom), file }).unwrap();
        let arrived = wait_for(&mut ring, 1).pop_front().unwrap();
        assert_eq!(arrived.more, bytes != 0, "{bytes} bytes");
        let Outcome::ReceivedFrom(Ok(datagram)) = arrived.outcome else { panic!("a datagram") };
        assert_eq!((datagram.peer(), datagram.truncated()), (peer.local_addr().unwrap(), false));
        let to = Some(datagram.peer());
        let payload = Part::Received(datagram.into_payload());
        ring.push(Op::SendTo { token: token(Kind::SendTo), file, to, payload }).unwrap();
        let outcome = one(&mut ring);
        assert!(matches!(outcome, Outcome::SentTo(Ok(count)) if count == bytes), "{outcome:?}");
        let mut echo = vec![0; 70_000];
        let (count, from) = peer.recv_from(&mut echo).unwrap();
        assert_eq!((&echo[..count], from), (&sent[..], address));
        if bytes != 0 {
            ring.push(Op::Cancel { token: token(Kind::Cancel), target: token(Kind::ReceiveFrom) }).unwrap();
            assert_eq!(wait_for(&mut ring, 2).len(), 2);
        }
    }
    ring.datagram_pool().unwrap().assert_all_home();
}
on_both!(datagrams_of_every_size_come_and_go, datagrams);

fn bells<K: Subject>() {
    let (sender, receiver) = std::sync::mpsc::channel::<Bell>();
    let sleeper = thread::spawn(move || {
        let mut ring = ring::<K>(RingTier::V6_17, 1);
        sender.send(ring.bell()).unwrap();
        matches!(one(&mut ring), Outcome::Doorbell)
    });
    let mut ring = ring::<K>(RingTier::V6_17, 1);
    let bell = receiver.recv().unwrap();
    ring.push(Op::Ring { token: token(Kind::DoorbellSent), bell }).unwrap();
    let outcome = one(&mut ring);
    assert!(matches!(outcome, Outcome::DoorbellSent(Ok(()))), "{outcome:?}");
    assert!(sleeper.join().unwrap());
}
on_both!(a_ring_rings_at_another_thread_s_ring, bells);

pub(super) fn quiet(file: Descriptor, slot: u32, bytes: usize) -> Op {
    let gather = Gather::one(Part::Copied(vec![7; bytes].into()));
    let token = Token::new(Kind::Send, slot, Generation::new(5));
    Op::Send { token, file, gather, mode: SendMode::Quiet }
}

/// The results of sends, by their slots.
pub(super) fn sends(ready: &VecDeque<Completion>) -> Vec<(u32, Option<usize>)> {
    let of = |completion: &Completion| match &completion.outcome {
        Outcome::Sent { result, .. } => Some((completion.token.slot(), (*result).ok())),
        _ => None,
    };
    ready.iter().filter_map(of).collect()
}

fn quiet_sends<K: Subject>() {
    for tier in RingTier::ALL {
        let mut ring = ring::<K>(tier, 1);
        assert!(ring.capabilities().quiet_sends);
        let (mut near, file) = pair(&mut ring);
        receive(&mut ring, file);
        ring.push(quiet(file, 0, 4)).unwrap();
        let answering = thread::spawn(move || {
            near.read_exact(&mut [0; 4]).unwrap();
            near.write_all(b"pong").unwrap();
            near
        });
        let deadline = clock::now().saturating_add(Duration::from_secs(5));
        ring.submit_and_wait(Wait::Until(Some(deadline))).unwrap();
        let mut ready = VecDeque::new();
        ring.collect(&mut ready, 64);
        assert_eq!((ready.len(), ring.counts().enters), (2, 1), "{ready:?}");
        assert!(matches!(ready[0].outcome, Outcome::Received(Ok(_))), "{ready:?}");
        assert_eq!(sends(&ready), [(0, Some(4))]);
        drop(answering.join().unwrap());

        // Nothing comes: the time is up, and then it is told.
        let deadline = clock::now().saturating_add(Duration::from_millis(30));
        ring.push(quiet(file, 0, 4)).unwrap();
        while clock::now() < deadline {
            ring.submit_and_wait(Wait::Until(Some(deadline))).unwrap();
            ring.collect(&mut ready, 64);
        }
        assert!(ready.iter().any(|completion| matches!(completion.outcome, Outcome::Sent { .. })));
    }
}
on_both!(a_quiet_send_ends_no_wait_and_is_told_with_what_comes_next, quiet_sends);

fn dropped_untold<K: Subject>() {
    let mut ring = ring::<K>(RingTier::V6_17, 1);
    let (_near, file) = pair(&mut ring);
    let shared = Arc::new(vec![7; 100]);
    let gather = Gather::one(Part::Shared(Arc::clone(&shared), 0..100));
    ring.push(Op::Send { token: token(Kind::Send), file, gather, mode: SendMode::Quiet }).unwrap();
    ring.submit_and_wait(Wait::No).unwrap();
    assert_eq!(Arc::strong_count(&shared), 2);
    drop(ring);
    assert_eq!(Arc::strong_count(&shared), 1);
}
on_both!(a_ring_that_is_dropped_while_quiet_sends_are_untold_lets_go_of_them, dropped_untold);

fn dropped_at_work<K: Subject>() {
    let (mut near, gone) = {
        let mut ring = ring::<K>(RingTier::V6_17, 1);
        let (near, file) = pair(&mut ring);
        receive(&mut ring, file);
        ring.submit_and_wait(Wait::No).unwrap();
        (near, ring.stream_pool().free())
    };
    assert_eq!(gone, 4);
    assert_eq!(near.read(&mut [0]).unwrap(), 0, "the socket went with the ring");
}
on_both!(a_ring_that_is_dropped_at_work_lets_go_of_everything, dropped_at_work);

fn connects<K: Subject>() {
    let mut ring = ring::<K>(RingTier::V6_17, 2);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for (place, listens) in [(0, true), (1, false)] {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let file = ring.adopt(socket.into(), place).unwrap();
        let to = if listens { address } else { nobody() };
        ring.push(Op::Connect { token: token(Kind::Connect), file, address: Box::new(to.into()) }).unwrap();
        let outcome = one(&mut ring);
        if listens {
            assert!(matches!(outcome, Outcome::Connected(Ok(()))), "{outcome:?}");
            let gather = Gather::one(Part::Copied(b"hello".to_vec().into()));
            ring.push(Op::Send { token: token(Kind::Send), file, gather, mode: SendMode::Wait }).unwrap();
            assert!(matches!(one(&mut ring), Outcome::Sent { result: Ok(5), .. }));
            let mut heard = [0; 5];
            listener.accept().unwrap().0.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"hello");
        } else {
            assert!(matches!(outcome, Outcome::Connected(Err(ConnectError::Refused))), "{outcome:?}");
        }
    }
}
on_both!(a_connection_is_made_or_refused, connects);

/// An address where nobody listens any more.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Two have more to read than a burst, and a third has one byte: it does not wait until they are done. (A ring may make several
/// bursts in one enter; that the twin makes one, the scripts of the truth show.)
fn bursts<K: Subject>() {
    const LONG: usize = 100 * 64;
    let mut ring = K::make(&Setup {
        submissions: 8,
        completions: 1024,
        files: 3,
        stream_buffers: (1024, 64),
        datagram_buffers: None,
        capabilities: K::capabilities_at(RingTier::V6_6),
        sealed: false,
    })
    .unwrap();
    let mut nears = Vec::new();
    for slot in 0..3 {
        let (mut near, far) = UnixStream::pair().unwrap();
        let file = ring.adopt(far.into(), slot).unwrap();
        near.write_all(&vec![7; if slot == 2 { 1 } else { LONG }]).unwrap();
        nears.push(near);
        let token = Token::new(Kind::Receive, slot, Generation::new(5));
        ring.push(Op::Receive { token, file, credit: 1 << 20, wait_first: false }).unwrap();
    }
    let mut ready = VecDeque::new();
    ring.submit_and_wait(Wait::No).unwrap();
    ring.collect(&mut ready, 1024);
    let of = |slot| ready.iter().filter(|completion| completion.token.slot() == slot).count();
    assert_eq!(of(2), 1, "it was not kept waiting");
    while ready.len() < 201 {
        ring.submit_and_wait(Wait::Until(Some(clock::now().saturating_add(Duration::from_secs(5))))).unwrap();
        assert_ne!(ring.collect(&mut ready, 1024), 0, "{} came", ready.len());
    }
}
on_both!(nobody_s_burst_keeps_others_waiting, bursts);
