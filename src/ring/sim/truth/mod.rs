//! The same scripts on the simulated kernel and on the real ones, over loopback: that is how we know that the simulation
//! tells the truth, and that the twin by readiness is one. Each script gives a log of what came, and the logs are equal.

mod stages;

use std::collections::VecDeque;
use std::sync::Arc;

use self::stages::{Net, Real, Simulated, Stage, describe, setup};
use crate::ring::tests::Subject;
use crate::ring::{
    Descriptor, Epoll, Gather, Generation, Kernel, Kind, Op, Outcome, Part, SendMode, Setup, Token, Uring,
    Wait,
};
use crate::tier::RingTier;

const BUFFER_BYTES: u16 = 4096;

/// Runs a script on the simulated kernel and on the real ones, at every tier.
macro_rules! same {
    ($name:ident, $nets:expr, $files:expr, $script:ident) => {
        mod $name {
            use super::*;
            fn check<K: Subject>() {
                for tier in RingTier::ALL {
                    for net in $nets {
                        let setup = setup::<K>(tier, $files);
                        let real = $script(&mut Real::<K>::with(&setup, net));
                        let simulated = $script(&mut Simulated::with(&setup, net));
                        assert_eq!(simulated, real, "{tier:?} {net:?}: the simulation, and the truth");
                    }
                }
            }
            #[test]
            fn by_uring() {
                check::<Uring>();
            }
            #[test]
            fn by_epoll() {
                check::<Epoll>();
            }
        }
    };
}

const BOTH: [Net; 2] = [Net::Tcp, Net::Unix];

fn token(kind: Kind) -> Token {
    Token::new(kind, 0, Generation::new(5))
}

fn receive(stage: &impl Stage, credit: u32, wait_first: bool) -> Op {
    Op::Receive { token: token(Kind::Receive), file: stage.stream(), credit, wait_first }
}

fn send(stage: &impl Stage, bytes: usize, wait: bool) -> Op {
    let gather = Gather::one(Part::Shared(Arc::from(vec![1; bytes]), 0..bytes));
    let mode = if wait { SendMode::Wait } else { SendMode::Now };
    Op::Send { token: token(Kind::Send), file: stage.stream(), gather, mode }
}

fn cancel(target: Kind) -> Op {
    Op::Cancel { token: token(Kind::Cancel), target: token(target) }
}

fn close(file: Descriptor) -> Op {
    Op::Close { token: token(Kind::Close), file }
}

fn receive_from(stage: &impl Stage) -> Op {
    Op::ReceiveFrom { token: token(Kind::ReceiveFrom), file: stage.datagrams() }
}

fn sorted(mut log: Vec<String>) -> Vec<String> {
    log.sort();
    log
}

// --- The scripts ----------------------------------------------------------------------------------------------------

fn bytes_then_the_end(stage: &mut impl Stage) -> Vec<String> {
    let mut log = stage.log(vec![receive(stage, 1 << 20, false)], 0);
    stage.write(b"hello");
    log.extend(stage.log(vec![], 1));
    stage.write(b"more");
    stage.end();
    log.extend(stage.log(vec![], 2));
    // The end is told to everyone who asks.
    log.extend(stage.log(vec![receive(stage, 1 << 20, false)], 1));
    log.extend(stage.log(vec![receive(stage, 1 << 20, true)], 1));
    log
}
same!(bytes_come_before_the_end, BOTH, 4, bytes_then_the_end);

fn credit(stage: &mut impl Stage) -> Vec<String> {
    let mut log = stage.log(vec![receive(stage, 8, false)], 0);
    for bytes in [7, 1, 20] {
        stage.write(&vec![1; bytes]);
        log.extend(stage.log(vec![], usize::from(bytes < 20)));
    }
    if stage.kernel().capabilities().receive_credit {
        // The whole credit shortens each receive; what is left of it does not.
        log.extend(stage.log(vec![receive(stage, 12, false)], 1));
        log.extend(stage.log(vec![receive(stage, 0, false)], 1));
    }
    stage.write(b"abc");
    log.extend(stage.log(vec![], 1));
    log
}
same!(credit_ends_a_receive, BOTH, 4, credit);

fn credit_over_several(stage: &mut impl Stage) -> Vec<String> {
    let mut log = stage.log(vec![receive(stage, 6000, false)], 0);
    stage.write(&[7; 5000]);
    log.extend(stage.log(vec![], 2));
    stage.write(&[7; 2000]);
    log.extend(stage.log(vec![], 1));
    log.extend(stage.log(vec![cancel(Kind::Receive)], 1));
    log
}
same!(credit_is_counted_over_several_completions, BOTH, 4, credit_over_several);

