//! The rules of a socket's life, without a kernel.

use std::time::Duration;

use super::*;
use crate::ring::buffers::test_buffer;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Time {
    Time::ZERO.saturating_add(SECOND * u32::try_from(seconds).unwrap())
}

fn bounds() -> Bounds {
    Bounds {
        high_water_bytes: 100,
        low_water_bytes: 40,
        opening_timeout: SECOND * 10,
        idle_timeout: SECOND * 60,
        stall_timeout: SECOND * 30,
        linger_timeout: SECOND * 2,
    }
}

/// A connection that is armed.
fn armed() -> Connection {
    let mut connection = Connection::new(Descriptor::new(7), Peer::Unix, 0, Time::ZERO);
    assert_eq!(actions(&mut connection, 0), ["receive 100"]);
    connection
}

/// What it asks for, as words.
fn actions(connection: &mut Connection, seconds: u64) -> Vec<String> {
    let mut words = Vec::new();
    while let Some(action) = connection.next_action(&bounds(), at(seconds)) {
        words.push(word(action, &mut connection.outbox));
    }
    words
}

fn word(action: Action, outbox: &mut Outbox) -> String {
    match action {
        Action::Receive { credit, wait_first: false } => format!("receive {credit}"),
        Action::Receive { credit, wait_first: true } => format!("receive {credit} later"),
        Action::Pause => "pause".to_owned(),
        Action::Send { wait, is_last } => {
            let gather = outbox.take_send();
            LAST.set(is_last);
            let word = format!("send {}{}", gather.len(), if wait { " waiting" } else { "" });
            SENT.with_borrow_mut(|sent| sent.push(gather));
            word
        }
        Action::Shutdown => "shutdown".to_owned(),
        Action::Close => "close".to_owned(),
    }
}

