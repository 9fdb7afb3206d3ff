//! Misuse that the simulation must catch.

use super::*;

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
    let gather = Gather::one(Part::Copied(b"secret".to_vec().into()));
    let _ = sim.push(Op::Send { token, file, gather, mode: SendMode::Now });
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
    let _ = sim.push(Op::Send { token, file: new, gather: Gather::default(), mode: SendMode::Now });
}
