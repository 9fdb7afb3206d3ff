//! The real ring, over loopback, at every tier.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::ring::{
    AcceptError, Bell, Capabilities, Completion, Descriptor, Gather, Generation, Kernel, Kind, Op, Outcome,
    Part, ReceiveError, Received, SendError, SendMode, Setup, Token, Uring, Wait,
};
use crate::sys::clock;
use crate::tier::RingTier;

const TIERS: [RingTier; 4] = [RingTier::V6_1, RingTier::V6_6, RingTier::V6_12, RingTier::V6_17];

fn ring(tier: RingTier, files: u32) -> Uring {
    let capabilities = Capabilities::probe(tier).unwrap();
    Uring::new(&Setup {
        submissions: 8,
        completions: 64,
        files,
        stream_buffers: (4, 4096),
        datagram_buffers: Some((2, crate::limits::DATAGRAM_BUFFER_BYTES)),
        capabilities,
    })
    .unwrap()
}

fn token(kind: Kind) -> Token {
    Token::new(kind, 0, Generation::new(5))
}

/// Waits until so many completions are there.
fn wait_for(ring: &mut Uring, count: usize) -> VecDeque<Completion> {
    let deadline = clock::now().saturating_add(Duration::from_secs(5));
    let mut ready = VecDeque::new();
    while ready.len() < count {
        assert!(clock::now() < deadline, "only {ready:?} came");
        ring.submit_and_wait(Wait::Until(Some(deadline))).unwrap();
        ring.collect(&mut ready, 64);
    }
    ready
}

fn one(ring: &mut Uring) -> Outcome {
    wait_for(ring, 1).pop_front().unwrap().outcome
}

fn receive(ring: &mut Uring, file: Descriptor) {
    let op = Op::Receive { token: token(Kind::Receive), file, credit: 1 << 20, wait_first: false };
    ring.push(op).unwrap();
}

fn pair(ring: &mut Uring) -> (UnixStream, Descriptor) {
    let (near, far) = UnixStream::pair().unwrap();
    let file = ring.adopt(far.into(), 0).unwrap();
    (near, file)
}

#[test]
fn a_connection_is_accepted_with_its_address_served_and_closed() {
    for tier in TIERS {
        let mut ring = ring(tier, 4);
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
        let parts = vec![Part::Copied(b">> ".to_vec(), 1), Part::Received(bytes)];
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
        ring.stream_buffers().assert_all_home();
    }
}

