//! What somebody hears in the end who does not keep up, under policies that drop.

use super::super::*;
use super::{Random, heard, seeds};
use crate::connection::Outbox;

/// A client that reads now and then hears the latest of each subject in the end, and never anything twice or backwards.
#[test]
fn whoever_keeps_the_latest_hears_it_in_the_end_for_all_seeds() {
    for seed in 0..seeds() / 4 {
        let mut random = Random::new(seed);
        let mut hub = Hub::new(0, 1, seed);
        let policy = [SlowPolicy::KeepLatest, SlowPolicy::DropOldest][random.index(2)];
        hub.set_rules(vec![(b"a.>".as_slice().into(), policy)]);
        let form = Form::Nats { headers: true, framed: false };
        let options =
            ClientOptions { form, echo: true, pending_bytes_max: usize::MAX, slow: SlowPolicy::Cut };
        let client = hub.join(ConnectionId::numbered(1), options);
        let wish = Subscribe { filter: b">", sid: b"1", ..Subscribe::default() };
        hub.subscribe(client, &wish).unwrap();
        let (mut outbox, mut all, mut published) = (Outbox::default(), Vec::new(), Vec::new());
        let mut number = 0;
        for turn in 0..60 {
            for _ in 0..random.index(6) {
                let subject = ["a.a", "a.b", "a.c", "b"][random.index(4)];
                number += 1;
                let filler = "x".repeat([0, 200, limits::SPLICE_BYTES_MIN][random.index(3)]);
                let payload = format!("{subject}:{number}:{filler}");
                published.push((subject, number));
                let message = Message {
                    subject: subject.as_bytes(),
                    payload: payload.as_bytes(),
                    ..Message::default()
                };
                hub.publish(None, &message);
            }
            let reads = 50 < turn || random.index(3) == 0;
            hub.close_turn();
            while let Some((client, _)) = hub.next_touched() {
                let waiting = outbox.pending_bytes();
                assert_eq!(hub.deliver(client, waiting, &mut outbox), Written::Fine);
            }
            hub.end_turn();
            if reads {
                all.extend(heard(&mut outbox));
                hub.resume(ConnectionId::numbered(1));
            }
        }
        let split = |payload: &str| {
            let mut words = payload.split(':');
            let subject = words.next().unwrap().to_owned();
            (subject, words.next().unwrap().parse::<u64>().unwrap())
        };
        let all: Vec<_> = all.iter().map(|(_, payload)| split(payload)).collect();
        for subject in ["a.a", "a.b", "a.c", "b"] {
            let of = |all: &[(String, u64)]| -> Vec<u64> {
                all.iter().filter(|(about, _)| about == subject).map(|(_, number)| *number).collect()
            };
            let said: Vec<_> =
                published.iter().map(|(about, number)| ((*about).to_owned(), *number)).collect();
            let (heard, said) = (of(&all), of(&said));
            assert!(heard.is_sorted_by(|one, next| one < next), "seed {seed}: {heard:?}");
            assert_eq!(heard.last(), said.last(), "seed {seed}: the latest of {subject}");
            if subject == "b" {
                assert_eq!(heard, said, "seed {seed}: what may not be left out is there");
            }
        }
        let counts = hub.client_counts(client).unwrap();
        let dropped = published.len() - all.len();
        assert_eq!(counts.dropped, dropped as u64, "seed {seed}");
        assert_eq!(counts.messages_out, all.len() as u64, "seed {seed}: what was left out was not sent");
        assert_eq!(hub.counts().delivered, all.len() as u64, "seed {seed}: nor was it delivered");
        let timed: u64 = hub.take_deliveries().map(|(_, count)| count).sum();
        assert_eq!(timed, all.len() as u64, "seed {seed}: nor did it take any time");
    }
}

/// One client who hears everything, under the policy that each subject keeps its latest.
fn one_behind() -> (Hub, ClientId, Outbox) {
    let mut hub = Hub::new(0, 1, 1);
    hub.set_rules(vec![(b">".as_slice().into(), SlowPolicy::KeepLatest)]);
    let form = Form::Nats { headers: true, framed: false };
    let options = ClientOptions { form, echo: true, pending_bytes_max: 1000, slow: SlowPolicy::Cut };
    let client = hub.join(ConnectionId::numbered(1), options);
    hub.subscribe(client, &Subscribe { filter: b">", sid: b"1", ..Subscribe::default() }).unwrap();
    (hub, client, Outbox::default())
}

