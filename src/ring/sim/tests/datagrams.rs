//! Datagrams and bells.

use super::*;

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
        let payload = Part::Copied(vec![0; bytes].into());
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
    let (theirs, ours) = (Bell::of_ring(-77), sim.bell());
    assert_eq!(outcomes(&mut sim, [ring(theirs.clone())]), ["DoorbellSent(Ok(()))"]);
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