#[test]
fn a_full_table_is_named() {
    let mut ring = ring(RingTier::V6_17, 1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let listener = ring.adopt(listener.into(), 0).unwrap();
    ring.push(Op::Accept { token: token(Kind::Accept), listener }).unwrap();
    let outcome = one(&mut ring);
    assert!(matches!(outcome, Outcome::Accepted(Err(AcceptError::SystemFull))), "{outcome:?}");
}

#[test]
fn a_send_that_may_not_wait_says_so() {
    let mut ring = ring(RingTier::V6_17, 1);
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

#[test]
fn running_out_of_buffers_is_named_and_over_when_one_comes_home() {
    for tier in TIERS {
        let mut ring = ring(tier, 1);
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

#[test]
fn datagrams_of_every_size_come_and_go() {
    let mut ring = ring(RingTier::V6_17, 1);
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
    ring.datagram_buffers().unwrap().assert_all_home();
}

#[test]
fn a_ring_rings_at_another_thread_s_ring() {
    let (sender, receiver) = std::sync::mpsc::channel::<Bell>();
    let sleeper = thread::spawn(move || {
        let mut ring = ring(RingTier::V6_17, 1);
        sender.send(ring.bell()).unwrap();
        matches!(one(&mut ring), Outcome::Doorbell)
    });
    let mut ring = ring(RingTier::V6_17, 1);
    let bell = receiver.recv().unwrap();
    ring.push(Op::Ring { token: token(Kind::DoorbellSent), bell }).unwrap();
    let outcome = one(&mut ring);
    assert!(matches!(outcome, Outcome::DoorbellSent(Ok(()))), "{outcome:?}");
    assert!(sleeper.join().unwrap());
}

#[test]
fn the_ring_descriptor_stays_registered() {
    let mut ring = ring(RingTier::V6_17, 1);
    assert!(ring.is_registered());
    for _ in 0..3 {
        ring.submit_and_wait(Wait::No).unwrap();
    }
    assert!(ring.is_registered());
    assert_eq!(ring.counts().enters, 3);
}

#[test]
fn a_wait_can_outlast_the_sends_that_it_submits() {
    let mut ring = ring(RingTier::V6_17, 1);
    let (mut near, file) = pair(&mut ring);
    receive(&mut ring, file);
    let mut gather = Gather::default();
    gather.parts_mut().push(Part::Copied(b"ping".to_vec(), 0));
    ring.push(Op::Send { token: token(Kind::Send), file, gather, mode: SendMode::Now }).unwrap();
    let answering = thread::spawn(move || {
        let mut heard = [0; 4];
        near.read_exact(&mut heard).unwrap();
        near.write_all(b"pong").unwrap();
        near
    });
    ring.expect(1);
    ring.submit_and_wait(Wait::Until(Some(clock::now().saturating_add(Duration::from_secs(5))))).unwrap();
    let mut ready = VecDeque::new();
    ring.collect(&mut ready, 64);
    assert_eq!(
        (ready.len(), ring.counts().enters),
        (2, 1),
        "one enter for the send and its answer: {ready:?}"
    );
    answering.join().unwrap();

    let deadline = clock::now().saturating_add(Duration::from_millis(30));
    ring.expect(1);
    ring.submit_and_wait(Wait::Until(Some(deadline))).unwrap();
    assert!(deadline <= clock::now(), "nothing came, and the time was up");
}

fn quiet(file: Descriptor, slot: u32, bytes: usize) -> Op {
    let gather = Gather::one(Part::Copied(vec![7; bytes], 0));
    let token = Token::new(Kind::Send, slot, Generation::new(5));
    Op::Send { token, file, gather, mode: SendMode::Quiet }
}

/// The results of sends, by their slots.
fn sends(ready: &VecDeque<Completion>) -> Vec<(u32, Option<usize>)> {
    let of = |completion: &Completion| match &completion.outcome {
        Outcome::Sent { result, .. } => Some((completion.token.slot(), (*result).ok())),
        _ => None,
    };
    ready.iter().filter_map(of).collect()
}

#[test]
fn a_quiet_send_ends_no_wait_and_is_told_with_what_comes_next() {
    for tier in RingTier::ALL {
        let mut ring = ring(tier, 1);
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

/// One of three is short: it says so at once, among completions that nobody has collected, and the others are told once.
#[test]
fn a_quiet_send_that_is_short_ends_the_wait() {
    let mut ring = ring(RingTier::V6_17, 3);
    let mut files = Vec::new();
    let mut nears = Vec::new();
    for place in 0..3 {
        let (near, far) = UnixStream::pair().unwrap();
        files.push(ring.adopt(far.into(), place).unwrap());
        nears.push(near);
    }
    for round in 0..20 {
        let cancel = || Op::Cancel { token: token(Kind::Cancel), target: token(Kind::Receive) };
        ring.push(cancel()).unwrap();
        ring.push(quiet(files[0], 0, 10)).unwrap();
        ring.push(quiet(files[1], 1, 1 << 20)).unwrap();
        ring.push(quiet(files[2], 2, 10)).unwrap();
        ring.submit_and_wait(Wait::Until(None)).unwrap();
        let mut ready = VecDeque::new();
        ring.collect(&mut ready, 1);
        assert_eq!(sends(&ready), [], "what is short may still be there to be seen");
        ring.collect(&mut ready, 64);
        let told = sends(&ready);
        assert_eq!(told.iter().map(|(slot, _)| *slot).collect::<Vec<_>>(), [1, 0, 2], "round {round}");
        assert_eq!((told[1].1, told[2].1), (Some(10), Some(10)));
        assert!(told[0].1.is_none_or(|taken| taken < 1 << 20), "{told:?}");
    }
    drop(nears);
}

#[test]
fn a_ring_that_is_dropped_while_quiet_sends_are_untold_lets_go_of_them() {
    let mut ring = ring(RingTier::V6_17, 1);
    let (_near, file) = pair(&mut ring);
    let shared = Arc::new(vec![7; 100]);
    let gather = Gather::one(Part::Shared(Arc::clone(&shared), 0..100));
    ring.push(Op::Send { token: token(Kind::Send), file, gather, mode: SendMode::Quiet }).unwrap();
    ring.submit_and_wait(Wait::No).unwrap();
    assert_eq!(Arc::strong_count(&shared), 2);
    drop(ring);
    assert_eq!(Arc::strong_count(&shared), 1);
}

#[test]
fn a_ring_that_is_dropped_at_work_lets_go_of_everything() {
    let (mut near, gone) = {
        let mut ring = ring(RingTier::V6_17, 1);
        let (near, file) = pair(&mut ring);
        receive(&mut ring, file);
        ring.submit_and_wait(Wait::No).unwrap();
        (near, ring.stream_buffers().free())
    };
    assert_eq!(gone, 4);
    assert_eq!(near.read(&mut [0]).unwrap(), 0, "the socket went with the ring");
}

#[test]
fn more_operations_than_the_queue_holds_are_submitted_ahead() {
    let mut ring = ring(RingTier::V6_17, 1);
    let target = token(Kind::Receive);
    for _ in 0..40 {
        ring.push(Op::Cancel { token: token(Kind::Cancel), target }).unwrap();
    }
    assert_eq!(wait_for(&mut ring, 40).len(), 40);
    assert!(0 < ring.counts().queue_full);
}
