//! Order, time, and operations that are refused.

use super::*;

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
