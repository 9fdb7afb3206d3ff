//! Receiving: whole, short, too eager, after a reset.

use super::*;

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
