//! The rules of the simulated kernel, one by one; then all faults together.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Faults, Random, Sim, SimSetup};
use crate::ring::{
    AcceptError, Accepted, Bell, Capabilities, Completion, ConnectError, Descriptor, Gather, Generation,
    Kernel, Kind, Op, Outcome, Part, ReceiveError, Received, SendError, Token, Wait,
};
use crate::sys::clock::Time;
use crate::tier::RingTier;

fn sim(seed: u64, tier: RingTier, faults: Faults) -> Sim {
    Sim::new(&SimSetup {
        seed,
        files: 4,
        capabilities: Capabilities::of_tier(tier),
        stream_buffers: (4, 256),
        datagram_buffers: Some((2, 2048)),
        completions: 64,
        faults,
    })
}

fn calm() -> Sim {
    sim(1, RingTier::V6_17, Faults::none())
}

/// A kernel where this fault always happens.
fn with(fault: impl FnOnce(&mut Faults)) -> Sim {
    let mut faults = Faults::none();
    fault(&mut faults);
    sim(1, RingTier::V6_17, faults)
}

fn tcp() -> Option<SocketAddr> {
    Some("192.0.2.1:4000".parse().unwrap())
}

fn token(kind: Kind) -> Token {
    Token::new(kind, 0, Generation::new(5))
}

fn accept(listener: Descriptor) -> Op {
    Op::Accept { token: token(Kind::Accept), listener }
}

fn receive(file: Descriptor) -> Op {
    Op::Receive { token: token(Kind::Receive), file, credit: 1 << 20, wait_first: false }
}

fn send(file: Descriptor, bytes: &[u8], wait: bool) -> Op {
    let gather = Gather::one(Part::Copied(bytes.to_vec(), 0));
    Op::Send { token: token(Kind::Send), file, gather, wait }
}

fn cancel(target: Kind) -> Op {
    Op::Cancel { token: token(Kind::Cancel), target: token(target) }
}

fn close(file: Descriptor) -> Op {
    Op::Close { token: token(Kind::Close), file }
}

/// Pushes these, takes one turn without waiting, and collects everything.
fn turn(sim: &mut Sim, ops: impl IntoIterator<Item = Op>) -> Vec<Completion> {
    ops.into_iter().for_each(|op| sim.push(op).unwrap());
    sim.submit_and_wait(Wait::No).unwrap();
    let mut ready = VecDeque::new();
    sim.collect(&mut ready, 1000);
    ready.into()
}

fn outcomes(sim: &mut Sim, ops: impl IntoIterator<Item = Op>) -> Vec<String> {
    turn(sim, ops).iter().map(|completion| format!("{:?}", completion.outcome)).collect()
}

fn accepted(completions: &[Completion]) -> &Result<Accepted, AcceptError> {
    match completions {
        [Completion { outcome: Outcome::Accepted(result), .. }] => result,
        other => panic!("{other:?}"),
    }
}

// --- Accepting ------------------------------------------------------------------------------------------------------

#[test]
fn an_accept_waits_and_brings_the_address() {
    for address in [tcp(), None] {
        let mut sim = calm();
        let listener = sim.listen();
        assert!(turn(&mut sim, [accept(listener)]).is_empty());
        assert_eq!(sim.in_flight(), 1);
        let peer = sim.connect(listener, address);
        assert!(!sim.peer_state(peer).accepted);
        let completions = turn(&mut sim, []);
        let Accepted { descriptor, address: arrived } = *accepted(&completions).as_ref().unwrap();
        assert_eq!(arrived, address);
        assert!(sim.peer_state(peer).accepted);
        assert_eq!((sim.open_files(), sim.in_flight()), (2, 0));
        assert!(sim.is_idle());
        sim.write(peer, b"hello");
        assert_eq!(turn(&mut sim, [receive(descriptor)]).len(), 1);
    }
}

