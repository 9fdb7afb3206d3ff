//! Accepting: addresses, places, full processes.

use super::*;

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