fn no_buffers(stage: &mut impl Stage) -> Vec<String> {
    stage.turns(vec![receive(stage, 1 << 20, false)], 0);
    stage.write(&[7; 5 * BUFFER_BYTES as usize]);
    let held = stage.turns(vec![], 5);
    let mut log: Vec<String> = held.iter().map(describe).collect();
    // With nothing to fill, too, a receive that does not wait first finds no buffer; nor does it hear of an end.
    log.extend(stage.log(vec![receive(stage, 1 << 20, false)], 1));
    drop(held);
    log.extend(stage.log(vec![receive(stage, 1 << 20, true)], 1));
    log
}
same!(no_buffer_is_left, BOTH, 4, no_buffers);

fn no_buffers_and_no_data(stage: &mut impl Stage) -> Vec<String> {
    stage.turns(vec![receive(stage, 1 << 20, false)], 0);
    stage.write(&[7; 4 * BUFFER_BYTES as usize]);
    let held = stage.turns(vec![], 4);
    let mut log: Vec<String> = held.iter().map(describe).collect();
    if held.last().unwrap().more {
        stage.write(b"x");
        log.extend(stage.log(vec![], 1));
    }
    log.extend(stage.log(vec![receive(stage, 1 << 20, false)], 1));
    stage.end();
    log.extend(stage.log(vec![receive(stage, 1 << 20, true)], 1));
    log
}
same!(no_buffer_is_left_and_nothing_to_fill, BOTH, 4, no_buffers_and_no_data);

fn cancels(stage: &mut impl Stage) -> Vec<String> {
    let mut log = stage.log(vec![receive(stage, 1 << 20, false)], 0);
    log.extend(stage.log(vec![cancel(Kind::Receive)], 2));
    log.extend(stage.log(vec![cancel(Kind::Receive)], 1));
    log.extend(stage.log(vec![Op::Accept { token: token(Kind::Accept), listener: stage.listener() }], 0));
    log.extend(stage.log(vec![cancel(Kind::Accept)], 2));
    log.extend(stage.log(vec![receive_from(stage)], 0));
    log.extend(stage.log(vec![cancel(Kind::ReceiveFrom)], 2));
    log
}
same!(cancelled_operations_answer_after_the_cancel, BOTH, 4, cancels);

fn cancel_with_data(stage: &mut impl Stage) -> Vec<String> {
    let mut log = stage.log(vec![receive(stage, 1 << 20, false)], 0);
    stage.write(b"hello");
    log.extend(stage.log(vec![cancel(Kind::Receive)], 2));
    log.extend(stage.log(vec![receive(stage, 1 << 20, false)], 1));
    log
}
same!(a_cancel_overtakes_data_that_nobody_has_received, BOTH, 4, cancel_with_data);

fn close_armed(stage: &mut impl Stage) -> Vec<String> {
    stage.turns(vec![receive(stage, 1 << 20, false)], 0);
    let mut log = sorted(stage.log(vec![close(stage.stream())], 3));
    log.push(stage.ending().to_owned());
    log
}
same!(a_close_ends_an_armed_receive_and_sends_an_end, BOTH, 4, close_armed);

fn close_unread(stage: &mut impl Stage) -> Vec<String> {
    stage.write(b"hello");
    let mut log = sorted(stage.log(vec![close(stage.stream())], 2));
    log.push(stage.ending().to_owned());
    log
}
same!(a_close_with_bytes_unread_sends_a_reset, BOTH, 4, close_unread);

fn close_sockets(stage: &mut impl Stage) -> Vec<String> {
    stage.turns(vec![receive_from(stage)], 0);
    let mut log = sorted(stage.log(vec![close(stage.datagrams())], 3));
    stage.turns(vec![Op::Accept { token: token(Kind::Accept), listener: stage.listener() }], 0);
    log.extend(sorted(stage.log(vec![close(stage.listener())], 3)));
    log
}
same!(a_close_ends_accepts_and_datagram_receives, [Net::Tcp], 4, close_sockets);

fn would_block(stage: &mut impl Stage) -> Vec<String> {
    for _ in 0..100 {
        let log = stage.log(vec![send(stage, 1 << 20, false)], 1);
        if log == ["sent Err(WouldBlock)"] {
            return log;
        }
    }
    vec![]
}
same!(a_send_that_does_not_wait_would_block, BOTH, 4, would_block);