#[test]
fn a_full_process_keeps_the_connection_and_a_gone_peer_loses_it() {
    let mut sim = with(|faults| faults.process_full = 1000);
    let listener = sim.listen();
    let peer = sim.connect(listener, tcp());
    let completions = turn(&mut sim, [accept(listener)]);
    assert_eq!(accepted(&completions).as_ref().unwrap_err(), &AcceptError::ProcessFull);
    sim.set_faults(Faults::none());
    assert!(accepted(&turn(&mut sim, [accept(listener)])).is_ok());
    assert!(sim.peer_state(peer).accepted);

    let mut sim = with(|faults| faults.peer_gone = 1000);
    let listener = sim.listen();
    let peer = sim.connect(listener, tcp());
    let completions = turn(&mut sim, [accept(listener)]);
    assert_eq!(accepted(&completions).as_ref().unwrap_err(), &AcceptError::PeerGone);
    assert!(sim.peer_state(peer).saw_reset);
    sim.set_faults(Faults::none());
    assert!(turn(&mut sim, [accept(listener)]).is_empty());
}

#[test]
fn a_listener_that_closes_resets_its_backlog_and_refuses_from_then_on() {
    let mut sim = calm();
    let listener = sim.listen();
    let waiting = sim.connect(listener, tcp());
    turn(&mut sim, [close(listener)]);
    assert!(sim.peer_state(waiting).saw_reset);
    let late = sim.connect(listener, tcp());
    assert!(sim.peer_state(late).refused);
    assert_eq!((sim.write(late, b"hello"), sim.open_files()), (0, 0));
}

#[test]
fn a_random_place_is_any_free_one() {
    let mut places = std::collections::HashSet::new();
    for seed in 0..50 {
        let faults = Faults { random_place: 1000, ..Faults::none() };
        let mut sim = sim(seed, RingTier::V6_17, faults);
        places.insert(sim.connected(None).1.place());
    }
    assert_eq!(places.len(), 4);
}

#[test]
fn a_place_is_used_again_before_its_owner_hears_of_the_close() {
    let mut sim = calm();
    let listener = sim.listen();
    let (_peer, file) = sim.connected(tcp());
    sim.connect(listener, tcp());
    let completions = turn(&mut sim, [close(file), accept(listener)]);
    assert_eq!(completions.len(), 3);
    assert_eq!(accepted(&completions[2..]).as_ref().unwrap().descriptor, file);
}

// --- Receiving ------------------------------------------------------------------------------------------------------

#[test]
fn bytes_come_in_whole_where_nothing_goes_wrong() {
    let mut sim = calm();
    let (peer, file) = sim.connected(tcp());
    sim.write(peer, b"hello");
    sim.end(peer);
    let completions = turn(&mut sim, [receive(file)]);
    let Outcome::Received(Ok(Received::Bytes(bytes))) = &completions[0].outcome else { panic!("bytes") };
    assert_eq!((&bytes[..], completions[0].more), (&b"hello"[..], true));
    assert!(matches!(completions[1].outcome, Outcome::Received(Ok(Received::End))));
    assert!(!completions[1].more);
    assert_eq!(sim.write(peer, b"after the end"), 0);
    drop(completions);
    sim.stream_pool().assert_all_home();
}

#[test]
fn a_peer_writes_no_more_than_its_window() {
    let mut sim = calm();
    sim.set_window(300);
    let (peer, file) = sim.connected(tcp());
    assert_eq!(sim.write(peer, &[1; 200]), 200);
    assert_eq!(sim.peer_state(peer).writable, 100);
    assert_eq!(sim.write(peer, &[1; 200]), 100);
    assert_eq!(sim.write(peer, &[1; 200]), 0);
    assert_eq!(turn(&mut sim, [receive(file)]).len(), 2);
    assert_eq!(sim.write(peer, &[1; 200]), 200);
}

#[test]
fn receives_are_short_and_end_by_themselves_when_told_so() {
    let mut sim = with(|faults| faults.short_receive = 1000);
    let (peer, file) = sim.connected(tcp());
    sim.write(peer, &[7; 200]);
    assert!(2 < turn(&mut sim, [receive(file)]).len());

    let mut sim = with(|faults| faults.receive_ends = 1000);
    let (peer, file) = sim.connected(tcp());
    sim.write(peer, &[7; 200]);
    let completions = turn(&mut sim, [receive(file)]);
    assert_eq!((completions.len(), completions[0].more), (1, false));
    assert_eq!(sim.in_flight(), 0);
}