/// A turn that begins at this millisecond, in which this is said. Returns how long, in milliseconds, what was sent at its end
/// had been in the server: one number for each message.
fn turn(hub: &mut Hub, outbox: &mut Outbox, millis: u64, said: &[&[u8]]) -> Vec<u64> {
    let at = |millis: u64| Time::from_nanos(millis * 1_000_000);
    hub.turn_began(at(millis));
    for subject in said {
        hub.publish(None, &Message { subject, payload: b"x", ..Message::default() });
    }
    hub.close_turn();
    while let Some((client, _)) = hub.next_touched() {
        let waiting = outbox.pending_bytes();
        hub.deliver(client, waiting, outbox);
    }
    let spans: Vec<(Time, u64)> = hub.take_deliveries().collect();
    hub.end_turn();
    let span = |came: Time| at(millis).saturating_since(came).as_millis().try_into().unwrap();
    spans.iter().flat_map(|(came, count)| (0..*count).map(move |_| span(*came))).collect()
}

/// What is held back is delivered when it is sent, and took as long as that; what another has replaced is never delivered.
#[test]
fn what_is_held_back_is_counted_when_it_goes() {
    let (mut hub, client, mut outbox) = one_behind();
    assert_eq!(turn(&mut hub, &mut outbox, 10, &[b"a", b"b"]), [0, 0], "it keeps up");
    assert_eq!(turn(&mut hub, &mut outbox, 20, &[b"a", b"c"]), [0; 0], "it is behind: both are held back");
    assert_eq!(turn(&mut hub, &mut outbox, 30, &[b"a"]), [0; 0], "and one is replaced");
    let counts = hub.client_counts(client).unwrap();
    assert_eq!((counts.messages_out, counts.dropped), (2, 1));
    assert_eq!(counts.held_bytes, 2 * "MSG a 1 1\r\nx\r\n".len());
    assert_eq!((hub.counts().delivered, hub.sizes().held_bytes), (2, counts.held_bytes));
    assert_eq!(heard(&mut outbox).len(), 2);
    hub.resume(ConnectionId::numbered(1));
    assert_eq!(turn(&mut hub, &mut outbox, 50, &[]), [20, 30], "the latest of a, and c");
    let counts = hub.client_counts(client).unwrap();
    assert_eq!((counts.messages_out, counts.dropped, counts.held_bytes), (4, 1, 0));
    let Losses { replaced, oldest, cut } = hub.counts().dropped;
    assert_eq!((hub.counts().delivered, replaced, oldest, cut), (4, 1, 0, 0));
    assert_eq!(heard(&mut outbox).len(), 4 - 2);
}

/// Who is cut was not sent what it has heard in that turn, nor what was held back: all of it is counted as left out.
#[test]
fn what_is_lost_by_a_cut_is_counted_as_left_out() {
    let (mut hub, client, mut outbox) = one_behind();
    assert_eq!(turn(&mut hub, &mut outbox, 10, &[b"a"]), [0]);
    assert_eq!(turn(&mut hub, &mut outbox, 20, &[b"a", b"b"]), [0; 0], "both are held back");
    outbox.write(&[b' '; 1000]);
    assert_eq!(turn(&mut hub, &mut outbox, 30, &[b"c"]), [0; 0], "it is cut");
    let counts = hub.client_counts(client).unwrap();
    assert_eq!((counts.messages_out, counts.dropped, counts.held_bytes), (1, 3, 0));
    let HubCounts { delivered, dropped, slow_pending, slow_shared, .. } = hub.counts();
    assert_eq!((delivered, dropped), (1, Losses { cut: 3, ..Losses::default() }));
    assert_eq!((slow_pending, slow_shared), (1, 0));
    assert!(!hub.holds_back());
    hub.leave(client);
    assert_eq!(turn(&mut hub, &mut outbox, 40, &[b"a"]), [0; 0], "nobody listens");
}

/// What somebody has heard who leaves in the same turn was delivered to nobody.
#[test]
fn what_is_for_somebody_who_has_left_is_not_delivered() {
    let (mut hub, client, mut outbox) = one_behind();
    for subject in [b"a".as_slice(), b"b"] {
        hub.publish(None, &Message { subject, ..Message::default() });
    }
    hub.leave(client);
    assert_eq!(turn(&mut hub, &mut outbox, 10, &[]), [0; 0]);
    assert_eq!((hub.counts().delivered, hub.counts().dropped), (0, Losses::default()));
}