/// Quiet sends until one is short; the first ones end no wait, and come with the doorbell of another.
fn quiet_sends(stage: &mut impl Stage) -> Vec<String> {
    let quiet = |stage: &mut _, bytes| {
        let Op::Send { token, file, gather, .. } = send(stage, bytes, false) else { unreachable!() };
        Op::Send { token, file, gather, mode: SendMode::Quiet }
    };
    let op = quiet(stage, 10);
    let mut log = stage.log(vec![op, cancel(Kind::Accept)], 2);
    let op = quiet(stage, 64 << 20);
    let short = stage.log(vec![op], 1);
    log.push(format!("{} short", short.iter().filter(|said| **said != "sent Ok(67108864)").count()));
    for _ in 0..100 {
        let op = quiet(stage, 1 << 20);
        let said = stage.log(vec![op], 1);
        if said == ["sent Err(WouldBlock)"] {
            log.extend(said);
            break;
        }
    }
    log
}
same!(a_quiet_send_speaks_when_it_is_not_taken_whole, BOTH, 4, quiet_sends);

fn waiting_send(stage: &mut impl Stage) -> Vec<String> {
    let mut log = would_block(stage);
    log.extend(stage.log(vec![send(stage, 1 << 20, true)], 0));
    log.extend(sorted(stage.log(vec![cancel(Kind::Send)], 2)));
    log
}
same!(a_waiting_send_can_be_cancelled, BOTH, 4, waiting_send);

fn reset(stage: &mut impl Stage) -> Vec<String> {
    stage.write(b"hello");
    stage.reset();
    let mut log = stage.log(vec![receive(stage, 1 << 20, false)], 2);
    // The error is told once.
    log.extend(stage.log(vec![receive(stage, 1 << 20, false)], 1));
    log.extend(stage.log(vec![send(stage, 5, true)], 1));
    log.extend(stage.log(vec![Op::Shutdown { token: token(Kind::Shutdown), file: stage.stream() }], 1));
    log
}
same!(a_reset_comes_after_the_bytes_and_once, [Net::Tcp], 4, reset);

fn reset_told_to_a_send(stage: &mut impl Stage) -> Vec<String> {
    stage.reset();
    let mut log = stage.log(vec![send(stage, 5, false)], 1);
    log.extend(stage.log(vec![receive(stage, 1 << 20, false)], 1));
    log
}
same!(a_reset_that_a_send_was_told_of_is_an_end_for_a_receive, [Net::Tcp], 4, reset_told_to_a_send);

fn closed_peer(stage: &mut impl Stage) -> Vec<String> {
    stage.close_peer();
    let mut log = stage.log(vec![receive(stage, 1 << 20, false)], 1);
    log.extend(stage.log(vec![send(stage, 5, true)], 1));
    log.extend(stage.log(vec![send(stage, 5, true)], 1));
    log.extend(stage.log(vec![receive(stage, 1 << 20, false)], 1));
    log
}
same!(the_first_send_to_a_closed_peer_may_succeed, BOTH, 4, closed_peer);

fn closed_unread(stage: &mut impl Stage) -> Vec<String> {
    let mut log = stage.log(vec![send(stage, 5, false)], 1);
    stage.write(b"hello");
    stage.close_peer();
    log.extend(stage.log(vec![receive(stage, 1 << 20, false)], 2));
    log
}
same!(a_peer_that_closes_without_reading_resets, BOTH, 4, closed_unread);

fn our_end(stage: &mut impl Stage) -> Vec<String> {
    let mut log = stage.log(vec![send(stage, 5, false)], 1);
    log.extend(stage.log(vec![Op::Shutdown { token: token(Kind::Shutdown), file: stage.stream() }], 1));
    stage.write(b"hello");
    log.extend(stage.log(vec![receive(stage, 1 << 20, false)], 1));
    log.extend(stage.log(vec![send(stage, 5, false)], 1));
    stage.read(5);
    log.push(stage.ending().to_owned());
    log
}
same!(our_end_comes_after_our_bytes_and_leaves_theirs, BOTH, 4, our_end);