#[test]
fn an_eager_receive_asks_for_a_buffer_too_many() {
    let mut sim = with(|faults| faults.eager_receive = 1000);
    let (peer, file) = sim.connected(tcp());
    sim.write(peer, &[7; 4 * 256]);
    let completions = turn(&mut sim, [receive(file)]);
    let last = completions.last().unwrap();
    assert!(matches!(last.outcome, Outcome::Received(Err(ReceiveError::NoBuffers))), "{last:?}");
    assert_eq!((completions.len(), last.more, sim.buffers().free), (5, false, 0));
}

#[test]
fn a_reset_may_take_away_what_is_unread_on_either_side() {
    let mut sim = with(|faults| faults.lossy_reset = 1000);
    let (peer, _file) = sim.connected(tcp());
    sim.write(peer, &[7; 60_000]);
    sim.reset(peer);
    assert!(0 < sim.peer_state(peer).writable);

    let (peer, file) = sim.connected(tcp());
    sim.write(peer, b"unread");
    turn(&mut sim, [send(file, &[7; 60_000], false), close(file)]);
    let state = sim.peer_state(peer);
    assert!(state.saw_reset && !state.saw_end && state.readable < 60_000, "{state:?}");
}

// --- Sending --------------------------------------------------------------------------------------------------------

#[test]
fn a_send_takes_what_fits_and_a_waiting_one_waits_only_while_nothing_does() {
    let mut sim = calm();
    let (peer, file) = sim.connected(tcp());
    sim.set_read_window(peer, 10);
    assert!(outcomes(&mut sim, [send(file, b"0123456789abcde", false)])[0].ends_with("result: Ok(10) }"));
    assert!(outcomes(&mut sim, [send(file, b"x", false)])[0].ends_with("result: Err(WouldBlock) }"));
    assert!(turn(&mut sim, [send(file, b"abcdefghijklmno", true)]).is_empty());
    assert_eq!(sim.read(peer, 8), b"01234567");
    let completions = turn(&mut sim, []);
    assert!(matches!(completions[0].outcome, Outcome::Sent { result: Ok(8), .. }), "{completions:?}");
    assert_eq!(sim.read(peer, 100), b"89abcdefgh");
}

#[test]
fn a_gathered_send_arrives_in_order_whatever_part_is_taken() {
    for window in 1..12 {
        let mut sim = calm();
        let (peer, file) = sim.connected(tcp());
        sim.set_read_window(peer, window);
        let parts = ["ab", "", "cdefg", "h", "ijk"].map(|part| Part::Copied(part.as_bytes().to_vec(), 0));
        let mut gather = Gather::new(parts.into());
        let mut read = Vec::new();
        while !gather.is_empty() {
            let op = Op::Send { token: token(Kind::Send), file, gather, wait: true };
            let Outcome::Sent { gather: mut home, result } = turn(&mut sim, [op]).remove(0).outcome else {
                panic!("a send is answered as a send");
            };
            home.advance(result.unwrap());
            gather = home;
            read.extend(sim.read(peer, 100));
        }
        assert_eq!(read, b"abcdefghijk", "window {window}");
    }
}

#[test]
fn a_waiting_send_that_is_closed_is_cancelled() {
    let mut sim = calm();
    let (peer, file) = sim.connected(tcp());
    sim.set_read_window(peer, 0);
    turn(&mut sim, [send(file, b"abcdefgh", true)]);
    let completions = turn(&mut sim, [close(file)]);
    let sent = completions.iter().find_map(|completion| match completion.outcome {
        Outcome::Sent { result, .. } => Some(result),
        _ => None,
    });
    assert_eq!(sent, Some(Err(SendError::Cancelled)));
    assert_eq!((sim.in_flight(), sim.open_files()), (0, 0));
}

