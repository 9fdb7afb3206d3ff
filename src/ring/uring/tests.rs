//! What only a ring does, over loopback.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use io_uring::squeue::{Entry, Flags};
use io_uring::{opcode, types};

use super::{Setup, Uring};
use crate::ring::tests::{pair, quiet, receive, ring, sends, token, wait_for};
use crate::ring::{Capabilities, Gather, Kernel, Kind, Op, Part, SendMode, Wait};
use crate::sys::clock;
use crate::tier::RingTier;

#[test]
fn the_ring_descriptor_stays_registered() {
    let mut ring = ring::<Uring>(RingTier::V6_17, 1);
    assert!(ring.is_registered());
    for _ in 0..3 {
        ring.submit_and_wait(Wait::No).unwrap();
    }
    assert!(ring.is_registered());
    assert_eq!(ring.counts().enters, 3);
}

#[test]
fn a_wait_can_outlast_the_sends_that_it_submits() {
    let mut ring = ring::<Uring>(RingTier::V6_17, 1);
    let (mut near, file) = pair(&mut ring);
    receive(&mut ring, file);
    let mut gather = Gather::default();
    gather.parts_mut().push(Part::Copied(b"ping".to_vec().into()));
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

/// One of three is short: it says so at once, among completions that nobody has collected, and the others are told once.
#[test]
fn a_quiet_send_that_is_short_ends_the_wait() {
    let mut ring = ring::<Uring>(RingTier::V6_17, 3);
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
fn more_operations_than_the_queue_holds_are_submitted_ahead() {
    let mut ring = ring::<Uring>(RingTier::V6_17, 1);
    let target = token(Kind::Receive);
    for _ in 0..40 {
        ring.push(Op::Cancel { token: token(Kind::Cancel), target }).unwrap();
    }
    assert_eq!(wait_for(&mut ring, 40).len(), 40);
    assert!(0 < ring.counts().queue_full);
}

/// A ring that serves one connection and is sealed, and the connection's other end.
fn sealed() -> (Uring, UnixStream) {
    let capabilities = Capabilities::probe(RingTier::V6_17).unwrap();
    let mut ring = Uring::new(&Setup { sealed: true, ..Setup::shard(capabilities, 2, false) }).unwrap();
    let (near, file) = pair(&mut ring);
    ring.seal().unwrap();
    receive(&mut ring, file);
    (ring, near)
}

/// What the kernel answers to one entry.
fn answer(ring: &mut Uring, entry: Entry) -> i32 {
    ring.push_entry(&entry);
    ring.submit_and_wait(Wait::Until(Some(clock::now().saturating_add(Duration::from_secs(5))))).unwrap();
    ring.in_flight -= 1;
    ring.ring.completion().next().expect("it answers").result()
}

#[track_caller]
fn check_refused(entry: Entry) {
    let (mut ring, _near) = sealed();
    assert_eq!(answer(&mut ring, entry), -libc::EACCES);
}

#[test]
fn a_sealed_ring_serves() {
    let (mut ring, mut near) = sealed();
    near.write_all(b"ping").unwrap();
    let mut ready = VecDeque::new();
    ring.submit_and_wait(Wait::Until(Some(clock::now().saturating_add(Duration::from_secs(5))))).unwrap();
    ring.collect(&mut ready, 64);
    assert!(format!("{ready:?}").contains("Received(Ok("), "{ready:?}");
}

/// What a ring could be abused for behind a filter of system calls.
#[test]
fn a_sealed_ring_does_nothing_else() {
    let path = c"/etc/passwd".as_ptr();
    check_refused(opcode::Nop::new().build());
    check_refused(opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), path).build());
    check_refused(opcode::UnlinkAt::new(types::Fd(libc::AT_FDCWD), path).build());
    check_refused(opcode::Socket::new(libc::AF_INET, libc::SOCK_STREAM, 0).build());
    check_refused(opcode::Connect::new(types::Fixed(0), std::ptr::null(), 0).build());
    check_refused(opcode::Read::new(types::Fixed(0), std::ptr::null_mut(), 0).build());
    check_refused(opcode::Splice::new(types::Fd(0), -1, types::Fd(1), -1, 0).build());
    // Flags that no operation of ours has.
    check_refused(opcode::Recv::new(types::Fixed(0), std::ptr::null_mut(), 0).build().flags(Flags::ASYNC));
}

/// Nor is it given anything more, nor made as before again.
#[test]
fn a_sealed_ring_is_given_nothing_more() {
    let (mut ring, _near) = sealed();
    let (another, _far) = UnixStream::pair().unwrap();
    let refused = ring.adopt(another.into(), 1).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EACCES));
    let submitter = ring.ring.submitter();
    assert_eq!(submitter.register_enable_rings().unwrap_err().raw_os_error(), Some(libc::EACCES));
    assert!(submitter.register_restrictions(&mut []).is_err());
    assert!(submitter.unregister_files().is_err());
}

/// Before it is sealed it does nothing at all, so no moment is left out.
#[test]
fn a_ring_that_is_to_be_sealed_waits_for_it() {
    let capabilities = Capabilities::probe(RingTier::V6_17).unwrap();
    let mut ring = Uring::new(&Setup { sealed: true, ..Setup::shard(capabilities, 2, false) }).unwrap();
    assert!(ring.submit_and_wait(Wait::No).is_err());
    ring.seal().unwrap();
    ring.submit_and_wait(Wait::No).unwrap();
    // A second time has nothing to do.
    ring.seal().unwrap();
}