thread_local! {
    /// Whether nothing follows the last send.
    static LAST: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    /// What is in flight, until `sent` brings it home.
    static SENT: std::cell::RefCell<Vec<Gather>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn sent(connection: &mut Connection, result: Result<usize, SendError>, seconds: u64) -> Option<SendError> {
    let gather = SENT.with_borrow_mut(Vec::pop).expect("a send is in flight");
    connection.handle_sent(gather, result, at(seconds))
}

fn receive(connection: &mut Connection, bytes: usize, more: bool) -> Option<RecvBuf> {
    connection.handle_bytes(test_buffer(&vec![7; bytes]), more, Time::ZERO)
}

#[test]
fn an_echo_is_one_send_and_the_receive_stays_armed() {
    let mut connection = armed();
    for _ in 0..3 {
        let bytes = receive(&mut connection, 10, true).unwrap();
        connection.outbox.send_received(bytes);
    }
    assert_eq!(actions(&mut connection, 0), ["send 30"]);
    assert_eq!(sent(&mut connection, Ok(30), 0), None);
    assert_eq!(actions(&mut connection, 0), [""; 0]);
    assert!(connection.is_caught_up());
}

/// What the send of so many bytes says of what follows it.
fn says_last(bytes: usize, change: impl FnOnce(&mut Connection)) -> bool {
    let mut connection = armed();
    change(&mut connection);
    connection.outbox.write(&vec![0; bytes]);
    assert!(actions(&mut connection, 0)[0].starts_with("send"));
    LAST.get()
}

#[test]
fn nothing_follows_the_answer_to_a_peer_that_is_read_from() {
    assert!(says_last(40, |_| {}));
    assert!(!says_last(41, |_| {}), "reading may have to go on when it is taken");
    assert!(!says_last(10, |connection| connection.finish(Time::ZERO)), "our end follows");
    assert!(!says_last(10, |connection| connection.set_service_wishes(Hold::ForRoom, None)), "so do answers");
    assert!(!says_last(10, |connection| connection.handle_end(false, Time::ZERO)), "the service may end it");
    assert!(!says_last(10, |connection| drop(receive(connection, 100, false))), "a receive follows");
    assert!(!says_last(10, |connection| connection.throttle(at(1))), "a receive follows");
    assert!(!says_last(10, |connection| connection.session_bytes = 1), "memory is counted anew");
}

#[test]
fn a_peer_that_does_not_read_is_not_read_from() {
    let mut connection = armed();
    connection.outbox.write(&[0; 100]);
    assert!(receive(&mut connection, 100, false).is_some());
    assert_eq!(actions(&mut connection, 0), ["send 100"], "the credit is spent, so it is not armed again");
    assert_eq!(sent(&mut connection, Ok(50), 0), None);
    assert_eq!(actions(&mut connection, 0), ["send 50 waiting"]);
    assert_eq!(connection.pause_changed(&bounds()), Some(true));
    assert_eq!(connection.pause_changed(&bounds()), None);
    assert_eq!(sent(&mut connection, Ok(10), 0), None);
    assert_eq!(actions(&mut connection, 0), ["send 40 waiting", "receive 60"], "40 is the low water");
    assert_eq!(connection.pause_changed(&bounds()), Some(false));
}

#[test]
fn where_the_kernel_keeps_no_credit_receiving_is_cancelled_at_high_water() {
    let mut connection = armed();
    connection.outbox.write(&[0; 101]);
    assert_eq!(actions(&mut connection, 0), ["send 101", "pause"]);
    assert_eq!(actions(&mut connection, 0), [""; 0], "it is asked once");
    connection.handle_other();
    assert!(receive(&mut connection, 5, true).is_some(), "what was on its way still comes");
    assert_eq!(connection.handle_receive_error(ReceiveError::Cancelled, false), None);
    assert_eq!(actions(&mut connection, 0), [""; 0]);
    assert_eq!(sent(&mut connection, Ok(101), 0), None);
    assert_eq!(actions(&mut connection, 0), ["receive 100"]);
}

#[test]
fn a_starved_receive_waits_for_a_buffer_and_then_for_bytes() {
    let mut connection = armed();
    assert_eq!(connection.handle_receive_error(ReceiveError::NoBuffers, false), None);
    assert!(connection.is_starved());
    assert_eq!(actions(&mut connection, 0), [""; 0]);
    connection.handle_buffers_free();
    assert_eq!(actions(&mut connection, 0), ["receive 100 later"]);
}

#[test]
fn a_half_closed_peer_gets_all_before_it_is_closed() {
    let mut connection = armed();
    connection.outbox.write(&[0; 30]);
    connection.handle_end(false, Time::ZERO);
    connection.finish(Time::ZERO);
    assert_eq!(actions(&mut connection, 0), ["send 30"]);
    assert_eq!(sent(&mut connection, Ok(20), 0), None);
    assert_eq!(actions(&mut connection, 0), ["send 10 waiting"]);
    assert_eq!(sent(&mut connection, Ok(10), 0), None);
    assert_eq!(actions(&mut connection, 0), ["close"], "both sides are done: no shutdown is needed");
    assert_eq!(connection.in_flight(), 2);
    connection.handle_other();
    assert!(!connection.is_over());
    connection.handle_other();
    assert!(connection.is_over());
}

#[test]
fn a_connection_we_end_sends_its_end_and_waits_for_the_peer_s() {
    let mut connection = armed();
    connection.outbox.write(&[0; 30]);
    connection.finish(at(1));
    assert_eq!(actions(&mut connection, 1), ["send 30"]);
    assert_eq!(sent(&mut connection, Ok(30), 1), None);
    assert_eq!(actions(&mut connection, 1), ["shutdown"]);
    assert!(receive(&mut connection, 10, true).is_none(), "what comes now is thrown away");
    connection.handle_shut_down(at(2));
    assert_eq!(connection.state(), State::Lingering);
    assert_eq!(connection.deadline(&bounds()), Some((at(4), Due::Cut(Cut::Linger))));
    assert!(receive(&mut connection, 10, false).is_none());
    assert_eq!(actions(&mut connection, 3), ["receive 100"], "it is read on, so that no RST is sent");
    connection.handle_end(false, at(3));
    assert_eq!(actions(&mut connection, 3), ["close"]);
}

#[test]
fn a_peer_that_ends_while_our_end_is_on_its_way_is_closed_after_it() {
    let mut connection = armed();
    connection.finish(Time::ZERO);
    assert_eq!(actions(&mut connection, 0), ["shutdown"]);
    connection.handle_end(false, Time::ZERO);
    assert_eq!(actions(&mut connection, 0), [""; 0]);
    connection.handle_shut_down(Time::ZERO);
    assert_eq!(actions(&mut connection, 0), ["close"]);
}

#[test]
fn a_cut_closes_at_once_and_is_over_only_when_nothing_is_in_flight() {
    let mut connection = armed();
    connection.outbox.write(&[0; 30]);
    assert_eq!(actions(&mut connection, 0), ["send 30"]);
    connection.outbox.write(&[0; 30]);
    connection.cut(Cut::Stalled, Time::ZERO);
    connection.cut(Cut::Idle, Time::ZERO);
    assert_eq!(connection.cut_reason(), Some(Cut::Stalled), "the first reason stays");
    assert_eq!(actions(&mut connection, 0), ["close"]);
    assert_eq!(connection.in_flight(), 4, "receive, send, and both halves of the close");
    connection.handle_other();
    assert_eq!(connection.handle_receive_error(ReceiveError::Cancelled, false), None);
    connection.handle_other();
    assert!(!connection.is_over());
    assert_eq!(sent(&mut connection, Err(SendError::Cancelled), 0), None);
    assert_eq!(actions(&mut connection, 0), [""; 0]);
    assert!(connection.is_over());
    assert!(connection.outbox.is_empty());
}

#[test]
fn each_state_has_its_deadline() {
    let mut connection = armed();
    assert_eq!(connection.deadline(&bounds()), Some((at(60), Due::Cut(Cut::Idle))));
    connection.handle_bytes(test_buffer(b"x"), true, at(5));
    assert_eq!(connection.deadline(&bounds()), Some((at(65), Due::Cut(Cut::Idle))));
    connection.outbox.write(&[0; 30]);
    assert_eq!(actions(&mut connection, 10), ["send 30"]);
    assert_eq!(connection.deadline(&bounds()), Some((at(40), Due::Cut(Cut::Stalled))));
    sent(&mut connection, Ok(10), 20);
    assert_eq!(
        connection.deadline(&bounds()),
        Some((at(50), Due::Cut(Cut::Stalled))),
        "it runs from the last progress"
    );
    assert_eq!(actions(&mut connection, 21), ["send 20 waiting"]);
    assert_eq!(
        connection.deadline(&bounds()),
        Some((at(50), Due::Cut(Cut::Stalled))),
        "waiting is no progress"
    );
    sent(&mut connection, Ok(20), 22);
    assert_eq!(connection.deadline(&bounds()), Some((at(82), Due::Cut(Cut::Idle))));
    connection.cut(Cut::Idle, at(23));
    assert_eq!(connection.deadline(&bounds()), None);
}

#[test]
fn errors_of_the_peer_end_it_and_errors_of_the_moment_do_not() {
    let mut connection = armed();
    let gone = ReceiveError::PeerGone;
    assert_eq!(connection.handle_receive_error(gone, false), Some(gone));
    for (error, ends) in [
        (SendError::WouldBlock, false),
        (SendError::NoMemory, false),
        (SendError::Cancelled, false),
        (SendError::PeerGone, true),
        (SendError::Unexpected(crate::ring::Errno(71)), true),
    ] {
        let mut connection = armed();
        connection.outbox.write(&[0; 30]);
        assert_eq!(actions(&mut connection, 0), ["send 30"]);
        assert_eq!(sent(&mut connection, Err(error), 0).is_some(), ends, "{error:?}");
    }
}

/// The bound of memory per idle connection rests on it.
#[test]
fn a_connection_takes_a_few_cache_lines() {
    assert!(size_of::<Connection>() <= 320, "{}", size_of::<Connection>());
}

#[test]
fn a_timer_is_set_only_when_a_deadline_comes_nearer() {
    let mut connection = armed();
    assert_eq!(connection.next_timer(&bounds()), Some(at(60)), "idle");
    connection.handle_bytes(test_buffer(b"x"), true, at(5));
    assert_eq!(connection.next_timer(&bounds()), None, "a later one is found when the timer comes");
    connection.outbox.write(b"x");
    assert_eq!(actions(&mut connection, 6), ["send 1"]);
    assert_eq!(connection.next_timer(&bounds()), Some(at(36)), "stalled");
    assert_eq!(connection.next_timer(&bounds()), None);
    sent(&mut connection, Ok(1), 6);
    connection.handle_timer();
    assert_eq!(connection.next_timer(&bounds()), Some(at(66)));
}

/// What the peer sends is kept back while its service waits for room: the receive is cancelled, and armed again when
/// most of what waited has been sent.
#[test]
fn a_service_that_waits_for_room_is_not_given_more() {
    let mut connection = armed();
    receive(&mut connection, 10, true).unwrap();
    connection.outbox.write(&[0; 90]);
    connection.set_service_wishes(Hold::ForRoom, None);
    assert_eq!(actions(&mut connection, 0), ["send 90", "pause"]);
    assert!(!connection.is_read() && !connection.take_room(&bounds()), "90 wait, and 40 are few");
    sent(&mut connection, Ok(60), 0);
    connection.handle_other();
    connection.handle_receive_error(ReceiveError::Cancelled, false);
    assert!(connection.take_room(&bounds()), "30 wait");
    assert!(connection.is_read() && !connection.take_room(&bounds()), "it is told once");
    assert_eq!(actions(&mut connection, 0), ["send 30 waiting", "receive 70"]);
}

/// A service's timer is a deadline like the others, comes once, and ends what waited for it.
#[test]
fn a_service_is_called_when_it_asked_to_be() {
    let mut connection = armed();
    connection.set_service_wishes(Hold::ForTimer, Some(at(5)));
    assert_eq!(connection.deadline(&bounds()), Some((at(5), Due::Service)));
    assert_eq!(connection.next_timer(&bounds()), Some(at(5)));
    assert!(!connection.take_service_timer(at(4)) && !connection.is_read());
    assert!(connection.take_service_timer(at(5)) && connection.is_read());
    assert!(!connection.take_service_timer(at(6)), "it comes once");
    assert_eq!(connection.deadline(&bounds()), Some((at(60), Due::Cut(Cut::Idle))));
}

/// A peer that waits for an answer is not cut for its silence: the idle time runs from when the answer is due.
#[test]
fn who_waits_for_an_answer_is_not_idle() {
    let mut connection = armed();
    connection.set_service_wishes(Hold::ForTimer, Some(at(500)));
    assert_eq!(connection.deadline(&bounds()), Some((at(500), Due::Service)));
    connection.set_service_wishes(Hold::No, Some(at(500)));
    assert_eq!(connection.deadline(&bounds()), Some((at(60), Due::Cut(Cut::Idle))), "nothing is owed");
}

/// After the end was asked for, no service waits for anything.
#[test]
fn a_connection_that_ends_forgets_what_its_service_waited_for() {
    let mut connection = armed();
    connection.set_service_wishes(Hold::ForTimer, Some(at(5)));
    connection.finish(at(1));
    assert_eq!(connection.deadline(&bounds()), Some((at(3), Due::Cut(Cut::Linger))));
    assert!(!connection.take_service_timer(at(9)));
}