#[test]
fn a_reset_ends_a_waiting_send() {
    let mut sim = calm();
    let (peer, file) = sim.connected(tcp());
    sim.set_read_window(peer, 0);
    turn(&mut sim, [send(file, b"abc", true)]);
    sim.reset(peer);
    let completions = turn(&mut sim, []);
    let gone = matches!(completions[0].outcome, Outcome::Sent { result: Err(SendError::PeerGone), .. });
    assert!(gone, "{completions:?}");
}

#[test]
fn a_peer_who_writes_after_the_close_is_reset() {
    let mut sim = calm();
    let (peer, file) = sim.connected(tcp());
    turn(&mut sim, [close(file)]);
    assert!(sim.peer_state(peer).saw_end && sim.peer_state(peer).closed);
    assert_eq!(sim.write(peer, b"hello"), 5);
    assert!(sim.peer_state(peer).saw_reset);
    assert_eq!(sim.write(peer, b"hello"), 0);
}

#[test]
fn a_shutdown_may_be_late_and_a_close_overtakes_it() {
    let mut sim = with(|faults| (faults.late, faults.late_us_max) = (1000, 10_000));
    let (peer, file) = sim.connected(tcp());
    let shutdown = Op::Shutdown { token: token(Kind::Shutdown), file };
    turn(&mut sim, [shutdown]);
    assert!(!sim.peer_state(peer).saw_end);
    sim.push(close(file)).unwrap();
    let ended = all(&mut sim);
    let refused = |c: &Completion| matches!(c.outcome, Outcome::ShutDown(Err(e)) if e.0 == libc::ECANCELED);
    assert!(ended.len() == 3 && ended.iter().any(refused), "{ended:?}");
    assert!(sim.peer_state(peer).saw_end);
}

// --- Datagrams, bells -----------------------------------------------------------------------------------------------

#[test]
fn datagrams_come_with_their_sender_and_go_where_they_are_sent() {
    let mut sim = calm();
    let socket = sim.datagram_socket();
    let receive_from = Op::ReceiveFrom { token: token(Kind::ReceiveFrom), file: socket };
    turn(&mut sim, [receive_from]);
    for peer in ["192.0.2.1:7", "[2001:db8::1]:7"] {
        let peer: SocketAddr = peer.parse().unwrap();
        assert!(sim.send_datagram(socket, peer, b"hello"));
        let completion = turn(&mut sim, []).pop().unwrap();
        assert!(completion.more);
        let Outcome::ReceivedFrom(Ok(datagram)) = completion.outcome else { panic!("{completion:?}") };
        assert_eq!((datagram.peer(), &datagram[..]), (peer, &b"hello"[..]));
        let payload = Part::Received(datagram.into_payload());
        let send = Op::SendTo { token: token(Kind::SendTo), file: socket, to: Some(peer), payload };
        assert_eq!(outcomes(&mut sim, [send]), ["SentTo(Ok(5))"]);
        assert_eq!(sim.take_datagrams(socket), [(peer, b"hello".to_vec())]);
    }
    sim.datagram_pool().unwrap().assert_all_home();
}

#[test]
fn datagrams_are_lost_only_where_the_test_says_so() {
    let mut sim = with(|faults| faults.datagram_would_block = 1000);
    let socket = sim.datagram_socket();
    sim.set_datagram_queue(socket, 1);
    let peer = "192.0.2.1:7".parse().unwrap();
    assert!(sim.send_datagram(socket, peer, b"one"));
    assert!(!sim.send_datagram(socket, peer, b"two"));
    let send_to = |bytes| {
        let payload = Part::Copied(vec![0; bytes], 0);
        Op::SendTo { token: token(Kind::SendTo), file: socket, to: Some(peer), payload }
    };
    assert_eq!(outcomes(&mut sim, [send_to(9)]), ["SentTo(Err(WouldBlock))"]);
    assert_eq!(outcomes(&mut sim, [send_to(65_508)]), ["SentTo(Err(TooLarge))"]);
    assert!(sim.take_datagrams(socket).is_empty());
}

