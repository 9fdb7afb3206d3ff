//! Sending: what fits, what waits, what is cut.

use super::*;

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
        let parts = ["ab", "", "cdefg", "h", "ijk"].map(|part| Part::Copied(part.as_bytes().into()));
        let mut gather = Gather::new(parts.into());
        let mut read = Vec::new();
        while !gather.is_empty() {
            let op = Op::Send { token: token(Kind::Send), file, gather, mode: SendMode::Wait };
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