fn empty_datagram(stage: &mut impl Stage) -> Vec<String> {
    let mut log = stage.log(vec![receive_from(stage)], 0);
    stage.send_datagram(b"abc");
    log.extend(stage.log(vec![], 1));
    stage.send_datagram(b"");
    log.extend(stage.log(vec![], 1));
    stage.send_datagram(&[1; 4000]);
    let held = stage.turns(vec![receive_from(stage)], 1);
    let truncated = held.iter().any(|c| match &c.outcome {
        Outcome::ReceivedFrom(Ok(datagram)) => datagram.truncated(),
        _ => false,
    });
    log.extend(held.iter().map(describe));
    log.push(format!("truncated {truncated}"));
    log
}
same!(an_empty_datagram_ends_a_receive, [Net::Tcp], 4, empty_datagram);

fn datagrams_without_buffers(stage: &mut impl Stage) -> Vec<String> {
    stage.turns(vec![receive_from(stage)], 0);
    stage.send_datagram(b"abc");
    let first = stage.turns(vec![], 1);
    stage.send_datagram(b"defg");
    let second = stage.turns(vec![], 1);
    let mut log: Vec<String> = first.iter().chain(&second).map(describe).collect();
    drop(first);
    log.extend(stage.log(vec![receive_from(stage)], 0));
    log
}
same!(a_datagram_receive_asks_for_one_buffer_more, [Net::Tcp], 4, datagrams_without_buffers);

fn full_table(stage: &mut impl Stage) -> Vec<String> {
    let accept = || Op::Accept { token: token(Kind::Accept), listener: Descriptor::new(1) };
    let mut log = stage.log(vec![accept()], 0);
    stage.connect();
    log.extend(stage.log(vec![], 1));
    log.push(stage.ending_of_connected().to_owned());
    log.extend(stage.log(vec![close(stage.stream())], 2));
    stage.connect();
    let accepted = stage.turns(vec![accept()], 1);
    if let Outcome::Accepted(Ok(accepted)) = &accepted[0].outcome {
        log.push(format!("at place {}", accepted.descriptor.place()));
    }
    log.extend(accepted.iter().map(describe));
    log
}
same!(a_full_table_costs_the_connection_and_a_closed_place_is_used_again, [Net::Tcp], 3, full_table);

/// Takes some turns without waiting; how many completions each had, and whether the last of them said more.
fn counts(stage: &mut impl Stage) -> Vec<(usize, Option<bool>)> {
    let turn = |_| {
        let mut ready = VecDeque::new();
        stage.kernel().submit_and_wait(Wait::No).unwrap();
        (stage.kernel().collect(&mut ready, 1000), ready.back().map(|last| last.more))
    };
    (0..6).map(turn).collect()
}

fn burst(stage: &mut impl Stage) -> Vec<(usize, Option<bool>)> {
    stage.turns(vec![receive(stage, 1 << 20, false)], 0);
    stage.write(&[7; 100 * 64]);
    counts(stage)
}

type Counts = [(usize, Option<bool>); 6];

fn same_counts<K: Subject>(setup: &Setup, expected: Counts) {
    for net in BOTH {
        assert_eq!(burst(&mut Real::<K>::with(setup, net)), expected, "{net:?}: the truth");
    }
}

fn simulated_counts(setup: &Setup, expected: Counts) {
    for net in BOTH {
        assert_eq!(burst(&mut Simulated::with(setup, net)), expected, "{net:?}: the simulation");
    }
}

#[test]
fn a_receive_pauses_after_33_completions() {
    let more = |count| (count, Some(true));
    let expected = [more(33), more(33), more(33), more(1), (0, None), (0, None)];
    let small = |setup| Setup { stream_buffers: (128, 64), completions: 256, ..setup };
    same_counts::<Uring>(&small(setup::<Uring>(RingTier::V6_6, 4)), expected);
    same_counts::<Epoll>(&small(setup::<Epoll>(RingTier::V6_6, 4)), expected);
    simulated_counts(&small(setup::<Uring>(RingTier::V6_6, 4)), expected);
}

#[test]
fn a_full_ring_ends_a_receive() {
    let setup = Setup { stream_buffers: (128, 64), completions: 16, ..setup::<Uring>(RingTier::V6_6, 4) };
    let nothing = (0, None);
    let expected = [(16, Some(true)), (1, Some(false)), nothing, nothing, nothing, nothing];
    same_counts::<Uring>(&setup, expected);
    simulated_counts(&setup, expected);
}

#[test]
fn the_twin_has_no_ring_that_could_be_full() {
    let more = |count| (count, Some(true));
    let setup = Setup { stream_buffers: (128, 64), completions: 16, ..setup::<Epoll>(RingTier::V6_6, 4) };
    let expected = [more(33), more(33), more(33), more(1), (0, None), (0, None)];
    same_counts::<Epoll>(&setup, expected);
}