#[test]
fn bells_are_remembered_and_ours_rings() {
    let mut sim = calm();
    let ring = |bell| Op::Ring { token: token(Kind::DoorbellSent), bell };
    let (theirs, ours) = (Bell(-77), sim.bell());
    assert_eq!(outcomes(&mut sim, [ring(theirs)]), ["DoorbellSent(Ok(()))"]);
    assert_eq!(sim.take_rung(), [theirs]);
    assert_eq!(outcomes(&mut sim, [ring(ours)]), ["DoorbellSent(Ok(()))", "Doorbell"]);
    sim.ring();
    assert_eq!(outcomes(&mut sim, []), ["Doorbell"]);
    assert_eq!((sim.in_flight(), sim.is_idle()), (0, true));
}

#[test]
fn nobody_is_there_to_connect_to() {
    let mut sim = calm();
    let (_, file) = sim.connected(None);
    let address = Box::new(tcp().unwrap().into());
    let completions = turn(&mut sim, [Op::Connect { token: token(Kind::Connect), file, address }]);
    assert!(matches!(completions[0].outcome, Outcome::Connected(Err(ConnectError::Refused))));
}

// --- Order, time and refusals ---------------------------------------------------------------------------------------

/// Turns until nothing more comes.
fn all(sim: &mut Sim) -> Vec<Completion> {
    let mut ready = VecDeque::new();
    while !sim.is_idle() {
        sim.submit_and_wait(Wait::Until(None)).unwrap();
        sim.collect(&mut ready, 1000);
    }
    ready.into()
}

#[test]
fn answers_to_one_operation_keep_their_order_and_others_do_not() {
    let mut cancels_first = 0;
    for seed in 0..100 {
        let faults =
            Faults { late: 700, late_us_max: 100, reorder: 700, short_receive: 500, ..Faults::none() };
        let mut sim = sim(seed, RingTier::V6_17, faults);
        let (peer, file) = sim.connected(tcp());
        let sent: Vec<u8> = (0..200).collect();
        sim.write(peer, &sent);
        sim.push(receive(file)).unwrap();
        sim.push(cancel(Kind::Receive)).unwrap();
        let answers = all(&mut sim);
        cancels_first += usize::from(matches!(answers[0].outcome, Outcome::Cancelled));
        let mut received = Vec::new();
        let mut over = false;
        for completion in &answers {
            match &completion.outcome {
                Outcome::Received(Ok(Received::Bytes(bytes))) => received.extend_from_slice(bytes),
                Outcome::Received(Err(ReceiveError::Cancelled)) => over = !completion.more,
                Outcome::Cancelled => continue,
                other => panic!("{other:?}"),
            }
            assert_eq!(over, !completion.more, "seed {seed}: the last answer comes last");
        }
        assert!(over && received == sent, "seed {seed}: what was received before the cancel comes first");
    }
    assert!((5..95).contains(&cancels_first), "{cancels_first} of 100");
}

#[test]
fn a_wait_ends_at_its_deadline_or_after_50_ms_or_with_an_answer() {
    let mut sim = calm();
    let until = |millis| Time::ZERO.saturating_add(Duration::from_millis(millis));
    sim.submit_and_wait(Wait::Until(Some(until(20)))).unwrap();
    assert_eq!(sim.now(), until(20));
    sim.submit_and_wait(Wait::Until(Some(until(1000)))).unwrap();
    assert_eq!(sim.now(), until(70));
    sim.submit_and_wait(Wait::Until(None)).unwrap();
    assert_eq!(sim.now(), until(120));
    for wait in [Wait::No, Wait::Until(Some(until(7)))] {
        let before = sim.now();
        sim.submit_and_wait(wait).unwrap();
        let passed = sim.now().saturating_since(before);
        assert!((1..=5).contains(&passed.as_micros()), "{passed:?}");
    }
    sim.ring();
    let before = sim.now();
    sim.submit_and_wait(Wait::Until(None)).unwrap();
    assert!(sim.now().saturating_since(before) < Duration::from_micros(10), "there is something to do");
}

#[test]
fn a_late_answer_ends_a_wait_when_it_comes() {
    let mut sim = with(|faults| (faults.late, faults.late_us_max) = (1000, 10_000));
    sim.push(cancel(Kind::Receive)).unwrap();
    let mut ready = VecDeque::new();
    sim.submit_and_wait(Wait::No).unwrap();
    assert_eq!(sim.collect(&mut ready, 10), 0);
    sim.submit_and_wait(Wait::Until(None)).unwrap();
    assert_eq!(sim.collect(&mut ready, 10), 1);
    assert!(sim.now() < Time::ZERO.saturating_add(Duration::from_millis(11)));
}

#[test]
fn a_refused_operation_comes_back() {
    let mut sim = with(|faults| faults.refuse_push = 1000);
    let (_, file) = sim.connected(tcp());
    let refused = sim.push(receive(file)).unwrap_err();
    assert!(matches!(refused.0, Op::Receive { .. }));
    assert_eq!((sim.in_flight(), sim.counts().queue_full), (0, 1));
}

#[test]
fn more_operations_than_the_queue_holds_are_submitted_ahead() {
    let mut sim = calm();
    for _ in 0..crate::limits::SUBMISSIONS + 1 {
        sim.push(cancel(Kind::Receive)).unwrap();
    }
    assert_eq!((sim.counts().queue_full, sim.counts().submissions), (1, 1024));
    assert_eq!(all(&mut sim).len(), 1025);
    assert!(0 < sim.counts().overflows, "there are 64 places for completions");
}

#[test]
fn collecting_stops_where_it_is_told() {
    let mut sim = calm();
    (0..5).for_each(|_| sim.ring());
    let mut ready = VecDeque::new();
    assert_eq!(sim.collect(&mut ready, 3), 3);
    assert_eq!(sim.collect(&mut ready, 3), 2);
}

// --- Tripwires ------------------------------------------------------------------------------------------------------

#[test]
#[should_panic(expected = "operation on a closed descriptor")]
fn an_operation_after_the_close_was_pushed_is_caught() {
    let mut sim = calm();
    let (_, file) = sim.connected(tcp());
    sim.push(close(file)).unwrap();
    let _ = sim.push(receive(file));
}

#[test]
#[should_panic(expected = "operation on a closed descriptor")]
fn a_second_close_is_caught() {
    let mut sim = calm();
    let (_, file) = sim.connected(tcp());
    turn(&mut sim, [close(file)]);
    let _ = sim.push(close(file));
}

#[test]
#[should_panic(expected = "operation on a closed descriptor")]
fn an_operation_on_a_place_that_was_used_again_is_caught() {
    let mut sim = calm();
    let listener = sim.listen();
    let (_, file) = sim.connected(tcp());
    sim.connect(listener, tcp());
    [close(file), accept(listener)].into_iter().for_each(|op| sim.push(op).unwrap());
    sim.submit_and_wait(Wait::No).unwrap();
    // The place is taken, but nobody has been told.
    let _ = sim.push(send(file, b"secret", false));
}

#[test]
#[should_panic(expected = "somebody else's socket")]
fn an_operation_of_another_owner_is_caught() {
    let mut sim = calm();
    let (_, file) = sim.connected(tcp());
    turn(&mut sim, [receive(file)]);
    let token = Token::new(Kind::Send, 0, Generation::new(4));
    let gather = Gather::one(Part::Copied(b"secret".to_vec(), 0));
    let _ = sim.push(Op::Send { token, file, gather, wait: false });
}

#[test]
#[should_panic(expected = "two operations of kind Receive in flight for slot 0")]
fn a_second_receive_is_caught() {
    let mut sim = calm();
    let (_, file) = sim.connected(tcp());
    turn(&mut sim, [receive(file)]);
    let _ = sim.push(receive(file));
}

#[test]
#[should_panic(expected = "two operations of kind Send in flight for slot 0")]
fn a_slot_that_was_freed_too_early_is_caught() {
    let mut sim = calm();
    let ((_, old), (_, new)) = (sim.connected(tcp()), sim.connected(tcp()));
    sim.push(send(old, b"abc", false)).unwrap();
    sim.submit_and_wait(Wait::No).unwrap();
    // The answer is there and was not collected; the slot's next owner sends already.
    let token = Token::new(Kind::Send, 0, Generation::new(6));
    let _ = sim.push(Op::Send { token, file: new, gather: Gather::default(), wait: false });
}

// --- Everything together --------------------------------------------------------------------------------------------

/// A small server of one connection that sends back what it receives, on a kernel where everything goes wrong.
struct Echo {
    sim: Sim,
    file: Descriptor,
    parts: VecDeque<Part>,
    receiving: bool,
    sending: bool,
    ended: bool,
    log: Vec<String>,
}

impl Echo {
    fn push_all(&mut self) {
        if !self.receiving && !self.ended {
            let op = Op::Receive {
                token: token(Kind::Receive),
                file: self.file,
                credit: 100,
                wait_first: self.sim.buffers().free == 0,
            };
            self.receiving = self.sim.push(op).is_ok();
        }
        if !self.sending && !self.parts.is_empty() {
            let wait = self.parts.len().is_multiple_of(2);
            let gather = Gather::new(self.parts.drain(..).take(64).collect());
            let op = Op::Send { token: token(Kind::Send), file: self.file, gather, wait };
            match self.sim.push(op) {
                Ok(()) => self.sending = true,
                Err(refused) => match refused.0 {
                    Op::Send { mut gather, .. } => self.parts.extend(gather.parts_mut().drain(..)),
                    other => panic!("{other:?}"),
                },
            }
        }
    }

    fn handle(&mut self, completion: Completion) {
        self.log.push(format!("{:?} {completion:?}", self.sim.now()));
        match completion.outcome {
            Outcome::Received(result) => {
                self.receiving = completion.more;
                match result {
                    Ok(Received::Bytes(bytes)) => self.parts.push_back(Part::Received(bytes)),
                    Ok(Received::End) => self.ended = true,
                    Err(ReceiveError::NoBuffers) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Outcome::Sent { mut gather, result } => {
                self.sending = false;
                match result {
                    Ok(sent) => gather.advance(sent),
                    Err(SendError::WouldBlock) => {}
                    Err(error) => panic!("{error}"),
                }
                let rest = gather.parts_mut().drain(..).rev();
                rest.for_each(|part| self.parts.push_front(part));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn echo(seed: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    let tier = [RingTier::V6_1, RingTier::V6_12, RingTier::V6_17][random.index(3)];
    let mut sim = sim(seed, tier, Faults::seeded(&mut random));
    let (peer, file) = sim.connected(tcp());
    sim.set_read_window(peer, 1 + random.index(2000));
    let parts = VecDeque::new();
    let mut echo = Echo { sim, file, parts, receiving: false, sending: false, ended: false, log: Vec::new() };
    let sent: Vec<u8> =
        std::iter::repeat_with(|| random.number().to_le_bytes()).take(625).flatten().collect();
    let (mut written, mut read) = (0, Vec::new());
    for turn in 0.. {
        assert!(turn < 100_000, "seed {seed}: {} of 5000 came back", read.len());
        if echo.ended && read.len() == sent.len() && !echo.receiving && !echo.sending {
            break;
        }
        let end = sent.len().min(written + random.index(700));
        written += echo.sim.write(peer, &sent[written..end]);
        if written == sent.len() {
            echo.sim.end(peer);
        }
        read.extend(echo.sim.read(peer, random.index(700)));
        echo.push_all();
        echo.sim.submit_and_wait(Wait::Until(None)).unwrap();
        let mut ready = VecDeque::new();
        echo.sim.collect(&mut ready, 1 + random.index(8));
        ready.drain(..).for_each(|completion| echo.handle(completion));
    }
    assert!(read == sent, "seed {seed}: what came back is not what was sent");
    assert_eq!(echo.sim.in_flight(), 0, "seed {seed}");
    echo.sim.stream_pool().assert_all_home();
    echo.log
}

#[test]
fn whatever_goes_wrong_an_echo_brings_everything_back() {
    (0..300).for_each(|seed| drop(echo(seed)));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(echo(7), echo(7));
    assert_ne!(echo(7), echo(8));
}
